// The lock of one shard: held for a few hundred nanoseconds at a time by the thread that runs a
// command. Spins briefly, then sleeps on a futex, since on few cores the holder may need the CPU.
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
  bool TryLock() {
    uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  void Unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kContended) [[unlikely]]
      state_.notify_one();
  }
  bool Held() const { return state_.load(std::memory_order_relaxed) != kFree; }

 private:
  enum State : uint32_t { kFree, kHeld, kContended };
  void LockSlow();

  std::atomic<uint32_t> state_{kFree};
};

}  // namespace holdfast::keyspace
