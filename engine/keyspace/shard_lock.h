// The lock of one shard: held for a few hundred nanoseconds at a time by the thread that runs a
// command. Spins briefly, then gives the CPU away in growing steps, since on few cores the holder
// may need it. Unlocking is one plain store: a lock with a list of sleepers would pay a second
// atomic exchange in every command for a case that is rare with 256 shards (measured: 3% of a
// pipelined GET). Nor is it fair: who works through a shard in the background, taking its lock
// again and again, takes it in turn, or a command would find it taken for tens of milliseconds.
//
// Any thread. Cannot fail. Never held across a system call, a RocksDB call or a wait for another
// shard's lock (only the gate waits while holding: see locked_shards.h).
#pragma once

#include <atomic>
#include <cstdint>

namespace holdfast::keyspace {

class ShardLock {
 public:
  void Lock() {
    if (TryLock()) [[likely]]
      return;
    LockSlow();
  }
  // Lets those that wait go first, for some milliseconds at most.
  void LockInTurn() {
    if (HasWaiters()) [[unlikely]]
      LetOthersGoFirst();
    Lock();
  }
  bool TryLock() { return !held_.exchange(true, std::memory_order_acquire); }
  void Unlock() { held_.store(false, std::memory_order_release); }
  bool HasWaiters() const { return waiting_.load(std::memory_order_relaxed) != 0; }
  bool Held() const { return held_.load(std::memory_order_relaxed); }

 private:
  void LockSlow();
  void LetOthersGoFirst() const;

  std::atomic<bool> held_{false};
  std::atomic<uint16_t> waiting_{0};  // threads in LockSlow
};

}  // namespace holdfast::keyspace
