#include "engine/keyspace/shard_lock.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace holdfast::keyspace {
namespace {

// Long enough to outlast one command, short enough not to burn a core that the holder needs.
constexpr int kSpins = 100;
constexpr int kYields = 8;
constexpr auto kFirstSleep = std::chrono::microseconds(20);
constexpr auto kLongestSleep = std::chrono::microseconds(500);

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

void ShardLock::LockSlow() {
  for (int i = 0; i < kSpins; ++i) {
    Pause();
    if (!Held() && TryLock()) return;
  }
  for (int i = 0; i < kYields; ++i) {
    std::this_thread::yield();
    if (!Held() && TryLock()) return;
  }
  for (auto sleep = kFirstSleep;; sleep = std::min(2 * sleep, kLongestSleep)) {
    std::this_thread::sleep_for(sleep);
    if (!Held() && TryLock()) return;
  }
}

}  // namespace holdfast::keyspace
