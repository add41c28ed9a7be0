// Background eviction: a thread that takes the memory used from the high to the low mark, in slices
// of at most 500 us, so that writers seldom have to. It sleeps until a writer wakes it. It also
// gives all entries a fresh eviction state when another policy wants it in another form.
// Owned by the Store; Start and Stop by one thread, Wake and Restate by any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace holdfast {

class Executor;
class Store;

class EvictionCycle {
 public:
  explicit EvictionCycle(Store& store) : store_(store) {}
  ~EvictionCycle() { Stop(); }
  EvictionCycle(const EvictionCycle&) = delete;
  EvictionCycle& operator=(const EvictionCycle&) = delete;

  void Start();
  void Stop();
  // Memory is above the high mark. One relaxed load while it is at work.
  void Wake() {
    if (!wanted_.load(std::memory_order_relaxed)) Notify();
  }
  // The form of the eviction state changed.
  void Restate();

 private:
  void Notify();
  void Loop();
  void RestateEntries(Executor& executor);
  bool Stopping();

  Store& store_;
  std::atomic<bool> wanted_{false};
  std::atomic<bool> restate_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace holdfast
