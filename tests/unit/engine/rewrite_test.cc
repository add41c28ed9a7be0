// The life of rewrites: what is reported of them, when a failed one is tried again, what they leave
// on the disk, how their base is cut into frames.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "aof/frame.h"
#include "engine/base_writer.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr char kLogDirectory[] = "/data/appendonlydir/";
constexpr char kTemporary[] = "temp-appendonly.aof.rewrite";

std::set<std::string> LogFiles(const sim::SimulatedFileSystem& disk) {
  std::set<std::string> names;
  for (const std::string& path : disk.Paths()) {
    if (path.starts_with(kLogDirectory)) names.insert(path.substr(sizeof(kLogDirectory) - 1));
  }
  return names;
}

std::set<std::string> FilesWith(const sim::SimulatedFileSystem& disk, std::string_view part) {
  std::set<std::string> names = LogFiles(disk);
  std::erase_if(names, [&](const std::string& name) { return !name.contains(part); });
  return names;
}
std::set<std::string> Bases(const sim::SimulatedFileSystem& disk) {
  return FilesWith(disk, ".base.");
}
std::set<std::string> Incrementals(const sim::SimulatedFileSystem& disk) {
  return FilesWith(disk, ".incr.");
}

int Rewrites(DbSession& session) { return std::stoi(Persistence(session, "aof_rewrites")); }
std::string Failures(DbSession& session) {
  return Persistence(session, "aof_rewrites_consecutive_failures");
}
// Time for several looks of the maintenance thread: what must not happen has had its chance.
void LetItLook() { std::this_thread::sleep_for(std::chrono::milliseconds(350)); }

TEST(RewriteLife, AFlushStartsItAgainAndIsNoFailure) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"appendfsync", "no"}});  // so that hardly anything else syncs
  const auto session = db->NewSession();
  std::atomic<int> incremental{1};    // the file in use
  std::atomic<bool> prepared{false};  // the next one is
  std::atomic<bool> cut{false};       // the file in use is being sealed: the walk has begun
  std::atomic<bool> go_on{false};
  disk.set_before_sync([&](const std::string& path) {
    if (path.ends_with(fmt::format(".{}.incr.aof", incremental + 1))) prepared = true;
    if (!prepared || !path.ends_with(fmt::format(".{}.incr.aof", incremental.load()))) return;
    cut = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  // If it was the filling ahead of the file in use that was held up: once more.
  const bool seen = Eventually([&] {
    for (int i = 0; i < 50; ++i) Execute(*session, fmt::format("SET key:{} v", i));
    const int before = Rewrites(*session);
    prepared = cut = go_on = false;
    EXPECT_FALSE(Execute(*session, Command{"BGREWRITEAOF"}).IsError());
    EXPECT_TRUE(Eventually([&] { return cut.load(); }));
    EXPECT_EQ(Execute(*session, "FLUSHALL"), "OK");
    Execute(*session, "SET left v");
    go_on = true;
    EXPECT_TRUE(
        Eventually([&] { return Rewrites(*session) > before && NothingRewrites(*session); }));
    EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "ok");
    EXPECT_EQ(Failures(*session), "0");
    const int done = Rewrites(*session) - before;
    incremental += done;
    return done == 2;
  });
  EXPECT_TRUE(seen);
  EXPECT_EQ(StateOf(*db), BareStore(*disk.AfterPowerCut({.operation = disk.operations(),
                                                         .data = sim::PowerCut::Data::kKeepAll}),
                                    1)
                              .State());
}

// Whether zeros are filled ahead in the file: not, if it was just sealed.
bool EndsInZeros(sim::SimulatedFileSystem& disk, const std::string& path) {
  const auto file = disk.Open(path, {});
  const uint64_t size = file ? (*file)->Size().value_or(0) : 0;
  char last = 'x';
  return size > 0 && (*file)->ReadAt(size - 1, {&last, 1}) && last == '\0';
}

// The log fails while the rewrite waits for its rotation, as the old file is sealed: a failure like
// any other, no FLUSH after which the rewrite would start again by itself.
TEST(RewriteLife, AFailingLogIsAFailure) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"appendfsync", "no"}, {"maxmemory", "32mb"}});  // a small ring
  const auto session = db->NewSession();
  // A sync of the filling ahead that comes late may take the fault: then once more.
  ASSERT_TRUE(Eventually([&] {
    EXPECT_TRUE(Eventually([&] { return Execute(*session, "SET a 1") == "OK"; }));
    const std::string old = kLogDirectory + *Incrementals(disk).rbegin();
    EXPECT_TRUE(Eventually([&] { return EndsInZeros(disk, old); }));
    const uint64_t faults = disk.FaultsRaised();
    std::atomic<bool> sealed{false};
    disk.set_before_sync([&](const std::string& path) {
      if (path != old || EndsInZeros(disk, old) || sealed.exchange(true)) return;
      disk.FailAt({.calls = sim::kSync, .nth = 1, .path_part = old});
    });
    const int before = Rewrites(*session);
    const bool succeeded = Rewrite(*session);
    LetItLook();
    disk.set_before_sync({});
    EXPECT_TRUE(sealed);
    EXPECT_EQ(disk.FaultsRaised(), faults + 1);
    EXPECT_EQ(Rewrites(*session), before + 1);
    EXPECT_EQ(Failures(*session), succeeded ? "0" : "1");
    return !succeeded;
  }));
  ASSERT_TRUE(Eventually([&] { return Execute(*session, "SET resumed yes") == "OK"; }));
  EXPECT_TRUE(Rewrite(*session));
  EXPECT_EQ(Failures(*session), "0");
}

TEST(RewriteLife, StartingOneDoesNotHideThatTheLastFailed) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  Execute(*session, "SET a 1");
  disk.FailAt({.calls = sim::kOpen, .nth = 1, .path_part = kTemporary});
  ASSERT_FALSE(Rewrite(*session));
  std::atomic<bool> reached{false};
  std::atomic<bool> go_on{false};
  disk.set_before_sync([&](const std::string& path) {
    if (!path.contains(kTemporary)) return;
    reached = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  ASSERT_FALSE(Execute(*session, Command{"BGREWRITEAOF"}).IsError());
  EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "err");
  EXPECT_TRUE(Eventually([&] { return reached.load(); }));
  EXPECT_EQ(Persistence(*session, "aof_rewrite_in_progress"), "1");
  EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "err");
  go_on = true;
  EXPECT_TRUE(Eventually([&] {
    return NothingRewrites(*session) && Persistence(*session, "aof_last_bgrewrite_status") == "ok";
  }));
}

// A minute after the first failure, then two: the log grows on, the disk is not hammered.
TEST(RewriteLife, FailedOnesForGrowthAreTriedAgainLaterAndLater) {
  sim::SimulatedFileSystem disk;
  TestClock clock;
  const auto pass = [&](int seconds) { clock.SetMs(clock.NowMs() + seconds * 1000); };
  Options options =
      OptionsOn(disk, {{"appendfsync", "always"}, {"auto-aof-rewrite-min-size", "1kb"}});
  options.clock = &clock;
  auto db = Db::Open(options);
  ASSERT_TRUE(db) << db.error().message;
  const auto session = (*db)->NewSession();
  disk.FailAt({.calls = sim::kOpen, .nth = 1, .for_ever = true, .path_part = kTemporary});
  Execute(*session, Command{"SET", "a", std::string(2000, 'v')});
  ASSERT_TRUE(Eventually([&] { return Failures(*session) == "1"; }));
  EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "err");
  LetItLook();
  EXPECT_EQ(Rewrites(*session), 1);
  pass(61);
  ASSERT_TRUE(Eventually([&] { return Failures(*session) == "2"; }));
  pass(61);
  LetItLook();
  EXPECT_EQ(Rewrites(*session), 2);
  pass(60);
  ASSERT_TRUE(Eventually([&] { return Failures(*session) == "3"; }));
  EXPECT_EQ(Rewrites(*session), 3);
  disk.ClearFaults();
  pass(241);
  ASSERT_TRUE(Eventually([&] { return Failures(*session) == "0"; }));
  EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "ok");
  EXPECT_EQ(Rewrites(*session), 4);
}

// A base whose switch failed may be named by the disk's manifest: its name is not given again, and
// the file goes once a later switch has worked.
TEST(RewriteLife, ABaseWhoseSwitchFailedIsRemovedLater) {
  for (const uint32_t calls : {sim::kRename, sim::kSyncDirectory}) {
    sim::SimulatedFileSystem disk;
    const auto db = MustOpen(disk);
    const auto session = db->NewSession();
    Execute(*session, "SET a 1");
    ASSERT_TRUE(Rewrite(*session));
    ASSERT_EQ(Bases(disk), std::set<std::string>{"appendonly.aof.1.base.aof"});
    // The rotation's listing first, the base's switch second; directories: the new file, its
    // listing, the base's name, the switch.
    disk.FailAt({.calls = calls,
                 .nth = calls == sim::kRename ? 2u : 4u,
                 .path_part = calls == sim::kRename ? "manifest" : "appendonlydir"});
    ASSERT_FALSE(Rewrite(*session));
    disk.ClearFaults();
    EXPECT_EQ(Bases(disk).size(), 2u);
    EXPECT_TRUE(Bases(disk).contains("appendonly.aof.2.base.aof"));
    ASSERT_TRUE(Rewrite(*session));
    EXPECT_EQ(Bases(disk), std::set<std::string>{"appendonly.aof.3.base.aof"});
  }
}

// As after a crash right behind the switch: the next start removes what it left, and nothing that
// is not ours.
TEST(RewriteLife, WhatACrashLeftBehindTheSwitchGoesAtTheNextStart) {
  sim::SimulatedFileSystem disk;
  std::string live;
  std::set<std::string> listed;
  {
    const auto db = MustOpen(disk);
    const auto session = db->NewSession();
    disk.FailAt(
        {.calls = sim::kUnlink, .nth = 1, .for_ever = true, .path_part = "appendonly.aof."});
    for (int i = 0; i < 2; ++i) {
      Execute(*session, "INCR count");
      ASSERT_TRUE(Rewrite(*session));
    }
    disk.ClearFaults();
    live = StateOf(*db);
    ASSERT_TRUE(LogFiles(disk).contains("appendonly.aof.1.base.aof"));
    ASSERT_TRUE(LogFiles(disk).contains("appendonly.aof.1.incr.aof"));
    ASSERT_TRUE(LogFiles(disk).contains("appendonly.aof.2.incr.aof"));
  }
  const std::string foreign[] = {"appendonly.aof.1.base.rdb", "appendonly.aof.01.base.aof",
                                 "appendonly.aof.1.base.aof.bak", "appendonly.aof.-1.base",
                                 "other.aof.1.base.aof"};
  for (const std::string& name : foreign) disk.SetContents(kLogDirectory + name, "not ours");
  disk.SetContents(std::string(kLogDirectory) + "appendonly.aof.9.base.aof", "of a failed switch");
  const auto db = MustOpen(disk);
  EXPECT_EQ(StateOf(*db), live);
  std::set<std::string> expected = {"appendonly.aof.2.base.aof", "appendonly.aof.3.incr.aof",
                                    "appendonly.aof.manifest"};
  expected.insert(std::begin(foreign), std::end(foreign));
  EXPECT_EQ(LogFiles(disk), expected);
  const auto session = db->NewSession();
  EXPECT_EQ(Execute(*session, "INCR count"), "3");
  EXPECT_TRUE(Rewrite(*session));
}

// The data directory itself is new: its name must be durable too.
TEST(RewriteLife, ANewDataDirectorySurvivesAPowerCut) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"appendfsync", "always"}});
  ASSERT_EQ(Execute(*db->NewSession(), "SET a 1"), "OK");
  const auto after = disk.AfterPowerCut({.operation = disk.operations(),
                                         .data = sim::PowerCut::Data::kDropUnsynced,
                                         .names = sim::PowerCut::Names::kDropUnsynced});
  EXPECT_EQ(BareStore(*after, 1).State(), StateOf(*db));
}

// The longest frame of the base; 0 if the file is not what it should be.
uint64_t LongestFrame(const sim::SimulatedFileSystem& disk) {
  const std::string text = disk.Contents(kLogDirectory + *Bases(disk).begin()).value();
  const auto file = aof::ParseFileHeader(text);
  if (!file) return 0;
  uint64_t longest = 0;
  size_t at = file->line_bytes;
  while (at < text.size()) {
    const auto frame =
        aof::ParseFrameHeader(std::string_view(text).substr(at), file->header.file_id);
    if (!frame) return 0;
    longest = std::max(longest, frame->header.bytes);
    at += frame->line_bytes + frame->header.bytes;
  }
  return longest;
}

constexpr uint64_t kEntryRoom = 200;  // around a value

// Who reads the log holds a frame in memory: one step over entries that share a shard must not make
// one frame of all of them.
TEST(BaseFrames, AreBoundedWhateverTheWalkFinds) {
  constexpr uint64_t kValueBytes = 70'000;
  sim::SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk);
    const auto session = db->NewSession();
    for (int database = 0; database < 2; ++database) {
      Execute(*session, fmt::format("SELECT {}", database));
      for (int i = 0; i < 100; ++i) {
        Execute(*session, Command{"SET", fmt::format("{{tag}}{}", i),
                                  std::string(kValueBytes, static_cast<char>('a' + i % 26))});
        Execute(*session, fmt::format("SET {{tag}}small:{} v PX 100000000", i));
      }
    }
    ASSERT_TRUE(Rewrite(*session));
    live = StateOf(*db);
  }
  const uint64_t longest = LongestFrame(disk);
  EXPECT_GE(longest, BaseWriter::kFrameBytes);
  EXPECT_LE(longest, BaseWriter::kFrameBytes + kValueBytes + kEntryRoom);
  EXPECT_EQ(StateOf(*MustOpen(disk)), live);
}

TEST(BaseFrames, AVeryLargeValueIsOneFrame) {
  constexpr uint64_t kValueBytes = uint64_t{80} << 20;
  sim::SimulatedFileSystem disk;
  {
    const auto db = MustOpen(disk, {{"auto-aof-rewrite-percentage", "0"}});
    const auto session = db->NewSession();
    std::string value(kValueBytes, 'v');
    value.back() = 'e';
    ASSERT_EQ(Text(Execute(*session, Command{"SET", "large", std::move(value)})), "OK");
    ASSERT_EQ(Execute(*session, "SET small v"), "OK");
    ASSERT_TRUE(Rewrite(*session));
  }
  const uint64_t longest = LongestFrame(disk);
  EXPECT_GE(longest, kValueBytes);
  EXPECT_LE(longest, BaseWriter::kFrameBytes + kValueBytes + kEntryRoom);
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  EXPECT_EQ(Execute(*session, "STRLEN large"), fmt::format("{}", kValueBytes));
  EXPECT_EQ(Execute(*session, "GETRANGE large -3 -1"), "vve");
  EXPECT_EQ(Execute(*session, "GET small"), "v");
}

}  // namespace
}  // namespace holdfast::engine_test
