// The first data of a store: a dump.rdb or a log that a Redis left.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "aof/manifest.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/log_switch.h"
#include "tests/unit/snapshot/rdb_text.h"

namespace holdfast::engine_test {
namespace {

using snapshot::RdbText;

constexpr char kDump[] = "/old/dump.rdb";
const Settings kImport = {{"import", kDump}, {"appendfsync", "always"}};

std::string SampleDump(int keys = 50) {
  RdbText text;
  text.Select(0);
  for (int i = 0; i < keys; ++i) text.String(fmt::format("key:{}", i), std::to_string(i * i));
  text.Select(2).ExpireMs(4'102'444'800'000).String("later", std::string(70'000, 'v'));
  return text.End();
}

// Opens it, or gives the error's message.
std::string Refusal(FileSystem& disk, const Settings& settings) {
  const auto db = Db::Open(OptionsOn(disk, settings));
  return db ? "" : db.error().message;
}

TEST(Import, BecomesABaseOfOurOwn) {
  sim::SimulatedFileSystem disk;
  disk.SetContents(kDump, SampleDump());
  std::string state;
  {
    const auto db = MustOpen(disk, kImport);
    const auto session = db->NewSession();
    EXPECT_EQ(Execute(*session, "GET key:7"), "49");
    EXPECT_EQ(Execute(*session, "DBSIZE"), "50");
    EXPECT_EQ(Execute(*session, "CONFIG GET import"), "");  // an empty value: done
    EXPECT_EQ(Execute(*session, "SELECT 2"), "OK");
    EXPECT_EQ(Execute(*session, "PEXPIRETIME later"), "4102444800000");
    EXPECT_EQ(Execute(*session, "SET after import"), "OK");
    state = StateOf(*db);
  }
  EXPECT_EQ(disk.Contents(kDump), SampleDump());
  const auto manifest = aof::ReadManifest(disk, "/data/appendonlydir/appendonly.aof.manifest");
  ASSERT_TRUE(manifest && manifest->base && manifest->base->id);
  EXPECT_EQ(manifest->base->name, "appendonly.aof.1.base.aof");
  // Asked for again it is refused, with both places named.
  const std::string refusal = Refusal(disk, kImport);
  EXPECT_EQ(refusal,
            "import /old/dump.rdb: /data/appendonlydir holds a data set already; start without "
            "import to use it, or give an empty dir");
  const auto db = MustOpen(disk);
  EXPECT_EQ(StateOf(*db), state);
  EXPECT_TRUE(Rewrite(*db->NewSession()));
}

TEST(Import, ADumpInTheDataDirectoryIsFound) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/dump.rdb", SampleDump());
  {
    const auto db = MustOpen(disk);
    EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "50");
    EXPECT_EQ(Execute(*db->NewSession(), "FLUSHALL"), "OK");
  }
  // Now there is a log.
  const auto db = MustOpen(disk);
  EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "0");
}

TEST(Import, TakesWhatValkeyLeft) {
  const std::string dump = RdbText("080", "VALKEY").Select(0).String("of", "Valkey").End();
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/dump.rdb", dump);
  EXPECT_EQ(Execute(*MustOpen(disk)->NewSession(), "GET of"), "Valkey");
  sim::SimulatedFileSystem other;
  other.SetContents("/data/appendonlydir/appendonly.aof.manifest",
                    "file appendonly.aof.1.base.rdb seq 1 type b\n");
  other.SetContents("/data/appendonlydir/appendonly.aof.1.base.rdb", dump);
  EXPECT_EQ(Execute(*MustOpen(other)->NewSession(), "GET of"), "Valkey");
}

TEST(Import, DbfilenameSaysWhichFile) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/other.rdb", SampleDump());
  disk.SetContents("/data/dump.rdb", "not an RDB file");
  EXPECT_NE(Refusal(disk, {}).find("/data/dump.rdb is not an RDB file"), std::string::npos);
  EXPECT_EQ(disk.Contents("/data/appendonlydir/appendonly.aof.manifest"), std::nullopt);
  const auto db = MustOpen(disk, {{"dbfilename", "other.rdb"}});
  EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "50");
}

TEST(Import, WithoutALogNothingIsWritten) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/dump.rdb", SampleDump());
  const size_t operations = disk.operations();
  for (int i = 0; i < 2; ++i) {
    const auto db = MustOpen(disk, {{"appendonly", "no"}});
    EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "50");
  }
  EXPECT_EQ(disk.operations(), operations);
}

TEST(Import, ALogThatIsTurnedOnLaterHoldsIt) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/dump.rdb", SampleDump());
  {
    const auto db = MustOpen(disk, {{"appendonly", "no"}});
    const auto session = db->NewSession();
    EXPECT_EQ(Execute(*session, "DEL key:1"), "1");
    ASSERT_TRUE(TurnOn(*session));
  }
  EXPECT_EQ(Execute(*MustOpen(disk)->NewSession(), "DBSIZE"), "49");
}

// A store in memory does not take what happens to lie in the program's working directory.
TEST(Import, AStoreWithoutADirectoryReadsNothing) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("./dump.rdb", SampleDump());
  const auto db = Db::Open({.file_system = &disk});
  ASSERT_TRUE(db);
  EXPECT_EQ(Execute(*(*db)->NewSession(), "DBSIZE"), "0");
  EXPECT_EQ(disk.CallCount(), 0U);
}

TEST(Import, ExpiredKeysAreLeftOut) {
  sim::SimulatedFileSystem disk;
  disk.SetContents(kDump, RdbText().ExpireMs(1'000).String("gone", "1").String("here", "1").End());
  const auto db = MustOpen(disk, kImport);
  EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "1");
  EXPECT_EQ(Persistence(*db->NewSession(), "rdb_last_load_keys_expired"), "1");
  EXPECT_EQ(Persistence(*db->NewSession(), "rdb_last_load_keys_loaded"), "1");
}

// What a base holds must stay until the log is read: it may live longer by what follows.
TEST(Import, TheBaseOfALogKeepsThem) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/data/appendonlydir/appendonly.aof.manifest",
                   "file appendonly.aof.1.base.rdb seq 1 type b\n"
                   "file appendonly.aof.1.incr.aof seq 1 type i\n");
  disk.SetContents(
      "/data/appendonlydir/appendonly.aof.1.base.rdb",
      RdbText().ExpireMs(1'000).String("saved", "1").ExpireMs(2'000).String("gone", "1").End());
  disk.SetContents("/data/appendonlydir/appendonly.aof.1.incr.aof",
                   "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$7\r\nPERSIST\r\n$5\r\nsaved\r\n");
  std::string state;
  {
    const auto db = MustOpen(disk);
    const auto session = db->NewSession();
    EXPECT_EQ(Execute(*session, "GET saved"), "1");
    EXPECT_EQ(Execute(*session, "TTL saved"), "-1");
    EXPECT_EQ(Execute(*session, "GET gone"), "nil");
    EXPECT_EQ(Execute(*session, "DEBUG LOADAOF"), "OK");
    EXPECT_EQ(Execute(*session, "GET saved"), "1");
    ASSERT_TRUE(Rewrite(*session));
    state = StateOf(*db);
  }
  EXPECT_EQ(disk.Contents("/data/appendonlydir/appendonly.aof.1.base.rdb"), std::nullopt);
  EXPECT_EQ(StateOf(*MustOpen(disk)), state);
}

TEST(Import, RefusesWhatItCannotHold) {
  const struct {
    std::string dump;
    std::string_view says;
  } cases[] = {
      {RdbText().String("a", "1").Byte(1).Text("q").End(), "the key 'q' of database 0 is a list"},
      {SampleDump().substr(0, 900), "damage in /old/dump.rdb at offset "},
      {RdbText().Select(4).String("a", "1").End(), "(database 4), which this server cannot apply"},
      {"", "import /old/dump.rdb: there is nothing in it"},
      {"*1\r\n$4\r\nPI", "torn end"},
      {"what is this?", "no command begins here"},
  };
  for (const auto& [dump, says] : cases) {
    sim::SimulatedFileSystem disk;
    disk.SetContents(kDump, dump);
    Settings settings = kImport;
    settings.emplace_back("aof-load-truncated", "no");
    const std::string refusal = Refusal(disk, settings);
    EXPECT_NE(refusal.find(says), std::string::npos) << refusal;
    // The directory is as good as new.
    disk.SetContents(kDump, SampleDump());
    EXPECT_EQ(Execute(*MustOpen(disk, kImport)->NewSession(), "DBSIZE"), "50");
  }
  sim::SimulatedFileSystem disk;
  EXPECT_NE(Refusal(disk, kImport).find("there is no such file"), std::string::npos);
}

TEST(Import, TakesLogsOfRedisAndOfOurs) {
  sim::SimulatedFileSystem disk;
  std::string state;
  {
    auto options = OptionsOn(disk);
    options.directory = "/source";
    const auto db = Db::Open(options);
    ASSERT_TRUE(db);
    const auto session = (*db)->NewSession();
    for (int i = 0; i < 30; ++i) Execute(*session, fmt::format("SET key:{} {}", i, i));
    ASSERT_TRUE(Rewrite(*session));
    Execute(*session, "INCR key:1");
    state = StateOf(**db);
  }
  const auto before = disk.Contents("/source/appendonlydir/appendonly.aof.manifest");
  EXPECT_EQ(StateOf(*MustOpen(disk, {{"import", "/source"}})), state);
  EXPECT_EQ(StateOf(*MustOpen(disk)), state);
  EXPECT_EQ(disk.Contents("/source/appendonlydir/appendonly.aof.manifest"), before);
  disk.SetContents("/source/dump.rdb", SampleDump());
  sim::SimulatedFileSystem* const same = &disk;
  auto options = OptionsOn(*same, {{"import", "/source"}});
  options.directory = "/third";
  const auto two = Db::Open(options);
  ASSERT_FALSE(two);
  EXPECT_NE(two.error().message.find("it holds two data sets, /source/dump.rdb and "),
            std::string::npos)
      << two.error().message;
}

// The power goes off at any operation of an import: it is done, or it is begun again.
TEST(Import, PowerCutsAtEveryOperation) {
  sim::SimulatedFileSystem disk;
  disk.SetContents(kDump, SampleDump());
  std::string state;
  {
    const auto db = MustOpen(disk, kImport);
    state = StateOf(*db);
  }
  using Data = sim::PowerCut::Data;
  using Names = sim::PowerCut::Names;
  size_t done = 0;
  for (const Names names : {Names::kDropUnsynced, Names::kRandomSubset, Names::kKeepAll}) {
    for (size_t n = 0; n <= disk.operations(); ++n) {
      const auto after =
          disk.AfterPowerCut({.operation = n,
                              .data = n % 2 == 0 ? Data::kDropUnsynced : Data::kRandomSectors,
                              .names = names,
                              .seed = n});
      auto db = Db::Open(OptionsOn(*after, kImport));
      if (!db) {
        EXPECT_NE(db.error().message.find("holds a data set already"), std::string::npos)
            << n << ": " << db.error().message;
        db = Db::Open(OptionsOn(*after));
        ++done;
      }
      ASSERT_TRUE(db) << n << ": " << db.error().message;
      EXPECT_EQ(StateOf(**db), state) << n;
      ASSERT_TRUE((*db)->Close());
      EXPECT_EQ(StateOf(*MustOpen(*after)), state) << n << ", opened again";
    }
  }
  EXPECT_GT(done, 3U);
  EXPECT_LT(done, 3 * disk.operations());
}

// A start without the source after a crash: an empty store, and nothing of the attempt is left.
TEST(Import, AnAttemptLeavesNothingBehind) {
  sim::SimulatedFileSystem disk;
  disk.SetContents(kDump, SampleDump());
  MustOpen(disk, kImport).reset();
  bool was_empty = false;
  for (size_t n = 0; n <= disk.operations(); ++n) {
    const auto after = disk.AfterPowerCut({.operation = n, .data = sim::PowerCut::Data::kKeepAll});
    const auto db = MustOpen(*after);
    if (Execute(*db->NewSession(), "DBSIZE") != "0") continue;
    was_empty = true;
    for (const std::string& path : after->Paths()) {
      EXPECT_EQ(path.find("base"), std::string::npos) << n << " " << path;
      EXPECT_EQ(path.find("temp-"), std::string::npos) << n << " " << path;
    }
  }
  EXPECT_TRUE(was_empty);
}

// SIGTERM while it loads.
TEST(Import, CanBeCancelled) {
  sim::SimulatedFileSystem disk;
  disk.SetContents(kDump, SampleDump());
  config::Config config;
  MustSet(config, {{"dir", "/data"}, {"import", kDump}, {"eviction-action", "drop"}});
  SystemClock clock;
  SystemRandom random;
  {
    auto store = Store::Create(
        {.config = &config, .clock = &clock, .random = &random, .file_system = &disk});
    ASSERT_TRUE(store);
    (*store)->CancelRecovery();
    const Status recovered = (*store)->Recover();
    ASSERT_FALSE(recovered);
    EXPECT_EQ(recovered.error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE((*store)->Close());
  }
  const auto db = MustOpen(disk, kImport);
  EXPECT_EQ(Execute(*db->NewSession(), "DBSIZE"), "50");
}

TEST(Import, EveryFailingCallIsReported) {
  for (uint64_t nth = 1;; ++nth) {
    sim::SimulatedFileSystem disk;
    disk.SetContents(kDump, SampleDump());
    disk.FailAt({.nth = nth, .code = ErrorCode::kNoSpace});
    const bool opened = Db::Open(OptionsOn(disk, kImport)).has_value();
    const bool failed = disk.FaultsRaised() > 0;
    disk.ClearFaults();
    auto db = Db::Open(OptionsOn(disk, kImport));
    if (!db) db = Db::Open(OptionsOn(disk));
    ASSERT_TRUE(db) << nth << ": " << db.error().message;
    EXPECT_EQ(Execute(*(*db)->NewSession(), "DBSIZE"), "50") << nth;
    if (!failed) {
      EXPECT_TRUE(opened);
      EXPECT_GT(nth, 20U);
      break;
    }
  }
}

}  // namespace
}  // namespace holdfast::engine_test
