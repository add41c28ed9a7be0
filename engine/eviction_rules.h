// What the configuration says about eviction, in the form in which executing threads use it. They
// keep a copy and take a new one when the generation moved: one relaxed load a turn. Owned by the
// Store; Set is called by one thread at a time, the rest by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "engine/config/config.h"
#include "eviction/policy.h"

namespace holdfast {

struct EvictionRules {
  eviction::Policy policy;
  bool spills = false;  // what leaves memory goes to the tier; else it is dropped
  eviction::StateUse use = eviction::StateUse::kClock;
  eviction::Tuning tuning;
  int64_t slice_ns = 0;  // that a writer may spend on eviction; negative: no bound
};

// `limited`: there is a budget.
EvictionRules RulesOf(const config::Config& config, bool limited);

class SharedEvictionRules {
 public:
  void Set(const EvictionRules& rules) {
    const std::lock_guard lock(mutex_);
    rules_ = rules;
    generation_.fetch_add(1, std::memory_order_release);
  }
  EvictionRules Get() const {
    const std::lock_guard lock(mutex_);
    return rules_;
  }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  EvictionRules rules_;
  std::atomic<uint64_t> generation_{1};
};

}  // namespace holdfast
