#include "engine/keyspace/eviction_action.h"

#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {
namespace {

// Somebody waits for it, or is about to use it.
bool Pinned(KeyAccess& access, const KeyHandle& key) {
  const ShardResidency* residency = key.shard->residency.get();
  return residency != nullptr && residency->Pinned(access.keyspace().space(key.database), key.ref);
}

}  // namespace

bool DropAction::Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
  if (entry->ticket() != 0 || Pinned(access, key)) return false;
  if (entry->Has(memtable::kTombstone)) return access.keyspace().QueueWrite(key, *entry, false);
  access.EraseEvicted(key, entry);
  return true;
}

bool SpillAction::Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
  HF_CHECK(key.shard->lock.Held() && key.shard->residency != nullptr);
  if (entry->ticket() != 0 || Pinned(access, key)) return false;
  if (entry->Has(memtable::kTombstone)) return access.keyspace().QueueWrite(key, *entry, false);
  if (!entry->Has(memtable::kDirty)) {
    access.NoteEvicted(key);
    access.keyspace().DropClean(key, entry);
    return true;
  }
  if (!access.keyspace().QueueWrite(key, *entry, true)) return false;
  access.NoteEvicted(key);
  return true;
}

}  // namespace holdfast::keyspace
