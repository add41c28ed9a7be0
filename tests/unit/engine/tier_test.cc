// Stores with a cold tier, on a real directory: what moves between memory, tier, checkpoint and log
// shows in no reply and in no state.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "aof/posix_file_system.h"
#include "engine/disk_guard.h"
#include "tests/unit/engine/log_switch.h"
#include "tests/unit/engine/tier_fixture.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;

// A disk that cannot write the metadata of a checkpoint, or sync its tables, once it is told so.
class FailingFiles final : public aof::PosixFileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (fails.load() && mode.write && path.find("HOLDFAST") != std::string::npos)
      return MakeError(ErrorCode::kIoError, "opening fails, as the test wants it");
    if (mode.write && path.find("HOLDFAST") != std::string::npos) {
      held = holds.load();
      holds.wait(true);
    }
    std::unique_ptr<File> file = HF_TRY(aof::PosixFileSystem::Open(path, mode));
    if (!path.ends_with(".sst")) return file;
    return std::make_unique<Table>(std::move(file), sync_fails);
  }
  std::atomic<bool> fails{false};
  std::atomic<bool> holds{false};  // a snapshot shortly before its end
  std::atomic<bool> held{false};
  std::atomic<bool> sync_fails{false};

 private:
  class Table final : public File {
   public:
    Table(std::unique_ptr<File> file, std::atomic<bool>& sync_fails)
        : file_(std::move(file)), sync_fails_(sync_fails) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
      return file_->ReadAt(offset, out);
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
      return file_->WriteAt(offset, parts);
    }
    Status Sync() override {
      if (sync_fails_.load())
        return MakeError(ErrorCode::kIoError, "no sync, as the test wants it");
      return file_->Sync();
    }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    std::unique_ptr<File> file_;
    std::atomic<bool>& sync_fails_;
  };
};

class TierTest : public TierFixture<FailingFiles> {
 protected:
  bool Save() {
    if (!Run("BGSAVE").starts_with("Background saving")) return false;
    return Eventually([&] { return Persistence(*session_, "rdb_bgsave_in_progress") == "0"; }) &&
           Persistence(*session_, "rdb_last_bgsave_status") == "ok";
  }
  std::vector<std::string> Checkpoints() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / "appendonlydir"))
      if (entry.is_directory()) names.push_back(entry.path().string());
    return names;
  }
};

TEST_F(TierTest, SpilledKeysAreThere) {
  Open();
  for (int i = 0; i < 500; ++i)
    ASSERT_EQ(Run("SET key" + std::to_string(i) + " value" + std::to_string(i)), "OK");
  Run("SET long " + std::string(300'000, 'l'));
  Run("SET brief 7 PX 100000000");
  EXPECT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Number("cold_keys"), 502u);
  EXPECT_EQ(Number("hot_keys"), 0u);
  EXPECT_EQ(Run("DBSIZE"), "502");
  EXPECT_EQ(Run("GET key17"), "value17");
  EXPECT_EQ(Run("GET long"), std::string(300'000, 'l'));
  EXPECT_EQ(Run("STRLEN long"), "300000");
  EXPECT_EQ(Run("OBJECT ENCODING brief"), "int");
  EXPECT_EQ(Run("EXISTS key1 nokey key2"), "2");
  EXPECT_EQ(Run("DEL key3 nokey"), "1");
  EXPECT_EQ(Run("GET key3"), "nil");
  EXPECT_EQ(Run("DBSIZE"), "501");
  EXPECT_EQ(Run("RENAME key4 key5"), "OK");
  EXPECT_EQ(Run("GET key5"), "value4");
  EXPECT_EQ(Run("APPEND key6 +"), "7");
  EXPECT_EQ(Run("MOVE key8 1"), "1");
  EXPECT_EQ(Run("DBSIZE"), "499");
  EXPECT_EQ(Run("FLUSHDB"), "OK");
  EXPECT_EQ(Run("DBSIZE"), "0");
  EXPECT_EQ(Run("GET key17"), "nil");
  Close();
}

// Against a store without a tier that gets the same commands.
TEST_F(TierTest, RandomCommandsGiveTheSameRepliesAndState) {
  sim::SimulatedFileSystem disk;
  const auto reference = MustOpen(disk);
  const auto expected = reference->NewSession();
  Open();
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  SeededRandom random(seed);
  for (int i = 0; i < 1500; ++i) {
    if (random.Below(4) == 0) {
      ASSERT_EQ(Run("DEBUG SPILL"), "OK");
    }
    if (random.Below(150) == 0) {
      ASSERT_TRUE(Save());
    }
    for (const Command& command : RandomCommands(random, {})) {
      const std::string want = Text(Execute(*expected, command));
      ASSERT_EQ(Text(Execute(*session_, command)), want) << command[0];
    }
    if (i % 300 != 299) continue;
    EXPECT_EQ(StateOf(*db_), StateOf(*reference));
    Close();
    Open();
    EXPECT_EQ(StateOf(*db_), StateOf(*reference));
    Execute(*expected, "SELECT 0");  // as the new session
  }
  Close();
}

TEST_F(TierTest, ACleanStopLeavesNothingToReplay) {
  Open();
  for (int i = 0; i < 200; ++i) Run("SET key" + std::to_string(i) + " v");
  Close();
  EXPECT_EQ(Checkpoints().size(), 1u);
  Open();
  EXPECT_EQ(Number("cold_keys"), 200u);
  EXPECT_EQ(Run("GET key199"), "v");
  Close();
  EXPECT_EQ(Checkpoints().size(), 1u);
}

TEST_F(TierTest, SnapshotsAreKeptAsConfigured) {
  Open({{"snapshot-keep", "2"}});
  for (int i = 0; i < 4; ++i) {
    Run("SET key " + std::to_string(i));
    ASSERT_TRUE(Save());
  }
  EXPECT_EQ(Checkpoints().size(), 2u);
  EXPECT_EQ(Run("BGSAVE nonsense"), "ERR syntax error");
  Close();
}

TEST_F(TierTest, AFailedSnapshotLeavesWhatWas) {
  Open();
  Run("SET key before");
  ASSERT_TRUE(Save());
  Run("SET key after");
  files_.fails = true;
  EXPECT_FALSE(Save());
  EXPECT_EQ(Persistence(*session_, "rdb_last_bgsave_status"), "err");
  EXPECT_EQ(Run("GET key"), "after");
  EXPECT_EQ(Run("SET key later"), "OK");
  files_.fails = false;
  ASSERT_TRUE(Save());
  EXPECT_EQ(Persistence(*session_, "rdb_last_bgsave_status"), "ok");
  Close();
  Open();
  EXPECT_EQ(Run("GET key"), "later");
  Close();
}

// Linux says once that a sync failed; the next one would succeed and mean nothing.
// redis-server's text, word by word. Without rules for snapshots it does not care either.
TEST_F(TierTest, AFailedSnapshotStopsWritesIfThereAreRulesForSnapshots) {
  constexpr std::string_view kRefusal =
      "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
      "disk. Commands that may modify the data set are disabled, because this instance is "
      "configured to report errors during writes if RDB snapshotting fails "
      "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
      "error.";
  Open();
  Run("SET key before");
  files_.fails = true;
  EXPECT_FALSE(Save());
  EXPECT_EQ(Run("SET key after"), "OK");
  EXPECT_EQ(Text(Execute(*session_, Command{"CONFIG", "SET", "save", "3600 1000000"})), "OK");
  for (const char* line : {"SET key more", "DEL key", "PING", "FLUSHALL"})
    EXPECT_EQ(Run(line), kRefusal) << line;
  EXPECT_EQ(Run("GET key"), "after");
  EXPECT_EQ(Run("CONFIG SET stop-writes-on-bgsave-error no"), "OK");
  EXPECT_EQ(Run("SET key more"), "OK");
  EXPECT_EQ(Run("CONFIG SET stop-writes-on-bgsave-error yes"), "OK");
  EXPECT_EQ(Run("APPEND key x"), kRefusal);
  files_.fails = false;
  ASSERT_TRUE(Save());
  EXPECT_EQ(Run("APPEND key x"), "5");
  Close();
}

TEST_F(TierTest, AboveMaxDiskOnlyWhatAddsNothingRuns) {
  Open({{"max-disk", "1000gb"}});
  EXPECT_TRUE(Eventually([&] { return Number("disk_bytes") > 0; }));
  EXPECT_EQ(Run("SET key value"), "OK");
  const uint64_t room = uint64_t{4} << 20;
  const std::string limit = std::to_string(Number("disk_bytes") + room);
  EXPECT_EQ(Text(Execute(*session_, Command{"CONFIG", "SET", "max-disk", limit})), "OK");
  std::mt19937 random(1);  // what lies in the tier is compressed
  std::string value(uint64_t{1} << 20, 'v');
  for (char& byte : value) byte = static_cast<char>('0' + random() % 64);
  std::string last;
  EXPECT_TRUE(Eventually([&] {
    last = Run("SET key" + std::to_string(Number("hot_keys") % 16) + " " + value);
    return last != "OK";
  }));
  EXPECT_TRUE(last.starts_with("MAXDISK ")) << last;
  EXPECT_EQ(Number("disk_full"), 1U);
  EXPECT_GT(Number("disk_bytes"), std::stoull(limit));
  EXPECT_EQ(Run("GET key"), "value");
  EXPECT_TRUE(Run("APPEND key x").starts_with("MAXDISK "));
  EXPECT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Run("DEL key"), "1");
  Run("MULTI");
  Run("DEL key1");
  Run("EXPIRE key2 100");
  EXPECT_FALSE(Run("EXEC").starts_with("EXECABORT"));
  Run("MULTI");
  EXPECT_TRUE(Run("SET a b").starts_with("MAXDISK "));
  EXPECT_TRUE(Run("EXEC").starts_with("EXECABORT"));
  // A higher limit counts at once.
  EXPECT_EQ(Run("CONFIG SET max-disk 1000gb"), "OK");
  EXPECT_EQ(Run("SET a b"), "OK");
  EXPECT_EQ(Text(Execute(*session_, Command{"CONFIG", "SET", "max-disk", limit})), "OK");
  EXPECT_TRUE(Run("SET a b").starts_with("MAXDISK "));
  // What was deleted goes with a snapshot.
  EXPECT_EQ(Run("FLUSHALL"), "OK");
  EXPECT_TRUE(Eventually([&] { return Save(); }));  // one may be under way
  EXPECT_TRUE(Eventually([&] { return Number("disk_full") == 0; }));
  EXPECT_EQ(Run("SET a b"), "OK");
  Close();
}

TEST_F(TierTest, AboveMaxDiskTheColdestKeysGoIfThatIsWanted) {
  Open();
  std::mt19937 random(1);
  constexpr int kKeys = 200;
  for (int i = 0; i < kKeys; ++i) {
    std::string value(100'000, 'v');
    for (char& byte : value) byte = static_cast<char>(random() >> 24);
    EXPECT_EQ(Text(Execute(*session_, Command{"SET", "key" + std::to_string(i), value})), "OK");
  }
  Run("SET hot value");
  ASSERT_TRUE(Save());
  EXPECT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Run("GET hot"), "value");
  EXPECT_EQ(Run("CONFIG SET max-disk-policy drop-coldest"), "OK");
  EXPECT_EQ(Run("CONFIG SET max-disk 15000000"), "OK");
  EXPECT_TRUE(Eventually([&] { return Number("disk_full") == 1; }));
  EXPECT_TRUE(Eventually([&] { return Number("disk_full") == 0; }, 60));
  const int left = std::stoi(Run("DBSIZE"));
  EXPECT_LT(left, kKeys);
  EXPECT_GT(left, kKeys / 4);
  EXPECT_EQ(Run("GET hot"), "value");
  EXPECT_EQ(Run("SET more value"), "OK");
  EXPECT_EQ(std::stoi(Run("DBSIZE")), left + 1);
  Close();
  Open();
  EXPECT_EQ(std::stoi(Run("DBSIZE")), left + 1);
  Close();
}

TEST(BytesOnDisk, CountsAFileOnceHoweverManyShareIt) {
  const fs::path folder = fs::temp_directory_path() / ("holdfast-disk-" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder / "one/deep");
  fs::create_directories(folder / "two");
  std::ofstream(folder / "one/deep/file") << std::string(1000, 'x');
  std::ofstream(folder / "two/other") << std::string(50, 'x');
  fs::create_hard_link(folder / "one/deep/file", folder / "two/link");
  const std::string paths[] = {folder / "one", folder / "none", folder / "two"};
  EXPECT_EQ(BytesOnDisk(paths), 1050U);
  EXPECT_EQ(BytesOnDisk(std::span(paths).last(1)), 1050U);
  EXPECT_EQ(BytesOnDisk(std::span(paths).subspan(1, 1)), 0U);
  fs::remove_all(folder);
}

TEST_F(TierTest, ATierWhoseSyncFailedMakesNoCheckpointUntilTheNextStart) {
  Open();
  Run("SET key 1");
  files_.sync_fails = true;
  EXPECT_TRUE(Run("SAVE").starts_with("ERR "));
  files_.sync_fails = false;
  EXPECT_TRUE(Run("SAVE").starts_with("ERR "));
  EXPECT_EQ(Run("SET key 2"), "OK");
  Close();
  Open();
  EXPECT_EQ(Run("GET key"), "2");
  EXPECT_EQ(Run("SAVE"), "OK");
  Close();
}

TEST_F(TierTest, SaveWaits) {
  Open();
  Run("SET key value");
  EXPECT_EQ(Run("SAVE"), "OK");
  EXPECT_EQ(Checkpoints().size(), 1u);
  EXPECT_EQ(Persistence(*session_, "rdb_changes_since_last_save"), "0");
  files_.fails = true;
  EXPECT_EQ(Run("SAVE"), "ERR the snapshot failed: see the server's log");
  Run("MULTI");
  EXPECT_EQ(Run("SAVE"), "ERR Command not allowed inside a transaction");
  Run("DISCARD");
  files_.fails = false;
  Close();
}

// What FLUSHALL overtakes begins again: the answer is for a checkpoint that was made.
TEST_F(TierTest, SaveIsNotAnsweredForASnapshotThatWasFlushed) {
  Open();
  for (int i = 0; i < 20'000; ++i) Run("SET key" + std::to_string(i) + " value");
  std::string answer;
  std::thread saver([&] {
    const auto session = db_->NewSession();
    answer = Execute(*session, "SAVE");
  });
  for (int i = 0; i < 5; ++i) {
    Eventually([&] { return Persistence(*session_, "rdb_bgsave_in_progress") == "1"; }, 1);
    Run("FLUSHALL");
  }
  saver.join();
  EXPECT_EQ(answer, "OK");
  EXPECT_EQ(Checkpoints().size(), 1u);
  Close();
}

// SET reads nothing of the key that it overwrites; keys are counted right all the same, by DBSIZE,
// INFO, EXEC, and in checkpoints that are cut in the middle of it.
TEST_F(TierTest, BlindWritesReadNothingAndAreCountedRight) {
  constexpr int kKeys = 3000;
  Open();
  for (int i = 0; i < kKeys; ++i)
    Run(fmt::format("SET key:{} old {}", i, i % 3 == 0 ? "PX 10000000" : ""));
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  const uint64_t reads = Number("cold_reads");
  for (int i = 0; i < kKeys; i += 2) {
    if (i == kKeys / 2) {
      ASSERT_EQ(Run("BGSAVE"), "Background saving started");
    }
    Run(fmt::format("MSET key:{} new other:{} v", i, i));
  }
  EXPECT_EQ(Number("cold_reads"), reads);
  const std::string expected = std::to_string(kKeys + kKeys / 2);
  EXPECT_EQ(Run("DBSIZE"), expected);
  ASSERT_TRUE(Eventually([&] { return Persistence(*session_, "rdb_bgsave_in_progress") == "0"; }));
  EXPECT_EQ(Persistence(*session_, "rdb_last_bgsave_status"), "ok");
  for (int i = 1; i < kKeys; i += 2) Run(fmt::format("SET key:{} newer", i));
  EXPECT_NE(Run("INFO keyspace").find("db0:keys=" + expected + ",expires=0,"), std::string::npos);
  for (int i = 0; i < kKeys; ++i) Run(fmt::format("SET key:{} newest", i));
  Run("MULTI");
  Run("SET key:0 v");
  Run("SET key:new v");
  Run("DBSIZE");
  EXPECT_NE(Run("EXEC").find(std::to_string(kKeys + kKeys / 2 + 1)), std::string::npos);

  // From the checkpoint that was cut in the middle and the log since, and then from one of the end.
  for (int round = 0; round < 2; ++round) {
    AsIfKilled();
    EXPECT_EQ(Run("DBSIZE"), std::to_string(kKeys + kKeys / 2 + 1));
    Run("DEL key:1 key:new");
    Run("SET key:new v");
    Run("SET key:1 v");
    ASSERT_TRUE(Save());
  }
}

TEST_F(TierTest, WithoutALogTheLastCheckpointComesBack) {
  rules_ = true;
  Open({{"appendonly", "no"}});
  Run("SET key 1");
  ASSERT_TRUE(Save());
  Close();
  Open({{"appendonly", "no"}});
  EXPECT_EQ(Run("GET key"), "1");
  Run("SET key 2");
  Close();  // a clean stop saves
  Open({{"appendonly", "no"}});
  EXPECT_EQ(Run("GET key"), "2");
  ASSERT_TRUE(TurnOn(*session_));
  Run("SET key 3");
  Close();
  Open();
  EXPECT_EQ(Run("GET key"), "3");
  Close();
}

TEST_F(TierTest, ADamagedCheckpointIsRefused) {
  Open();
  for (int i = 0; i < 200; ++i) Run("SET key" + std::to_string(i) + " v");
  Close();
  ASSERT_EQ(Checkpoints().size(), 1u);
  const std::string path = Checkpoints()[0] + "/HOLDFAST";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(40);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(40);
  file.put(byte);
  file.close();
  const auto refused = TryOpen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorruption);
  EXPECT_NE(refused.error().message.find("HOLDFAST"), std::string::npos) << refused.error().message;
}

// The log still has what the tier lost: it must stay the data set.
TEST_F(TierTest, ADamagedTierIsNotServedAndMakesNoCheckpoint) {
  Open();
  constexpr int kKeys = 2000;
  for (int i = 0; i < kKeys; ++i)
    Run("SET key" + std::to_string(i) + " value" + std::to_string(i * 7919));
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  for (const auto& entry : fs::directory_iterator(folder_ / "live-tier")) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.write("damage", 6);
  }
  int refused = 0;
  for (int i = 0; i < kKeys; ++i) {
    const std::string reply = Run("GET key" + std::to_string(i));
    if (reply == "value" + std::to_string(i * 7919)) continue;
    ASSERT_TRUE(reply.starts_with("IOERR")) << reply;
    EXPECT_NE(reply.find(".sst"), std::string::npos) << reply;
    ++refused;
  }
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(Run("SAVE").starts_with("ERR "));
  EXPECT_TRUE(Checkpoints().empty());
  Close();
  Open();
  for (int i = 0; i < kKeys; ++i)
    ASSERT_EQ(Run("GET key" + std::to_string(i)), "value" + std::to_string(i * 7919));
  Close();
}

// Neither a log nor rules for snapshots: nothing is to be kept, unless somebody asks for it.
TEST_F(TierTest, WithoutALogAndRulesAStopSavesNothing) {
  Open({{"appendonly", "no"}});
  Run("SET key 1");
  ASSERT_TRUE(Save());
  Run("SET key 2");
  Close();
  Open({{"appendonly", "no"}});
  EXPECT_EQ(Run("GET key"), "1");
  Close();
}

TEST_F(TierTest, AStopThatCouldNotSaveSaysSo) {
  rules_ = true;
  Open({{"appendonly", "no"}});
  Run("SET key 1");
  files_.fails = true;
  session_.reset();
  EXPECT_FALSE(db_->Close());
  files_.fails = false;
}

// What a log leaves is the data set with or without one.
TEST_F(TierTest, ALogThatLiesThereIsReadAlsoWithAppendonlyNo) {
  Open();
  Run("SET key 1");
  Close();
  rules_ = true;
  Open({{"appendonly", "no"}});
  EXPECT_EQ(Run("GET key"), "1");
  Run("SET key 2");
  Close();
  Open();
  EXPECT_EQ(Run("GET key"), "2");
  Close();
}

// The checkpoint that the log follows was made when there was none.
TEST_F(TierTest, ALogThatBeginsWithAStartIsReadByTheNext) {
  Open({{"appendonly", "no"}});
  Run("SET key 1");
  ASSERT_TRUE(Save());
  Close();
  Open();
  Run("SET key 2");
  Run("SET other 2");
  AsIfKilled();
  EXPECT_EQ(Run("GET key"), "2");
  EXPECT_EQ(Run("GET other"), "2");
  Run("INCR key");
  AsIfKilled();
  EXPECT_EQ(Run("GET key"), "3");
  Close();
  Open({{"appendonly", "no"}});
  EXPECT_EQ(Run("GET key"), "3");
  Close();
}

TEST_F(TierTest, NoLogIsOpenedBesideASnapshot) {
  Open({{"appendonly", "no"}});
  Run("SET key 1");
  files_.holds = true;
  ASSERT_EQ(Run("BGSAVE"), "Background saving started");
  const bool held = Eventually([&] { return files_.held.load(); });
  const std::string refused = Run("CONFIG SET appendonly yes");
  files_.holds = false;
  files_.holds.notify_all();
  ASSERT_TRUE(held);
  EXPECT_NE(refused.find("Unable to turn on AOF: a snapshot or a backup"), std::string::npos)
      << refused;
  ASSERT_TRUE(Eventually([&] { return Persistence(*session_, "rdb_bgsave_in_progress") == "0"; }));
  ASSERT_TRUE(TurnOn(*session_));
  Run("SET key 2");
  AsIfKilled();
  EXPECT_EQ(Run("GET key"), "2");
  Close();
}

TEST_F(TierTest, DebugReloadFindsEverythingInTheTier) {
  Open({{"maxmemory-policy", "noeviction"}});
  for (int i = 0; i < 300; ++i) Run("SET key" + std::to_string(i) + " " + std::to_string(i));
  Run("SET brief 1 EXAT 9000000000");
  const std::string digest = Run("DEBUG DIGEST");
  std::atomic<bool> done{false};
  std::thread writer([&] {
    const auto session = db_->NewSession();
    Execute(*session, "SELECT 1");
    for (int i = 0; !done; ++i)
      Execute(*session, "SET other" + std::to_string(i % 500) + " " + std::to_string(i));
  });
  for (const char* reload : {"DEBUG RELOAD", "DEBUG RELOAD NOSAVE", "DEBUG LOADAOF"}) {
    for (int i = 0; i < 300; ++i) Run("GET key" + std::to_string(i));
    EXPECT_EQ(Run(reload), "OK");
    EXPECT_GE(Number("cold_keys"), 301u) << reload;
  }
  done = true;
  writer.join();
  EXPECT_EQ(Checkpoints().size(), 1u);
  Run("SELECT 1");
  Run("FLUSHDB");
  EXPECT_EQ(Run("DEBUG DIGEST"), digest);
  Run("SELECT 0");
  EXPECT_EQ(Run("EXPIRETIME brief"), "9000000000");
  EXPECT_TRUE(Run("DEBUG RELOAD MERGE").starts_with("ERR "));
  Run("MULTI");
  Run("DEBUG RELOAD");
  EXPECT_TRUE(Run("EXEC").starts_with("ERR "));
  Close();
}

// No setting says anything of eviction.
TEST_F(TierTest, ADataDirectorySpillsUnlessToldOtherwise) {
  const auto with = [&](Settings settings) {
    session_.reset();
    db_.reset();
    auto opened = Db::Open({.directory = folder_.string(), .settings = std::move(settings)});
    ASSERT_TRUE(opened) << opened.error().message;
    db_ = *std::move(opened);
    session_ = db_->NewSession();
  };
  const auto settings = [&] {
    std::string text;
    for (const char* name : {"eviction-action", "maxmemory-policy"})
      text += Execute(*session_, Command{"CONFIG", "GET", name}).elements.back().text + " ";
    return text;
  };
  with({});
  EXPECT_EQ(settings(), "spill allkeys-s3fifo ");
  EXPECT_EQ(Number("tier_enabled"), 1u);
  Run("SET key value");
  EXPECT_EQ(Run("OBJECT IDLETIME key"), "0") << "a clock while there is no limit";
  EXPECT_EQ(Run("CONFIG SET maxmemory 64mb"), "OK");
  EXPECT_TRUE(Run("OBJECT IDLETIME key").starts_with("ERR The allkeys-s3fifo"));
  EXPECT_EQ(Run("CONFIG SET maxmemory-policy noeviction"), "OK");
  EXPECT_TRUE(Eventually([&] { return Run("OBJECT IDLETIME key") == "0"; }));
  with({{"maxmemory-policy", "noeviction"}});
  EXPECT_EQ(settings(), "spill noeviction ");
  EXPECT_EQ(Run("GET key"), "value");
  with({{"eviction-action", "drop"}});
  EXPECT_EQ(settings(), "drop noeviction ");
  session_.reset();
  db_.reset();
  db_ = *Db::Open({});
  session_ = db_->NewSession();
  EXPECT_EQ(settings(), "drop noeviction ");
  session_.reset();
  const auto refused = Db::Open({.settings = {{"eviction-action", "spill"}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

// Redis's meaning, although there is a tier: writes are refused.
TEST_F(TierTest, NoevictionRefusesWrites) {
  Open({{"maxmemory", "2mb"}, {"maxmemory-policy", "noeviction"}});
  const std::string value(1000, 'v');
  std::string reply = "OK";
  for (int i = 0; i < 5000 && reply == "OK"; ++i)
    reply = Run("SET key" + std::to_string(i) + " " + value);
  EXPECT_TRUE(reply.starts_with("OOM command not allowed")) << reply;
  EXPECT_EQ(Run("GET key0"), value);
  EXPECT_EQ(Number("cold_keys"), 0u);
  Close();
}

TEST_F(TierTest, AStoreThatWasNotToSpillDoesNotLearnIt) {
  Options options = OptionsOn(files_);
  options.directory = folder_.string();
  auto opened = Db::Open(options);
  ASSERT_TRUE(opened);
  db_ = *std::move(opened);
  session_ = db_->NewSession();
  EXPECT_NE(Run("CONFIG SET eviction-action spill"), "OK");
  EXPECT_EQ(Run("DEBUG SPILL"), "ERR there is no cold tier");
  EXPECT_TRUE(Run("BGSAVE").starts_with("ERR "));
  session_.reset();
}

}  // namespace
}  // namespace holdfast::engine_test
