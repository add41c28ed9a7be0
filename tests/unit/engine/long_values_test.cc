// Long values that are cold: RENAME, COPY, MOVE, EXPIRE and their like change what names them, and
// nobody reads them; nobody frees them as long as anything names them.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aof/posix_file_system.h"
#include "engine/cold_tier.h"
#include "engine/keyspace/cut_walk.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/value_references.h"
#include "memtable/value_reference.h"
#include "tests/unit/engine/cold_store_fixture.h"
#include "tests/unit/engine/tier_fixture.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;

// ---- the rule of references

snapshot::ColdHeader Header(uint64_t value_id) {
  return {.size = 100'000, .value_id = value_id, .payload_bytes = 100'000};
}

TEST(ValueReferencesTest, AValueIsHeldAsLongAsSomebodyHasItsReference) {
  ValueReferences references;
  EXPECT_FALSE(references.Held(7));
  BlockRef first = references.To(Header(7));
  BlockRef second = references.To(Header(7));
  EXPECT_EQ(first.get(), second.get()) << "one block for all";
  EXPECT_EQ(HeaderOfReference(*first.get()), Header(7));
  EXPECT_FALSE(references.Held(8));
  first.Reset();
  EXPECT_TRUE(references.Held(7));
  second.Reset();
  EXPECT_FALSE(references.Held(7));
  EXPECT_EQ(references.MemoryBytes(), 0U);
}

TEST(ValueReferencesTest, ThoseThatNobodyHoldsAreForgotten) {
  ValueReferences references;
  const BlockRef held = references.To(Header(1));
  const uint64_t one = references.MemoryBytes();
  for (uint64_t id = 2; id < 10'000; ++id) references.To(Header(id));
  EXPECT_LT(references.MemoryBytes(), 200 * one);
  EXPECT_TRUE(references.Held(1));
  EXPECT_FALSE(references.Held(9999));
}

// ---- commands over a tier that does what the test says; more than 1024 bytes are long there

class LongColdValues : public testing::Test {
 protected:
  void Set(const std::string& key) {
    ASSERT_EQ(tiered_.Run(Command{"SET", key, value_}), "OK");
    tiered_.EvictAll();
    ASSERT_EQ(tiered_.tier().values_read(), read_);
  }
  std::string Run(std::string_view line) { return tiered_.Run(line); }
  // Nobody has read a long value since the last Get.
  void ExpectUnread(std::string_view line, const std::string& reply) {
    EXPECT_EQ(Run(line), reply) << line;
    EXPECT_EQ(tier().values_read(), read_) << line;
  }
  void ExpectValue(const std::string& key) {
    EXPECT_EQ(Run("GET " + key), value_) << key;
    EXPECT_EQ(tier().values_read(), ++read_) << key;
  }
  uint64_t references() {
    keyspace::LockedShards none(tiered_.store().keyspace());
    return tiered_.store().keyspace().SizeOf(none, 0).references;
  }
  keyspace::FakeColdStore& tier() { return tiered_.tier(); }

  TestClock clock_;
  TieredStore tiered_{true, clock_};
  const std::string value_ = std::string(5000, 'v') + "end";
  size_t read_ = 0;
};

TEST_F(LongColdValues, StayWhereTheyAreWhileTheirKeysChange) {
  Set("k");
  ExpectUnread("EXPIRE k 1000", "1");
  EXPECT_EQ(references(), 1U);
  ExpectUnread("TTL k", "1000");
  ExpectUnread("PERSIST k", "1");
  ExpectUnread("STRLEN k", "5003");
  ExpectUnread("OBJECT ENCODING k", "raw");
  ExpectUnread("TYPE k", "string");
  ExpectUnread("COPY k copy", "1");
  ExpectUnread("RENAME k other", "OK");
  ExpectUnread("EXISTS k", "0");
  ExpectUnread("RENAMENX other last", "1");
  ExpectUnread("MOVE copy 1", "1");
  ExpectUnread("COPY last last DB 2", "1");
  ExpectUnread("PEXPIREAT last 9000000000000", "1");
  ExpectUnread("RENAME last last", "OK");
  EXPECT_EQ(references(), 1U);
  ExpectValue("last");
  EXPECT_EQ(references(), 0U);
  EXPECT_EQ(Run("PEXPIRETIME last"), "9000000000000");
  for (const char* database : {"1", "2"}) {
    EXPECT_EQ(Run(std::string("SELECT ") + database), "OK");
    ExpectValue(*database == '1' ? "copy" : "last");
  }
}

// What a changed key leaves memory with is what names its value.
TEST_F(LongColdValues, GoBackAsRows) {
  Set("k");
  const uint64_t id = tier().rows().begin()->second.value_id;
  ExpectUnread("RENAME k r", "OK");
  ExpectUnread("COPY r c", "1");
  ExpectUnread("EXPIRE c 1000", "1");
  tiered_.EvictAll();
  EXPECT_EQ(references(), 0U);
  ASSERT_EQ(tier().rows().size(), 2U);
  for (const auto& [key, row] : tier().rows()) EXPECT_EQ(row.value_id, id) << std::get<2>(key);
  EXPECT_EQ(tier().Sweep(), 1U);
  ExpectUnread("DEL r", "1");
  tier().LandAll();
  EXPECT_EQ(tier().Sweep(), 1U) << "the copy";
  ExpectValue("c");
  EXPECT_EQ(Run("TTL c"), "1000");
  EXPECT_EQ(Run("DEL c"), "1");
  tier().LandAll();
  EXPECT_EQ(tier().Sweep(), 0U);
}

TEST_F(LongColdValues, AreNotSweptWhileOnlyMemoryNamesThem) {
  Set("k");
  ExpectUnread("RENAME k r", "OK");
  tier().LandAll();
  EXPECT_TRUE(tier().rows().empty()) << "the delete of k";
  EXPECT_EQ(tier().Sweep(), 1U);
  ExpectUnread("COPY r c", "1");
  ExpectUnread("DEL r", "1");
  EXPECT_EQ(tier().Sweep(), 1U);
  ExpectValue("c");
  EXPECT_EQ(tier().Sweep(), 0U) << "memory has it, and nothing names it";
  EXPECT_EQ(Run("GET c"), value_);
  tiered_.EvictAll();
  ExpectValue("c");
}

// A read of the value changes nothing, so it does not void the write that is on its way.
TEST_F(LongColdValues, AWriteOnItsWayStaysGoodWhenTheValueIsRead) {
  Set("k");
  ExpectUnread("EXPIRE k 1000", "1");
  keyspace::Keyspace& keyspace = tiered_.store().keyspace();
  const keyspace::KeyHandle key = keyspace.Handle(0, "k");
  keyspace::LockedShards locks(keyspace);
  const auto entry = [&] { return key.shard->table(0)->Find(key.ref); };
  locks.LockOne(*key.shard);
  ASSERT_TRUE(keyspace.QueueWrite(key, *entry(), false));
  locks.Release();
  ExpectValue("k");
  EXPECT_NE(entry()->ticket(), 0);
  EXPECT_TRUE(entry()->Has(memtable::kDirty));
  tier().LandAll();
  EXPECT_FALSE(entry()->Has(memtable::kDirty));
  EXPECT_EQ(entry()->reference(), nullptr);
  EXPECT_EQ(tier().rows().begin()->second.facts.expiry_ms, entry()->expiry_ms());
}

TEST_F(LongColdValues, OverwritingAndFlushingForgetsThem) {
  for (const char* end : {"SET k short", "DEL k", "FLUSHDB", "SET k x KEEPTTL", "SETEX k 9 x"}) {
    Set("k");
    ExpectUnread("EXPIRE k 1000", "1");
    EXPECT_EQ(references(), 1U);
    EXPECT_NE(Run(end), "nil");
    EXPECT_EQ(references(), 0U) << end;
    tiered_.EvictAll();
    tier().DropForgottenSpaces();
    tiered_.store().keyspace().reclaimer().Collect();
    EXPECT_EQ(tier().Sweep(), 0U) << end;
    EXPECT_EQ(tier().values_read(), read_) << end;
    Run("DEL k");
    tier().LandAll();
  }
}

TEST_F(LongColdValues, SwapAndExpiryTakeThemAlong) {
  Set("k");
  ExpectUnread("EXPIRE k 1000", "1");
  ExpectUnread("SWAPDB 0 1", "OK");
  EXPECT_EQ(references(), 0U);
  ExpectUnread("SWAPDB 0 1", "OK");
  EXPECT_EQ(references(), 1U);
  ExpectValue("k");
  tiered_.EvictAll();
  ExpectUnread("EXPIRE k 10", "1");
  clock_.SetMs(clock_.NowMs() + 20'000);
  ExpectUnread("EXISTS k", "0");
  ExpectUnread("EXPIRE k 10", "0");
  EXPECT_EQ(references(), 0U);
}

// One command gives the value to another key, a later one of the same transaction wants its bytes.
TEST_F(LongColdValues, ATransactionHasTheBytesWhereverItTookThem) {
  for (const bool in_memory : {false, true}) {
    Set("a");
    if (in_memory) ExpectUnread("PEXPIREAT a 9000000000000", "1");
    for (const char* line : {"MULTI", "RENAME a b", "COPY b c", "MOVE c 1", "SELECT 1", "GETDEL c",
                             "SELECT 0", "APPEND b !"})
      Run(line);
    EXPECT_EQ(Run("EXEC"), "OK,1,1,OK," + value_ + ",OK,5004");
    EXPECT_EQ(tier().values_read(), ++read_);
    EXPECT_EQ(Run("GETDEL b"), value_ + "!");
    tier().LandAll();
  }
  Set("a");
  for (const char* line : {"MULTI", "RENAME a b", "EXPIRE b 1000", "COPY b a"}) Run(line);
  ExpectUnread("EXEC", "OK,1,1");
  ExpectValue("a");
  ExpectValue("b");
}

TEST_F(LongColdValues, AreInTheDigest) {
  TieredStore plain(false, clock_);
  const auto both = [&](const Command& command) {
    EXPECT_EQ(tiered_.Run(command), plain.Run(command));
  };
  for (const char* key : {"a", "b", "c"}) both({"SET", key, value_ + key});
  tiered_.EvictAll();
  both({"RENAME", "a", "d"});
  both({"PEXPIREAT", "b", "9000000000000"});
  both({"COPY", "b", "e"});
  EXPECT_EQ(references(), 3U);
  both({"DEBUG", "DIGEST"});
  both({"MULTI"});
  both({"COPY", "c", "f"});
  both({"DEBUG", "DIGEST"});
  both({"EXEC"});
  both({"DEBUG", "DIGEST-VALUE", "d", "e", "f"});
  both({"DUMP", "d"});
}

// A snapshot's cut takes along what named a value then; the writer hands it over.
TEST_F(LongColdValues, AreInTheImageOfACut) {
  Set("k");
  const uint64_t id = tier().rows().begin()->second.value_id;
  ExpectUnread("PEXPIREAT k 8000000000000", "1");
  class Sink final : public keyspace::CutSink {
   public:
    explicit Sink(keyspace::Keyspace& keyspace) : keyspace_(keyspace) {}
    void Image(const keyspace::CutImage& image) override {
      keyspace_.QueueImage(keyspace_.Handle(image.database, image.entry.key()), image.entry,
                           image.changes);
    }

   private:
    keyspace::Keyspace& keyspace_;
  };
  tier().takes_images = true;
  keyspace::Keyspace& keyspace = tiered_.store().keyspace();
  Sink sink(keyspace);
  keyspace::CutWalk walk(keyspace, sink);
  {
    keyspace::LockedShards gate(keyspace);
    gate.LockGate();
    keyspace.HoldNewWrites();
    walk.Begin(gate);
  }
  ExpectUnread("PEXPIREAT k 9000000000000", "1");
  ExpectUnread("RENAME k later", "OK");
  while (walk.Step()) {
  }
  // The delete of k came after the cut, and waits.
  tier().LandAll();
  ASSERT_EQ(tier().rows().size(), 1U);
  const keyspace::FakeColdStore::Row& row = tier().rows().begin()->second;
  EXPECT_EQ(row.value_id, id);
  EXPECT_EQ(row.facts.expiry_ms, 8000000000000);
  keyspace.ReleaseNewWrites();
  tiered_.EvictAll();
  EXPECT_EQ(tier().Sweep(), 1U);
  ExpectUnread("EXISTS k", "0");
  ExpectUnread("PEXPIRETIME later", "9000000000000");
  ExpectValue("later");
}

// ---- and over RocksDB

class LongValuesOnDisk : public TierFixture<aof::PosixFileSystem> {
 protected:
  static constexpr size_t kBytes = size_t{8} << 20;

  void Set(const std::string& key, uint32_t seed) {
    ASSERT_EQ(Text(Execute(*session_, Command{"SET", key, Value(seed)})), "OK");
  }
  static std::string Value(uint32_t seed) {
    std::mt19937 random(seed);
    std::string value(kBytes + seed, 'v');
    for (size_t i = 0; i < value.size(); i += 7) value[i] = static_cast<char>(random());
    return value;
  }
  void ExpectValue(const std::string& key, uint32_t seed) {
    const std::string value = Run("GET " + key);
    EXPECT_EQ(value.size(), kBytes + seed) << key;
    EXPECT_TRUE(value == Value(seed)) << key;
  }
  void ExpectUnread() { EXPECT_EQ(Number("cold_long_values_read"), 0U); }
  void Sweep() { ASSERT_TRUE(db_->store().cold_tier()->ReclaimSpace()); }
};

TEST_F(LongValuesOnDisk, AreNotReadByWhatChangesTheirKeys) {
  Open();
  for (uint32_t seed = 1; seed <= 4; ++seed) Set("key" + std::to_string(seed), seed);
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Run("RENAME key1 renamed"), "OK");
  EXPECT_EQ(Run("COPY key2 copied"), "1");
  EXPECT_EQ(Run("MOVE key3 1"), "1");
  EXPECT_EQ(Run("PEXPIREAT key4 9000000000000"), "1");
  EXPECT_EQ(Run("PERSIST key4"), "1");
  EXPECT_EQ(Run("PEXPIREAT key4 9000000000001"), "1");
  EXPECT_EQ(Number("reference_keys"), 5U);
  EXPECT_LT(Number("hot_bytes"), uint64_t{4} << 20);
  EXPECT_EQ(Run("DEL key2"), "1");
  Sweep();
  ExpectUnread();
  ExpectValue("renamed", 1);
  ExpectValue("copied", 2);
  ExpectValue("key4", 4);
  EXPECT_EQ(Number("cold_long_values_read"), 3U);
  EXPECT_EQ(Number("reference_keys"), 1U);
  EXPECT_EQ(Run("SELECT 1"), "OK");
  ExpectValue("key3", 3);
  EXPECT_EQ(Run("DBSIZE"), "1");
  EXPECT_EQ(Run("SELECT 0"), "OK");
  EXPECT_EQ(Run("DBSIZE"), "3");
  Close();
}

// However the store ends, with checkpoints before, between or after the changes.
TEST_F(LongValuesOnDisk, AreThereAfterEveryKindOfStop) {
  for (const bool killed : {true, false}) {
    Open();
    EXPECT_EQ(Run("FLUSHALL"), "OK");
    Set("a", 1);
    Set("b", 2);
    EXPECT_EQ(Run("SAVE"), "OK");
    ASSERT_EQ(Run("DEBUG SPILL"), "OK");
    EXPECT_EQ(Run("RENAME a a2"), "OK");
    EXPECT_EQ(Run("COPY b b2"), "1");
    killed ? AsIfKilled() : (Close(), Open());
    ExpectUnread();
    EXPECT_EQ(Run("DEL b"), "1");
    EXPECT_EQ(Run("SAVE"), "OK");
    Sweep();
    EXPECT_EQ(Run("RENAME b2 b3"), "OK");
    EXPECT_EQ(Run("PEXPIREAT a2 9000000000000"), "1");
    EXPECT_EQ(Run("MOVE a2 1"), "1");
    ExpectUnread();
    killed ? AsIfKilled() : (Close(), Open());
    ExpectUnread();
    EXPECT_EQ(Run("DBSIZE"), "1");
    ExpectValue("b3", 2);
    EXPECT_EQ(Run("SELECT 1"), "OK");
    EXPECT_EQ(Run("PEXPIRETIME a2"), "9000000000000");
    ExpectValue("a2", 1);
    Close();
  }
}

// A landed reference makes its entry clean: it goes without the value having been touched.
TEST_F(LongValuesOnDisk, LeaveMemoryAsRowsThatNameThem) {
  Open();
  Set("a", 1);
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  const uint64_t landed = Number("cold_writes_landed_bytes");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Run("COPY a copy" + std::to_string(round)), "1");
    EXPECT_EQ(Run("PEXPIREAT a 900000000000" + std::to_string(round)), "1");
    ASSERT_EQ(Run("DEBUG SPILL"), "OK");
    EXPECT_EQ(Number("reference_keys"), 0U);
  }
  EXPECT_LT(Number("cold_writes_landed_bytes") - landed, 1000U);
  EXPECT_EQ(Number("cold_keys"), 4U);
  EXPECT_EQ(Run("DEL a copy0 copy1"), "3");
  Sweep();
  const uint64_t with_one = Number("cold_disk_bytes");
  EXPECT_GT(with_one, kBytes / 8);
  ExpectValue("copy2", 1);
  EXPECT_EQ(Run("DEL copy2"), "1");
  Sweep();
  EXPECT_LT(Number("cold_disk_bytes"), with_one / 8);
  Close();
}

// Several clients, everything spilled and swept all the while: each value is what was set.
TEST_F(LongValuesOnDisk, AreWholeWhoeverChangesTheirKeysWhileTheyAreSwept) {
  Open();
  constexpr size_t kClients = 3;
  std::atomic<bool> stop{false};
  const auto value_of = [](uint64_t number) {
    return std::string(66'000 + number % 50'000, static_cast<char>('a' + number % 26));
  };
  const auto client = [&](uint64_t seed) {
    SeededRandom random(seed);
    const auto session = db_->NewSession();
    const auto name = [&] { return "key" + std::to_string(random.Below(12)); };
    while (!stop) {
      // What is spilled is written at a low priority.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const uint64_t kind = random.Below(8);
      if (kind == 0) {
        EXPECT_EQ(Text(Execute(*session, Command{"SET", name(), value_of(random.Below(1 << 20))})),
                  "OK");
      } else if (kind == 1) {
        Execute(*session, Command{"DEL", name()});
      } else if (kind == 2) {
        Execute(*session, Command{"PEXPIREAT", name(), "9000000000000"});
      } else if (kind < 5) {
        const Reply copied = Execute(*session, Command{"COPY", name(), name(), "REPLACE"});
        EXPECT_EQ(Text(copied).find("IOERR"), std::string::npos) << Text(copied);
      } else if (kind < 7) {
        Execute(*session, Command{"RENAME", name(), name()});
      } else {
        const std::string value = Text(Execute(*session, Command{"GET", name()}));
        if (value == "nil") continue;
        EXPECT_GT(value.size(), 65'999U) << value.substr(0, 100);
        EXPECT_EQ(value.find_first_not_of(value[0]), std::string::npos);
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kClients; ++i) threads.emplace_back(client, i + 1);
  EXPECT_TRUE(Eventually(
      [&] {
        EXPECT_EQ(Run("DEBUG SPILL"), "OK");
        Sweep();
        return Number("loaded_references") > 50;
      },
      60));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Run("FLUSHALL"), "OK");
  Sweep();
  EXPECT_LT(Number("cold_disk_bytes"), 100'000U);
  Close();
}

}  // namespace
}  // namespace holdfast::engine_test
