#include "eviction/memory_budget.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::eviction {

void MemoryBudget::SetLimit(uint64_t bytes) {
  HF_CHECK(holders_ > 0);
  if (bytes == 0 || bytes == kUnlimited) {
    for (std::atomic<uint64_t>* mark : {&limit_, &high_, &low_, &ceiling_})
      mark->store(kUnlimited, std::memory_order_relaxed);
    grain_.store(kUnlimitedGrain, std::memory_order_relaxed);
    return;
  }
  constexpr uint64_t kGrains = 400;  // a quarter of a percent, all holders together
  const auto grain = static_cast<int64_t>(
      std::min<uint64_t>(bytes / kGrains / holders_, static_cast<uint64_t>(kUnlimitedGrain)));
  grain_.store(grain, std::memory_order_relaxed);
  low_.store(bytes - bytes / 50, std::memory_order_relaxed);
  high_.store(bytes - bytes / 100, std::memory_order_relaxed);
  limit_.store(bytes, std::memory_order_relaxed);
  const uint64_t spare = std::min(bytes / kGrains, kUnlimited - 1 - bytes);
  ceiling_.store(bytes + spare, std::memory_order_relaxed);
}

}  // namespace holdfast::eviction
