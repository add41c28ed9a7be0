// What becomes of a key that eviction chose. The engine is handed one; a store without a slower
// tier drops the key.
#pragma once

#include "engine/keyspace/key_access.h"

namespace holdfast::keyspace {

class EvictionAction {
 public:
  virtual ~EvictionAction() = default;
  // Under the lock of the key's shard, within an execution of its own; `entry` is the key's, and is
  // gone from memory afterwards, or will be once it is safe elsewhere. Must not wait.
  virtual void Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) = 0;
};

// The classic cache: the key is deleted, and its deletion logged.
class DropAction final : public EvictionAction {
 public:
  void Evict(KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) override {
    access.EraseEvicted(key, entry);
  }
};

}  // namespace holdfast::keyspace
