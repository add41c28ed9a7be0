// The disk fails under a whole store: writes are refused with a clear error or answered, reads go
// on, service resumes by itself, and a reopened store holds what the failed one showed.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "holdfast/number.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

// Reads may show the log's failure to cover what they saw (IOERR), nothing else.
void ExpectReadable(DbSession& session, std::string_view line, const std::string& what) {
  const Reply reply = Execute(session, Split(line));
  EXPECT_FALSE(reply.IsError()) << what << ": " << line << ": " << reply.text;
}

bool Writes(DbSession& session) {
  return Text(Execute(session, Command{"SET", "resumed", "yes"})) == "OK";
}

struct FaultKind {
  std::string_view policy;
  ErrorCode code;
};

class FaultLoop : public testing::TestWithParam<FaultKind> {};

TEST_P(FaultLoop, AnyFailedCallIsSurvived) {
  constexpr uint64_t kFaults = 30;
  for (uint64_t nth = 1; nth <= kFaults; ++nth) {
    const std::string what = fmt::format("fault {}", nth);
    sim::SimulatedFileSystem disk;
    std::string live;
    {
      const auto db = MustOpen(disk, {{"appendfsync", std::string(GetParam().policy)}});
      auto session = db->NewSession();
      ASSERT_EQ(Execute(*session, "SET stable 1"), "OK");
      disk.FailAt({.calls = sim::kChanges,
                   .nth = nth,
                   .code = GetParam().code,
                   .written_256ths = static_cast<uint32_t>(nth * 37 % 257)});
      int64_t counted = 0;
      for (int i = 0; i < 12; ++i) {
        if (i == 4) Execute(*session, Command{"BGREWRITEAOF"});
        const Reply reply = Execute(*session, Command{"INCR", "count"});
        if (reply.IsError()) {
          EXPECT_TRUE(reply.text.starts_with("MISCONF ") || reply.text.starts_with("IOERR "))
              << what << ": " << reply.text;
        } else {
          EXPECT_GT(reply.integer, counted) << what;
          counted = reply.integer;
        }
        ExpectReadable(*session, "GET stable", what);
      }
      disk.ClearFaults();
      ASSERT_TRUE(Eventually([&] { return Writes(*session); })) << what;
      // "nil": not one INCR got through.
      const std::string count = Execute(*session, "GET count");
      ASSERT_TRUE(count == "nil" || ParseInteger(count)) << what << ": " << count;
      EXPECT_GE(ParseInteger(count).value_or(0), counted) << what;
      live = StateOf(*db);
      session.reset();
      ASSERT_TRUE(db->Close()) << what;
    }
    const auto again = Db::Open(OptionsOn(disk));
    ASSERT_TRUE(again) << what << ": " << again.error().message;
    EXPECT_EQ(StateOf(**again), live) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, FaultLoop,
                         testing::Values(FaultKind{"always", ErrorCode::kIoError},
                                         FaultKind{"everysec", ErrorCode::kNoSpace}),
                         [](const auto& kind) { return std::string(kind.param.policy); });

TEST(Fault, ADeadDiskRefusesWritesUntilItLives) {
  sim::SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk, {{"appendfsync", "always"}});
    const auto session = db->NewSession();
    ASSERT_EQ(Execute(*session, "SET stable 1"), "OK");
    disk.FailAt({.calls = sim::kChanges, .nth = 1, .for_ever = true});
    // If this write is the one that finds out it waits for the disk to work again; if the log's
    // threads are, it is told like everybody after it.
    auto pending = std::async(std::launch::async, [&] {
      const auto writer = db->NewSession();
      return Execute(*writer, "SET pending 1");
    });
    std::string told;
    ASSERT_TRUE(Eventually([&] {
      if (Persistence(*session, "aof_last_write_status") != "err") return false;
      told = Execute(*session, "SET stable 2");
      return true;
    }));
    EXPECT_TRUE(told.starts_with("MISCONF Errors writing to the AOF file: ")) << told;
    EXPECT_EQ(Execute(*session, "GET stable"), "1");
    EXPECT_EQ(Execute(*session, "EXISTS stable"), "1");
    Execute(*session, "MULTI");
    Execute(*session, "SET stable 3");
    EXPECT_TRUE(Execute(*session, "EXEC").starts_with("EXECABORT "));
    // A transaction that only reads waits for no disk.
    Execute(*session, "MULTI");
    Execute(*session, "GET stable");
    EXPECT_EQ(Execute(*session, "EXEC"), "1");
    disk.ClearFaults();
    const std::string answer = pending.get();
    EXPECT_TRUE(answer == "OK" || answer.starts_with("MISCONF ")) << answer;
    ASSERT_TRUE(Eventually([&] { return Writes(*session); }));
    EXPECT_EQ(Execute(*session, "GET stable"), "1");
    live = StateOf(*db);
  }
  EXPECT_EQ(StateOf(*MustOpen(disk)), live);
}

// Also while a rewrite waits for the log, which waits for the disk.
TEST(Fault, AStoreOnADeadDiskCloses) {
  sim::SimulatedFileSystem disk;
  const auto db = MustOpen(disk, {{"appendfsync", "always"}});
  {
    const auto session = db->NewSession();
    ASSERT_EQ(Execute(*session, "SET stable 1"), "OK");
    disk.FailAt({.calls = sim::kRename, .nth = 1, .for_ever = true, .path_part = "manifest"});
    ASSERT_FALSE(Execute(*session, Command{"BGREWRITEAOF"}).IsError());
    ASSERT_TRUE(Eventually([&] {
      return Persistence(*session, "aof_last_write_status") == "err" &&
             Persistence(*session, "aof_rewrite_in_progress") == "1";
    }));
  }
  auto closing = std::async(std::launch::async, [&] { return db->Close(); });
  const bool closed = closing.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  EXPECT_TRUE(closed);
  disk.ClearFaults();
  EXPECT_EQ(closing.get().has_value(), !closed);
  EXPECT_EQ(Execute(*MustOpen(disk)->NewSession(), "GET stable"), "1");
}

TEST(Fault, AFailedRewriteLeavesTheLogAndIsTold) {
  sim::SimulatedFileSystem disk;
  std::string live;
  {
    const auto db = MustOpen(disk, {{"appendfsync", "always"}});
    const auto session = db->NewSession();
    for (int i = 0; i < 20; ++i) Execute(*session, fmt::format("SET key:{} {}", i, i));
    for (const uint32_t calls : {sim::kWrite, sim::kSync, sim::kOpen, sim::kRename}) {
      disk.FailAt({.calls = calls, .nth = 1, .path_part = "temp-appendonly.aof.rewrite"});
      EXPECT_FALSE(Rewrite(*session)) << calls;
      EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "err");
      disk.ClearFaults();
      const std::string count = Execute(*session, "INCR count");
      EXPECT_EQ(Execute(*session, "GET count"), count);
      EXPECT_EQ(Persistence(*session, "aof_last_write_status"), "ok");
      EXPECT_EQ(StateOf(*db),
                BareStore(*disk.AfterPowerCut({.operation = disk.operations()}), 1).State())
          << calls;
    }
    EXPECT_TRUE(Rewrite(*session));
    EXPECT_EQ(Persistence(*session, "aof_last_bgrewrite_status"), "ok");
    Execute(*session, "INCR count");
    live = StateOf(*db);
  }
  EXPECT_EQ(StateOf(*MustOpen(disk)), live);
}

// The switch to the new base may have reached the disk although it failed. Whatever the rewrite
// after it does, a power cut must find either the old log or the new one.
TEST(Fault, AManifestSwitchThatFailsHalfWayIsNotBuiltUpon) {
  constexpr size_t kCuts = 10;
  for (const uint32_t calls : {sim::kRename, sim::kSyncDirectory, sim::kSync, sim::kWrite}) {
    for (uint64_t nth = 1; nth <= 6; ++nth) {
      sim::SimulatedFileSystem disk;
      std::string live;
      size_t failed_at = 0;
      {
        const auto db = MustOpen(disk, {{"appendfsync", "always"}});
        const auto session = db->NewSession();
        for (int i = 0; i < 10; ++i) Execute(*session, "INCR count");
        ASSERT_TRUE(Rewrite(*session));
        for (int i = 0; i < 10; ++i) Execute(*session, "INCR count");
        disk.FailAt({.calls = calls, .nth = nth, .path_part = "appendonlydir"});
        Rewrite(*session);
        disk.ClearFaults();
        ASSERT_TRUE(Eventually([&] {
          return Persistence(*session, "aof_last_write_status") == "ok" &&
                 Execute(*session, "SET resumed yes") == "OK";
        }));
        failed_at = disk.operations();
        live = StateOf(*db);
        ASSERT_TRUE(Rewrite(*session));
        EXPECT_EQ(StateOf(*db), live);
      }
      // Each fault looks at other places.
      const size_t stride = std::max<size_t>(1, (disk.operations() - failed_at) / kCuts);
      for (size_t n = failed_at + nth % stride; n <= disk.operations(); n += stride) {
        for (const auto names :
             {sim::PowerCut::Names::kKeepAll, sim::PowerCut::Names::kDropUnsynced}) {
          const auto after = disk.AfterPowerCut({.operation = n, .names = names});
          BareStore store(*after, 1);
          ASSERT_TRUE(store.opened()) << "fault " << calls << "/" << nth << ", cut at " << n << ": "
                                      << store.opened().error().message;
          ASSERT_EQ(store.State(), live) << "fault " << calls << "/" << nth << ", cut at " << n;
        }
      }
    }
  }
}

}  // namespace
}  // namespace holdfast::engine_test
