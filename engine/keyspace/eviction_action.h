// What becomes of a key that eviction chose: it moves to the tier, or is dropped. The engine hands
// the one that is configured to who evicts. Any thread, under the lock of the key's shard.
#pragma once

#include "engine/keyspace/key_access.h"

namespace holdfast::keyspace {

class EvictionAction {
 public:
  virtual ~EvictionAction() = default;
  // Within an execution of its own; `entry` is the key's. It is gone from memory afterwards, or
  // will be once it is safe elsewhere (MemoryBudget::leaving). False: it has to stay for now. Must
  // not wait.
  virtual bool Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) = 0;
};

// The classic cache: the key is deleted, and its deletion logged.
class DropAction final : public EvictionAction {
 public:
  bool Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) override;
};

// Nobody can tell but by the time it takes: the key moves to the tier.
class SpillAction final : public EvictionAction {
 public:
  bool Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) override;
};

}  // namespace holdfast::keyspace
