// What the tests of command families share: a store in memory under a clock that stands still,
// commands written as a person would type them, replies and log effects as text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/commands/context.h"
#include "engine/keyspace/change_log.h"
#include "holdfast/clock.h"
#include "holdfast/db.h"
#include "holdfast/random.h"

namespace holdfast::commands {

inline constexpr UnixMs kTestNowMs = 1'700'000'000'000;

class StillClock final : public Clock {
 public:
  UnixMs NowMs() override { return now_ms_.load(std::memory_order_relaxed); }
  int64_t MonotonicNs() override { return NowMs() * 1'000'000; }
  void AdvanceMs(int64_t ms) { now_ms_ += ms; }

 private:
  std::atomic<UnixMs> now_ms_{kTestNowMs};  // the expire cycle reads it too
};

class FixedRandom final : public RandomSource {
 public:
  uint64_t NextRandom() override {
    const std::lock_guard lock(mutex_);
    return random_.Next();
  }

 private:
  std::mutex mutex_;
  SeededRandom random_{2024};
};

// "SET k 'a b' \"c\\x00\"" as words: single quotes are verbatim, double quotes know \n, \r, \" and
// \xHH, and '' is an empty word.
std::vector<std::string> Words(std::string_view line);

// A reply on one line: OK, (integer) 1 as 1, "bulk", nil, nil-array, [a, b], ~[a, b] (a set), {k:
// v}, ERR text.
std::string Text(const Reply& reply);

// Effects, one per line of the log: "SET k v PXAT 5". A group of its own before the command's, an
// expired key's DEL, begins with "before: ".
class RecordingLog final : public keyspace::ChangeLog {
 public:
  void Record(int database, std::span<const std::string_view> command) override;
  void RecordBefore(int database, std::span<const std::string_view> command) override;
  std::vector<std::string> lines;
};

// A command and what a client reads.
struct Exchange {
  std::string_view command;
  std::string_view reply;
};

class CommandTest : public testing::Test {
 public:
  ~CommandTest() override;

 protected:
  explicit CommandTest(std::vector<std::pair<std::string, std::string>> settings = {});

  // Through the embedded door, like a client.
  std::string Run(std::string_view line) { return RunIn(*session_, line); }
  std::string RunIn(DbSession& session, std::string_view line);
  std::unique_ptr<DbSession> NewSession();
  // In order, on one store.
  void Expect(std::initializer_list<Exchange> exchanges);
  // In another database than 0: the handler itself, without a session.
  std::string RunInDatabase(int database, std::string_view line);
  // Runs the handler itself under a recording log and tells what it would have logged.
  std::vector<std::string> Effects(std::string_view line);
  // As the log's replay runs it: nothing expires. The error's text, "" if there is none.
  std::string Replay(std::string_view line);

  void AdvanceMs(int64_t ms) { clock_.AdvanceMs(ms); }
  Store& store() { return db_->store(); }

 private:
  void Invoke(std::string_view line, keyspace::ChangeLog* log, bool replaying, ReplySink& sink);

  StillClock clock_;
  FixedRandom random_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<DbSession> session_;
  Session bare_session_;
};

}  // namespace holdfast::commands
