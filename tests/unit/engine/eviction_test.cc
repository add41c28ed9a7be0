// The memory budget of a whole store: who is refused, what is evicted, what the log says of it.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "engine/commands/info_view.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/store.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr uint64_t kLimit = 4 << 20;
constexpr char kOom[] = "OOM command not allowed when used memory > 'maxmemory'.";

std::string Field(DbSession& session, std::string_view section, std::string_view field) {
  const std::string info = Execute(session, fmt::format("INFO {}", section));
  const size_t at = info.find(fmt::format("\n{}:", field));
  if (at == std::string::npos) return {};
  const size_t start = at + field.size() + 2;
  return info.substr(start, info.find_first_of("\r\n", start) - start);
}

uint64_t Number(DbSession& session, std::string_view section, std::string_view field) {
  return std::stoull(Field(session, section, field));
}

std::unique_ptr<Db> InMemory(std::string_view policy, const Settings& more = {}) {
  Settings settings = {{"maxmemory", std::to_string(kLimit)},
                       {"maxmemory-policy", std::string(policy)}};
  settings.insert(settings.end(), more.begin(), more.end());
  auto db = Db::Open({.settings = settings});
  HF_CHECK(db.has_value());
  return std::move(*db);
}

// All that were set are there or counted as evicted, once background eviction rests.
bool AllAccountedFor(DbSession& session, uint64_t keys) {
  return Eventually([&] {
    return std::stoull(Execute(session, "DBSIZE")) + Number(session, "stats", "evicted_keys") ==
           keys;
  });
}

// Sets so many keys of about 200 bytes; how many were refused.
int Fill(DbSession& session, int keys, std::string_view name = "key", std::string_view extra = "") {
  int refused = 0;
  const std::string value(150, 'v');
  for (int i = 0; i < keys; ++i) {
    const std::string reply =
        Execute(session, fmt::format("SET {}:{} {} {}", name, i, value, extra));
    refused += reply == kOom ? 1 : 0;
    EXPECT_TRUE(reply == "OK" || reply == kOom) << reply;
  }
  return refused;
}

TEST(Eviction, NoEvictionRefusesWhatGrowsAndNothingElse) {
  const auto db = InMemory("noeviction");
  const auto session = db->NewSession();
  EXPECT_GT(Fill(*session, 40'000), 1000);
  EXPECT_LE(Number(*session, "memory", "used_memory"), kLimit + kLimit / 100);
  EXPECT_GE(Number(*session, "memory", "used_memory"), kLimit - kLimit / 100);
  EXPECT_EQ(Execute(*session, "SET more v"), kOom);
  EXPECT_EQ(Execute(*session, "APPEND more v"), kOom);
  EXPECT_EQ(Execute(*session, "INCR more"), kOom);
  EXPECT_EQ(Execute(*session, "STRLEN key:1"), "150");
  EXPECT_EQ(Execute(*session, "EXPIRE key:1 100"), "1");
  EXPECT_EQ(Number(*session, "stats", "evicted_keys"), 0u);
  EXPECT_EQ(Execute(*session, "FLUSHALL"), "OK");
  EXPECT_EQ(Execute(*session, "SET more v"), "OK");
}

TEST(Eviction, TransactionsAreRefusedAsRedisDoes) {
  const auto db = InMemory("noeviction");
  const auto session = db->NewSession();
  const auto other = db->NewSession();
  EXPECT_EQ(Execute(*other, "MULTI"), "OK");
  EXPECT_EQ(Execute(*other, "SET in-queue v"), "QUEUED");
  EXPECT_EQ(Execute(*other, "GET in-queue"), "QUEUED");
  Fill(*session, 40'000);
  EXPECT_EQ(Execute(*session, "MULTI"), "OK");
  EXPECT_EQ(Execute(*session, "GET key:1"), kOom);  // a queue would grow
  EXPECT_EQ(Execute(*session, "EXEC"),
            "EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(Execute(*other, "EXEC"),
            fmt::format("EXECABORT Transaction discarded because of: {}", kOom));
  EXPECT_EQ(Execute(*other, "GET in-queue"), "nil");
}

class EveryPolicy : public testing::TestWithParam<const char*> {};

TEST_P(EveryPolicy, KeepsUnderTheLimitAndGoesOn) {
  const auto db = InMemory(GetParam());
  const auto session = db->NewSession();
  uint64_t most = 0;
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(Fill(*session, 3000, fmt::format("r{}", round), "EX 10000"), 0);
    most = std::max(most, Number(*session, "memory", "used_memory"));
  }
  EXPECT_LE(most, kLimit + kLimit / 100);
  EXPECT_GT(most, kLimit * 9 / 10);
  const uint64_t evicted = Number(*session, "stats", "evicted_keys");
  EXPECT_GT(evicted, 20'000u);
  EXPECT_TRUE(AllAccountedFor(*session, 60'000));
}

INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy,
                         testing::Values("allkeys-lru", "allkeys-lfu", "allkeys-random",
                                         "volatile-lru", "volatile-lfu", "volatile-random",
                                         "volatile-ttl", "allkeys-s3fifo"),
                         [](const auto& test) {
                           std::string name(test.param);
                           std::erase(name, '-');
                           return name;
                         });

TEST(Eviction, VolatilePoliciesTakeOnlyKeysWithATtl) {
  const auto db = InMemory("volatile-lru");
  const auto session = db->NewSession();
  EXPECT_EQ(Fill(*session, 5000, "stays"), 0);
  EXPECT_EQ(Fill(*session, 30'000, "goes", "EX 10000"), 0);
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(Execute(*session, fmt::format("EXISTS stays:{}", i)), "1");
  // Keys without a TTL until none with one is left: then refused like with noeviction.
  EXPECT_GT(Fill(*session, 40'000, "more"), 1000);
  EXPECT_EQ(Field(*session, "keyspace", "db0").find("expires=0") != std::string::npos, true);
  EXPECT_EQ(Execute(*session, "SET k v EX 10000"), kOom);
}

TEST(Eviction, OtherDatabasesAreEvictedFromToo) {
  const auto db = InMemory("allkeys-lru");
  const auto session = db->NewSession();
  EXPECT_EQ(Execute(*session, "SELECT 3"), "OK");
  EXPECT_EQ(Fill(*session, 10'000), 0);
  EXPECT_EQ(Execute(*session, "SELECT 0"), "OK");
  EXPECT_EQ(Fill(*session, 40'000), 0);
  EXPECT_EQ(Execute(*session, "SELECT 3"), "OK");
  EXPECT_LT(std::stoi(Execute(*session, "DBSIZE")), 10'000);
}

TEST(Eviction, AKeyOfOneHugeSlotIsEvictedToo) {
  const auto db = InMemory("allkeys-lru");
  const auto session = db->NewSession();
  EXPECT_EQ(Fill(*session, 100), 0);
  EXPECT_EQ(Fill(*session, 40'000, "{one}"), 0);
  EXPECT_LE(Number(*session, "memory", "used_memory"), kLimit + kLimit / 100);
}

TEST(Eviction, BreaksWatches) {
  const auto db = InMemory("allkeys-random");
  const auto watcher = db->NewSession();
  const auto session = db->NewSession();
  EXPECT_EQ(Execute(*watcher, "SET watched v"), "OK");
  EXPECT_EQ(Execute(*watcher, "WATCH watched"), "OK");
  for (int i = 0; i < 100 && Execute(*session, "EXISTS watched") == "1"; ++i)
    Fill(*session, 5000, fmt::format("r{}", i));
  ASSERT_EQ(Execute(*session, "EXISTS watched"), "0");
  EXPECT_EQ(Execute(*watcher, "MULTI"), "OK");
  EXPECT_EQ(Execute(*watcher, "PING"), "QUEUED");
  EXPECT_EQ(Execute(*watcher, "EXEC"), "nil");
}

TEST(Eviction, ALowerLimitIsReachedInTheBackground) {
  const auto db = InMemory("allkeys-lru", {{"maxmemory", "32mb"}});
  const auto session = db->NewSession();
  EXPECT_EQ(Fill(*session, 60'000), 0);
  EXPECT_EQ(Number(*session, "stats", "evicted_keys"), 0u);
  EXPECT_EQ(Execute(*session, "CONFIG SET maxmemory 4mb"), "OK");
  EXPECT_TRUE(Eventually([&] { return Number(*session, "memory", "used_memory") <= kLimit; }));
  EXPECT_EQ(Number(*session, "memory", "maxmemory"), kLimit);
}

TEST(Eviction, ThePolicyDecidesWhatTheStateSays) {
  const auto db = InMemory("noeviction", {{"maxmemory", "32mb"}});
  const auto session = db->NewSession();
  Fill(*session, 2000);
  EXPECT_EQ(Execute(*session, "OBJECT IDLETIME key:7"), "0");
  EXPECT_EQ(Execute(*session, "CONFIG SET maxmemory-policy allkeys-lfu"), "OK");
  EXPECT_TRUE(Eventually([&] {  // every key begins anew
    for (int i = 0; i < 2000; ++i) {
      if (Execute(*session, fmt::format("OBJECT FREQ key:{}", i)) != "5") return false;
    }
    return true;
  }));
  EXPECT_EQ(Execute(*session, "SET new v"), "OK");
  EXPECT_EQ(Execute(*session, "OBJECT FREQ new"), "5");
  EXPECT_EQ(Execute(*session, "GET new"), "v");
  EXPECT_EQ(Execute(*session, "OBJECT FREQ new"), "6");
  EXPECT_EQ(Execute(*session, "CLIENT NO-TOUCH on"), "OK");
  EXPECT_EQ(Execute(*session, "GET new"), "v");
  EXPECT_EQ(Execute(*session, "SET new w"), "OK");
  EXPECT_EQ(Execute(*session, "OBJECT FREQ new"), "6");
  EXPECT_EQ(Execute(*session, "RENAME new newer"), "OK");
  EXPECT_EQ(Execute(*session, "OBJECT FREQ newer"), "6");  // also without a touch
  EXPECT_NE(Execute(*session, "OBJECT IDLETIME newer").find("ERR An LFU maxmemory policy is sel"),
            std::string::npos);
  EXPECT_EQ(Execute(*session, "CONFIG SET maxmemory-policy allkeys-s3fifo"), "OK");
  EXPECT_EQ(Execute(*session, "OBJECT IDLETIME newer"),
            "ERR The allkeys-s3fifo maxmemory policy is selected, idle time not tracked.");
  EXPECT_EQ(Execute(*session, "CONFIG SET maxmemory 0"), "OK");
  EXPECT_TRUE(Eventually([&] { return Execute(*session, "OBJECT IDLETIME newer") == "0"; }));
}

TEST(Eviction, WhatIsEvictedIsGoneAfterARestartAndReplayEvictsNothing) {
  for (const char* policy : {"allkeys-lru", "allkeys-s3fifo", "volatile-ttl"}) {
    sim::SimulatedFileSystem disk;
    std::string state;
    {
      const auto db = MustOpen(disk, {{"maxmemory", "4mb"}, {"maxmemory-policy", policy}});
      const auto session = db->NewSession();
      EXPECT_EQ(Fill(*session, 40'000, "key", "EX 10000"), 0);
      EXPECT_GT(Number(*session, "stats", "evicted_keys"), 1000u);
      state = StateOf(*db);
      // Nobody writes, so nothing is evicted any more.
      EXPECT_TRUE(Eventually([&] {
        std::string before = std::exchange(state, StateOf(*db));
        return before == state;
      }));
    }
    // As many as there were, though only half of them would be let in.
    const auto db = MustOpen(disk, {{"maxmemory", "2mb"}, {"maxmemory-policy", "noeviction"}});
    EXPECT_EQ(StateOf(*db), state) << policy;
  }
}

TEST(Eviction, ManyWritersStayUnderTheLimit) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"maxmemory", "4mb"}, {"maxmemory-policy", "allkeys-s3fifo"}});
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      const auto session = db->NewSession();
      for (int round = 0; round < 4; ++round)
        EXPECT_EQ(Fill(*session, 3000, fmt::format("t{}r{}", t, round)), 0);
    });
  }
  std::thread settings([&] {
    const auto session = db->NewSession();
    const char* policies[] = {"allkeys-lfu", "allkeys-s3fifo", "allkeys-random", "allkeys-lru"};
    for (int i = 0; !done.load(); ++i) {
      EXPECT_EQ(Execute(*session, fmt::format("CONFIG SET maxmemory-policy {}", policies[i % 4])),
                "OK");
      // The fixture's ring is larger than a store with this limit would make it.
      EXPECT_LE(Number(*session, "memory", "used_memory"),
                kLimit + kLimit / 100 + Number(*session, "memory", "mem_not_counted_for_evict"));
    }
  });
  for (std::thread& writer : writers) writer.join();
  done = true;
  settings.join();
  EXPECT_TRUE(AllAccountedFor(*db->NewSession(), 36'000));
}

// What is asked before each write is never far from what INFO adds up.
TEST(Eviction, TheBudgetsFigureIsTheSumOfThePartsButForAQuarterPercent) {
  const auto db = InMemory("allkeys-s3fifo");
  const auto session = db->NewSession();
  for (int round = 0; round < 5; ++round) {
    Fill(*session, 8000, fmt::format("r{}", round));
    Execute(*session, "APPEND r0:1 more");
    Execute(*session, "SWAPDB 0 1");
    Execute(*session, fmt::format("SETRANGE big{} 3000000 x", round % 2));
    if (round == 3) Execute(*session, "FLUSHDB");
    Store& store = db->store();
    keyspace::LockedShards gate(store.keyspace());
    gate.LockGate();
    const uint64_t exact =
        store.keyspace().AllocatedBytes(gate) + store.keyspace().PolicyBytes(gate);
    EXPECT_NEAR(static_cast<double>(store.keyspace().budget().used()), static_cast<double>(exact),
                static_cast<double>(kLimit) / 400);
  }
}

}  // namespace
}  // namespace holdfast::engine_test
