#include "engine/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/config/config_table.h"
#include "engine/config/list_rules.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::config {
namespace {

using Parsed = std::expected<Value, std::string>;

Parsed Refuse(std::string why) { return std::unexpected(std::move(why)); }
Parsed Number(int64_t value) { return Value{value, {}}; }

Parsed InRange(const ConfigRow& row, int64_t value) {
  if (value >= row.min && value <= row.max) return Number(value);
  if (row.kind == ConfigKind::kOctal) {
    return Refuse(
        fmt::format("argument must be between {:o} and {:o} inclusive", row.min, row.max));
  }
  return Refuse(fmt::format("argument must be between {} and {} inclusive", row.min, row.max));
}

// A memory value as far as the 63 bits go in which it is held.
Parsed MemoryInRange(const ConfigRow& row, uint64_t bytes) {
  if (bytes > static_cast<uint64_t>(LLONG_MAX)) {
    return Refuse(fmt::format("argument must be between {} and {} inclusive", row.min, row.max));
  }
  return InRange(row, static_cast<int64_t>(bytes));
}

Parsed ParseBool(std::string_view word) {
  if (EqualIgnoringCase(word, "yes")) return Number(1);
  if (EqualIgnoringCase(word, "no")) return Number(0);
  return Refuse("argument must be 'yes' or 'no'");
}

Parsed ParseIntegerRow(const ConfigRow& row, std::string_view word) {
  const auto number = ParseInteger(word);
  if (!number) return Refuse("argument couldn't be parsed into an integer");
  Parsed value = InRange(row, *number);
  if (value && row.rule == ConfigRule::kClampHz) {
    constexpr int64_t kSlowest = 1;
    constexpr int64_t kFastest = 500;
    value->scalar = std::clamp(value->scalar, kSlowest, kFastest);
  }
  return value;
}

Parsed ParseOctal(const ConfigRow& row, std::string_view word) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, 8);
  if (error != std::errc() || end != word.data() + word.size()) {
    return Refuse("argument couldn't be parsed as an octal number");
  }
  return InRange(row, number);
}

Parsed ParseMemoryRow(const ConfigRow& row, std::string_view word) {
  const auto bytes = ParseMemory(word);
  if (!bytes) return Refuse("argument must be a memory value");
  Parsed value = MemoryInRange(row, *bytes);
  if (value && row.rule == ConfigRule::kClampBacklog) {
    constexpr int64_t kSmallestBacklog = 16 * 1024;
    value->scalar = std::max(value->scalar, kSmallestBacklog);
  }
  return value;
}

Parsed ParseMemoryOrPercent(const ConfigRow& row, std::string_view word) {
  if (word.ends_with('%')) {
    const auto percent = ParseInteger(word.substr(0, word.size() - 1));
    if (percent && *percent > 100) {
      return Refuse("percentage argument must be less or equal to 100");
    }
    if (percent && *percent >= 0) return Number(-*percent);
  } else if (const auto bytes = ParseMemory(word)) {
    return MemoryInRange(row, *bytes);
  }
  // Redis's maxmemory knows no percentages: its words for what is neither are the shorter ones.
  return Refuse(row.rule == ConfigRule::kOfMachine ? "argument must be a memory value"
                                                   : "argument must be a memory or percent value");
}

std::string NamesOf(const ConfigRow& row) {
  std::string names;
  for (const EnumName& name : row.names) {
    if (!names.empty()) names += ", ";
    names += name.name;
  }
  return names;
}

Parsed ParseEnum(const ConfigRow& row, std::span<const std::string> words) {
  const bool many = row.kind == ConfigKind::kEnumSet;
  int64_t value = 0;
  bool valid = many ? !words.empty() : words.size() == 1;
  for (const std::string& word : words) {
    const auto name = std::ranges::find_if(
        row.names, [&](const EnumName& entry) { return EqualIgnoringCase(entry.name, word); });
    if (name == row.names.end()) {
      valid = false;
      break;
    }
    value |= name->value;
  }
  if (!valid) return Refuse("argument(s) must be one of the following: " + NamesOf(row));
  constexpr int64_t kBoth = kShutdownSave | kShutdownNoSave;
  if (row.rule == ConfigRule::kShutdownFlags && (value & kBoth) == kBoth) {
    return Refuse("shutdown options SAVE and NOSAVE can't be used simultaneously");
  }
  return Number(value);
}

struct NotifyLetter {
  char letter;
  int64_t flags;
};
// In the order in which CONFIG GET shows them; n, a class of its own, comes with the classes that A
// stands for and is not shown beside A.
constexpr NotifyLetter kNotifyClasses[] = {
    {'g', kNotifyGeneric}, {'$', kNotifyString}, {'l', kNotifyList},    {'s', kNotifySet},
    {'h', kNotifyHash},    {'z', kNotifyZset},   {'x', kNotifyExpired}, {'e', kNotifyEvicted},
    {'t', kNotifyStream},  {'d', kNotifyModule}, {'n', kNotifyNew}};
constexpr NotifyLetter kNotifyRest[] = {
    {'K', kNotifyKeyspace}, {'E', kNotifyKeyevent}, {'m', kNotifyKeyMiss}};

int64_t NotifyFlagsOf(char letter) {
  if (letter == 'A') return kNotifyAll;
  for (const NotifyLetter& known : kNotifyClasses) {
    if (known.letter == letter) return known.flags;
  }
  for (const NotifyLetter& known : kNotifyRest) {
    if (known.letter == letter) return known.flags;
  }
  return 0;
}

Parsed ParseNotifyFlags(std::string_view word) {
  int64_t flags = 0;
  for (const char letter : word) {
    const int64_t named = NotifyFlagsOf(letter);
    if (named == 0) return Refuse("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    flags |= named;
  }
  return Number(flags);
}

std::string NotifyText(int64_t flags) {
  std::string text;
  if ((flags & kNotifyAll) == kNotifyAll) {
    text = "A";
  } else {
    for (const NotifyLetter& known : kNotifyClasses) {
      if ((flags & known.flags) != 0) text += known.letter;
    }
  }
  for (const NotifyLetter& known : kNotifyRest) {
    if ((flags & known.flags) != 0) text += known.letter;
  }
  return text;
}

std::string EnumText(const ConfigRow& row, int64_t value) {
  std::string text;
  for (const EnumName& name : row.names) {
    if (name.value == value) return std::string(name.name);
    if (row.kind != ConfigKind::kEnumSet || name.value == 0) continue;
    if ((value & name.value) != name.value) continue;
    if (!text.empty()) text += ' ';
    text += name.name;
  }
  HF_CHECK(!text.empty());  // a value that no name stands for was let in
  return text;
}

Parsed ParseOne(const ConfigRow& row, const std::string& word) {
  switch (row.kind) {
    case ConfigKind::kBool:
      return ParseBool(word);
    case ConfigKind::kInteger:
      return ParseIntegerRow(row, word);
    case ConfigKind::kOctal:
      return ParseOctal(row, word);
    case ConfigKind::kMemory:
      return ParseMemoryRow(row, word);
    case ConfigKind::kMemoryOrPercent:
      return ParseMemoryOrPercent(row, word);
    case ConfigKind::kNotifyFlags:
      return ParseNotifyFlags(word);
    case ConfigKind::kText:
      if (auto why = CheckText(row, word)) return Refuse(*std::move(why));
      return Value{0, word};
    case ConfigKind::kEnum:
    case ConfigKind::kEnumSet:
    case ConfigKind::kTextList:
      break;
  }
  HF_CHECK(false);  // the kinds of several words are parsed by the caller
}

}  // namespace

Value DefaultValue(const ConfigRow& row) {
  return Value{row.default_scalar, std::string(row.default_text)};
}

Parsed ParseValue(const ConfigRow& row, std::span<const std::string> words, const Value& old,
                  bool append) {
  switch (row.kind) {
    case ConfigKind::kEnum:
    case ConfigKind::kEnumSet:
      return ParseEnum(row, words);
    case ConfigKind::kTextList: {
      auto text = ParseList(row, words, old.text, append);
      if (!text) return Refuse(std::move(text).error());
      return Value{0, *std::move(text)};
    }
    default:
      if (words.size() != 1) return Refuse("wrong number of arguments");
      return ParseOne(row, words[0]);
  }
}

std::string ValueText(const ConfigRow& row, const Value& value) {
  switch (row.kind) {
    case ConfigKind::kBool:
      return value.scalar != 0 ? "yes" : "no";
    case ConfigKind::kInteger:
    case ConfigKind::kMemory:
      return std::to_string(value.scalar);
    case ConfigKind::kOctal:
      return fmt::format("{:o}", value.scalar);
    case ConfigKind::kMemoryOrPercent:
      return value.scalar < 0 ? fmt::format("{}%", -value.scalar) : std::to_string(value.scalar);
    case ConfigKind::kEnum:
    case ConfigKind::kEnumSet:
      return EnumText(row, value.scalar);
    case ConfigKind::kNotifyFlags:
      return NotifyText(value.scalar);
    case ConfigKind::kText:
    case ConfigKind::kTextList:
      return value.text;
  }
  HF_CHECK(false);
}

std::optional<uint64_t> ParseMemory(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"b", 1},
                                    {"k", 1000},
                                    {"kb", 1024},
                                    {"m", 1000 * 1000},
                                    {"mb", 1024 * 1024},
                                    {"g", 1000 * 1000 * 1000},
                                    {"gb", 1024 * 1024 * 1024}};
  constexpr size_t kDigitsLimit = 128;
  text = text.substr(0, text.find('\0'));  // Redis reads a C string
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits >= kDigitsLimit) return std::nullopt;
  const auto unit = std::ranges::find_if(kUnits, [&](const Unit& known) {
    return EqualIgnoringCase(known.name, text.substr(digits));
  });
  if (unit == std::end(kUnits)) return std::nullopt;
  uint64_t number = 0;  // no digits at all is 0, as in Redis
  if (std::from_chars(text.data(), text.data() + digits, number).ec ==
      std::errc::result_out_of_range) {
    return UINT64_MAX;
  }
  return CheckedMul(number, unit->bytes).value_or(UINT64_MAX);
}

std::string MemoryText(uint64_t bytes) {
  constexpr uint64_t kKilobyte = 1024;
  constexpr uint64_t kMegabyte = 1024 * kKilobyte;
  constexpr uint64_t kGigabyte = 1024 * kMegabyte;
  if (bytes > 0 && bytes % kGigabyte == 0) return fmt::format("{}gb", bytes / kGigabyte);
  if (bytes > 0 && bytes % kMegabyte == 0) return fmt::format("{}mb", bytes / kMegabyte);
  if (bytes > 0 && bytes % kKilobyte == 0) return fmt::format("{}kb", bytes / kKilobyte);
  return std::to_string(bytes);
}

}  // namespace holdfast::config
