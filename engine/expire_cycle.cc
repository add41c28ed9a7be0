#include "engine/expire_cycle.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "engine/executor.h"
#include "engine/store.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);    // Redis's default hz
constexpr auto kBusyPause = std::chrono::milliseconds(2);  // while much is due
constexpr size_t kSegmentsPerLook = 16;
constexpr size_t kKeysPerLook = 64;
constexpr int64_t kRoundBudgetNs = 25'000'000;  // a quarter of kPause

}  // namespace

void ExpireCycle::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void ExpireCycle::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ExpireCycle::Loop() {
  NameThisThread("expire");
  Executor executor(store_);
  std::chrono::milliseconds pause = kPause;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, pause, [this] { return stop_; })) return;
    }
    WatchClock();
    store_.SampleFigures();
    if (!active_.load(std::memory_order_relaxed) || store_.loading()) continue;
    executor.BeginTurn();
    pause = Round(executor) > kKeysPerLook ? kBusyPause : kPause;
    executor.EndTurn();  // however the round ended: nobody else flushes what it appended
  }
}

// A wall clock that leaps forward expires keys that nobody expected to go: say so.
void ExpireCycle::WatchClock() {
  constexpr int64_t kHourMs = 3'600'000;
  const UnixMs wall_ms = store_.clock().NowMs();
  const int64_t monotonic_ns = store_.clock().MonotonicNs();
  const int64_t leap_ms =
      (wall_ms - seen_wall_ms_) - (monotonic_ns - seen_monotonic_ns_) / 1'000'000;
  if (seen_wall_ms_ != 0 && leap_ms > kHourMs) {
    store_.Report(LogLevel::kWarning,
                  fmt::format("the clock leapt {} s forward: keys with a time to live expire now",
                              leap_ms / 1000));
  }
  seen_wall_ms_ = wall_ms;
  seen_monotonic_ns_ = monotonic_ns;
}

// Names are copied under the lock and deleted by the executor under it again: a look never holds a
// lock for longer than a few entries take.
void ExpireCycle::CollectDue(keyspace::Shard& shard, UnixMs now_ms) {
  due_.clear();
  shard.lock.Lock();
  store_.keyspace().QueueBuried(shard);
  for (keyspace::Shard::ExpiredHint& hint : shard.expired_hints) {
    due_.push_back({hint.database, std::move(hint.key)});
  }
  shard.expired_hints.clear();
  for (int database = 0; database < store_.keyspace().databases(); ++database) {
    memtable::Table* table = shard.table(database);
    if (table == nullptr || table->expiring() == 0) continue;
    table->CollectExpired(now_ms, kSegmentsPerLook, kKeysPerLook,
                          [&](const memtable::Entry& entry) {
                            due_.push_back({database, std::string(entry.key())});
                          });
  }
  shard.lock.Unlock();
}

size_t ExpireCycle::Round(Executor& executor) {
  size_t deleted = 0;
  const int64_t started_ns = store_.clock().MonotonicNs();
  for (keyspace::Shard& shard : store_.keyspace().shards()) {
    CollectDue(shard, executor.now_ms());
    for (const Due& due : due_) {
      if (!store_.LogAdmits() || store_.WritesRefused(true)) return deleted;
      const auto expiry = executor.DeleteExpired(due.database, due.key);
      deleted += expiry == Executor::Expiry::kDeleted ? 1 : 0;
    }
    if (!due_.empty()) executor.EndTurn();
    if (store_.clock().MonotonicNs() - started_ns > kRoundBudgetNs) {
      store_.statistics().expire_cycles_cut_short.fetch_add(1, std::memory_order_relaxed);
      break;
    }
  }
  const int64_t left_ns = started_ns + kRoundBudgetNs - store_.clock().MonotonicNs();
  deleted += cold_.Round(executor, std::max(left_ns, kRoundBudgetNs / 4));
  store_.statistics().expire_cycle_us.fetch_add(
      static_cast<uint64_t>(store_.clock().MonotonicNs() - started_ns) / 1000,
      std::memory_order_relaxed);
  return deleted;
}

}  // namespace holdfast
