#include "engine/commands/command_table.h"

#include <bit>

#include "holdfast/check.h"

namespace holdfast::commands {
namespace {

constexpr size_t kMaxNameLength = 64;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

// FNV-1a over the lower-cased bytes: names are short and known, so its quality does not matter.
uint64_t NameHash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c | 0x20)) * 0x100000001b3ULL;
  return hash ^ (hash >> 29);
}

uint32_t ImpliedAcl(const CommandSpec& spec) {
  uint32_t acl = spec.acl;
  if (spec.Has(kWrite)) acl |= kAclWrite;
  // As in Redis: scripting commands read nothing by themselves.
  if (spec.Has(kReadonly) && (acl & kAclScripting) == 0) acl |= kAclRead;
  if (spec.Has(kAdmin)) acl |= kAclAdmin | kAclDangerous;
  if (spec.Has(kPubSub)) acl |= kAclPubSub;
  if (spec.Has(kBlocking)) acl |= kAclBlocking;
  return acl | (spec.Has(kFast) ? kAclFast : kAclSlow);
}

// Redis's legacy triple: from the first spec, widened over following plain ranges.
void SetLegacyRange(CommandEntry& entry) {
  if (entry.spec->keys.empty()) return;
  const KeySpec& first = entry.spec->keys.front();
  if (first.begin != KeySpec::Begin::kIndex || first.find != KeySpec::Find::kRange) return;
  entry.first_key = first.begin_position;
  entry.last_key = first.last >= 0 ? first.begin_position + first.last : first.last;
  entry.key_step = first.step;
  for (const KeySpec& spec : entry.spec->keys.subspan(1)) {
    if (spec.begin != KeySpec::Begin::kIndex || spec.find != KeySpec::Find::kRange) continue;
    if (entry.key_step != spec.step || spec.begin_position != entry.last_key + 1) continue;
    entry.last_key = spec.last >= 0 ? spec.begin_position + spec.last : spec.last;
  }
}

bool KeyRange(const KeySpec& spec, size_t first, size_t count, size_t& last) {
  if (spec.find == KeySpec::Find::kUnknown) return false;
  if (spec.last >= 0) {
    last = first + static_cast<size_t>(spec.last);
  } else if (spec.limit <= 1) {
    last = count + static_cast<size_t>(static_cast<int64_t>(spec.last));
  } else {
    last = first + (count - first) / static_cast<size_t>(spec.limit) +
           static_cast<size_t>(static_cast<int64_t>(spec.last));
  }
  return first < count && last < count && last >= first;
}

bool FirstKey(const KeySpec& spec, std::span<const std::string_view> args, size_t& first) {
  if (spec.begin == KeySpec::Begin::kIndex) {
    first = static_cast<size_t>(spec.begin_position);
    return first < args.size();
  }
  if (spec.begin == KeySpec::Begin::kUnknown) return false;
  const bool forward = spec.begin_position > 0;
  const size_t start = forward ? static_cast<size_t>(spec.begin_position)
                               : args.size() - static_cast<size_t>(-spec.begin_position);
  for (size_t i = start; i < args.size() && i > 0; forward ? ++i : --i) {
    if (EqualsIgnoringCase(spec.keyword, args[i]) || args[i] == spec.keyword) {
      first = i + 1;
      return first < args.size();
    }
  }
  return false;
}

}  // namespace

CommandTable::~CommandTable() = default;

CommandEntry* CommandTable::Add(const CommandSpec& spec, const CommandEntry* parent) {
  HF_CHECK(spec.name.size() < kMaxNameLength);
  HF_CHECK(spec.handler != nullptr || !spec.subcommands.empty() || spec.locking == Locking::kExec);
  auto owned = std::make_unique<CommandEntry>();
  CommandEntry* entry = owned.get();
  entry->spec = &spec;
  entry->index = static_cast<uint16_t>(entries_.size());
  entry->flags = spec.flags;
  entry->acl = ImpliedAcl(spec);
  entry->parent = parent;
  SetLegacyRange(*entry);
  entry->one_key = spec.locking == Locking::kKeys && spec.keys.size() == 1 &&
                   entry->first_key == 1 && entry->last_key == 1;
  entries_.push_back(std::move(owned));
  for (const CommandSpec& subcommand : spec.subcommands) {
    entry->subcommands.push_back(Add(subcommand, entry));
  }
  return entry;
}

void CommandTable::BuildIndex() {
  cells_.assign(std::bit_ceil(top_level_.size() * 4), {});
  for (const CommandEntry* entry : top_level_) {
    const uint64_t hash = NameHash(entry->spec->name);
    size_t i = hash & (cells_.size() - 1);
    while (cells_[i].entry != nullptr) {
      HF_CHECK(cells_[i].entry->spec->name != entry->spec->name);
      i = (i + 1) & (cells_.size() - 1);
    }
    cells_[i] = {hash, entry};
  }
}

const CommandEntry* CommandTable::Find(std::string_view name) const {
  if (name.size() >= kMaxNameLength) return nullptr;
  const uint64_t hash = NameHash(name);
  for (size_t i = hash & (cells_.size() - 1); cells_[i].entry != nullptr;
       i = (i + 1) & (cells_.size() - 1)) {
    if (cells_[i].hash == hash && EqualsIgnoringCase(name, cells_[i].entry->spec->name))
      return cells_[i].entry;
  }
  return nullptr;
}

const CommandEntry* CommandTable::Resolve(std::span<const std::string_view> args) const {
  const CommandEntry* entry = Find(args[0]);
  if (entry == nullptr || entry->subcommands.empty() || args.size() < 2) return entry;
  const size_t prefix = entry->spec->name.size() + 1;
  for (const CommandEntry* subcommand : entry->subcommands) {
    if (EqualsIgnoringCase(args[1], subcommand->spec->name.substr(prefix))) return subcommand;
  }
  return nullptr;
}

const CommandEntry* CommandTable::FindFull(std::string_view full_name) const {
  const size_t bar = full_name.find('|');
  if (bar == std::string_view::npos) return Find(full_name);
  const CommandEntry* entry = Find(full_name.substr(0, bar));
  if (entry == nullptr) return nullptr;
  for (const CommandEntry* subcommand : entry->subcommands) {
    if (EqualsIgnoringCase(full_name, subcommand->spec->name)) return subcommand;
  }
  return nullptr;
}

bool CommandTable::FindKeys(const CommandEntry& entry, std::span<const std::string_view> args,
                            std::vector<KeyPosition>& keys) {
  for (const KeySpec& spec : entry.spec->keys) {
    size_t first = 0;
    size_t last = 0;
    if (!FirstKey(spec, args, first)) {
      if (spec.begin == KeySpec::Begin::kKeyword) continue;
      return false;
    }
    size_t step = static_cast<size_t>(spec.step);
    if (spec.find == KeySpec::Find::kKeyNum) {
      const size_t at = first + static_cast<size_t>(spec.keynum_index);
      if (at >= args.size()) return false;
      size_t count = 0;
      for (const char c : args[at]) {
        if (c < '0' || c > '9' || count > args.size()) return false;
        count = count * 10 + static_cast<size_t>(c - '0');
      }
      first += static_cast<size_t>(spec.first_key);
      if (count == 0 || count > (args.size() - first + step - 1) / step) return false;
      last = first + (count - 1) * step;
    } else if (!KeyRange(spec, first, args.size(), last)) {
      return false;
    }
    const Need need = spec.refine != nullptr ? spec.refine(args) : spec.need;
    const uint16_t flags = spec.refine_flags != nullptr ? spec.refine_flags(args) : spec.flags;
    for (size_t i = first; i <= last; i += step) keys.push_back({i, flags, need});
  }
  return true;
}

}  // namespace holdfast::commands
