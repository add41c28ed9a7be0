// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class TransactionTest : public CommandTest {
 protected:
  // MULTI, SET seen 1, EXEC on the fixture's session: whether it went through.
  bool ExecGoesThrough() {
    Run("MULTI");
    Run("SET seen 1");
    return Run("EXEC") == "[OK]";
  }
  void Other(std::string_view line) { RunIn(*other_, line); }

  std::unique_ptr<DbSession> other_ = NewSession();
};

TEST_F(TransactionTest, QueuesAndExecutes) {
  Expect({{"MULTI", "OK"},
          {"SET a 1", "QUEUED"},
          {"INCR a", "QUEUED"},
          {"GET a", "QUEUED"},
          {"EXEC", "[OK, 2, \"2\"]"},
          {"GET a", "\"2\""},
          {"MULTI", "OK"},
          {"EXEC", "[]"}});
}

TEST_F(TransactionTest, ErrorsInsideDoNotStopIt) {
  Expect({{"SET a text", "OK"},
          {"MULTI", "OK"},
          {"INCR a", "QUEUED"},
          {"SET b 1", "QUEUED"},
          {"EXEC", "[ERR value is not an integer or out of range, OK]"},
          {"GET b", "\"1\""}});
}

TEST_F(TransactionTest, RefusedCommandsAbortIt) {
  Expect({{"MULTI", "OK"},
          {"SET a 1", "QUEUED"},
          {"SET a", "ERR wrong number of arguments for 'set' command"},
          {"EXEC", "EXECABORT Transaction discarded because of previous errors."},
          {"EXISTS a", "0"},
          {"EXEC", "ERR EXEC without MULTI"}});
}

TEST_F(TransactionTest, RefusedExecEndsIt) {
  constexpr std::string_view kAbort =
      "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
  Expect({{"MULTI", "OK"},
          {"SET a 1", "QUEUED"},
          {"EXEC now", kAbort},
          {"DISCARD", "ERR DISCARD without MULTI"},
          {"EXISTS a", "0"},
          {"EXEC now", kAbort}});
}

TEST_F(TransactionTest, ItsOwnWritesDoNotMarkIt) {
  Run("WATCH a");
  Run("MULTI");
  Run("SET a 1");
  Run("CLIENT INFO");
  EXPECT_THAT(Run("EXEC"), testing::HasSubstr(" flags=x "));
}

TEST_F(TransactionTest, NestingAndMisplacement) {
  Expect({{"EXEC", "ERR EXEC without MULTI"},
          {"DISCARD", "ERR DISCARD without MULTI"},
          {"MULTI", "OK"},
          {"MULTI", "ERR MULTI calls can not be nested"},
          {"WATCH a", "ERR WATCH inside MULTI is not allowed"},
          {"SET a 1", "QUEUED"},
          {"EXEC", "[OK]"},
          {"UNWATCH", "OK"}});
}

TEST_F(TransactionTest, DiscardDropsQueueAndWatches) {
  Expect({{"WATCH a", "OK"}, {"MULTI", "OK"}, {"SET a 1", "QUEUED"}, {"DISCARD", "OK"}});
  EXPECT_EQ(Run("EXISTS a"), "0");
  Other("SET a 2");
  EXPECT_TRUE(ExecGoesThrough());
}

TEST_F(TransactionTest, WatchedKeysDecide) {
  struct Case {
    std::string_view before;
    std::string_view change;
    bool breaks;
  };
  const Case cases[] = {
      {"DEL w", "SET w 1", true},
      {"SET w 1", "SET w 1", true},
      {"SET w 1", "DEL w", true},
      {"SET w 1", "EXPIRE w 10", true},
      {"SET w 1", "PERSIST w", false},
      {"SET w 1", "GET w", false},
      {"SET w 1", "TOUCH w", false},
      {"SET w 1", "SETNX w 2", false},
      {"SET w 1", "RENAME w x", true},
      {"SET w 1", "COPY w y", false},
      {"SET y 1", "COPY y w REPLACE", true},
      {"SET w 1", "SET unrelated 1", false},
      {"SET w 1", "SWAPDB 0 1", true},
      {"SET w 1", "SWAPDB 2 3", false},
      {"DEL w", "DEL w", false},
  };
  for (const Case& one : cases) {
    Other(one.before);
    EXPECT_EQ(Run("WATCH w"), "OK");
    Other(one.change);
    EXPECT_EQ(ExecGoesThrough(), !one.breaks) << one.before << ", " << one.change;
    EXPECT_TRUE(ExecGoesThrough()) << "watches end with EXEC";
  }
}

TEST_F(TransactionTest, UnwatchForgets) {
  Run("WATCH a b a");
  Other("SET b 1");
  Run("UNWATCH");
  EXPECT_TRUE(ExecGoesThrough());
}

TEST_F(TransactionTest, OwnChangesCount) {
  Expect({{"WATCH a", "OK"}, {"SET a 1", "OK"}});
  EXPECT_FALSE(ExecGoesThrough());
}

TEST_F(TransactionTest, ExpiryOfAWatchedKeyBreaks) {
  Run("SET w 1 PX 10");
  Run("WATCH w");
  AdvanceMs(10);
  EXPECT_FALSE(ExecGoesThrough());
}

// A key that had expired before WATCH counts as absent: its deletion later is no change.
TEST_F(TransactionTest, KeyExpiredBeforeWatchIsAbsent) {
  Run("SET w 1 PX 10");
  AdvanceMs(10);
  Run("WATCH w");
  EXPECT_TRUE(ExecGoesThrough());
}

TEST_F(TransactionTest, SessionThatEndsLeavesNoWatch) {
  {
    const auto short_lived = NewSession();
    RunIn(*short_lived, "WATCH w");
  }
  Other("SET w 1");
  EXPECT_TRUE(ExecGoesThrough());
}

}  // namespace
}  // namespace holdfast::commands
