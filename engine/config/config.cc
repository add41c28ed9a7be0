#include "engine/config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "holdfast/check.h"
#include "holdfast/glob.h"

namespace holdfast::config {
namespace {

constexpr uint16_t kSaveRow = RowIndex("save");
constexpr uint16_t kOutputLimitRow = RowIndex("client-output-buffer-limit");

Status Refuse(std::string message) {
  return MakeError(ErrorCode::kInvalidArgument, std::move(message));
}

std::string SetFailed(std::string_view name, std::string_view why) {
  return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
}

// CONFIG SET's value of a parameter that takes several words: split at each single space.
std::vector<std::string> SplitAtSpaces(std::string_view value) {
  std::vector<std::string> words;
  if (value.empty()) return words;
  for (size_t at = 0;;) {
    const size_t end = value.find(' ', at);
    if (end == std::string_view::npos) {
      words.emplace_back(value.substr(at));
      return words;
    }
    words.emplace_back(value.substr(at, end - at));
    at = end + 1;
  }
}

}  // namespace

Subscription::~Subscription() {
  if (config_ != nullptr) config_->Unsubscribe(id_);
}

Config::Config() {
  for (size_t i = 0; i < kRowCount; ++i) {
    Store(i, DefaultValue(kRows[i]));
    default_scalars_[i] = kRows[i].default_scalar;
  }
}

bool Config::IsSet(RowKey key) const {
  const std::lock_guard turn(set_mutex_);
  return set_[key.index];
}

void Config::SetDefault(ScalarKey key, int64_t value) {
  const std::lock_guard turn(set_mutex_);
  default_scalars_[key.index] = value;
  if (!set_[key.index]) Store(key.index, Value{value, {}});
}

Value Config::DefaultAt(size_t index) const {
  HF_CHECK(index < kRowCount);
  const std::lock_guard turn(set_mutex_);
  return Value{default_scalars_[index], std::string(kRows[index].default_text)};
}

std::string Config::Text(TextKey key) const {
  const std::lock_guard lock(text_mutex_);
  return texts_[key.index];
}

std::vector<std::string> Config::Words(TextKey key) const { return ListWords(Text(key)); }

std::vector<SavePoint> Config::SavePoints() const { return ParseSavePoints(Text("save")); }

OutputBufferLimit Config::OutputLimit(ClientClass client) const {
  const size_t at = static_cast<size_t>(client) * 3;
  HF_CHECK(at + 2 < output_limits_.size());
  return OutputBufferLimit{
      output_limits_[at].load(std::memory_order_relaxed),
      output_limits_[at + 1].load(std::memory_order_relaxed),
      static_cast<int64_t>(output_limits_[at + 2].load(std::memory_order_relaxed))};
}

Value Config::ValueAt(size_t index) const {
  HF_CHECK(index < kRowCount);
  if (!HoldsText(kRows[index].kind)) {
    return Value{scalars_[index].load(std::memory_order_relaxed), {}};
  }
  const std::lock_guard lock(text_mutex_);
  return Value{0, texts_[index]};
}

void Config::Store(size_t index, const Value& value) {
  HF_CHECK(index < kRowCount);
  scalars_[index].store(value.scalar, std::memory_order_relaxed);
  if (!HoldsText(kRows[index].kind)) return;
  if (index == kOutputLimitRow) {
    for (size_t i = 0; i < kClientClasses; ++i) {
      const auto limit = ParseOutputBufferLimit(value.text, static_cast<ClientClass>(i));
      output_limits_[3 * i].store(limit.hard_bytes, std::memory_order_relaxed);
      output_limits_[3 * i + 1].store(limit.soft_bytes, std::memory_order_relaxed);
      output_limits_[3 * i + 2].store(static_cast<uint64_t>(limit.soft_seconds),
                                      std::memory_order_relaxed);
    }
  }
  const std::lock_guard lock(text_mutex_);
  texts_[index] = value.text;
}

std::vector<std::pair<std::string, std::string>> Config::Get(
    std::span<const std::string_view> patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  const auto add = [&](std::string_view name, size_t index) {
    const bool known = std::ranges::any_of(
        found, [&](const auto& pair) { return EqualIgnoringCase(pair.first, name); });
    if (!known) found.emplace_back(name, ValueText(kRows[index], ValueAt(index)));
  };
  for (const std::string_view pattern : patterns) {
    if (!HasGlobCharacter(pattern)) {
      if (const auto row = FindRow(pattern)) add(pattern, row->index);
      continue;
    }
    for (size_t i = 0; i < kRowCount; ++i) {
      if ((kRows[i].flags & kHidden) != 0) continue;
      for (const std::string_view name : {kRows[i].name, kRows[i].alias}) {
        if (!name.empty() && GlobMatch(pattern, name, GlobCase::kIgnore)) add(name, i);
      }
    }
  }
  return found;
}

bool Config::IsSensitive(std::string_view name) {
  const auto row = FindRow(name);
  return row && (kRows[row->index].flags & kSensitive) != 0;
}

// What can be said before any value is looked at; the first that is wrong is named.
Status Config::Check(std::span<const Setting> settings, SetContext context,
                     std::vector<RowMatch>& rows) const {
  const auto allowed = Enum<Permission>("enable-protected-configs");
  const bool may_set_protected =
      allowed == Permission::kYes || (allowed == Permission::kLocal && context.local_client);
  for (const Setting& setting : settings) {
    const auto row = FindRow(setting.name);
    if (!row) {
      return Refuse(fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                                setting.name.substr(0, setting.name.find('\0'))));
    }
    const uint16_t flags = kRows[row->index].flags;
    if ((flags & kProtected) != 0 && !may_set_protected) {
      return Refuse(SetFailed(setting.name, "can't set protected config"));
    }
    if ((flags & kImmutable) != 0) {
      return Refuse(SetFailed(setting.name, "can't set immutable config"));
    }
    if ((flags & kNotLoading) != 0 && context.loading) {
      return MakeError(ErrorCode::kUnavailable, "LOADING Redis is loading the dataset in memory");
    }
    const bool twice = std::ranges::any_of(
        rows, [&](const RowMatch& earlier) { return earlier.name == row->name; });
    if (twice) return Refuse(SetFailed(setting.name, "duplicate parameter"));
    rows.push_back(*row);
  }
  return {};
}

Status Config::Set(std::span<const Setting> settings, SetContext context) {
  const std::lock_guard turn(set_mutex_);
  std::vector<RowMatch> rows;
  HF_TRY_STATUS(Check(settings, context, rows));
  HF_CHECK(rows.size() == settings.size());
  std::vector<Change> changes;
  const auto restore = [&] {
    for (const Change& change : changes) Store(change.row.index, change.old_value);
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const ConfigRow& row = kRows[rows[i].index];
    const auto words = TakesManyArguments(row.kind)
                           ? SplitAtSpaces(settings[i].value)
                           : std::vector<std::string>{std::string(settings[i].value)};
    const Value old_value = ValueAt(rows[i].index);
    const auto parsed = ParseValue(row, words, old_value);
    if (!parsed) {
      restore();
      return Refuse(SetFailed(rows[i].name, parsed.error()));
    }
    if (*parsed == old_value) continue;
    // Newest first: undone in this order, a row set under both its names gets its first value back.
    changes.insert(changes.begin(), Change{rows[i], old_value, *parsed});
    Store(rows[i].index, *parsed);
  }
  return Apply(changes);
}

// Calls each listener of a changed row once. If one refuses, everything goes back as it was.
Status Config::Apply(std::span<const Change> changes) {
  const auto first_change = [&](const Watch& watch) {
    return std::find_if(changes.rbegin(), changes.rend(), [&](const Change& change) {
      return std::ranges::find(watch.rows, change.row.index) != watch.rows.end();
    });
  };
  for (size_t i = 0; i < watches_.size(); ++i) {
    const auto change = first_change(watches_[i]);
    if (change == changes.rend()) continue;
    const Status applied = watches_[i].listener(*this);
    if (applied) continue;
    for (const Change& undo : changes) Store(undo.row.index, undo.old_value);
    for (size_t j = 0; j <= i; ++j) {
      // It took the old values before; should it refuse them now, there is nothing better to do.
      if (first_change(watches_[j]) != changes.rend()) (void)watches_[j].listener(*this);
    }
    return Refuse(SetFailed(change->row.name, applied.error().message));
  }
  return {};
}

std::expected<void, std::string> Config::SetAtStart(std::string_view name,
                                                    std::span<const std::string> words) {
  const std::lock_guard turn(set_mutex_);
  const auto row = FindRow(name);
  if (!row) return std::unexpected(fmt::format("unknown parameter '{}'", name));
  // The first `save` replaces the default, the others add to it.
  const bool append = row->index == kSaveRow && set_[row->index];
  auto value = ParseValue(kRows[row->index], words, ValueAt(row->index), append);
  if (!value) return std::unexpected(std::move(value).error());
  set_[row->index] = true;
  Store(row->index, *value);
  return {};
}

Subscription Config::OnChange(std::initializer_list<RowKey> keys, Listener listener) {
  const std::lock_guard turn(set_mutex_);
  std::vector<uint16_t> rows;
  for (const RowKey key : keys) rows.push_back(key.index);
  const uint64_t id = next_watch_++;
  watches_.push_back(Watch{id, std::move(rows), std::move(listener)});
  return Subscription(this, id);
}

void Config::Unsubscribe(uint64_t id) {
  const std::lock_guard turn(set_mutex_);
  std::erase_if(watches_, [&](const Watch& watch) { return watch.id == id; });
}

std::vector<std::string> Config::InertSettings() const {
  std::vector<std::string> settings;
  for (size_t i = 0; i < kRowCount; ++i) {
    if ((kRows[i].flags & kInert) == 0) continue;
    const Value value = ValueAt(i);
    if (value == DefaultAt(i)) continue;
    const bool secret = (kRows[i].flags & kSensitive) != 0;
    settings.push_back(
        fmt::format("{} {}", kRows[i].name, secret ? "(redacted)" : ValueText(kRows[i], value)));
  }
  return settings;
}

std::string Config::ConfPath() const {
  const std::lock_guard lock(text_mutex_);
  return conf_path_;
}

void Config::SetConfPath(std::string path) {
  const std::lock_guard lock(text_mutex_);
  conf_path_ = std::move(path);
}

}  // namespace holdfast::config
