// CONFIG SET appendonly while the store runs: what is on the disk at every moment of it.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/unit/engine/log_switch.h"

namespace holdfast::engine_test {
namespace {

using sim::SimulatedFileSystem;

TEST(LogSwitch, OffLeavesTheLogAsACleanStopDoes) {
  SimulatedFileSystem disk;
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  Fill(*session, 0, 100);
  const std::string logged = StateOf(*db);
  ASSERT_TRUE(TurnOff(*db, *session));
  EXPECT_EQ(Persistence(*session, "aof_enabled"), "0");
  const auto contents = [&] {
    return disk.Contents("/data/appendonlydir/appendonly.aof.1.incr.aof").value_or("");
  };
  // A closing frame, and the zeros behind it cut off.
  EXPECT_TRUE(
      Eventually([&] { return contents().contains(",n=0,") && !contents().ends_with('\0'); }));
  const std::string closed = contents();
  const std::vector<std::string> paths = disk.Paths();
  Fill(*session, 50, 200);
  Execute(*session, "FLUSHALL");
  EXPECT_EQ(Execute(*session, "DBSIZE"), "0");
  EXPECT_EQ(contents(), closed);
  EXPECT_EQ(disk.Paths(), paths);
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), logged);
  EXPECT_TRUE(Execute(*session, Command{"BGREWRITEAOF"}).IsError());
  EXPECT_TRUE(Execute(*session, "DEBUG LOADAOF").starts_with("ERR "));
}

TEST(LogSwitch, OnAgainKeepsEverything) {
  for (const char* policy : {"no", "everysec", "always"}) {
    SimulatedFileSystem disk;
    const auto db = MustOpen(disk, {{"appendfsync", policy}});
    const auto session = db->NewSession();
    for (int round = 0; round < 3; ++round) {
      Fill(*session, round, 100);
      ASSERT_TRUE(TurnOff(*db, *session));
      Execute(*session, "DEL key:3 key:4");
      Fill(*session, 90, 150 + round);
      ASSERT_TRUE(TurnOn(*session));
      Execute(*session, fmt::format("SET after:{} v", round));
      EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db)) << policy << round;
    }
    ASSERT_TRUE(Rewrite(*session));
    EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db)) << policy;
    EXPECT_FALSE(Holds(disk, ".unlisted"));
  }
}

TEST(LogSwitch, AStoreWithoutLogGetsOne) {
  SimulatedFileSystem disk;
  const auto db = MustOpen(disk, kNoLog);
  const auto session = db->NewSession();
  const auto other = db->NewSession();  // there from before
  Fill(*session, 0, 300);
  Execute(*session, "SET mortal v PX 100000000");
  ASSERT_TRUE(TurnOn(*session));
  EXPECT_EQ(Execute(*other, "SET later v"), "OK");
  EXPECT_FALSE(Db::Open(OptionsOn(disk)));  // the directory is taken now
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db));
  ASSERT_TRUE(TurnOff(*db, *session));
  ASSERT_TRUE(TurnOn(*session));
  EXPECT_EQ(Execute(*other, "SET later w"), "OK");
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db));
}

TEST(LogSwitch, WithoutADirectoryThereIsNoLog) {
  const auto db = Db::Open({});
  ASSERT_TRUE(db);
  const auto session = (*db)->NewSession();
  EXPECT_EQ(Set(*session, "yes"),
            "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on "
            "AOF: the store was opened without a data directory");
  EXPECT_FALSE((*db)->store().config().Bool("appendonly"));
  EXPECT_EQ(Execute(*session, "SET k v"), "OK");
}

TEST(LogSwitch, ADirectoryThatIsTakenIsAnError) {
  SimulatedFileSystem disk;
  auto holder = MustOpen(disk);
  Execute(*holder->NewSession(), "SET of holder");
  const auto db = MustOpen(disk, kNoLog);
  const auto session = db->NewSession();
  EXPECT_TRUE(Set(*session, "yes").contains("Unable to turn on AOF: "));
  EXPECT_EQ(Execute(*session, "SET k v"), "OK");
  holder.reset();
  ASSERT_TRUE(TurnOn(*session));
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db));
}

TEST(LogSwitch, InsideExec) {
  SimulatedFileSystem disk;
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  Execute(*session, "MULTI");
  Execute(*session, "SET a 1");
  Execute(*session, "CONFIG SET appendonly no");
  Execute(*session, "SET b 1");
  EXPECT_EQ(Execute(*session, "EXEC"), "OK,OK,OK");
  ASSERT_TRUE(Eventually([&] { return db->store().active_log() == nullptr; }));
  Execute(*session, "MULTI");
  Execute(*session, "SET a 2");
  Execute(*session, "CONFIG SET appendonly yes");
  Execute(*session, "FLUSHALL");
  Execute(*session, "SET b 2");
  EXPECT_EQ(Execute(*session, "EXEC"), "OK,OK,OK,OK");
  ASSERT_TRUE(Eventually([&] { return Complete(*session); }));
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db));
}

TEST(LogSwitch, ClosedAtOnceItIsComplete) {
  for (const bool late : {true, false}) {
    SimulatedFileSystem disk;
    std::string live;
    {
      const auto db = MustOpen(disk, late ? kNoLog : Settings{});
      const auto session = db->NewSession();
      ASSERT_TRUE(late || TurnOff(*db, *session));
      Fill(*session, 0, 500);
      ASSERT_EQ(Set(*session, "yes"), "OK");
      Execute(*session, "SET last v");
      live = StateOf(*db);
    }
    EXPECT_EQ(StateOf(*MustOpen(disk)), live) << late;
  }
}

// Each call on the disk fails once, for good until the log is asked for again: the data set is
// served all the time, and complete in the end.
TEST(LogSwitch, AnyFailedCallIsTriedAgain) {
  uint64_t raised = 1;
  for (uint64_t nth = 1; raised > 0 && nth < 100; nth += nth < 20 ? 1 : 9) {
    SimulatedFileSystem disk;
    const auto db = MustOpen(disk, kNoLog);
    const auto session = db->NewSession();
    Fill(*session, 0, 30);
    disk.FailAt({.calls = sim::kChanges, .nth = nth});
    const std::string answer = Set(*session, "yes");
    if (answer != "OK") {
      EXPECT_TRUE(answer.contains("Unable to turn on AOF")) << answer;
      EXPECT_FALSE(db->store().config().Bool("appendonly")) << nth;
      ASSERT_EQ(Set(*session, "yes"), "OK") << nth;
    }
    ASSERT_TRUE(Eventually([&] {
      Execute(*session, "SET beside v");  // may be refused while the log fails
      return Complete(*session);
    })) << nth;
    raised = disk.FaultsRaised();
    ASSERT_TRUE(Eventually([&] { return Execute(*session, "SET after v") == "OK"; })) << nth;
    EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db)) << nth;
  }
}

// The way out that operators know: a log that cannot be written is turned off, and writes go on.
TEST(LogSwitch, AFailingLogIsLetGo) {
  SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"appendfsync", "always"}});
  const auto session = db->NewSession();
  Fill(*session, 0, 10);
  disk.FailAt({.calls = sim::kChanges, .nth = 1, .for_ever = true});
  std::thread waiting([&] {
    const auto writer = db->NewSession();
    // Answered, or refused if the log's own threads met the failure first.
    const std::string told = Execute(*writer, "SET pending v");
    EXPECT_TRUE(told == "OK" || told.starts_with("MISCONF ")) << told;
  });
  ASSERT_TRUE(Eventually([&] { return Persistence(*session, "aof_last_write_status") == "err"; }));
  ASSERT_TRUE(TurnOff(*db, *session));
  waiting.join();
  EXPECT_EQ(Execute(*session, "SET goes on"), "OK");
  ASSERT_EQ(Set(*session, "yes"), "OK");
  EXPECT_TRUE(Eventually([&] {
    const std::string info = Execute(*session, "INFO persistence");
    return info.contains("aof_rewrite_scheduled:1\r\n") &&
           info.contains("aof_last_bgrewrite_status:err\r\n");
  }));
  EXPECT_EQ(Execute(*session, "SET goes still"), "OK");
  disk.ClearFaults();
  ASSERT_TRUE(Eventually([&] { return Complete(*session); }));
  EXPECT_EQ(StateOf(*MustOpen(*Killed(disk))), StateOf(*db));
}

class LogSwitchTraffic : public testing::TestWithParam<bool> {};

TEST_P(LogSwitchTraffic, LosesNothingThatWasLoggedOrWalked) {
  constexpr int kWriters = 3;
  constexpr int kSwitches = 12;
  SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk, GetParam() ? kNoLog : Settings{});
    std::atomic<bool> stop{false};
    std::vector<std::thread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back([&, i] {
        const auto session = db->NewSession();
        SeededRandom random(static_cast<uint64_t>(i) + 77);
        const CommandMix mix{.keys = 25, .whole_keyspace = i == 0};
        while (!stop) {
          for (const Command& command : RandomCommands(random, mix)) {
            const Reply reply = Execute(*session, command);
            EXPECT_TRUE(!reply.IsError() || reply.text.starts_with("ERR ")) << reply.text;
          }
        }
      });
    }
    const auto session = db->NewSession();
    SeededRandom random(5);
    for (int i = 0; i < kSwitches; ++i) {
      ASSERT_EQ(Set(*session, "yes"), "OK");
      ASSERT_TRUE(random.Next() % 2 == 0 || Eventually([&] { return Complete(*session); }));
      std::this_thread::sleep_for(std::chrono::milliseconds(random.Next() % 20));
      ASSERT_EQ(Set(*session, "no"), "OK");
      std::this_thread::sleep_for(std::chrono::milliseconds(random.Next() % 20));
    }
    ASSERT_TRUE(TurnOn(*session));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop = true;
    for (std::thread& writer : writers) writer.join();
    live = StateOf(*db);
  }
  EXPECT_EQ(StateOf(*MustOpen(disk)), live);
}

INSTANTIATE_TEST_SUITE_P(Late, LogSwitchTraffic, testing::Bool());

}  // namespace
}  // namespace holdfast::engine_test
