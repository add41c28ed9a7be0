// Keys that come back from the tier in the background, after a start, although nobody asked for
// them. No placeholder announces them, as what is to be read is not known by name: instead the
// shard remembers which keys left memory while the tier was being read. A row changes only while
// its key is in memory, as an entry or as a tombstone (R6, R7): if the key is not there now and did
// not leave since, then what was read is what the tier has.
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

using memtable::Entry;

void Keyspace::OpenWatch(Shard& shard) {
  shard.lock.Lock();
  shard.residency->OpenWatch();
  shard.lock.Unlock();
}

void Keyspace::CloseWatch(Shard& shard) {
  shard.lock.Lock();
  shard.residency->CloseWatch();
  shard.lock.Unlock();
}

size_t Keyspace::InstallWarm(Shard& shard, SpaceId space, std::span<WarmKey> keys,
                             const eviction::AccessRule& rule, UnixMs now_ms) {
  size_t installed = 0;
  shard.lock.LockInTurn();
  const int database = DatabaseOf(space);
  if (database >= 0) {
    for (WarmKey& key : keys) installed += InstallOneWarm(shard, database, key, rule, now_ms);
    if (installed > 0) CountBytes(shard, database);
  }
  shard.lock.Unlock();
  return installed;
}

bool Keyspace::InstallOneWarm(Shard& shard, int database, WarmKey& warm,
                              const eviction::AccessRule& rule, UnixMs now_ms) {
  const ColdFacts& facts = warm.value.facts;
  if (facts.type != memtable::ValueType::kString) return false;
  if (facts.expiry_ms != memtable::kNoExpiry && facts.expiry_ms <= now_ms) return false;
  const KeyHandle key = Handle(database, warm.name);
  if (key.shard != &shard || key.ref.order() != warm.order) return false;  // not where it belongs
  if (shard.residency->LeftSinceWatch(warm.order)) return false;
  // Somebody reads it, or uses what he read: he brings it in.
  if (shard.residency->Pinned(space(database), key.ref)) return false;
  if (TableFor(shard, database).Find(key.ref) != nullptr) return false;
  Entry* entry = PutClean(key, warm.value);
  entry->set_eviction_state(
      rule.use == eviction::StateUse::kQueueBits
          ? shard.queues.Return(eviction::InMainQueue(warm.rank), eviction::HitsOfRank(warm.rank))
          : eviction::StateOfRank(rule, warm.rank).value_or(rule.NewState()));
  return true;
}

}  // namespace holdfast::keyspace
