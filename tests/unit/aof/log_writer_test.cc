#include "aof/log_writer.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/unit/aof/log_fixture.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

std::string Set(int i) {
  const std::string value = std::to_string(i);
  return "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

TEST(LogWriterTest, ATurnWritesOneFrame) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  EXPECT_TRUE(log.Admits());
  EXPECT_EQ(log.covered(), 0u);
  harness.Append(Set(1));
  const LogPosition position = harness.Append(Set(2));
  EXPECT_EQ(position, Set(1).size() + Set(2).size());
  EXPECT_EQ(log.covered(), 0u);
  log.FlushTurn();
  EXPECT_EQ(log.covered(), position);
  EXPECT_EQ(log.synced(), 0u);
  log.FlushTurn();  // nothing to do: no empty frame
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.payload, Set(1) + Set(2));
  ASSERT_EQ(back.frames.size(), 1u);
  EXPECT_EQ(back.frames[0].number, 1u);
  EXPECT_EQ(back.frames[0].synced, 0u);
  EXPECT_EQ(back.frames[0].unix_ms, harness.clock.NowMs());
  EXPECT_EQ(log.Stats().frames, 1u);
}

TEST(LogWriterTest, EverysecSyncsOnceASecond) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const LogPosition position = harness.Append(Set(1));
  log.FlushTurn();
  harness.clock.AdvanceMs(999);
  log.SyncTurn();
  EXPECT_EQ(log.synced(), 0u);
  harness.clock.AdvanceMs(1);
  log.SyncTurn();
  EXPECT_EQ(log.synced(), position);
  EXPECT_EQ(log.Stats().syncs, 1u);
  harness.Append(Set(2));
  log.FlushTurn();
  EXPECT_EQ(ReadLog(disk).frames.back().synced, 1u);  // says what was synced before
}

TEST(LogWriterTest, AlwaysCoversOnlyWhatIsSynced) {
  SimulatedFileSystem disk;
  LogHarness harness(disk, SyncPolicy::kAlways);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const LogPosition position = harness.Append(Set(1));
  log.FlushTurn();
  EXPECT_EQ(log.written(), position);
  EXPECT_EQ(log.covered(), 0u);
  log.SyncTurn();
  EXPECT_EQ(log.covered(), position);
  // A change of policy never takes back what was covered.
  log.SetPolicy(SyncPolicy::kEverysec);
  const LogPosition second = harness.Append(Set(2));
  log.FlushTurn();
  EXPECT_EQ(log.covered(), second);
  log.SetPolicy(SyncPolicy::kAlways);
  EXPECT_EQ(log.covered(), second);
  const LogPosition third = harness.Append(Set(3));
  log.FlushTurn();
  EXPECT_EQ(log.covered(), second);
  log.SyncTurn();
  EXPECT_EQ(log.covered(), third);
}

TEST(LogWriterTest, PolicyNoSyncsWhenTheRingIsHalfFull) {
  SimulatedFileSystem disk;
  LogHarness harness(disk, SyncPolicy::kNo);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const std::string record = "*1\r\n" + std::string(200, 'x') + "\r\n";
  while (log.tail() + record.size() <= LogRing::kMinBytes / 4 * 3 / 2) harness.Append(record);
  log.WriterTurn();
  harness.clock.AdvanceMs(60'000);
  log.SyncTurn();
  EXPECT_EQ(log.synced(), 0u);
  harness.Append(record);
  log.WriterTurn();
  log.SyncTurn();
  EXPECT_EQ(log.synced(), log.tail());
}

TEST(LogWriterTest, AFullRingClosesAdmissionUntilASync) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const std::string record = "*1\r\n" + std::string(200, 'x') + "\r\n";
  std::string all;
  while (log.Admits()) {
    harness.Append(record);
    all += record;
    ASSERT_LT(log.tail(), LogRing::kMinBytes);
  }
  EXPECT_GE(log.tail(), LogRing::kMinBytes / 4 * 3);
  EXPECT_EQ(log.Admission(false), AdmissionState::kWait);
  EXPECT_EQ(log.Admission(true), AdmissionState::kWait);
  EXPECT_FALSE(log.AdmitsFreeing());
  // Those who were admitted before go on.
  for (int i = 0; i < 2000; ++i) {
    harness.Append(record);
    all += record;
  }
  log.WriterTurn();
  EXPECT_FALSE(log.Admits());  // written is not enough
  log.SyncTurn();
  EXPECT_TRUE(log.Admits());
  EXPECT_EQ(ReadLog(disk).payload, all);
}

TEST(LogWriterTest, AStaleByteClosesAdmission) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  harness.Append(Set(1));
  log.FlushTurn();
  harness.clock.AdvanceMs(2000);
  log.WriterTurn();
  EXPECT_TRUE(log.Admits());
  harness.clock.AdvanceMs(1);
  log.WriterTurn();
  EXPECT_EQ(log.Admission(false), AdmissionState::kWait);
  EXPECT_EQ(log.Stats().delayed_syncs, 1u);
  log.SyncTurn();
  EXPECT_TRUE(log.Admits());
}

TEST(LogWriterTest, AHugeRecordIsAdmittedAlone) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const std::string record = "*1\r\n" + std::string(4 * LogRing::kMinBytes, 'x') + "\r\n";
  const LogPosition position = harness.Append(record);
  EXPECT_FALSE(log.Admits());
  log.WriterTurn();
  EXPECT_EQ(log.covered(), position);
  log.SyncTurn();
  EXPECT_TRUE(log.Admits());
  EXPECT_EQ(ReadLog(disk).payload, record);
}

TEST(LogWriterTest, CloseLeavesAFileWithoutZeros) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  harness.Append(Set(1));
  harness.log->FillTurn();
  harness.log->FlushTurn();
  harness.Append(Set(2));  // not flushed, not synced
  const std::string path = "/data/" + TestCatalog::Name(1);
  EXPECT_GT(disk.Contents(path)->size(), 10'000u);
  ASSERT_TRUE(harness.log->Close());
  EXPECT_EQ(harness.log->covered(), harness.log->tail());
  EXPECT_EQ(harness.log->Admission(false), AdmissionState::kRefused);
  const auto cut = disk.AfterPowerCut({.operation = disk.operations()});
  EXPECT_EQ(ReadLog(*cut).payload, Set(1) + Set(2));
  EXPECT_EQ(ReadLog(*cut).frames.back().bytes, 0u);  // the closing frame
  EXPECT_TRUE(cut->Contents(path)->ends_with("\r\n"));
  EXPECT_FALSE(harness.log->WaitFor(harness.log->tail() + 1));
}

TEST(LogWriterTest, OpenGoesOnWhereRecoveryEnded) {
  SimulatedFileSystem disk;
  LogStart start;
  {
    LogHarness harness(disk);
    ASSERT_TRUE(harness.Open());
    harness.Append(Set(1));
    ASSERT_TRUE(harness.log->Close());
    const std::string bytes = *disk.Contents("/data/" + TestCatalog::Name(1));
    start = {.name = TestCatalog::Name(1),
             .file_id = ParseFileHeader(bytes)->header.file_id,
             .size = bytes.size(),
             .closed = true,
             .next_frame = 3,
             .term = 0,
             .log_bytes = bytes.size()};
  }
  LogHarness harness(disk);
  start.size -= 1;
  EXPECT_FALSE(harness.Open(start));  // not as recovery should have left it
  start.size += 1;
  ASSERT_TRUE(harness.Open(start));
  harness.Append(Set(2));
  ASSERT_TRUE(harness.log->Close());
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.payload, Set(1) + Set(2));
  EXPECT_EQ(back.last_frame, 4u);
  EXPECT_EQ(harness.catalog.Count(), 1u);
  EXPECT_EQ(harness.log->Stats().current_bytes,
            disk.Contents("/data/" + TestCatalog::Name(1))->size());
}

TEST(LogWriterTest, RotationSplitsAtTheCut) {
  SimulatedFileSystem disk;
  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  EXPECT_FALSE(log.Rotate());  // nothing prepared
  harness.Append(Set(1));
  log.FlushTurn();
  harness.Append(Set(2));
  ASSERT_TRUE(log.PrepareRotation());
  ASSERT_TRUE(log.Rotate());
  const LogPosition cut = log.tail();
  harness.Append(Set(3));
  log.FlushTurn();
  EXPECT_EQ(log.covered(), log.tail());  // everysec does not wait for the sync of the old file
  EXPECT_FALSE(log.PrepareRotation());   // one at a time
  const auto point = log.FinishRotation();
  ASSERT_TRUE(point) << point.error().message;
  EXPECT_EQ(point->name, TestCatalog::Name(2));
  EXPECT_EQ(point->last_frame, 2u);
  EXPECT_EQ(point->position, cut);
  EXPECT_EQ(harness.catalog.Count(), 2u);
  harness.Append(Set(4));
  ASSERT_TRUE(log.Close());
  const ReadBack back = ReadLog(disk);
  EXPECT_EQ(back.payload, Set(1) + Set(2) + Set(3) + Set(4));
  EXPECT_TRUE(back.damage.empty()) << back.damage;
  const std::string first = *disk.Contents("/data/" + TestCatalog::Name(1));
  EXPECT_TRUE(first.ends_with(Set(2)));
  EXPECT_EQ(point->log_bytes, first.size());
  EXPECT_EQ(log.Stats().current_bytes,
            first.size() + disk.Contents("/data/" + TestCatalog::Name(2))->size());
  log.SetBase(1000, *point);
  EXPECT_EQ(log.Stats().current_bytes,
            1000 + disk.Contents("/data/" + TestCatalog::Name(2))->size());
}

TEST(LogWriterTest, RotationWithNothingToWriteAndASecondOne) {
  SimulatedFileSystem disk;
  LogHarness harness(disk, SyncPolicy::kAlways);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  for (size_t n = 2; n < 5; ++n) {
    ASSERT_TRUE(log.PrepareRotation());
    ASSERT_TRUE(log.PrepareRotation());  // already done
    ASSERT_TRUE(log.Rotate());
    const auto point = log.FinishRotation();
    ASSERT_TRUE(point) << point.error().message;
    EXPECT_EQ(point->name, TestCatalog::Name(n));
    EXPECT_EQ(point->last_frame, n - 2);
    harness.Append(Set(static_cast<int>(n)));
    log.FlushTurn();
    log.SyncTurn();
    EXPECT_EQ(log.covered(), log.tail());
  }
  ASSERT_TRUE(log.PrepareRotation());  // and never used
  ASSERT_TRUE(log.Close());
  EXPECT_FALSE(disk.Contents("/data/" + TestCatalog::Name(5)));
  EXPECT_EQ(ReadLog(disk).payload, Set(2) + Set(3) + Set(4));
}

// Calls back in the middle of a write, as another thread's turn would come.
class InterruptedDisk final : public DiskWrapper {
 public:
  using DiskWrapper::DiskWrapper;
  std::function<void()> in_write;

 protected:
  Status BeforeWrite(File&, uint64_t) override {
    if (auto call = std::exchange(in_write, nullptr)) call();
    return {};
  }
};

// Who finds the flush lock taken leaves; the holder sees to it.
TEST(LogWriterTest, ATurnDuringAnotherIsNotForgotten) {
  SimulatedFileSystem disk;
  InterruptedDisk interrupted(disk);
  LogHarness harness(interrupted);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  const LogPosition first = harness.Append(Set(1));
  interrupted.in_write = [&] {
    harness.Append(Set(2));
    log.FlushTurn();
    EXPECT_EQ(log.covered(), 0u);
  };
  log.FlushTurn();
  EXPECT_GT(log.tail(), first);
  EXPECT_EQ(log.covered(), log.tail());
  EXPECT_EQ(ReadLog(disk).frames.size(), 2u);
}

struct CountingListener final : WatermarkListener {
  void OnLogProgress() override { ++calls; }
  int calls = 0;
};

TEST(LogWriterTest, ListenersAreCalledOnceForWhatTheyParked) {
  SimulatedFileSystem disk;
  LogHarness harness(disk, SyncPolicy::kAlways);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  CountingListener listener;
  log.AddListener(listener);
  const LogPosition first = harness.Append(Set(1));
  EXPECT_TRUE(log.Park(listener, first));
  log.FlushTurn();
  EXPECT_EQ(listener.calls, 0);
  log.SyncTurn();
  EXPECT_EQ(listener.calls, 1);
  EXPECT_FALSE(log.Park(listener, first));  // covered already
  harness.Append(Set(2));
  log.FlushTurn();
  log.SyncTurn();
  EXPECT_EQ(listener.calls, 1);  // nothing parked
  log.AwaitAdmission(listener);
  harness.clock.AdvanceMs(1);
  harness.Append(Set(3));
  log.FlushTurn();
  harness.clock.AdvanceMs(2001);
  log.WriterTurn();  // closes: that is a change to look at, too
  EXPECT_EQ(listener.calls, 2);
  log.AwaitAdmission(listener);
  log.SyncTurn();
  EXPECT_TRUE(log.Admits());
  EXPECT_EQ(listener.calls, 3);
  log.RemoveListener(listener);
}

}  // namespace
}  // namespace holdfast::aof
