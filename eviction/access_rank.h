// How hot a key is, in one byte that outlives the entry: rows of the live tier and hot lists keep
// it (stored on disk: never renumber; docs/formats.md, "Access rank").
//
//   level << 2 | what it was made from        level: 0 cold to 63 hot
//
// 0: nothing is known. From the clock the level falls with the idle time, by half a power of two
// each; from the counter it is the counter, in steps of 7 above 31; from the queues it is hits,
// then the queue: what was hit in the small one moves to the main one when its turn comes. A level
// only turns into a state of its own kind again: what one policy saw means nothing to another.
//
// Pure functions of the bits, as eviction/access_rule.h, but for SharedRule. Nothing can fail.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "eviction/access_rule.h"

namespace holdfast::eviction {

enum class RankKind : uint8_t { kUnknown = 0, kClock = 1, kCounter = 2, kQueues = 3 };

inline constexpr uint32_t kRankLevels = 64;
inline constexpr int kRankKindBits = 2;

constexpr uint8_t MakeRank(RankKind kind, uint32_t level) {
  return static_cast<uint8_t>(level << kRankKindBits | static_cast<uint32_t>(kind));
}
constexpr RankKind KindOfRank(uint8_t rank) { return static_cast<RankKind>(rank & 3); }
constexpr uint32_t LevelOfRank(uint8_t rank) { return rank >> kRankKindBits; }

// 0, 1, 2, 3, then two to each power of two; 24 bits give up to 47.
constexpr uint32_t IdleStep(uint32_t seconds) {
  if (seconds < 4) return seconds;
  const auto power = static_cast<uint32_t>(std::bit_width(seconds)) - 1;
  return 2 * power + ((seconds >> (power - 1)) & 1);
}
constexpr uint32_t LeastIdle(uint32_t step) {
  return step < 4 ? step : (2 + step % 2) << (step / 2 - 1);
}

inline constexpr uint32_t kExactCounters = 32;
inline constexpr uint32_t kCounterStep = 7;
inline constexpr uint32_t kHitsStep = 16;
inline constexpr uint32_t kMainStep = 8;

// The rule's time may be a little older than the state's.
inline constexpr uint32_t kSecondsAhead = 3600;
inline constexpr uint32_t kMinutesAhead = 60;

constexpr uint8_t RankOf(const AccessRule& rule, uint32_t state) {
  switch (rule.use) {
    case StateUse::kClock: {
      const uint32_t idle = IdleSeconds(state, rule.clock);
      const bool ahead = idle > kStateMask - kSecondsAhead;
      return MakeRank(RankKind::kClock, kRankLevels - 1 - IdleStep(ahead ? 0 : idle));
    }
    case StateUse::kCounter: {
      const bool ahead = (((state >> 8) - rule.minutes) & 0xffff) <= kMinutesAhead;
      const uint32_t counter = ahead ? state & 0xff : rule.Counter(state);
      const bool exact = counter < kExactCounters;
      return MakeRank(RankKind::kCounter,
                      exact ? counter : kExactCounters + (counter - kExactCounters) / kCounterStep);
    }
    case StateUse::kQueueBits:
      return MakeRank(RankKind::kQueues,
                      QueueHits(state) * kHitsStep + (InMain(state) ? kMainStep : 0));
  }
  return 0;
}

// The state that a key with this rank has under the rule. Null: the rank says nothing there, or the
// queues decide (InMainQueue, HitsOfRank).
constexpr std::optional<uint32_t> StateOfRank(const AccessRule& rule, uint8_t rank) {
  const uint32_t level = LevelOfRank(rank);
  if (rule.use == StateUse::kClock && KindOfRank(rank) == RankKind::kClock) {
    const uint32_t idle = std::min(LeastIdle(kRankLevels - 1 - level), kStateMask);
    return (rule.clock - idle) & kStateMask;
  }
  if (rule.use == StateUse::kCounter && KindOfRank(rank) == RankKind::kCounter) {
    const bool exact = level < kExactCounters;
    return CounterState(rule.minutes,
                        exact ? level : kExactCounters + (level - kExactCounters) * kCounterStep);
  }
  return std::nullopt;
}
// What the queues did not see was there before they were: ShardQueues::EnterMain.
constexpr bool InMainQueue(uint8_t rank) {
  return KindOfRank(rank) != RankKind::kQueues || (LevelOfRank(rank) & kMainStep) != 0;
}
constexpr uint32_t HitsOfRank(uint8_t rank) {
  return KindOfRank(rank) == RankKind::kQueues ? LevelOfRank(rank) / kHitsStep : 0;
}

// What an AccessRule says of ranks, for threads that have none of their own. The time in it is as
// old as the last Set. Any thread.
class SharedRule {
 public:
  void Set(const AccessRule& rule) {
    const uint64_t decay = std::min<uint32_t>(rule.lfu_decay_min, UINT16_MAX);
    const auto use = static_cast<uint64_t>(rule.use);
    bits_.store((use + 1) | uint64_t{rule.clock} << 8 | uint64_t{rule.minutes} << 32 | decay << 48,
                std::memory_order_relaxed);
  }
  // 0 if no rule was set.
  uint8_t RankOf(uint32_t state) const {
    const uint64_t bits = bits_.load(std::memory_order_relaxed);
    return bits == 0 ? 0 : eviction::RankOf(RuleOf(bits), state);
  }

 private:
  static AccessRule RuleOf(uint64_t bits) {
    return {.use = static_cast<StateUse>((bits & 0xff) - 1),
            .clock = static_cast<uint32_t>(bits >> 8) & kStateMask,
            .minutes = static_cast<uint32_t>(bits >> 32) & 0xffff,
            .lfu_decay_min = static_cast<uint32_t>(bits >> 48)};
  }

  std::atomic<uint64_t> bits_{0};
};

}  // namespace holdfast::eviction
