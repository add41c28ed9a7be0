// CONFIG SET appendonly while the store runs, and a kill or power cut at every operation on the
// disk.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/engine/log_switch.h"

namespace holdfast::engine_test {
namespace {

using sim::PowerCut;
using sim::SimulatedFileSystem;

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
    const auto db = MustOpen(disk, {{"appendfsync", "always"}});
    const auto session = db->NewSession();
    Fill(*session, 0, 20);
    old_state = StateOf(*db);
  }
  const auto db = MustOpen(
      disk, GetParam().late ? Settings{{"appendonly", "no"}} : Settings{{"appendfsync", "always"}});
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
    const auto opened = Db::Open(OptionsOn(*after));
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
    ASSERT_EQ(StateOf(*MustOpen(*Killed(*after))), StateOf(**opened)) << operation;
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

}  // namespace
}  // namespace holdfast::engine_test
