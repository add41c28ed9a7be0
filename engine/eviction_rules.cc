#include "engine/eviction_rules.h"

#include <algorithm>
#include <cmath>

namespace holdfast {

using config::MaxmemoryPolicy;
using eviction::Policy;
using eviction::Rank;

namespace {

Policy PolicyOf(MaxmemoryPolicy policy) {
  switch (policy) {
    case MaxmemoryPolicy::kVolatileLru:
      return {Rank::kLru, true};
    case MaxmemoryPolicy::kVolatileLfu:
      return {Rank::kLfu, true};
    case MaxmemoryPolicy::kVolatileRandom:
      return {Rank::kRandom, true};
    case MaxmemoryPolicy::kVolatileTtl:
      return {Rank::kTtl, true};
    case MaxmemoryPolicy::kAllkeysLru:
      return {Rank::kLru, false};
    case MaxmemoryPolicy::kAllkeysLfu:
      return {Rank::kLfu, false};
    case MaxmemoryPolicy::kAllkeysRandom:
      return {Rank::kRandom, false};
    case MaxmemoryPolicy::kAllkeysS3Fifo:
      return {Rank::kQueues, false};
    case MaxmemoryPolicy::kNoEviction:
      break;
  }
  return {};
}

// Redis's scale: 50 us a step up to 10, then 15% more a step, 100 without bound.
int64_t SliceNs(int64_t tenacity) {
  constexpr int64_t kStepNs = 50'000;
  constexpr int64_t kSteps = 10;
  if (tenacity <= kSteps) return kStepNs * tenacity;
  if (tenacity >= 100) return -1;
  return static_cast<int64_t>(static_cast<double>(kStepNs * kSteps) *
                              std::pow(1.15, static_cast<double>(tenacity - kSteps)));
}

uint32_t Unsigned(int64_t value) {
  return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, UINT32_MAX));
}

}  // namespace

EvictionRules RulesOf(const config::Config& config, bool limited) {
  const Policy policy = PolicyOf(config.Enum<MaxmemoryPolicy>("maxmemory-policy"));
  return {.policy = policy,
          .spills = config.Enum<config::EvictionAction>("eviction-action") ==
                    config::EvictionAction::kSpill,
          .use = eviction::StateUseOf(policy, limited),
          .tuning = {.samples = Unsigned(config.Integer("maxmemory-samples")),
                     .lfu_log_factor = Unsigned(config.Integer("lfu-log-factor")),
                     .lfu_decay_min = Unsigned(config.Integer("lfu-decay-time"))},
          .slice_ns = SliceNs(config.Integer("maxmemory-eviction-tenacity"))};
}

}  // namespace holdfast
