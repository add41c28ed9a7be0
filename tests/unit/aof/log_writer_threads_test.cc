// The writer with its own threads, and several that append at once. What is checked is that nothing
// is lost, nobody is forgotten and nothing is promised too early; TSan checks the rest.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/aof/log_fixture.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

class RealClock final : public Clock {
 public:
  UnixMs NowMs() override { return Now() / 1'000'000; }
  int64_t MonotonicNs() override {
    if (armed_ && std::this_thread::get_id() != setter_ && armed_.exchange(false)) hook_();
    return Now();
  }
  // Runs once, inside the next reading by another thread.
  void SetHook(std::function<void()> hook) {
    hook_ = std::move(hook);
    setter_ = std::this_thread::get_id();
    armed_ = true;
  }

 private:
  static int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

  std::function<void()> hook_;
  std::atomic<std::thread::id> setter_;
  std::atomic<bool> armed_{false};
};

// A disk whose syncs wait until they are let through.
class SyncGate {
 public:
  explicit SyncGate(SimulatedFileSystem& disk) {
    disk.set_before_sync([this](const std::string&) {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      --waiting_;
    });
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitSyncs(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = true;
};

// Parks and sleeps, as an I/O thread does in its loop.
class SleepingListener final : public WatermarkListener {
 public:
  void OnLogProgress() override {
    const std::lock_guard lock(mutex_);
    ++calls_;
    changed_.notify_all();
  }
  void AwaitCalls(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= count; });
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
};

struct ThreadedLog {
  explicit ThreadedLog(SimulatedFileSystem& disk, SyncPolicy policy) : catalog(disk) {
    EXPECT_TRUE(disk.CreateDirectory(kLogDirectory));
    EXPECT_TRUE(disk.SyncDirectory("/"));
    auto opened = LogWriter::Open(
        {.environment = {&disk, &clock, &random, &catalog, kLogDirectory, uint64_t{64} << 10},
         .policy = policy,
         .ring_bytes = LogRing::kMinBytes},
        {});
    EXPECT_TRUE(opened);
    log = *std::move(opened);
  }
  RealClock clock;
  TestRandom random{11};
  TestCatalog catalog;
  std::unique_ptr<LogWriter> log;
};

std::string Record(int thread, int number) {
  return "<" + std::to_string(thread) + ":" + std::to_string(number) +
         std::string(static_cast<size_t>(number % 80), '.') + ">";
}

// Every thread's records are there, complete, in its order. Returns how many of each.
std::vector<int> CountRecords(const std::string& payload, size_t threads) {
  std::vector<int> next(threads, 0);
  for (size_t at = 0; at < payload.size();) {
    const size_t close = payload.find('>', at);
    if (close == std::string::npos) return {};
    const size_t thread = static_cast<size_t>(payload[at + 1] - '0');
    if (payload[at] != '<' || thread >= threads) return {};
    if (payload.compare(at, close - at + 1, Record(static_cast<int>(thread), next[thread])) != 0) {
      return {};
    }
    ++next[thread];
    at = close + 1;
  }
  return next;
}

TEST(LogWriterThreadsTest, NothingIsCoveredBeforeItsSyncReturned) {
  SimulatedFileSystem disk;
  SyncGate gate(disk);
  ThreadedLog threaded(disk, SyncPolicy::kAlways);
  LogWriter& log = *threaded.log;
  SleepingListener listener;
  log.AddListener(listener);
  LogSlot& slot = log.BorrowSlot();
  ASSERT_TRUE(log.WaitFor(log.Append(slot, "*first\r\n")));

  gate.Close();
  const LogPosition position = log.Append(slot, "*second\r\n");
  log.FlushTurn();
  while (log.written() < position) std::this_thread::yield();  // by the writer thread, perhaps
  gate.AwaitSyncs(1);  // the sync thread is in it (or the fill thread, and it behind)
  EXPECT_LT(log.covered(), position);
  EXPECT_LT(log.synced(), position);
  EXPECT_TRUE(log.Park(listener, position));
  EXPECT_EQ(listener.calls(), 0);
  std::thread embedded([&] { EXPECT_TRUE(log.WaitFor(position)); });
  // What comes meanwhile waits for the next sync.
  const LogPosition later = log.Append(slot, "*third\r\n");
  log.FlushTurn();
  EXPECT_LT(log.covered(), position);
  gate.Open();
  listener.AwaitCalls(1);
  EXPECT_GE(log.covered(), position);
  embedded.join();
  ASSERT_TRUE(log.WaitFor(later));
  log.ReturnSlot(slot);
  log.RemoveListener(listener);
  EXPECT_TRUE(log.Close());
}

TEST(LogWriterThreadsTest, EverysecDoesNotWaitForASync) {
  SimulatedFileSystem disk;
  SyncGate gate(disk);
  ThreadedLog threaded(disk, SyncPolicy::kEverysec);
  LogWriter& log = *threaded.log;
  gate.Close();
  LogSlot& slot = log.BorrowSlot();
  // Up to the bound of the ring, beyond which a sync is due.
  std::string all;
  while (log.Admits()) {
    all += Record(0, 0);
    const LogPosition position = log.Append(slot, Record(0, 0));
    ASSERT_TRUE(log.WaitFor(position));
    ASSERT_EQ(log.synced(), 0u);
  }
  EXPECT_EQ(log.Admission(false), AdmissionState::kWait);
  gate.AwaitSyncs(1);
  std::thread embedded([&] { EXPECT_TRUE(log.WaitForAdmission(false)); });
  gate.Open();
  embedded.join();
  log.ReturnSlot(slot);
  ASSERT_TRUE(log.Close());
  EXPECT_EQ(ReadLog(disk).payload, all);
}

// The turn of the sync thread that ends the rotation began before anyone asked for it.
TEST(LogWriterThreadsTest, TheEndOfARotationIsHeard) {
  SimulatedFileSystem disk;
  ThreadedLog threaded(disk, SyncPolicy::kAlways);
  LogWriter& log = *threaded.log;
  LogSlot& slot = log.BorrowSlot();
  ASSERT_TRUE(log.PrepareRotation());
  auto finished = std::async(std::launch::async, [&] { return log.FinishRotation().has_value(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until it waits
  // Before it syncs the sync thread looks at the clock.
  threaded.clock.SetHook([&] {
    EXPECT_TRUE(log.Rotate());
    log.Append(slot, Record(0, 1));
    log.FlushTurn();  // into the next file
  });
  log.Append(slot, Record(0, 0));
  log.FlushTurn();
  const bool heard = finished.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  if (!heard) log.AbandonRotations();
  EXPECT_TRUE(heard);
  EXPECT_TRUE(finished.get());
  log.ReturnSlot(slot);
  ASSERT_TRUE(log.Close());
}

class LogWriterLoadTest : public testing::TestWithParam<SyncPolicy> {};

// I/O threads (turns, parked replies), an embedded caller (waits for each write), one without a
// turn, rotations, and a disk that fails now and then.
TEST_P(LogWriterLoadTest, ThreadsTurnsRotationsAndFaults) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 150;
  SimulatedFileSystem disk;
  ThreadedLog threaded(disk, GetParam());
  LogWriter& log = *threaded.log;
  std::mutex gate;  // shared locks of the keyspace, as far as Rotate is concerned
  std::vector<int> appended(kThreads, 0);
  const auto append = [&](LogSlot& slot, int thread) {
    while (!log.WaitForAdmission(false)) std::this_thread::yield();
    const std::lock_guard lock(gate);
    return log.Append(slot, Record(thread, appended[static_cast<size_t>(thread)]++));
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      SleepingListener listener;
      log.AddListener(listener);
      LogSlot& slot = log.BorrowSlot();
      for (int round = 0; round < kRounds; ++round) {
        LogPosition position = 0;
        for (int i = 0; i <= round % 7; ++i) position = append(slot, t);
        log.FlushTurn();
        // A call may be for a position before: park until covered.
        while (log.covered() < position) {
          const int calls = listener.calls();
          if (log.Park(listener, position)) listener.AwaitCalls(calls + 1);
        }
      }
      log.ReturnSlot(slot);
      log.RemoveListener(listener);
    });
  }
  threads.emplace_back([&] {
    for (int round = 0; round < kRounds; ++round) {
      LogSlot& slot = log.BorrowSlot();
      const LogPosition position = append(slot, 2);
      log.ReturnSlot(slot);
      EXPECT_TRUE(log.WaitFor(position));
    }
  });
  threads.emplace_back([&] {
    LogSlot& slot = log.BorrowSlot();
    for (int round = 0; round < kRounds * 4; ++round) append(slot, 3);
    log.RequestFlush();
    log.ReturnSlot(slot);
  });
  size_t rotations = 0;
  for (uint64_t round = 0; round < 12; ++round) {
    if (round % 3 == 1) disk.FailAt({.calls = sim::kWrite | sim::kSync, .nth = 1 + round});
    if (!log.PrepareRotation()) continue;
    {
      const std::lock_guard lock(gate);
      if (!log.Rotate()) continue;
    }
    if (log.FinishRotation()) ++rotations;
  }
  for (std::thread& thread : threads) thread.join();
  while (!log.Admits()) std::this_thread::yield();
  disk.ClearFaults();
  ASSERT_TRUE(log.Close());
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.damage, "");
  EXPECT_EQ(CountRecords(back.payload, kThreads), appended);
  EXPECT_GT(rotations, 0u);
}

INSTANTIATE_TEST_SUITE_P(Policies, LogWriterLoadTest,
                         testing::Values(SyncPolicy::kNo, SyncPolicy::kEverysec,
                                         SyncPolicy::kAlways));

}  // namespace
}  // namespace holdfast::aof
