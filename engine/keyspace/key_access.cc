#include "engine/keyspace/key_access.h"

#include "engine/keyspace/cut_walk.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

using memtable::Entry;
using memtable::Table;

namespace {
constexpr size_t kMaxExpiredHints = 16;
}

Entry* KeyAccess::FindLive(const KeyHandle& key) {
  HF_DCHECK(key.shard->lock.Held());
  const Table* table = key.shard->table(key.database);
  if (table == nullptr) return nullptr;
  Entry* entry = table->Find(key.ref);
  if (entry == nullptr || entry->Has(memtable::kTombstone)) return nullptr;
  if (!entry->Has(memtable::kHasExpiry) || options_.replaying || !entry->ExpiredAt(options_.now_ms))
      [[likely]] {
    return entry;
  }
  std::vector<Shard::ExpiredHint>& hints = key.shard->expired_hints;
  if (hints.size() < kMaxExpiredHints) hints.push_back({key.database, std::string(key.name())});
  return nullptr;
}

Entry* KeyAccess::Read(const KeyHandle& key) {
  Entry* entry = FindLive(key);
  if (entry != nullptr && options_.touch) Touch(*entry);
  return Count(key, entry);
}

Entry* KeyAccess::Look(const KeyHandle& key) { return Count(key, FindLive(key)); }

Entry* KeyAccess::Peek(const KeyHandle& key) { return FindLive(key); }

Entry* KeyAccess::ForWrite(const KeyHandle& key) {
  HF_DCHECK(key.shard->lock.Held());
  const Table* table = key.shard->table(key.database);
  if (table == nullptr) return nullptr;
  Entry* entry = table->Find(key.ref);
  if (entry == nullptr || entry->Has(memtable::kTombstone)) return nullptr;
  if (options_.replaying || !entry->ExpiredAt(options_.now_ms)) [[likely]]
    return entry;
  EraseExpired(key, entry);
  return nullptr;
}

Entry* KeyAccess::ReadForWrite(const KeyHandle& key) { return Count(key, ForWrite(key)); }

// Every change starts here: the cut takes its image before the entry is touched.
Table& KeyAccess::Prepare(const KeyHandle& key, Entry* existing) {
  HF_DCHECK(key.shard->lock.Held());
  if (existing != nullptr) CutWalk::BeforeChange(*key.shard, key.database, *existing);
  return keyspace_.TableFor(*key.shard, key.database);
}

// ... and ends here. A new entry is born in the current epoch.
Entry* KeyAccess::Changed(const KeyHandle& key, Entry* entry) {
  ++changes_;
  if (entry != nullptr) {
    entry->Mark(memtable::kEpoch, key.shard->epoch);
    entry->Mark(memtable::kDirty, true);
    Touch(*entry);
  }
  if (!key.shard->watchers.Empty()) [[unlikely]]
    key.shard->watchers.Changed(key.database, key.name());
  return entry;
}

Entry* KeyAccess::SetString(const KeyHandle& key, Entry* existing,
                            const memtable::StringSpec& spec) {
  return Changed(key, Prepare(key, existing).SetString(key.ref, existing, spec));
}

Entry* KeyAccess::SetInteger(const KeyHandle& key, Entry* existing, int64_t value,
                             UnixMs expiry_ms) {
  return Changed(key, Prepare(key, existing).SetInteger(key.ref, existing, value, expiry_ms));
}

Entry* KeyAccess::SetBlock(const KeyHandle& key, Entry* existing, BlockRef block, UnixMs expiry_ms,
                           bool raw) {
  return Changed(
      key, Prepare(key, existing).SetBlock(key.ref, existing, std::move(block), expiry_ms, raw));
}

Table::Writable KeyAccess::ResizeString(const KeyHandle& key, Entry* existing, size_t length) {
  const Table::Writable writable = Prepare(key, existing).ResizeString(key.ref, existing, length);
  Changed(key, writable.entry);
  return writable;
}

Entry* KeyAccess::SetExpiry(const KeyHandle& key, Entry* existing, UnixMs expiry_ms) {
  HF_DCHECK(existing != nullptr);
  return Changed(key, Prepare(key, existing).SetExpiry(key.ref, existing, expiry_ms));
}

Entry* KeyAccess::CopyValue(const KeyHandle& key, Entry* existing, const Entry& from,
                            UnixMs expiry_ms) {
  return Changed(key, Prepare(key, existing).CopyValue(key.ref, existing, from, expiry_ms));
}

void KeyAccess::Erase(const KeyHandle& key, Entry* existing) {
  HF_DCHECK(existing != nullptr);
  Prepare(key, existing).Erase(key.ref, existing);
  Changed(key, nullptr);
}

void KeyAccess::EraseExpired(const KeyHandle& key, Entry* existing) {
  Prepare(key, existing).Erase(key.ref, existing);
  ++key.shard->counters.expired;
  if (!key.shard->watchers.Empty()) key.shard->watchers.Changed(key.database, key.name());
  if (options_.log == nullptr) return;
  const std::string_view command[] = {"DEL", key.name()};
  options_.log->RecordBefore(key.database, command);
}

}  // namespace holdfast::keyspace
