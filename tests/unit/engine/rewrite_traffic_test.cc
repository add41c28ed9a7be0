// Rewriting beside traffic: what a reopened store holds is what the closed one held.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

class RewriteTraffic : public testing::TestWithParam<uint64_t> {};

TEST_P(RewriteTraffic, LosesAndRepeatsNothing) {
  constexpr int kWriters = 3;
  constexpr int kSteps = 1200;
  constexpr int kRewrites = 3;
  sim::SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk, {{"appendfsync", "everysec"}});
    std::atomic<int> writing{kWriters};
    std::atomic<bool> rewritten{false};  // often enough: the writers may end
    std::atomic<uint64_t> errors{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back([&, i] {
        const auto session = db->NewSession();
        SeededRandom random(GetParam() * 100 + static_cast<uint64_t>(i));
        // Few keys, so that the writers and the walk meet; even seeds are flushed now and then.
        const CommandMix mix{.keys = 25, .whole_keyspace = GetParam() % 2 == 0 && i == 0};
        for (int step = 0; step < kSteps || !rewritten.load(); ++step) {
          for (const Command& command : RandomCommands(random, mix)) {
            const Reply reply = Execute(*session, command);
            if (reply.IsError() && !reply.text.starts_with("ERR ")) ++errors;
          }
        }
        --writing;
      });
    }
    auto session = db->NewSession();
    while (writing.load() > 0) {
      Execute(*session, Command{"BGREWRITEAOF"});  // an error while one is under way
      rewritten = std::stoi(Persistence(*session, "aof_rewrites")) >= kRewrites;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(errors.load(), 0u);
    ASSERT_TRUE(Eventually([&] { return NothingRewrites(*session); }));
    EXPECT_GE(std::stoi(Persistence(*session, "aof_rewrites")), kRewrites);
    EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "ok");
    live = StateOf(*db);
    session.reset();
    ASSERT_TRUE(db->Close());
  }
  for (const size_t workers : {1, 3}) {
    BareStore store(disk, workers);
    ASSERT_TRUE(store.opened()) << store.opened().error().message;
    EXPECT_EQ(store.State(), live);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RewriteTraffic, testing::Range<uint64_t>(1, 7));

// Every byte that a rewrite leaves behind is needed: nothing of what it replaced stays.
TEST(Rewrite, LeavesNoOldFiles) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  for (int i = 0; i < 5; ++i) {
    Execute(*session, "INCR n");
    ASSERT_TRUE(Rewrite(*session));
    size_t bases = 0;
    size_t temporary = 0;
    for (const std::string& path : disk.Paths()) {
      bases += path.find(".base.") != std::string::npos ? 1 : 0;
      temporary += path.find("temp-") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(bases, 1u);
    EXPECT_EQ(temporary, 0u);
  }
  EXPECT_EQ(Execute(*session, "GET n"), "5");
}

}  // namespace
}  // namespace holdfast::engine_test
