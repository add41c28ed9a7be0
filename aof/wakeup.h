// What one background thread sleeps on, and the lock that the flush turns share.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace holdfast::aof {

// Owned beside the thread that waits on it. Notify: any thread; one that was already notified and
// has not woken yet costs one atomic exchange. No notification is lost.
class Wakeup {
 public:
  void Notify() {
    if (notified_.exchange(true, std::memory_order_seq_cst)) return;
    // Passing through the mutex makes sure that the waiter either sees the flag or is waiting.
    {
      const std::lock_guard lock(mutex_);
    }
    condition_.notify_one();
  }
  // Returns when notified or after `timeout`.
  void Wait(std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, timeout,
                        [this] { return notified_.load(std::memory_order_seq_cst); });
    notified_.store(false, std::memory_order_seq_cst);
  }

 private:
  std::atomic<bool> notified_{false};
  std::mutex mutex_;
  std::condition_variable condition_;
};

// Held while frames are written. An I/O thread only ever tries it; if that fails it sets `wanted`,
// tries once more, and leaves: the holder looks at `wanted` after it let go. All four steps are
// sequentially consistent, so one of the two always sees the other.
class FlushLock {
 public:
  bool TryLock() { return !held_.exchange(true, std::memory_order_seq_cst); }
  void Lock() {
    while (!TryLock()) held_.wait(true, std::memory_order_seq_cst);
  }
  void Unlock() {
    held_.store(false, std::memory_order_seq_cst);
    held_.notify_one();
  }
  void SetWanted() { wanted_.store(true, std::memory_order_seq_cst); }
  bool Wanted() const { return wanted_.load(std::memory_order_seq_cst); }
  // By the holder, before it looks how far it can flush.
  void ClearWanted() { wanted_.store(false, std::memory_order_seq_cst); }

 private:
  std::atomic<bool> held_{false};
  std::atomic<bool> wanted_{false};
};

class FlushGuard {
 public:
  explicit FlushGuard(FlushLock& lock) : lock_(lock) { lock_.Lock(); }
  ~FlushGuard() { lock_.Unlock(); }
  FlushGuard(const FlushGuard&) = delete;
  FlushGuard& operator=(const FlushGuard&) = delete;

 private:
  FlushLock& lock_;
};

}  // namespace holdfast::aof
