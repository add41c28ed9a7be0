// Exact counts of keys beside blind writes: an entry that was written without a look at the tier is
// counted as new, and once too often if the tier had the key. The queue of cold writes finds that
// out before the entry's first write lands; who wants to know sooner queues the question alone.
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

using memtable::Entry;
using memtable::KeyOrder;
using memtable::kOrderEnd;
using memtable::Table;

namespace {
constexpr size_t kEntriesPerStep = 256;  // a few microseconds under the lock
}

// Of the next few entries, `next` goes on; false: there was no room for all of them, it did not.
bool Keyspace::QueueProbes(Shard& shard, int database, KeyOrder& next) {
  HF_DCHECK(shard.lock.Held());
  const Table* table = shard.table(database);
  if (table == nullptr || shard.residency->cold(database).unknown == 0) {
    next = kOrderEnd;
    return true;
  }
  bool room = true;
  const KeyOrder end = table->Scan(next, kEntriesPerStep, [&](Entry& entry) {
    if (!room || !entry.Has(memtable::kUnknown)) return;
    ColdItem item{.shard = shard.index,
                  .key = {space(database), Handle(database, entry.key()).ref.order(), entry.key()},
                  .write = false};
    room = cold_store_->HasRoom(item);
    if (!room) return;
    MarkProbe(shard, entry, item);
    cold_store_->Queue(std::move(item));
  });
  if (room) next = end;
  return room;
}

Status Keyspace::AskForUnknown(int database) {
  for (Shard& shard : shards()) {
    for (KeyOrder next = 0; next != kOrderEnd;) {
      shard.lock.LockInTurn();
      const bool room = QueueProbes(shard, database, next);
      shard.lock.Unlock();
      if (!room) HF_TRY_STATUS(cold_store_->WaitUntilLanded());
    }
  }
  return cold_store_->WaitUntilLanded();
}

Result<Keyspace::DatabaseSize> Keyspace::SettleSize(LockedShards& locks, int database) {
  HF_CHECK(locks.HoldsNothing());
  DatabaseSize size = SizeOf(locks, database);
  const Looking looking(*this);
  while (size.unknown != 0) {
    HF_TRY_STATUS(AskForUnknown(database));
    size = SizeOf(locks, database);
  }
  return size;
}

}  // namespace holdfast::keyspace
