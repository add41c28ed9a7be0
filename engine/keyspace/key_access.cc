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

// ... and ends here. A new entry is born in the current epoch. A write renews the clock even for a
// client with CLIENT NO-TOUCH, as it makes a new value; it counts as a hit for the others only.
Entry* KeyAccess::Changed(const KeyHandle& key, Entry* entry, bool created) {
  ++changes_;
  CountBytes(key);
  if (entry != nullptr) {
    entry->Mark(memtable::kEpoch, key.shard->epoch);
    entry->Mark(memtable::kDirty, true);
    if (created) {
      const bool queued = rule_.use == eviction::StateUse::kQueueBits;
      entry->set_eviction_state(queued ? key.shard->queues.Enter(key.ref.hash) : rule_.NewState());
    } else if (options_.touch || rule_.use == eviction::StateUse::kClock) {
      Touch(*entry);
    }
  }
  if (!key.shard->watchers.Empty()) [[unlikely]]
    key.shard->watchers.Changed(key.database, key.name());
  return entry;
}

Entry* KeyAccess::SetString(const KeyHandle& key, Entry* existing,
                            const memtable::StringSpec& spec) {
  return Changed(key, Prepare(key, existing).SetString(key.ref, existing, spec),
                 existing == nullptr);
}

Entry* KeyAccess::SetInteger(const KeyHandle& key, Entry* existing, int64_t value,
                             UnixMs expiry_ms) {
  return Changed(key, Prepare(key, existing).SetInteger(key.ref, existing, value, expiry_ms),
                 existing == nullptr);
}

Entry* KeyAccess::SetBlock(const KeyHandle& key, Entry* existing, BlockRef block, UnixMs expiry_ms,
                           bool raw) {
  return Changed(
      key, Prepare(key, existing).SetBlock(key.ref, existing, std::move(block), expiry_ms, raw),
      existing == nullptr);
}

Table::Writable KeyAccess::ResizeString(const KeyHandle& key, Entry* existing, size_t length) {
  const Table::Writable writable = Prepare(key, existing).ResizeString(key.ref, existing, length);
  Changed(key, writable.entry, existing == nullptr);
  return writable;
}

Entry* KeyAccess::SetExpiry(const KeyHandle& key, Entry* existing, UnixMs expiry_ms) {
  HF_DCHECK(existing != nullptr);
  return Changed(key, Prepare(key, existing).SetExpiry(key.ref, existing, expiry_ms), false);
}

Entry* KeyAccess::CopyValue(const KeyHandle& key, Entry* existing, const Entry& from,
                            UnixMs expiry_ms) {
  return Changed(key, Prepare(key, existing).CopyValue(key.ref, existing, from, expiry_ms),
                 existing == nullptr);
}

void KeyAccess::Erase(const KeyHandle& key, Entry* existing) {
  HF_DCHECK(existing != nullptr);
  Prepare(key, existing).Erase(key.ref, existing);
  Changed(key, nullptr, false);
}

void KeyAccess::EraseExpired(const KeyHandle& key, Entry* existing) {
  Prepare(key, existing).Erase(key.ref, existing);
  CountBytes(key);
  ++key.shard->counters.expired;
  if (!key.shard->watchers.Empty()) key.shard->watchers.Changed(key.database, key.name());
  if (options_.log == nullptr) return;
  const std::string_view command[] = {"DEL", key.name()};
  options_.log->RecordBefore(key.database, command);
}

void KeyAccess::EraseEvicted(const KeyHandle& key, Entry* existing) {
  Shard& shard = *key.shard;
  HF_CHECK(existing != nullptr && shard.lock.Held() && !options_.replaying);
  if (options_.log != nullptr) {
    const std::string_view command[] = {"DEL", key.name()};
    options_.log->RecordBefore(key.database, command);
  }
  if (!shard.watchers.Empty()) shard.watchers.Changed(key.database, key.name());
  if (rule_.use == eviction::StateUse::kQueueBits) {
    const auto before = static_cast<int64_t>(shard.queues.allocated_bytes());
    shard.queues.Evicted(key.ref.hash, shard.keys());
    shard.memory.Add(static_cast<int64_t>(shard.queues.allocated_bytes()) - before,
                     keyspace_.budget());
  }
  Prepare(key, existing).Erase(key.ref, existing);
  CountBytes(key);
  ++shard.counters.evicted;
}

std::optional<int64_t> KeyAccess::IdleSeconds(const Entry& entry) const {
  if (rule_.use != eviction::StateUse::kClock) return std::nullopt;
  return eviction::IdleSeconds(entry.eviction_state(), rule_.clock);
}

std::optional<int64_t> KeyAccess::Frequency(const Entry& entry) const {
  if (rule_.use != eviction::StateUse::kCounter) return std::nullopt;
  return rule_.Counter(entry.eviction_state());
}

// As in Redis, an age from before the clock's turn is half a turn.
void KeyAccess::SetIdleSeconds(Entry& entry, int64_t seconds) const {
  HF_CHECK(seconds >= 0);
  if (rule_.use != eviction::StateUse::kClock) return;
  const bool representable = seconds <= static_cast<int64_t>(rule_.clock);
  const uint32_t age = representable ? static_cast<uint32_t>(seconds)
                                     : eviction::kStateMask - eviction::kStateMask / 2;
  entry.set_eviction_state((rule_.clock - age) & eviction::kStateMask);
}

void KeyAccess::SetFrequency(Entry& entry, uint8_t frequency) const {
  if (rule_.use != eviction::StateUse::kCounter) return;
  entry.set_eviction_state(eviction::CounterState(rule_.minutes, frequency));
}

// A place in the queues of one shard means nothing in another.
void KeyAccess::MoveState(uint32_t state, Entry& to) const {
  if (rule_.use == eviction::StateUse::kQueueBits) return;
  to.set_eviction_state(state);
  if (options_.touch && options_.random != nullptr) rule_.Touch(to, *options_.random);
}

}  // namespace holdfast::keyspace
