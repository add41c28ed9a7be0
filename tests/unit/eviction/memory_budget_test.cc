#include "eviction/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace holdfast::eviction {
namespace {

constexpr uint64_t kMegabyte = 1 << 20;

TEST(MemoryBudgetTest, WithoutALimitNothingIsAboveIt) {
  MemoryBudget budget(256);
  EXPECT_FALSE(budget.limited());
  budget.Add(int64_t{1} << 60);
  EXPECT_FALSE(budget.AboveHigh(UINT32_MAX));
  EXPECT_FALSE(budget.AboveLimit(UINT32_MAX));
  EXPECT_FALSE(budget.FarAboveLimit());
}

TEST(MemoryBudgetTest, MarksStandBelowAndAboveTheLimit) {
  MemoryBudget budget(256);
  budget.SetLimit(100 * kMegabyte);
  EXPECT_EQ(budget.low(), 98 * kMegabyte);
  budget.Add(static_cast<int64_t>(99 * kMegabyte));
  EXPECT_FALSE(budget.AboveHigh(0));
  EXPECT_TRUE(budget.AboveHigh(1));
  budget.Add(kMegabyte);
  EXPECT_FALSE(budget.AboveLimit(0));
  EXPECT_TRUE(budget.AboveLimit(1));
  budget.Add(kMegabyte / 4);
  EXPECT_FALSE(budget.FarAboveLimit());
  budget.Add(1);
  EXPECT_TRUE(budget.FarAboveLimit());
  budget.SetLimit(0);
  EXPECT_FALSE(budget.limited());
  EXPECT_FALSE(budget.FarAboveLimit());
}

TEST(MemoryBudgetTest, LimitsOfAnySizeKeepTheirOrder) {
  for (const uint64_t limit :
       {uint64_t{1}, uint64_t{100}, kMegabyte, UINT64_MAX / 2, UINT64_MAX - 2, UINT64_MAX - 1}) {
    MemoryBudget budget(256);
    budget.SetLimit(limit);
    EXPECT_TRUE(budget.limited());
    EXPECT_LE(budget.low(), limit);
    EXPECT_FALSE(budget.AboveLimit(0));
    EXPECT_FALSE(budget.FarAboveLimit());
  }
}

// The promise about the figure: all shards together are off by at most a quarter of a percent.
TEST(MemoryBudgetTest, SharesOfManyHoldersAreOffByAGrainEach) {
  constexpr uint32_t kHolders = 64;
  MemoryBudget budget(kHolders);
  budget.SetLimit(64 * kMegabyte);
  std::vector<BudgetShare> shares(kHolders);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20'000; ++i) {
        for (size_t holder = t; holder < kHolders; holder += 4)
          shares[holder].Add(i % 3 == 2 ? -50 : 40, budget);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto exact = int64_t{kHolders} * (20'000 / 3 * 30 + 2 * 40);
  const int64_t off = static_cast<int64_t>(budget.used()) - exact;
  EXPECT_LE(std::abs(off), static_cast<int64_t>(64 * kMegabyte / 400));
  EXPECT_LE(budget.grain() * kHolders, static_cast<int64_t>(64 * kMegabyte / 400));
}

}  // namespace
}  // namespace holdfast::eviction
