// Ranks: a byte says as much of each policy's state as is worth keeping, and nothing to another's.
#include "eviction/access_rank.h"

#include <gtest/gtest.h>

namespace holdfast::eviction {
namespace {

constexpr UnixMs kNowMs = 1'700'000'000'000;

AccessRule RuleOf(StateUse use) { return AccessRule::At(kNowMs, use, {}); }

TEST(AccessRankTest, KeepsAnIdleTimeToHalfAPowerOfTwo) {
  const AccessRule rule = RuleOf(StateUse::kClock);
  uint8_t last = 255;
  for (uint32_t idle = 0; idle <= kStateMask - kSecondsAhead; idle += idle < 5000 ? 1 : 4999) {
    const uint8_t rank = RankOf(rule, (rule.clock - idle) & kStateMask);
    ASSERT_LE(rank, last) << idle;
    last = rank;
    const auto state = StateOfRank(rule, rank);
    ASSERT_TRUE(state);
    const uint32_t back = IdleSeconds(*state, rule.clock);
    ASSERT_LE(back, idle);
    ASSERT_GE(back, idle * 2 / 3) << idle;
    ASSERT_EQ(RankOf(rule, *state), rank);
    if (idle < 4) {
      EXPECT_EQ(back, idle);
    }
  }
}

TEST(AccessRankTest, KeepsACounter) {
  AccessRule rule = RuleOf(StateUse::kCounter);
  for (uint32_t counter = 0; counter <= kCounterMax; ++counter) {
    const uint8_t rank = RankOf(rule, CounterState(rule.minutes, counter));
    const auto state = StateOfRank(rule, rank);
    ASSERT_TRUE(state);
    const uint32_t back = rule.Counter(*state);
    EXPECT_LE(back, counter);
    EXPECT_GT(back + kCounterStep, counter);
    if (counter < 32) {
      EXPECT_EQ(back, counter);
    }
  }
  // As it is by now, not as it was.
  const uint32_t then = CounterState((rule.minutes - 10) & 0xffff, 30);
  EXPECT_EQ(LevelOfRank(RankOf(rule, then)), 20u);
}

TEST(AccessRankTest, KeepsQueueAndHits) {
  const AccessRule rule = RuleOf(StateUse::kQueueBits);
  int last = -1;
  for (uint32_t hits = 0; hits <= kHitsMask; ++hits) {
    for (const bool main : {false, true}) {
      const uint8_t rank = RankOf(rule, QueueState(main, 12345, hits));
      EXPECT_GT(rank, last);
      last = rank;
      EXPECT_EQ(InMainQueue(rank), main);
      EXPECT_EQ(HitsOfRank(rank), hits);
      EXPECT_FALSE(StateOfRank(rule, rank));
    }
  }
}

TEST(AccessRankTest, MeansNothingToAnotherPolicy) {
  for (const StateUse from : {StateUse::kClock, StateUse::kCounter, StateUse::kQueueBits}) {
    const uint8_t rank = RankOf(RuleOf(from), 0x8765);
    for (const StateUse to : {StateUse::kClock, StateUse::kCounter}) {
      EXPECT_EQ(StateOfRank(RuleOf(to), rank).has_value(), from == to);
      EXPECT_FALSE(StateOfRank(RuleOf(to), 0));
    }
    if (from != StateUse::kQueueBits) {
      EXPECT_TRUE(InMainQueue(rank));
      EXPECT_EQ(HitsOfRank(rank), 0u);
    }
  }
}

TEST(AccessRankTest, AStateMayBeALittleAheadOfTheRule) {
  const AccessRule clock = RuleOf(StateUse::kClock);
  EXPECT_EQ(RankOf(clock, (clock.clock + 1) & kStateMask), RankOf(clock, clock.clock));
  const AccessRule counter = RuleOf(StateUse::kCounter);
  EXPECT_EQ(LevelOfRank(RankOf(counter, CounterState((counter.minutes + 1) & 0xffff, 17))), 17u);
}

TEST(AccessRankTest, ASharedRuleGivesTheRanksOfWhatWasSet) {
  SharedRule shared;
  EXPECT_EQ(shared.RankOf(0x1234), 0);
  SeededRandom random(1);
  for (const StateUse use : {StateUse::kClock, StateUse::kCounter, StateUse::kQueueBits}) {
    AccessRule rule = RuleOf(use);
    for (const uint32_t decay : {0u, 1u, 65'535u}) {
      rule.lfu_decay_min = decay;
      shared.Set(rule);
      for (int i = 0; i < 1000; ++i) {
        const auto state = static_cast<uint32_t>(random.Next()) & kStateMask;
        EXPECT_EQ(shared.RankOf(state), RankOf(rule, state));
      }
    }
  }
}

}  // namespace
}  // namespace holdfast::eviction
