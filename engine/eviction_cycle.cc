#include "engine/eviction_cycle.h"

#include <chrono>

#include "engine/executor.h"
#include "engine/store.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

constexpr int64_t kSliceNs = 500'000;
constexpr auto kHeldPause = std::chrono::milliseconds(1);  // the log, or a pause, holds it up
constexpr size_t kEntriesPerLock = 128;

}  // namespace

void EvictionCycle::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void EvictionCycle::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EvictionCycle::Notify() {
  {
    const std::lock_guard lock(mutex_);
    wanted_.store(true, std::memory_order_relaxed);
  }
  wake_.notify_one();
}

void EvictionCycle::Restate() {
  restate_.store(true, std::memory_order_release);
  Notify();
}

bool EvictionCycle::Stopping() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void EvictionCycle::Loop() {
  NameThisThread("evict");
  Executor executor(store_);
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || wanted_.load(std::memory_order_relaxed); });
      if (stop_) return;
      wanted_.store(false, std::memory_order_relaxed);
    }
    executor.BeginTurn();
    if (restate_.exchange(false, std::memory_order_acq_rel)) RestateEntries(executor);
    while (!Stopping() && executor.Evicts()) {
      executor.BeginTurn();
      const Executor::EvictionEnd end =
          executor.EvictTo(store_.keyspace().budget().low(), kSliceNs);
      executor.EndTurn();
      if (end == Executor::EvictionEnd::kHeld) {
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, kHeldPause, [this] { return stop_; })) return;
      } else if (end != Executor::EvictionEnd::kTimeIsUp) {
        break;
      }
    }
    store_.statistics().NoteOverLimit(store_.keyspace().budget().AboveLimit(0),
                                      store_.clock().MonotonicNs());
  }
}

// What is touched meanwhile has the new form already, and gets it again. What is chosen meanwhile
// is chosen badly.
void EvictionCycle::RestateEntries(Executor& executor) {
  keyspace::Keyspace& keyspace = store_.keyspace();
  for (keyspace::Shard& shard : keyspace.shards()) {
    keyspace::LockedShards locks(keyspace);
    locks.LockOne(shard);
    const auto bytes = static_cast<int64_t>(shard.queues.allocated_bytes());
    shard.queues.Reset();
    shard.memory.Add(-bytes, keyspace.budget());
    locks.Release();
    for (int database = 0; database < keyspace.databases(); ++database) {
      for (memtable::KeyOrder at = 0; at < memtable::kOrderEnd;) {
        if (Stopping()) return;
        at = executor.Restate(shard, database, at, kEntriesPerLock);
      }
    }
  }
}

}  // namespace holdfast
