// The lock of one shard: held for a few hundred nanoseconds at a time by the thread that runs a
// command. Spins briefly, then gives the CPU away in growing steps, since on few cores the holder
// may need it. Unlocking is one plain store: a lock with a list of sleepers would pay a second
// atomic exchange in every command for a case that is rare with 256 shards (measured: 3% of a
// pipelined GET). Any thread. Cannot fail. Never held across a system call, a RocksDB call or a
// wait for another shard's lock (only the gate waits while holding: see locked_shards.h).
#pragma once

#include <atomic>

namespace holdfast::keyspace {

class ShardLock {
 public:
  void Lock() {
    if (TryLock()) [[likely]]
      return;
    LockSlow();
  }
  bool TryLock() { return !held_.exchange(true, std::memory_order_acquire); }
  void Unlock() { held_.store(false, std::memory_order_release); }
  bool Held() const { return held_.load(std::memory_order_relaxed); }

 private:
  void LockSlow();

  std::atomic<bool> held_{false};
};

}  // namespace holdfast::keyspace
