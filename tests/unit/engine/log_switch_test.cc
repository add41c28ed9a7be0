// CONFIG SET appendonly while the store runs: what is on the disk at every moment of it.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

using sim::PowerCut;
using sim::SimulatedFileSystem;

const Settings kNoLog{{"appendonly", "no"}};
// A small ring, so that little of the disk is filled ahead: these tests look at every operation.
const std::pair<std::string, std::string> kLittleMemory{"maxmemory", "64mb"};

std::string Set(DbSession& session, std::string_view value) {
  return Execute(session, fmt::format("CONFIG SET appendonly {}", value));
}

// The log is on and holds the data set: by one reply, as the figures belong together.
bool Complete(DbSession& session) {
  const std::string info = Execute(session, "INFO persistence");
  return info.contains("aof_enabled:1\r\n") && info.contains("aof_rewrite_in_progress:0\r\n") &&
         info.contains("aof_rewrite_scheduled:0\r\n");
}

bool TurnOn(DbSession& session) {
  return Set(session, "yes") == "OK" && Eventually([&] { return Complete(session); });
}

bool TurnOff(Db& db, DbSession& session) {
  return Set(session, "no") == "OK" &&
         Eventually([&] { return db.store().active_log() == nullptr; });
}

// As after kill -9 at an operation, or now.
std::unique_ptr<SimulatedFileSystem> Killed(const SimulatedFileSystem& disk) {
  return disk.AfterPowerCut({.operation = disk.operations(), .data = PowerCut::Data::kKeepAll});
}

bool Holds(const SimulatedFileSystem& disk, std::string_view name_part) {
  for (const std::string& path : disk.Paths()) {
    if (path.contains(name_part)) return true;
  }
  return false;
}

void Fill(DbSession& session, int from, int to) {
  for (int i = from; i < to; ++i) Execute(session, fmt::format("SET key:{} {}", i, i * 7));
}

TEST(LogSwitch, OffLeavesTheLogAsACleanStopDoes) {
  SimulatedFileSystem disk;
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  Fill(*session, 0, 100);
  const std::string logged = StateOf(*db);
  ASSERT_TRUE(TurnOff(*db, *session));
  EXPECT_EQ(Persistence(*session, "aof_enabled"), "0");
  const auto filled = [&] {
    const auto contents = disk.Contents("/data/appendonlydir/appendonly.aof.1.incr.aof");
    return contents && contents->ends_with('\0');
  };
  EXPECT_TRUE(Eventually([&] { return !filled(); }));
  const size_t operations = disk.operations();
  Fill(*session, 50, 200);
  Execute(*session, "FLUSHALL");
  EXPECT_EQ(Execute(*session, "DBSIZE"), "0");
  EXPECT_EQ(disk.operations(), operations);
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

// Whatever the moment of the kill: what the old log held, or everything.
struct CutCase {
  bool fresh;  // nothing lies in the directory
  bool late;
  PowerCut::Data data;
};
class LogSwitchCut : public testing::TestWithParam<CutCase> {};

TEST_P(LogSwitchCut, GivesTheOldLogOrTheNewOne) {
  SimulatedFileSystem disk;
  SimulatedFileSystem empty;
  std::string old_state = StateOf(*MustOpen(empty, kNoLog));
  if (!GetParam().fresh) {
    const auto db = MustOpen(disk, {kLittleMemory, {"appendfsync", "always"}});
    const auto session = db->NewSession();
    Fill(*session, 0, 20);
    old_state = StateOf(*db);
  }
  const auto db =
      MustOpen(disk, GetParam().late ? Settings{kLittleMemory, {"appendonly", "no"}}
                                     : Settings{kLittleMemory, {"appendfsync", "always"}});
  const auto session = db->NewSession();
  ASSERT_TRUE(GetParam().late || TurnOff(*db, *session));
  // What is on the disk is old_state from here on.
  const size_t from = disk.operations();
  Execute(*session, "FLUSHALL");
  Fill(*session, 1000, 1040);
  ASSERT_TRUE(TurnOn(*session));
  const std::string new_state = StateOf(*db);
  const size_t complete = disk.operations();
  ASSERT_GT(complete, from + 10);
  size_t olds = 0;
  size_t news = 0;
  size_t kept = 0;
  for (size_t operation = from; operation <= complete; ++operation) {
    const auto after = disk.AfterPowerCut(
        {.operation = operation, .data = GetParam().data, .names = PowerCut::Names::kDropUnsynced});
    const auto opened = Db::Open(OptionsOn(*after, {kLittleMemory}));
    ASSERT_TRUE(opened) << operation << ": " << opened.error().message;
    const std::string state = StateOf(**opened);
    ASSERT_TRUE(state == old_state || state == new_state) << operation;
    (state == old_state ? olds : news) += 1;
    ASSERT_TRUE(news == 0 || state == new_state) << operation << ": back to the old log";
    kept += Holds(*after, ".unlisted") ? 1 : 0;
    // What was left of the attempt is in nobody's way.
    if (operation % 4 != 0) continue;
    const auto again = (*opened)->NewSession();
    Execute(*again, "SET again v");
    ASSERT_TRUE(Rewrite(*again)) << operation;
    ASSERT_TRUE(Rewrite(*again)) << operation;
    Execute(*again, "SET again w");
    ASSERT_EQ(StateOf(*MustOpen(*Killed(*after), {kLittleMemory})), StateOf(**opened)) << operation;
  }
  EXPECT_GT(olds, 5u);
  EXPECT_GT(news, 0u);
  EXPECT_GT(kept, 0u);
}

INSTANTIATE_TEST_SUITE_P(Cuts, LogSwitchCut,
                         testing::Values(CutCase{false, true, PowerCut::Data::kKeepAll},
                                         CutCase{false, false, PowerCut::Data::kKeepAll},
                                         CutCase{true, true, PowerCut::Data::kKeepAll},
                                         CutCase{false, true, PowerCut::Data::kDropUnsynced},
                                         CutCase{false, false, PowerCut::Data::kDropUnsynced},
                                         CutCase{true, true, PowerCut::Data::kDropUnsynced}));

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
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(Persistence(*session, "aof_rewrite_scheduled"), "1");
  EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "err");
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
