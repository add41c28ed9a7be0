// One figure for the memory that a store uses, and the marks that say what is to be done about it.
//
// Whoever holds memory reports changes (Add), in grains: holders keep differences of up to one
// grain to themselves, so that a write need not touch a cache line that all threads share. The
// figure is off by at most a grain a holder; SetLimit chooses the grain so that the shards of a
// store stay within a quarter of a percent of the limit, together.
//
// Owned by the Keyspace. Any thread; each call is a few relaxed atomics. Cannot fail.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace holdfast::eviction {

class MemoryBudget {
 public:
  // `holders`: how many report in grains.
  explicit MemoryBudget(uint32_t holders) : holders_(holders) {}

  // 0: none.
  void SetLimit(uint64_t bytes);
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  bool limited() const { return limit() != kUnlimited; }
  int64_t grain() const { return grain_.load(std::memory_order_relaxed); }

  void Add(int64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  // Of holders whose bytes are about to be counted twice or not at all: never below zero.
  uint64_t used() const {
    const int64_t used = used_.load(std::memory_order_relaxed);
    return used > 0 ? static_cast<uint64_t>(used) : 0;
  }

  // Bytes that leave memory as soon as they are safe elsewhere: eviction has seen to them.
  void AddLeaving(int64_t bytes) { leaving_.fetch_add(bytes, std::memory_order_relaxed); }
  uint64_t leaving() const {
    const int64_t leaving = leaving_.load(std::memory_order_relaxed);
    return leaving > 0 ? static_cast<uint64_t>(leaving) : 0;
  }
  uint64_t staying() const { return used() - std::min(used(), leaving()); }

  // With `more` bytes to come: background eviction should be at work (99% of the limit),
  bool AboveHigh(uint64_t more) const {
    return more + used() > high_.load(std::memory_order_relaxed);
  }
  // it may rest (98%),
  uint64_t low() const { return low_.load(std::memory_order_relaxed); }
  // writers must make room themselves first,
  bool AboveLimit(uint64_t more) const { return more + used() > limit(); }
  // and must wait until there is some (the limit and a quarter percent).
  bool FarAboveLimit() const { return used() > ceiling_.load(std::memory_order_relaxed); }

  static constexpr uint64_t kUnlimited = UINT64_MAX;

 private:
  static constexpr int64_t kUnlimitedGrain = 64 << 10;

  const uint32_t holders_;
  std::atomic<uint64_t> limit_{kUnlimited};
  std::atomic<uint64_t> high_{kUnlimited};
  std::atomic<uint64_t> low_{kUnlimited};
  std::atomic<uint64_t> ceiling_{kUnlimited};
  std::atomic<int64_t> grain_{kUnlimitedGrain};
  std::atomic<int64_t> leaving_{0};
  alignas(64) std::atomic<int64_t> used_{0};  // the line that holders write
};

// What one holder has and has reported. Used under the holder's own rules (a shard's lock).
class BudgetShare {
 public:
  void Add(int64_t bytes, MemoryBudget& budget) {
    unreported_ += bytes;
    const int64_t grain = budget.grain();
    if (unreported_ <= grain && unreported_ >= -grain) [[likely]]
      return;
    budget.Add(unreported_);
    unreported_ = 0;
  }

 private:
  int64_t unreported_ = 0;
};

}  // namespace holdfast::eviction
