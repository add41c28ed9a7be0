// The rules over the 24 bits, each by itself.
#include "eviction/access_rule.h"

#include <gtest/gtest.h>

#include "memtable/table.h"

namespace holdfast::eviction {
namespace {

constexpr UnixMs kNowMs = 1'700'000'000'000;

class AccessRuleTest : public testing::Test {
 protected:
  AccessRuleTest() {
    const memtable::KeyRef key = memtable::MakeKeyRef({1, 2}, "k");
    entry_ = table_.SetInteger(key, nullptr, 1, memtable::kNoExpiry);
  }
  uint32_t Touched(const AccessRule& rule, uint32_t state) {
    entry_->set_eviction_state(state);
    rule.Touch(*entry_, random_);
    return entry_->eviction_state();
  }

  memtable::Reclaimer reclaimer_;
  memtable::Table table_{{.shared_order_bits = 0, .reclaimer = &reclaimer_}};
  memtable::Entry* entry_;
  SeededRandom random_{5};
};

TEST_F(AccessRuleTest, WhoKeepsTheStateInWhichForm) {
  EXPECT_EQ(StateUseOf({Rank::kNone, false}, true), StateUse::kClock);
  EXPECT_EQ(StateUseOf({Rank::kTtl, true}, true), StateUse::kClock);
  EXPECT_EQ(StateUseOf({Rank::kLfu, false}, false), StateUse::kCounter);
  EXPECT_EQ(StateUseOf({Rank::kQueues, false}, true), StateUse::kQueueBits);
  EXPECT_EQ(StateUseOf({Rank::kQueues, false}, false), StateUse::kClock);
}

TEST_F(AccessRuleTest, ClockIsSecondsAndTurnsOver) {
  const AccessRule rule = AccessRule::At(kNowMs, StateUse::kClock, {});
  EXPECT_EQ(rule.clock, 1'700'000'000u % (1u << 24));
  EXPECT_EQ(rule.NewState(), rule.clock);
  EXPECT_EQ(Touched(rule, 7), rule.clock);
  EXPECT_EQ(IdleSeconds(rule.clock, rule.clock), 0u);
  EXPECT_EQ(IdleSeconds((rule.clock - 90) & kStateMask, rule.clock), 90u);
  EXPECT_EQ(IdleSeconds(kStateMask, 1), 2u);  // from before the turn
}

TEST_F(AccessRuleTest, CounterLosesOneForEachPeriod) {
  EXPECT_EQ(DecayedCounter(CounterState(100, 20), 100, 1), 20u);
  EXPECT_EQ(DecayedCounter(CounterState(100, 20), 107, 1), 13u);
  EXPECT_EQ(DecayedCounter(CounterState(100, 20), 107, 3), 18u);
  EXPECT_EQ(DecayedCounter(CounterState(100, 20), 200, 1), 0u);
  EXPECT_EQ(DecayedCounter(CounterState(100, 20), 200, 0), 20u);  // never
  EXPECT_EQ(DecayedCounter(CounterState(65530, 20), 5, 1), 10u);  // 65535 - 65530 + 5
}

TEST_F(AccessRuleTest, CounterGrowsSurelyAtFirstThenSeldom) {
  EXPECT_EQ(GrownCounter(0, 10, random_), 1u);
  EXPECT_EQ(GrownCounter(kCounterStart, 10, random_), kCounterStart + 1);  // probability 1
  EXPECT_EQ(GrownCounter(kCounterMax, 0, random_), kCounterMax);
  EXPECT_EQ(GrownCounter(200, 0, random_), 201u);  // factor 0: always
  // Redis's table for factor 10: about 10 after 100 hits, 18 after 1,000, 142 after 100,000.
  const auto after = [&](int hits) {
    double sum = 0;
    for (int run = 0; run < 20; ++run) {
      uint32_t counter = kCounterStart;
      for (int i = 0; i < hits; ++i) counter = GrownCounter(counter, 10, random_);
      sum += counter;
    }
    return sum / 20;
  };
  EXPECT_NEAR(after(100), 10, 1.5);
  EXPECT_NEAR(after(1000), 18, 2);
  EXPECT_NEAR(after(100'000), 142, 8);
}

TEST_F(AccessRuleTest, CounterIsTouchedWithItsTime) {
  const AccessRule rule = AccessRule::At(kNowMs, StateUse::kCounter, {});
  EXPECT_EQ(rule.minutes, (1'700'000'000u / 60) & 0xffff);
  EXPECT_EQ(rule.NewState(), CounterState(rule.minutes, kCounterStart));
  EXPECT_EQ(Touched(rule, CounterState(rule.minutes, kCounterStart)),
            CounterState(rule.minutes, kCounterStart + 1));
  // Three minutes of decay first, then the hit: 4 is below the start, so it counts.
  EXPECT_EQ(Touched(rule, CounterState(rule.minutes - 3, 7)), CounterState(rule.minutes, 5));
  EXPECT_EQ(rule.Counter(CounterState(rule.minutes - 3, 7)), 4u);
}

TEST_F(AccessRuleTest, QueueHitsSaturateAndChangeNothingElse) {
  const AccessRule rule = AccessRule::At(kNowMs, StateUse::kQueueBits, {});
  const uint32_t born = QueueState(true, 0x1abcde, 0);
  EXPECT_EQ(Touched(rule, born), born + 1);
  EXPECT_EQ(Touched(rule, born + 1), born + 2);
  EXPECT_EQ(Touched(rule, born + 3), born + 3);
  EXPECT_TRUE(InMain(born + 3));
  EXPECT_EQ(QueueHits(born + 3), 3u);
  EXPECT_EQ(QueueAge(born, 0x1abcde + 10), 10u);
  EXPECT_EQ(QueueAge(QueueState(false, kStampMask, 0), 4), 5u);  // the stamp turned over
}

}  // namespace
}  // namespace holdfast::eviction
