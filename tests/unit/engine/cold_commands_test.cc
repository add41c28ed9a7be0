// Commands over a tier: the same replies and the same state as without one, although everything
// leaves memory between commands.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/keyspace/eviction_action.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/reply_sinks.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/fake_cold_store.h"

namespace holdfast::engine_test {
namespace {

// So that two stores hash, and pick, alike, whichever thread asks first.
class OneNumber final : public RandomSource {
 public:
  uint64_t NextRandom() override { return 4711; }
};

// A store in memory, its background threads asleep; over a fake tier or none.
class ColdStoreUnderTest {
 public:
  ColdStoreUnderTest(bool with_tier, TestClock& clock) {
    for (const auto& [name, value] :
         Settings{{"enable-debug-command", "yes"}, {"databases", "4"}, {"appendonly", "no"}}) {
      const std::string words[] = {value};
      HF_CHECK(config_.SetAtStart(name, words));
    }
    auto store = Store::Open({.config = &config_,
                              .clock = &clock,
                              .random = &random_,
                              .file_system = &disk_,
                              .in_memory = true});
    HF_CHECK(store.has_value());
    store_ = std::move(*store);
    if (with_tier) tier_.Attach(store_->keyspace());
    executor_ = std::make_unique<Executor>(*store_);
    Run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
  }

  std::string Run(const Command& words) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
    ValueSink sink(3);
    executor_->BeginTurn();
    executor_->Prepare(session_, command);
    HF_CHECK(executor_->Execute(session_, command, sink) == Outcome::kReplied);
    executor_->EndTurn();
    return Text(sink.Take());
  }
  std::string Run(std::string_view line) { return Run(Split(line)); }

  // Everything leaves memory, or is about to: what is queued for some shards does not land yet.
  void EvictAll(UnixMs now_ms, SeededRandom* random) {
    keyspace::Keyspace& keyspace = store_->keyspace();
    for (keyspace::Shard& shard : keyspace.shards()) {
      for (int database = 0; database < keyspace.databases(); ++database)
        EvictFrom(shard, database, now_ms);
    }
    for (keyspace::Shard& shard : keyspace.shards()) {
      while (random == nullptr || random->Below(4) != 0) {
        if (!tier_.Land(shard.index)) break;
      }
    }
  }

  uint64_t loaded() {
    keyspace::LockedShards none(store_->keyspace());
    return store_->keyspace().Counters(none).loaded;
  }

  keyspace::FakeColdStore tier_;

 private:
  void EvictFrom(keyspace::Shard& shard, int database, UnixMs now_ms) {
    const memtable::Table* table = shard.table(database);
    if (table == nullptr) return;
    keyspace::LockedShards locks(store_->keyspace());
    locks.LockOne(shard);
    std::vector<std::string> names;
    table->Scan(0, table->size() + 1,
                [&](memtable::Entry& entry) { names.emplace_back(entry.key()); });
    keyspace::KeyAccess access(store_->keyspace(), {.now_ms = now_ms});
    for (const std::string& name : names) {
      const auto key = store_->keyspace().Handle(database, name);
      keyspace::SpillAction().Evict(access, key, table->Find(key.ref));
    }
  }

  config::Config config_;
  OneNumber random_;
  sim::SimulatedFileSystem disk_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Executor> executor_;
  commands::Session session_;
};

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
  void EvictAll() { tiered_.EvictAll(clock_.NowMs(), nullptr); }

  TestClock clock_;
  ColdStoreUnderTest plain_{false, clock_};
  ColdStoreUnderTest tiered_{true, clock_};
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
    if (random.Below(3) != 0) tiered_.EvictAll(clock_.NowMs(), &landing);
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
  tiered_.tier_.list_fails = true;
  tiered_.tier_.reads_in_place_fail = true;
  for (const std::string_view line : {"GET k", "KEYS *", "SCAN 0", "RANDOMKEY", "DEBUG DIGEST"})
    EXPECT_TRUE(tiered_.Run(line).starts_with("IOERR ")) << line << ": " << tiered_.Run(line);
  EXPECT_EQ(tiered_.Run("DBSIZE"), "1");
  tiered_.tier_.list_fails = false;
  tiered_.tier_.reads_in_place_fail = false;
  for (const std::string_view line : {"GET k", "KEYS *", "SCAN 0", "RANDOMKEY", "DEBUG DIGEST"})
    Both(line);
}

INSTANTIATE_TEST_SUITE_P(One, ColdCommandsByName, testing::Values(1));

}  // namespace
}  // namespace holdfast::engine_test
