// Expiry under a clock that the test moves: readers change nothing, writers log the DEL first,
// replay expires nothing and revives nothing.
#include <gtest/gtest.h>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr UnixMs kStartMs = 1'700'000'000'000;

class ExpiryTest : public testing::Test {
 protected:
  ExpiryTest() { clock_.SetMs(kStartMs); }

  // The expire cycle rests unless a test wants it.
  void Open(bool active_expire = false) {
    Options options = OptionsOn(disk_, {{"appendfsync", "always"}});
    options.clock = &clock_;
    auto db = Db::Open(options);
    ASSERT_TRUE(db) << db.error().message;
    db_ = std::move(*db);
    session_ = db_->NewSession();
    Do(active_expire ? "DEBUG SET-ACTIVE-EXPIRE 1" : "DEBUG SET-ACTIVE-EXPIRE 0");
  }
  void Close() {
    session_.reset();
    ASSERT_TRUE(db_->Close());
    db_.reset();
  }
  std::string Do(std::string_view line) { return Execute(*session_, line); }

  // The commands of all incremental files, one after the other, without what is filled ahead.
  std::string Log() const {
    std::string log;
    for (const std::string& path : disk_.Paths()) {
      if (path.find(".incr.") == std::string::npos) continue;
      log += disk_.Contents(path).value();
      log.resize(log.find_last_not_of('\0') + 1);
    }
    return log;
  }
  static constexpr char kDelK[] = "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";

  sim::SimulatedFileSystem disk_;
  TestClock clock_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<DbSession> session_;
};

TEST_F(ExpiryTest, AReaderLeavesTheEntryAlone) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_EQ(Do("SET k old PX 100"), "OK");
  const std::string before = Log();
  clock_.SetMs(kStartMs + 200);
  EXPECT_EQ(Do("GET k"), "nil");
  EXPECT_EQ(Do("EXISTS k"), "0");
  EXPECT_EQ(Do("TTL k"), "-2");
  EXPECT_EQ(Do("DBSIZE"), "1");
  EXPECT_EQ(Log(), before);
}

TEST_F(ExpiryTest, AWriterLogsTheDelFirst) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_EQ(Do("SET k old PX 100"), "OK");
  clock_.SetMs(kStartMs + 200);
  EXPECT_EQ(Do("APPEND k new"), "3");
  const std::string log = Log();
  const size_t del = log.find(kDelK);
  const size_t append = log.find("APPEND");
  ASSERT_NE(del, std::string::npos);
  ASSERT_NE(append, std::string::npos);
  EXPECT_LT(del, append);
  EXPECT_EQ(log.find(kDelK, del + 1), std::string::npos);
  // A clock that went back: what was replaced stays replaced.
  clock_.SetMs(kStartMs);
  const std::string live = StateOf(*db_);
  ASSERT_NO_FATAL_FAILURE(Close());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(Do("GET k"), "new");
  EXPECT_EQ(Do("TTL k"), "-1");
  EXPECT_EQ(StateOf(*db_), live);
}

// A writer that fails or does nothing on the absent key has still deleted it.
TEST_F(ExpiryTest, AWriterThatThenDoesNothingLogsTheDelToo) {
  for (const std::string_view line : {"DEL k", "PERSIST k", "GETDEL k", "RENAME k other",
                                      "SET k v XX", "EXPIRE k 10", "GETEX k PERSIST"}) {
    ASSERT_NO_FATAL_FAILURE(Open());
    Do("FLUSHALL");
    ASSERT_EQ(Do("SELECT 2"), "OK");
    ASSERT_EQ(Do("SET k old PX 100"), "OK");
    clock_.SetMs(clock_.NowMs() + 200);
    Do(line);
    const bool deleted = Do("DBSIZE") == "0";
    clock_.SetMs(kStartMs);
    ASSERT_NO_FATAL_FAILURE(Close());
    ASSERT_NO_FATAL_FAILURE(Open());
    Do("SELECT 2");
    EXPECT_EQ(Do("DBSIZE"), deleted ? "0" : "1") << line;
    EXPECT_TRUE(deleted) << line;
    ASSERT_NO_FATAL_FAILURE(Close());
  }
}

TEST_F(ExpiryTest, InATransactionTheDelIsPartOfTheGroup) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_EQ(Do("SET k old PX 100"), "OK");
  clock_.SetMs(kStartMs + 200);
  Do("MULTI");
  Do("SET other 1");
  Do("INCR k");
  EXPECT_EQ(Do("EXEC"), "OK,1");
  const std::string log = Log();
  EXPECT_LT(log.find("MULTI"), log.find(kDelK));
  EXPECT_LT(log.find(kDelK), log.find("INCR"));
  EXPECT_LT(log.find("INCR"), log.find("EXEC"));
  clock_.SetMs(kStartMs);
  ASSERT_NO_FATAL_FAILURE(Close());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(Do("GET k"), "1");
}

// Long after its time, but no DEL was logged: the key is there (and expired), so that commands in
// the log that saw it find it.
TEST_F(ExpiryTest, ReplayExpiresNothing) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_EQ(Do("SET k old PX 100"), "OK");
  ASSERT_EQ(Do("RENAME k moved"), "OK");
  ASSERT_EQ(Do("APPEND moved er"), "5");
  ASSERT_EQ(Do("COPY moved copied"), "1");
  ASSERT_EQ(Do("PERSIST copied"), "1");
  ASSERT_NO_FATAL_FAILURE(Close());
  clock_.SetMs(kStartMs + 1'000'000);
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(Do("GET moved"), "nil");
  EXPECT_EQ(Do("GET copied"), "older");
}

TEST_F(ExpiryTest, TheCycleDeletesInTheLogToo) {
  ASSERT_NO_FATAL_FAILURE(Open(true));
  for (int i = 0; i < 200; ++i) Do("SET key:" + std::to_string(i) + " v PX 100");
  Do("SET stays v");
  clock_.SetMs(kStartMs + 100 + 1000);  // the cycle promises to be a second late at most
  EXPECT_TRUE(Eventually([&] { return Do("DBSIZE") == "1"; }));
  clock_.SetMs(kStartMs);
  ASSERT_NO_FATAL_FAILURE(Close());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(Do("DBSIZE"), "1");
}

// The cut takes expired keys that nobody deleted yet as they are; their DEL comes after it.
TEST_F(ExpiryTest, ARewriteKeepsWhatIsNotYetDeleted) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_EQ(Do("SET k old PX 100"), "OK");
  clock_.SetMs(kStartMs + 200);
  ASSERT_TRUE(Rewrite(*session_));
  EXPECT_EQ(Do("SET k new NX"), "OK");
  const std::string live = StateOf(*db_);
  ASSERT_NO_FATAL_FAILURE(Close());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(StateOf(*db_), live);
  EXPECT_EQ(Do("GET k"), "new");
}

}  // namespace
}  // namespace holdfast::engine_test
