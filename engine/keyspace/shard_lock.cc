#include "engine/keyspace/shard_lock.h"

#include <thread>

namespace holdfast::keyspace {
namespace {

// Long enough to outlast one command, short enough not to burn a core that the holder needs.
constexpr int kSpins = 100;
constexpr int kYields = 4;

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
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    state_.wait(kContended, std::memory_order_relaxed);
  }
}

}  // namespace holdfast::keyspace
