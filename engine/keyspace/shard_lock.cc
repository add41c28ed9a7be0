#include "engine/keyspace/shard_lock.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace holdfast::keyspace {
namespace {

// Long enough to outlast one command, short enough not to burn a core that the holder needs. Then
// it sleeps: to yield would put it behind everything that is ready to run, for milliseconds.
constexpr int kSpins = 100;
constexpr auto kFirstSleep = std::chrono::microseconds(20);
constexpr auto kLongestSleep = std::chrono::microseconds(100);
// Twice as long as who waits may sleep, so often that it has met a core by then.
constexpr auto kTurnSleep = std::chrono::microseconds(200);
constexpr int kMostTurnSleeps = 20;

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
  waiting_.fetch_add(1, std::memory_order_relaxed);
  for (auto sleep = kFirstSleep; Held() || !TryLock(); sleep = std::min(2 * sleep, kLongestSleep))
    std::this_thread::sleep_for(sleep);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

void ShardLock::LetOthersGoFirst() const {
  for (int i = 0; i < kMostTurnSleeps && HasWaiters(); ++i) std::this_thread::sleep_for(kTurnSleep);
}

}  // namespace holdfast::keyspace
