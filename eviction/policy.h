// What eviction goes by: which keys it may take, how it ranks them, and the numbers that tune it.
// Plain data, as configured; whoever uses it holds a copy.
#pragma once

#include <cstdint>

namespace holdfast::eviction {

enum class Rank : uint8_t {
  kNone,    // nothing is evicted
  kRandom,  // any key
  kLru,     // the one accessed longest ago
  kLfu,     // the one accessed least often
  kTtl,     // the one that expires first
  kQueues,  // S3-FIFO: a small queue for what is new, a main queue for what came back
};

struct Policy {
  Rank rank = Rank::kNone;
  bool expiring_only = false;  // volatile-*: keys with a TTL

  friend bool operator==(const Policy&, const Policy&) = default;
};

// What the 24 bits of eviction state in an entry mean.
enum class StateUse : uint8_t {
  kClock,     // when the key was last accessed, in seconds
  kCounter,   // how often: Redis's logarithmic counter, and when it was last brought down
  kQueueBits  // hits, queue and age in it
};

// The queues need all the bits; every rule but those two leaves them to the clock, which OBJECT
// IDLETIME shows. While nothing is evicted (no budget) the queues leave them to it too.
constexpr StateUse StateUseOf(const Policy& policy, bool limited) {
  if (policy.rank == Rank::kLfu) return StateUse::kCounter;
  return policy.rank == Rank::kQueues && limited ? StateUse::kQueueBits : StateUse::kClock;
}

struct Tuning {
  uint32_t samples = 5;          // keys looked at for one victim (maxmemory-samples)
  uint32_t lfu_log_factor = 10;  // how slowly the counter grows
  uint32_t lfu_decay_min = 1;    // minutes after which it loses one; 0: never
};

}  // namespace holdfast::eviction
