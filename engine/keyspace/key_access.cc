#include "engine/keyspace/key_access.h"

#include <algorithm>

#include "engine/keyspace/cut_walk.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

using memtable::Entry;
using memtable::Table;

namespace {
constexpr size_t kMaxExpiredHints = 16;
}

inline Entry* KeyAccess::Find(const KeyHandle& key) {
  HF_DCHECK(key.shard->lock.Held());
  const Table* table = key.shard->table(key.database);
  Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
  if (entry != nullptr) [[likely]]
    return entry->Has(memtable::kTombstone) ? nullptr : entry;
  if (key.shard->cold_keys == 0) [[likely]]
    return nullptr;
  HF_CHECK(!Unknown(key));  // else nobody asked for the key before the command
  return HeaderOf(key);
}

Entry* KeyAccess::FindKnown(const KeyHandle& key) {
  const Table* table = key.shard->table(key.database);
  Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
  if (entry != nullptr) return entry->Has(memtable::kTombstone) ? nullptr : entry;
  return key.shard->cold_keys == 0 ? nullptr : HeaderOf(key);
}

Entry* KeyAccess::HeaderOf(const KeyHandle& key) {
  const auto load = key.shard->residency->Find(keyspace_.space(key.database), key.ref);
  return load != nullptr ? load->header.get() : nullptr;
}

// Of a key that is not in memory: the tier may have it.
bool KeyAccess::Unknown(const KeyHandle& key) const {
  if (key.shard->cold_keys == 0) [[likely]]
    return false;
  const ShardResidency& residency = *key.shard->residency;
  // What this command erased is known, though somebody may still be reading the long value that it
  // referred to.
  if (residency.cold(key.database).keys == 0 || Erased(key)) return false;
  const auto load = residency.Find(keyspace_.space(key.database), key.ref);
  return load == nullptr || load->state == Load::State::kReading ||
         load->state == Load::State::kFailed;
}

// Who reads the key need not: whatever becomes of it, it has been in memory (R10).
void KeyAccess::Overtake(const KeyHandle& key) {
  const auto load = key.shard->residency->Find(keyspace_.space(key.database), key.ref);
  if (load == nullptr) return;
  if (load->state == Load::State::kReading) {
    load->overtaken = true;
  } else {
    load->Settle(Load::State::kInstalled);  // it was read in vain
  }
}

bool KeyAccess::Erased(const KeyHandle& key) const {
  const SpaceId space = keyspace_.space(key.database);
  return std::any_of(erased_.begin(), erased_.end(), [&](const ErasedKey& erased) {
    return erased.space == space && erased.name == key.name();
  });
}

Entry* KeyAccess::FindLive(const KeyHandle& key) {
  Entry* entry = Find(key);
  if (entry == nullptr) return nullptr;
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

bool KeyAccess::Expired(const KeyHandle& key) {
  const Entry* entry = Find(key);
  return entry != nullptr && entry->ExpiredAt(options_.now_ms);
}

Entry* KeyAccess::ForWrite(const KeyHandle& key) { return UnlessExpired(key, Find(key)); }

Entry* KeyAccess::ForOverwrite(const KeyHandle& key) { return UnlessExpired(key, FindKnown(key)); }

Entry* KeyAccess::UnlessExpired(const KeyHandle& key, Entry* entry) {
  if (entry == nullptr || options_.replaying || !entry->ExpiredAt(options_.now_ms)) [[likely]]
    return entry;
  EraseExpired(key, entry);
  return nullptr;
}

Entry* KeyAccess::ReadForWrite(const KeyHandle& key) { return Count(key, ForWrite(key)); }

// Every change starts here: the cut takes its image before the entry is touched, and what was cold
// or buried comes back.
KeyAccess::Place KeyAccess::Prepare(const KeyHandle& key, Entry* existing) {
  Shard& shard = *key.shard;
  HF_DCHECK(shard.lock.Held());
  Table& table = keyspace_.TableFor(shard, key.database);
  if (existing == nullptr) {
    HF_DCHECK(FindKnown(key) == nullptr);
    Entry* tombstone = table.tombstones() == 0 ? nullptr : table.Find(key.ref);
    if (tombstone == nullptr) [[likely]] {
      const bool unknown = Unknown(key);
      // Even where no key is cold any more: a read that began before may be under way.
      if (shard.residency != nullptr && shard.residency->loads() != 0) [[unlikely]]
        Overtake(key);
      return {.table = table, .created = true, .cold = unknown, .unknown = unknown};
    }
    HF_CHECK(tombstone->Has(memtable::kTombstone));
    CutWalk::BeforeChange(shard, key.database, *tombstone);
    table.Revive(tombstone);
    return {.table = table, .entry = tombstone, .created = true, .cold = true};
  }
  if (existing->form() == memtable::ValueForm::kReference) [[unlikely]]
    Keyspace::CountReference(shard, key.database, false);
  if (existing->form() == memtable::ValueForm::kElsewhere) [[unlikely]] {
    // At the cut the tier had it, and it still has: no image.
    Keyspace::NoLongerCold(shard, key.database, existing->Has(memtable::kHasExpiry));
    shard.residency->Find(keyspace_.space(key.database), key.ref)->Settle(Load::State::kInstalled);
    return {.table = table, .created = true, .cold = true};
  }
  HF_DCHECK(!existing->Has(memtable::kTombstone));
  CutWalk::BeforeChange(shard, key.database, *existing);
  const bool cold = existing->Has(memtable::kCold);
  if (cold && !existing->Has(memtable::kDirty)) [[unlikely]]
    Keyspace::CountClean(key, *existing, false);
  return {.table = table, .entry = existing, .cold = cold};
}

// ... and ends here. A new entry is born in the current epoch. A write renews the clock even for a
// client with CLIENT NO-TOUCH, as it makes a new value; it counts as a hit for the others only.
Entry* KeyAccess::Changed(const KeyHandle& key, Entry* entry, const Place& place) {
  HF_DCHECK(entry->ticket() == 0);
  entry->Mark(memtable::kEpoch, key.shard->epoch);
  entry->Mark(memtable::kDirty, true);
  if (place.cold) [[unlikely]] {
    entry->Mark(memtable::kCold, true);
    if (place.unknown) {
      entry->Mark(memtable::kUnknown, true);
      ++key.shard->residency->cold(key.database).unknown;
    }
  }
  if (place.created) {
    const bool queued = rule_.use == eviction::StateUse::kQueueBits;
    entry->set_eviction_state(queued ? key.shard->queues.Enter(key.ref.hash) : rule_.NewState());
  } else if (options_.touch || rule_.use == eviction::StateUse::kClock) {
    Touch(*entry);
  }
  CountChange(key);
  return entry;
}

// After a change that takes an old value along, be it that memory has no more than its name.
Entry* KeyAccess::Counted(const KeyHandle& key, Entry* entry) {
  if (entry->form() == memtable::ValueForm::kReference) [[unlikely]]
    Keyspace::CountReference(*key.shard, key.database, true);
  return entry;
}

void KeyAccess::CountChange(const KeyHandle& key) {
  ++changes_;
  keyspace_.CountBytes(*key.shard, key.database);
  if (!key.shard->watchers.Empty()) [[unlikely]]
    key.shard->watchers.Changed(key.database, key.name());
}

Entry* KeyAccess::SetString(const KeyHandle& key, Entry* existing,
                            const memtable::StringSpec& spec) {
  const Place place = Prepare(key, existing);
  return Changed(key, place.table.SetString(key.ref, place.entry, spec), place);
}

Entry* KeyAccess::SetInteger(const KeyHandle& key, Entry* existing, int64_t value,
                             UnixMs expiry_ms) {
  const Place place = Prepare(key, existing);
  return Changed(key, place.table.SetInteger(key.ref, place.entry, value, expiry_ms), place);
}

Entry* KeyAccess::SetBlock(const KeyHandle& key, Entry* existing, BlockRef block, UnixMs expiry_ms,
                           bool raw) {
  const Place place = Prepare(key, existing);
  Entry* entry = place.table.SetBlock(key.ref, place.entry, std::move(block), expiry_ms, raw);
  return Changed(key, entry, place);
}

Table::Writable KeyAccess::ResizeString(const KeyHandle& key, Entry* existing, size_t length) {
  HF_CHECK(existing == nullptr || existing->form() != memtable::ValueForm::kElsewhere);
  const Place place = Prepare(key, existing);
  const Table::Writable writable = place.table.ResizeString(key.ref, place.entry, length);
  Changed(key, writable.entry, place);
  return writable;
}

Entry* KeyAccess::SetExpiry(const KeyHandle& key, Entry* existing, UnixMs expiry_ms) {
  HF_CHECK(existing != nullptr && existing->form() != memtable::ValueForm::kElsewhere);
  const Place place = Prepare(key, existing);
  return Counted(key, Changed(key, place.table.SetExpiry(key.ref, place.entry, expiry_ms), place));
}

Entry* KeyAccess::CopyValue(const KeyHandle& key, Entry* existing, const Entry& from,
                            UnixMs expiry_ms) {
  HF_CHECK(from.form() != memtable::ValueForm::kElsewhere);
  const Place place = Prepare(key, existing);
  return Counted(key,
                 Changed(key, place.table.CopyValue(key.ref, place.entry, from, expiry_ms), place));
}

// What has a cold copy, or one on its way, leaves a tombstone (R7), whose delete lands in the
// background.
void KeyAccess::Remove(const KeyHandle& key, Entry* existing) {
  HF_DCHECK(existing != nullptr);
  const Place place = Prepare(key, existing);
  if (!place.cold) [[likely]] {
    place.table.Erase(key.ref, place.entry);
    if (key.shard->cold_keys != 0) [[unlikely]]
      erased_.push_back({keyspace_.space(key.database), std::string(key.name())});
    return;
  }
  Entry* tombstone = place.table.Bury(key.ref, place.entry);
  tombstone->Mark(memtable::kCold, true);
  tombstone->Mark(memtable::kDirty, true);
  tombstone->Mark(memtable::kEpoch, key.shard->epoch);
  if (keyspace_.QueueWrite(key, *tombstone, false)) return;
  key.shard->residency->buried().push_back(
      {keyspace_.space(key.database), std::string(key.name())});
}

void KeyAccess::Erase(const KeyHandle& key, Entry* existing) {
  Remove(key, existing);
  CountChange(key);
}

void KeyAccess::EraseExpired(const KeyHandle& key, Entry* existing) {
  Remove(key, existing);
  keyspace_.CountBytes(*key.shard, key.database);
  ++key.shard->counters.expired;
  if (!key.shard->watchers.Empty()) key.shard->watchers.Changed(key.database, key.name());
  if (options_.log == nullptr) return;
  const std::string_view command[] = {"DEL", key.name()};
  options_.log->RecordBefore(key.database, command);
}

void KeyAccess::NoteEvicted(const KeyHandle& key) {
  if (rule_.use != eviction::StateUse::kQueueBits) return;
  Shard& shard = *key.shard;
  const auto before = static_cast<int64_t>(shard.queues.allocated_bytes());
  shard.queues.Evicted(key.ref.hash, shard.keys());
  shard.memory.Add(static_cast<int64_t>(shard.queues.allocated_bytes()) - before,
                   keyspace_.budget());
}

void KeyAccess::EraseEvicted(const KeyHandle& key, Entry* existing) {
  Shard& shard = *key.shard;
  HF_CHECK(existing != nullptr && shard.lock.Held() && !options_.replaying);
  if (options_.log != nullptr) {
    const std::string_view command[] = {"DEL", key.name()};
    options_.log->RecordBefore(key.database, command);
  }
  if (!shard.watchers.Empty()) shard.watchers.Changed(key.database, key.name());
  NoteEvicted(key);
  Remove(key, existing);
  keyspace_.CountBytes(shard, key.database);
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
