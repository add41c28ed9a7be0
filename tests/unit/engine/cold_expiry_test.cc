// Active expiry of keys that are not in memory.
#include "engine/cold_expiry.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "tests/unit/engine/cold_store_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr int64_t kNoBound = INT64_MAX / 2;

class ColdExpiryTest : public testing::Test {
 protected:
  size_t Round() {
    store_.executor().BeginTurn();
    return ColdExpiry(store_.store()).Round(store_.executor(), kNoBound);
  }
  void SetCold(const std::string& name, int64_t ttl_ms) {
    store_.Run(Command{"SET", name, "v", "PX", std::to_string(ttl_ms)});
    store_.EvictAll();
  }
  void Advance(int64_t ms) { clock_.SetMs(clock_.NowMs() + ms); }
  keyspace::FakeColdStore& tier() { return store_.tier(); }
  uint64_t expired() {
    keyspace::LockedShards none(store_.store().keyspace());
    return store_.store().keyspace().Counters(none).expired;
  }

  TestClock clock_;
  TieredStore store_{true, clock_};
};

TEST_F(ColdExpiryTest, DeletesWhatIsDueAndNothingElseWithoutItsValue) {
  for (int i = 0; i < 500; ++i) SetCold(fmt::format("due{}", i), 100);
  SetCold("later", 1000);
  SetCold("persistent", 100);
  store_.Run("PERSIST persistent");
  store_.EvictAll();
  Advance(100);
  const uint64_t loaded = store_.loaded();
  EXPECT_EQ(store_.Run("DBSIZE"), "502");
  EXPECT_EQ(Round(), 500U);
  EXPECT_EQ(store_.loaded(), loaded);
  EXPECT_EQ(expired(), 500U);
  EXPECT_EQ(store_.Run("DBSIZE"), "2");
  EXPECT_EQ(tier().hints(), 1U) << "of `later`";
  tier().LandAll();
  EXPECT_EQ(tier().rows().size(), 2U);
  EXPECT_EQ(Round(), 0U);
  for (keyspace::Shard& shard : store_.store().keyspace().shards())
    EXPECT_EQ(shard.residency->loads(), 0U);
}

TEST_F(ColdExpiryTest, MemoryCountsBeforeTheTier) {
  for (const char* name : {"longer", "gone", "hot"}) SetCold(name, 100);
  store_.Run("PEXPIRE longer 5000");  // in memory: the row does not know yet
  store_.Run("DEL gone");
  store_.Run("GET hot");
  Advance(100);
  EXPECT_EQ(Round(), 1U) << "hot";
  EXPECT_EQ(store_.Run("DBSIZE"), "1");
  EXPECT_EQ(tier().hints(), 0U);
  store_.EvictAll();
  EXPECT_EQ(tier().hints(), 1U) << "the new expiry's";
  Advance(5000);
  EXPECT_EQ(Round(), 1U);
  EXPECT_EQ(store_.Run("DBSIZE"), "0");
}

TEST_F(ColdExpiryTest, SpacesThatSwappedOrDied) {
  SetCold("a", 100);
  store_.Run("SELECT 1");
  SetCold("b", 100);
  store_.Run("SELECT 2");
  SetCold("c", 100);
  store_.Run("SWAPDB 0 3");
  store_.Run("FLUSHDB");
  Advance(100);
  EXPECT_EQ(Round(), 2U);
  EXPECT_EQ(tier().hints(), 0U);
  for (const char* database : {"0", "1", "2", "3"}) {
    store_.Run(Command{"SELECT", database});
    EXPECT_EQ(store_.Run("DBSIZE"), "0");
  }
}

TEST_F(ColdExpiryTest, WhatCannotBeReadIsFoundAgain) {
  SetCold("k", 100);
  Advance(100);
  tier().reads_in_place_fail = true;
  EXPECT_EQ(Round(), 0U);
  EXPECT_EQ(store_.Run("DBSIZE"), "1");
  EXPECT_EQ(tier().hints(), 1U);
  tier().reads_in_place_fail = false;
  tier().hints_fail = true;
  EXPECT_EQ(Round(), 0U);
  tier().hints_fail = false;
  EXPECT_EQ(Round(), 1U);
  EXPECT_EQ(store_.Run("DBSIZE"), "0");
}

TEST(ColdExpiryLog, TheDeleteIsLogged) {
  sim::SimulatedFileSystem disk;
  TestClock clock;
  const UnixMs began = clock.NowMs();
  {
    TieredStore store(true, clock, &disk);
    store.Run("SET k v PX 100");
    store.Run("SET stays v PX 1000");
    store.EvictAll();
    clock.SetMs(began + 100);
    store.executor().BeginTurn();
    EXPECT_EQ(ColdExpiry(store.store()).Round(store.executor(), kNoBound), 1U);
  }
  clock.SetMs(began);  // it would be alive, had it not been deleted
  TieredStore again(false, clock, &disk);
  EXPECT_EQ(again.Run("KEYS *"), "stays");
}

}  // namespace
}  // namespace holdfast::engine_test
