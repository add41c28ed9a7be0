// Commands over a tier: the same replies and the same state as without one, although everything
// leaves memory between commands.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/commands/tier_figures.h"
#include "tests/unit/engine/cold_store_fixture.h"

namespace holdfast::engine_test {
namespace {

class ColdCommands : public testing::TestWithParam<uint64_t> {
 protected:
  std::string Both(const Command& command) {
    const std::string expected = plain_.Run(command);
    const std::string got = tiered_.Run(command);
    std::string line;
    for (const std::string& word : command) line += word.substr(0, 40) + " ";
    EXPECT_EQ(got.substr(0, 300), expected.substr(0, 300)) << line;
    return got;
  }
  std::string Both(std::string_view line) { return Both(Split(line)); }
  void EvictAll() { tiered_.EvictAll(); }

  TestClock clock_;
  TieredStore plain_{false, clock_};
  TieredStore tiered_{true, clock_};
};

// What looks at many keys, or at one in an odd way.
Command Look(SeededRandom& random) {
  const std::string key = fmt::format("key:{}", random.Below(40));
  switch (random.Below(12)) {
    case 0:
      return {"KEYS", "*"};
    case 1:
      return {"SCAN", "0", "COUNT", std::to_string(1 + random.Below(60))};
    case 2:
      return {"RANDOMKEY"};
    case 3:
      return {"DBSIZE"};
    case 4:
      return {"TTL", key};
    case 5:
      return {"TYPE", key};
    case 6:
      return {"OBJECT", "ENCODING", key};
    case 7:
      return {"SELECT", std::to_string(random.Below(4))};
    case 8:
      return {"DUMP", key};
    case 9:
      return {"DEL", key, key, "key:1"};
    case 10:
      return {"SCAN", "0", "TYPE", "string", "COUNT", "1000", "MATCH", "*1*"};
    default:
      return {"GETDEL", key};
  }
}

TEST_P(ColdCommands, SameRepliesAndStateAsWithoutATier) {
  SeededRandom random(GetParam());
  SeededRandom landing(GetParam() + 100);
  for (int i = 0; i < 1500 && !HasFailure(); ++i) {
    for (const Command& command : RandomCommands(random, {})) Both(command);
    Both(Look(random));
    if (random.Below(3) != 0) tiered_.EvictAll(&landing);
    if (random.Below(10) == 0)
      clock_.SetMs(clock_.NowMs() + static_cast<UnixMs>(random.Below(3000)));
    if (i % 100 == 99) Both("DEBUG DIGEST");
  }
  EXPECT_GT(tiered_.loaded(), 300U);
}

TEST_P(ColdCommands, ATransactionFindsItsKeysWhereverItSelectsOrSwaps) {
  SeededRandom random(GetParam());
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    Both("SELECT 0");
    Both("MULTI");
    for (uint64_t queued = 1 + random.Below(6); queued > 0; --queued) {
      const auto key = [&] { return fmt::format("k{}", random.Below(6)); };
      const auto database = [&] { return std::to_string(random.Below(5)); };  // 4: there is none
      switch (random.Below(9)) {
        case 0:
          Both(Command{"SELECT", database()});
          break;
        case 1:
          Both(Command{"SWAPDB", database(), database()});
          break;
        case 2:
          Both(Command{"COPY", key(), key(), "DB", database(), "REPLACE"});
          break;
        case 3:
          Both(Command{"MOVE", key(), database()});
          break;
        case 4:
          Both(Command{"RENAME", key(), key()});
          break;
        case 5:
          Both(Command{"APPEND", key(), "x"});
          break;
        case 6:
          Both(Command{"KEYS", "*"});
          break;
        case 7:
          Both(Command{"DEL", key(), key()});
          break;
        default:
          Both(Command{"SET", key(), std::to_string(random.Below(100))});
      }
    }
    Both("EXEC");
    EvictAll();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ColdCommands, testing::Range<uint64_t>(1, 5));

using ColdCommandsByName = ColdCommands;

TEST_P(ColdCommandsByName, AnErrorOfTheTierIsAnErrorReplyAndNoKeyIsMissing) {
  Both("SET k v");
  EvictAll();
  tiered_.tier().list_fails = true;
  tiered_.tier().reads_in_place_fail = true;
  for (const std::string_view line : {"GET k", "KEYS *", "SCAN 0", "RANDOMKEY", "DEBUG DIGEST"})
    EXPECT_TRUE(tiered_.Run(line).starts_with("IOERR ")) << line << ": " << tiered_.Run(line);
  EXPECT_EQ(tiered_.Run("DBSIZE"), "1");
  tiered_.tier().list_fails = false;
  tiered_.tier().reads_in_place_fail = false;
  for (const std::string_view line : {"GET k", "KEYS *", "SCAN 0", "RANDOMKEY", "DEBUG DIGEST"})
    Both(line);
}

// FLUSHDB breaks the WATCH of a key that is there, cold or not, and of no other.
TEST_P(ColdCommandsByName, AFlushBreaksTheWatchesOfKeysThatAreThere) {
  for (const char* watched : {"WATCH there", "WATCH never-there", "WATCH hot", "WATCH deleted"}) {
    for (int i = 0; i < 600; ++i) Both(Command{"SET", std::to_string(i), "v"});  // in all shards
    Both("SET there v");
    Both("SET deleted v");
    EvictAll();
    Both("SET hot v");
    Both("DEL deleted");
    Both(watched);
    EvictAll();
    Both("FLUSHDB");
    Both("MULTI");
    Both("PING");
    const std::string reply = Both("EXEC");
    const bool broken =
        std::string_view(watched) == "WATCH there" || std::string_view(watched) == "WATCH hot";
    EXPECT_EQ(reply == "nil", broken) << watched << ": " << reply;
  }
}

// SWAPDB breaks the WATCH of a key that is there in either of the two databases, and of no other.
TEST_P(ColdCommandsByName, ASwapBreaksTheWatchesOfKeysThatAreThere) {
  SeededRandom random(GetParam());
  size_t broken = 0;
  constexpr size_t kTimes = 200;
  for (size_t i = 0; i < kTimes; ++i) {
    const auto key = [&] { return fmt::format("k{}", random.Below(30)); };
    for (int change = 0; change < 3; ++change) {
      Both(Command{"SELECT", std::to_string(random.Below(3))});
      Both(random.Below(2) == 0 ? Command{"SET", key(), "v"} : Command{"DEL", key(), key(), key()});
    }
    EvictAll();
    Both(Command{"WATCH", key(), key()});
    if (random.Below(2) == 0) EvictAll();
    Both(Command{"SWAPDB", std::to_string(random.Below(3)), std::to_string(random.Below(3))});
    if (random.Below(2) == 0) EvictAll();
    Both("MULTI");
    Both("PING");
    if (Both("EXEC") == "nil") ++broken;
  }
  EXPECT_GT(broken, kTimes / 10);
  EXPECT_LT(broken, kTimes * 9 / 10);
}

// Of keys that were overwritten without a look at the tier.
TEST_P(ColdCommandsByName, ACountThatTheTierCannotGiveIsAnErrorButForInfo) {
  for (const char* key : {"a", "b"}) tiered_.Run(Command{"SET", key, "v"});
  EvictAll();
  tiered_.Run("SET a new");
  tiered_.tier().landing_fails = true;
  EXPECT_NE(tiered_.Run("DBSIZE").find("IOERR"), std::string::npos);
  EXPECT_NE(tiered_.Run("INFO keyspace").find("db0:keys=3,"), std::string::npos);
  tiered_.Run("MULTI");
  tiered_.Run("SET a newer");
  tiered_.Run("DBSIZE");
  EXPECT_NE(tiered_.Run("EXEC").find("IOERR"), std::string::npos);
  EXPECT_EQ(tiered_.Run("GET a"), "newer");
  tiered_.tier().landing_fails = false;
  tiered_.Run("MULTI");
  tiered_.Run("SET b new");
  tiered_.Run("DBSIZE");
  EXPECT_NE(tiered_.Run("EXEC").find('2'), std::string::npos);
  EXPECT_NE(tiered_.Run("INFO keyspace").find("db0:keys=2,"), std::string::npos);
  EXPECT_EQ(tiered_.Run("DBSIZE"), "2");
}

TEST_P(ColdCommandsByName, InfoSaysWhereKeysLie) {
  const auto figure = [&](const std::string& name) {
    const std::string text = tiered_.Run("INFO tiering");
    const size_t at = text.find("\n" + name + ":");
    if (at == std::string::npos) return std::string("none");
    const size_t from = at + name.size() + 2;
    return text.substr(from, text.find("\r", from) - from);
  };
  for (const char* key : {"a", "b", "c"}) tiered_.Run(Command{"SET", key, "v"});
  EXPECT_EQ(figure("tier_enabled"), "1");
  EXPECT_EQ(figure("hot_keys"), "3");
  EXPECT_EQ(figure("dirty_keys"), "3");
  EvictAll();
  EXPECT_EQ(figure("hot_keys"), "0");
  EXPECT_EQ(figure("cold_keys"), "3");
  EXPECT_EQ(figure("spilled_keys"), "3");
  tiered_.Run("GET a");
  tiered_.Run("EXISTS b");
  EXPECT_EQ(figure("clean_keys"), "1");
  EXPECT_EQ(figure("dirty_keys"), "0");
  EXPECT_EQ(figure("loaded_keys"), "1");
  EXPECT_EQ(figure("cold_reads"), "2");
  EXPECT_EQ(figure("hot_hit_ratio"), "0.5000");
  tiered_.Run("DEL c");
  EXPECT_EQ(figure("tombstones"), "1");
  EXPECT_EQ(tiered_.Run("DBSIZE"), "2");
  struct More final : commands::TierFigures {
    void Add(commands::TierFields& fields) const override { fields.emplace_back("more", "42"); }
  } more;
  tiered_.store().services().tier_figures.push_back(&more);
  EXPECT_EQ(figure("more"), "42");
  tiered_.store().services().tier_figures.clear();
  EXPECT_TRUE(plain_.Run("INFO tiering").find("tier_enabled:0") != std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(One, ColdCommandsByName, testing::Values(1));

}  // namespace
}  // namespace holdfast::engine_test
