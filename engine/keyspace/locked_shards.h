// The locking forms of the keyspace, as a scope: one shard; several, all or none; the gate.
//
// A single-key command takes one lock. A multi-key command tries all its shards and releases all on
// failure; after kTries it takes the gate: every lock in ascending order. Only the gate waits while
// it holds, for the next higher lock, so there is no deadlock. Used by one thread; unlocks what it
// holds when destroyed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/keyspace/keyspace.h"

namespace holdfast::keyspace {

class LockedShards {
 public:
  static constexpr int kTries = 8;

  explicit LockedShards(Keyspace& keyspace) : keyspace_(keyspace) {}
  ~LockedShards() { Release(); }
  LockedShards(const LockedShards&) = delete;
  LockedShards& operator=(const LockedShards&) = delete;

  // Nothing may be held before any of these.
  void LockOne(Shard& shard) {
    shard.lock.Lock();
    single_ = &shard;
  }
  void LockKeys(std::span<const KeyHandle> keys);
  void LockGate();
  void Release();
  // The calling thread holds the gate through another LockedShards: this one stands for it, and
  // forgets it before it goes.
  void AssumeGate() { gate_ = true; }
  void ForgetGate() { gate_ = false; }

  bool Holds(const Shard& shard) const {
    return gate_ || single_ == &shard ||
           (!several_.empty() && std::binary_search(several_.begin(), several_.end(), shard.index));
  }
  bool HoldsGate() const { return gate_; }
  bool HoldsNothing() const { return !gate_ && single_ == nullptr && several_.empty(); }

  // Runs `visit(shard)` with the shard locked, whether it is already held or not.
  template <typename Visit>
  void With(Shard& shard, const Visit& visit) {
    if (Holds(shard)) {
      visit(shard);
      return;
    }
    visited_ = true;
    shard.lock.Lock();
    visit(shard);
    shard.lock.Unlock();
  }
  // True if With locked a shard in passing: what was seen there is not covered by held shards.
  bool visited() const { return visited_; }
  // For who took figures in passing that nobody needs to see covered: back to what it was before.
  void set_visited(bool visited) { visited_ = visited; }
  // Every shard held, for what must be done to each (the newest log position).
  template <typename Visit>
  void ForEachHeld(const Visit& visit) {
    if (single_ != nullptr) return visit(*single_);
    if (gate_) {
      for (Shard& shard : keyspace_.shards()) visit(shard);
      return;
    }
    for (const uint16_t index : several_) visit(keyspace_.shards()[index]);
  }

 private:
  bool TryLockSeveral();

  Keyspace& keyspace_;
  Shard* single_ = nullptr;
  bool gate_ = false;
  bool visited_ = false;
  std::vector<uint16_t> several_;  // ascending
};

}  // namespace holdfast::keyspace
