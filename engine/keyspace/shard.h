// A shard: a lock stripe over a contiguous range of slots, with one table per database, its
// watchers, its counters and the log position of its newest mutation. Everything below `lock` is
// guarded by it, except that the table pointers may be read by prefetching threads inside a
// Reclaimer::Guard. Owned by the Keyspace.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/keyspace/shard_lock.h"
#include "engine/keyspace/watch_table.h"
#include "eviction/memory_budget.h"
#include "eviction/shard_queues.h"
#include "memtable/table.h"

namespace holdfast::keyspace {

class CutWalk;
class ShardResidency;

struct ShardCounters {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t expired = 0;
  uint64_t evicted = 0;
  uint64_t spilled = 0;     // left memory for the tier
  uint64_t loaded = 0;      // came back
  uint64_t referenced = 0;  // of these, without their long values
  uint64_t cold_reads = 0;  // keys looked up in the tier
  uint64_t coalesced = 0;   // who needed a key that somebody else was reading
};

struct alignas(64) Shard {
  ShardLock lock;
  uint16_t index = 0;
  // Keys of all databases that are in the tier and not in memory, or in memory without their long
  // values: while there are none, nobody need look further.
  uint64_t cold_keys = 0;
  bool epoch = false;       // R2: the current snapshot epoch
  CutWalk* walk = nullptr;  // set while a walk has not finished with this shard
  // End of the newest record that changed a key of this shard: no reply that saw this shard may
  // leave before the log has it.
  uint64_t log_position = 0;
  std::unique_ptr<std::atomic<memtable::Table*>[]> tables;  // by database; null until used
  int used_databases = 0;                     // databases from this one on never had a key
  std::unique_ptr<ShardResidency> residency;  // null: the store has no tier
  ShardCounters counters;
  eviction::ShardQueues queues;
  eviction::BudgetShare memory;  // of the tables and the queues
  WatchTable watchers;
  // Keys that readers found expired; the expire cycle deletes them. Bounded.
  struct ExpiredHint {
    int database;
    std::string key;
  };
  std::vector<ExpiredHint> expired_hints;

  memtable::Table* table(int database) const {
    return tables[static_cast<size_t>(database)].load(std::memory_order_relaxed);
  }
  size_t keys() const {
    size_t sum = 0;
    for (int i = 0; i < used_databases; ++i) sum += table(i) != nullptr ? table(i)->size() : 0;
    return sum;
  }
};

}  // namespace holdfast::keyspace
