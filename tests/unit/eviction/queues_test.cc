// The ghost table, the queues of one shard, and the choice of a victim by each policy.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "eviction/ghost_table.h"
#include "eviction/victim.h"
#include "memtable/table.h"

namespace holdfast::eviction {
namespace {

using memtable::Entry;
using memtable::KeyRef;

constexpr memtable::HashSeed kSeed{11, 22};
constexpr UnixMs kNowMs = 1'700'000'000'000;

TEST(GhostTableTest, KnowsWhatItWasToldAndForgetsWhatIsAsked) {
  GhostTable ghost;
  EXPECT_FALSE(ghost.Take(7, 1000));  // no memory at all
  EXPECT_EQ(ghost.allocated_bytes(), 0u);
  ghost.Resize(1000);
  EXPECT_GE(ghost.allocated_bytes(), 6000u);
  EXPECT_LE(ghost.allocated_bytes(), 9000u);
  SeededRandom random(1);
  std::vector<uint64_t> hashes(1000);
  for (uint64_t& hash : hashes) ghost.Insert(hash = random.Next());
  int known = 0;
  for (const uint64_t hash : hashes) known += ghost.Take(hash, 2000) ? 1 : 0;
  EXPECT_GT(known, 850);  // sets of four overflow now and then
  for (const uint64_t hash : hashes) EXPECT_FALSE(ghost.Take(hash, 2000));
  int wrong = 0;
  for (const uint64_t hash : hashes) ghost.Insert(hash);
  for (int i = 0; i < 100'000; ++i) wrong += ghost.Take(random.Next(), 2000) ? 1 : 0;
  EXPECT_LT(wrong, 30);  // one in 16,000
}

TEST(GhostTableTest, ForgetsWhatIsOlderThanTheHorizon) {
  GhostTable ghost;
  ghost.Resize(1000);
  ghost.Insert(42);
  SeededRandom random(2);
  for (int i = 0; i < 300; ++i) ghost.Insert(random.Next());
  EXPECT_FALSE(ghost.Take(42, 299));
  ghost.Insert(42);
  for (int i = 0; i < 300; ++i) ghost.Insert(random.Next());
  EXPECT_TRUE(ghost.Take(42, 301));
}

TEST(GhostTableTest, AgesOfALargeTableStayComparable) {
  GhostTable ghost;
  ghost.Resize(1'000'000);
  SeededRandom random(3);
  for (int i = 0; i < 3'000'000; ++i) ghost.Insert(random.Next());
  ghost.Insert(42);
  for (int i = 0; i < 900'000; ++i) ghost.Insert(random.Next());
  EXPECT_TRUE(ghost.Take(42, 1'250'000));
}

class VictimTest : public testing::Test {
 protected:
  Entry* Add(const std::string& name, uint32_t state, UnixMs expiry_ms = memtable::kNoExpiry) {
    const KeyRef key = memtable::MakeKeyRef(kSeed, name);
    Entry* entry = table_.SetInteger(key, table_.Find(key), 1, expiry_ms);
    entry->set_eviction_state(state);
    return entry;
  }
  Entry* Find(const std::string& name) { return table_.Find(memtable::MakeKeyRef(kSeed, name)); }
  VictimRule Rule(Rank rank, bool expiring_only, uint32_t samples = kMaxSamples) {
    const Policy policy{rank, expiring_only};
    const Tuning tuning{.samples = samples};
    return {policy, tuning, AccessRule::At(kNowMs, StateUseOf(policy, true), tuning)};
  }
  std::string Victim(const VictimRule& rule) {
    const Entry* victim = ChooseVictim(table_, rule, table_.size(), queues_, random_);
    return victim == nullptr ? "none" : std::string(victim->key());
  }
  // As an engine evicts.
  std::string Evict(const VictimRule& rule) {
    Entry* victim = ChooseVictim(table_, rule, table_.size(), queues_, random_);
    const std::string name(victim->key());
    const KeyRef key = memtable::MakeKeyRef(kSeed, name);
    queues_.Evicted(key.hash, table_.size());
    table_.Erase(key, victim);
    return name;
  }
  void Enter(const std::string& name) {
    Add(name, queues_.Enter(memtable::MakeKeyRef(kSeed, name).hash));
  }
  void Hit(const std::string& name, const VictimRule& rule) {
    rule.access.Touch(*Find(name), random_);
  }

  memtable::Reclaimer reclaimer_;
  memtable::Table table_{{.shared_order_bits = 0, .reclaimer = &reclaimer_}};
  ShardQueues queues_;
  SeededRandom random_{9};
};

TEST_F(VictimTest, NoKeyNoVictim) {
  for (const Rank rank : {Rank::kRandom, Rank::kLru, Rank::kLfu, Rank::kTtl, Rank::kQueues}) {
    EXPECT_EQ(Victim(Rule(rank, false)), "none");
    EXPECT_EQ(Victim(Rule(rank, true)), "none");
  }
  Add("stays", 0);
  EXPECT_EQ(Victim(Rule(Rank::kLru, true)), "none");  // it has no TTL
  EXPECT_EQ(Victim(Rule(Rank::kLru, false)), "stays");
}

TEST_F(VictimTest, LruTakesTheLongestIdle) {
  const VictimRule rule = Rule(Rank::kLru, false);
  for (uint32_t i = 0; i < 40; ++i) Add(fmt::format("k{}", i), rule.access.clock - i % 39);
  Add("oldest", rule.access.clock - 1000);
  EXPECT_EQ(Victim(rule), "oldest");
}

TEST_F(VictimTest, LfuTakesTheLeastUsedAsDecayedByNow) {
  const VictimRule rule = Rule(Rank::kLfu, false);
  for (uint32_t i = 0; i < 40; ++i)
    Add(fmt::format("k{}", i), CounterState(rule.access.minutes, 20));
  Add("was hot", CounterState(rule.access.minutes - 90, 100));  // 10 by now
  EXPECT_EQ(Victim(rule), "was hot");
}

TEST_F(VictimTest, TtlTakesTheFirstToExpireAndOnlyWhatExpires) {
  for (int i = 0; i < 30; ++i) Add(fmt::format("stays{}", i), 0);
  for (int i = 0; i < 30; ++i) Add(fmt::format("k{}", i), 0, kNowMs + 10'000 + i);
  Add("soon", 0, kNowMs + 5);
  EXPECT_EQ(Victim(Rule(Rank::kTtl, true)), "soon");
}

TEST_F(VictimTest, ExpiringOnlyFindsTheFewAmongMany) {
  for (int i = 0; i < 5000; ++i) Add(fmt::format("stays{}", i), 0);
  for (int i = 0; i < 3; ++i) Add(fmt::format("goes{}", i), 0, kNowMs + 10'000);
  std::set<std::string> victims;
  for (int i = 0; i < 200; ++i) victims.insert(Victim(Rule(Rank::kRandom, true)));
  EXPECT_EQ(victims, (std::set<std::string>{"goes0", "goes1", "goes2"}));
}

// Every key is as likely as another, whatever gaps there are beside it.
TEST_F(VictimTest, RandomIsUniform) {
  for (int i = 0; i < 1000; ++i) Add(fmt::format("k{}", i), 0);
  std::map<std::string, int> taken;
  for (int i = 0; i < 100'000; ++i) ++taken[Victim(Rule(Rank::kRandom, false))];
  EXPECT_EQ(taken.size(), 1000u);
  int most = 0;
  for (const auto& [name, count] : taken) most = std::max(most, count);
  EXPECT_LT(most, 250);  // 100 each; segments of different depth make up to twice as much
}

TEST_F(VictimTest, KeysOfOneSlotAreSampledAllOverIt) {
  for (int i = 0; i < 3000; ++i) Add(fmt::format("{{tag}}{}", i), 0);
  std::set<std::string> victims;
  for (int i = 0; i < 10'000; ++i) victims.insert(Victim(Rule(Rank::kRandom, false)));
  EXPECT_GT(victims.size(), 2500u);
}

TEST_F(VictimTest, FewerSamplesSeeLess) {
  const VictimRule rule = Rule(Rank::kLru, false, 1);
  for (uint32_t i = 0; i < 64; ++i) Add(fmt::format("k{}", i), rule.access.clock);
  Add("oldest", rule.access.clock - 1000);
  int found = 0;
  for (int i = 0; i < 1000; ++i) found += Victim(rule) == "oldest" ? 1 : 0;
  EXPECT_LT(found, 100);
}

TEST_F(VictimTest, QueuesEvictWhatWasNeverHitAndKeepWhatWas) {
  const VictimRule rule = Rule(Rank::kQueues, false);
  for (int i = 0; i < 160; ++i) Enter(fmt::format("hot{}", i));
  for (int i = 0; i < 160; ++i) Hit(fmt::format("hot{}", i), rule);
  // A scan over ten times as many keys: each is evicted again, the hit ones stay.
  for (int i = 0; i < 3200; ++i) {
    Enter(fmt::format("scan{}", i));
    Evict(rule);
    for (int hot = i % 8; hot < 160; hot += 8) {
      if (Find(fmt::format("hot{}", hot)) != nullptr) Hit(fmt::format("hot{}", hot), rule);
    }
  }
  int left = 0;
  for (int i = 0; i < 160; ++i) left += Find(fmt::format("hot{}", i)) != nullptr ? 1 : 0;
  EXPECT_GT(left, 80);  // without queues none would be
}

TEST_F(VictimTest, WhatTheGhostKnowsEntersTheMainQueue) {
  const VictimRule rule = Rule(Rank::kQueues, false);
  for (int i = 0; i < 100; ++i) Enter(fmt::format("k{}", i));
  EXPECT_FALSE(InMain(Find("k1")->eviction_state()));
  const std::string evicted = Evict(rule);
  Enter(evicted);
  EXPECT_TRUE(InMain(Find(evicted)->eviction_state()));
  Enter("never seen");
  EXPECT_FALSE(InMain(Find("never seen")->eviction_state()));
  queues_.Reset();
  EXPECT_EQ(queues_.allocated_bytes(), 0u);
}

TEST_F(VictimTest, StateOfAnyBitsDoesNoHarm) {  // as after another policy
  const VictimRule rule = Rule(Rank::kQueues, false);
  for (int i = 0; i < 500; ++i)
    Add(fmt::format("k{}", i), static_cast<uint32_t>(random_.Next()) & kStateMask);
  std::set<std::string> victims;
  while (table_.size() > 0) victims.insert(Evict(rule));
  EXPECT_EQ(victims.size(), 500u);
}

}  // namespace
}  // namespace holdfast::eviction
