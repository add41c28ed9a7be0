// Replaying a log with several workers gives the state that wrote it.
#include "engine/replay.h"

#include <gtest/gtest.h>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

void WriteRandomly(DbSession& session, SeededRandom& random, size_t steps) {
  for (size_t i = 0; i < steps; ++i) {
    for (const Command& command : RandomCommands(random, {})) {
      const Reply reply = Execute(session, command);
      // The only errors that the mix makes: what depends on a key that is absent.
      ASSERT_TRUE(!reply.IsError() || reply.text.starts_with("ERR no such key") ||
                  reply.text.starts_with("ERR source and destination"))
          << command[0] << ": " << reply.text;
    }
  }
}

class ParallelReplay : public testing::TestWithParam<uint64_t> {};

TEST_P(ParallelReplay, GivesTheStateThatWroteTheLog) {
  sim::SimulatedFileSystem disk;
  SeededRandom random(GetParam());
  std::string live;
  {
    const auto db = MustOpen(disk, {{"appendfsync", "no"}});
    auto session = db->NewSession();
    ASSERT_NO_FATAL_FAILURE(WriteRandomly(*session, random, 1500));
    // Odd seeds: half of the state comes from a base with several databases.
    if (GetParam() % 2 == 1) {
      ASSERT_TRUE(Rewrite(*session));
    }
    ASSERT_NO_FATAL_FAILURE(WriteRandomly(*session, random, 1500));
    live = StateOf(*db);
    session.reset();
    ASSERT_TRUE(db->Close());
  }
  ASSERT_FALSE(live.starts_with(std::string(40, '0')));
  for (const size_t workers : {1, 2, 5}) {
    BareStore store(disk, workers);
    ASSERT_TRUE(store.opened()) << store.opened().error().message;
    EXPECT_EQ(store.State(), live) << workers << " workers";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ParallelReplay, testing::Range<uint64_t>(1, 7));

// Commands that need several keys, at every distance, so that workers meet all the time.
TEST(ParallelReplay, MeetingsOfWorkersKeepLogOrder) {
  sim::SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk, {{"appendfsync", "no"}});
    auto session = db->NewSession();
    SeededRandom random(99);
    const auto key = [&] { return std::to_string(random.Below(12)); };
    for (int i = 0; i < 3000; ++i) {
      const std::string count = std::to_string(i);
      switch (random.Below(5)) {
        case 0:
          Execute(*session, Command{"RENAME", key(), key()});
          break;
        case 1:
          Execute(*session, Command{"COPY", key(), key(), "REPLACE"});
          break;
        case 2:
          Execute(*session, Command{"MSET", key(), count, key(), count + "x", key(), count + "y"});
          break;
        case 3:
          Execute(*session, Command{"APPEND", key(), count});
          break;
        default:
          Execute(*session,
                  i % 50 == 0 ? Command{"SWAPDB", "0", "1"} : Command{"SET", key(), count});
      }
    }
    live = StateOf(*db);
  }
  for (const size_t workers : {1, 3, 5, 16}) {
    BareStore store(disk, workers);
    ASSERT_TRUE(store.opened()) << store.opened().error().message;
    EXPECT_EQ(store.State(), live) << workers << " workers";
  }
}

// A command that this server does not know ends the start with an error, at any number of workers,
// and no worker waits for ever for one that gave up.
TEST(ParallelReplay, AnErrorEndsItWithoutHanging) {
  for (const size_t workers : {1, 2, 5}) {
    sim::SimulatedFileSystem disk;
    std::string log;
    for (int i = 0; i < 500; ++i) log += "*3\r\n$6\r\nRENAME\r\n$1\r\na\r\n$1\r\nb\r\n";
    disk.SetContents("/data/appendonlydir/appendonly.aof.1.incr.aof", log);
    disk.SetContents("/data/appendonlydir/appendonly.aof.manifest",
                     "file appendonly.aof.1.incr.aof seq 1 type i\n");
    const BareStore store(disk, workers);
    ASSERT_FALSE(store.opened());
    EXPECT_EQ(store.opened().error().code, ErrorCode::kCorruption);
    EXPECT_NE(store.opened().error().message.find("no such key"), std::string::npos)
        << store.opened().error().message;
    EXPECT_EQ(disk.Contents("/data/appendonlydir/appendonly.aof.1.incr.aof"), log);
  }
}

}  // namespace
}  // namespace holdfast::engine_test
