// A disk that fills up: writes are refused in time, DEL goes on, and what is retained still fits.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/aof/log_fixture.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

// Lets files grow to `capacity` bytes in all; kNoSpace beyond. What has a place may be overwritten.
class SmallDisk final : public DiskWrapper {
 public:
  SmallDisk(SimulatedFileSystem& disk, uint64_t capacity)
      : DiskWrapper(disk), disk_(disk), capacity_(capacity) {}
  void set_capacity(uint64_t capacity) { capacity_ = capacity; }
  uint64_t Used() const {
    uint64_t used = 0;
    for (const std::string& path : disk_.Paths()) used += disk_.Contents(path)->size();
    return used;
  }
  Result<uint64_t> FreeBytes(const std::string&) override { return capacity_ - Used(); }

 protected:
  Status BeforeWrite(File& file, uint64_t end) override {
    const uint64_t size = HF_TRY(file.Size());
    if (end <= size || Used() + (end - size) <= capacity_) return {};
    return MakeError(ErrorCode::kNoSpace, "No space left on device");
  }

 private:
  SimulatedFileSystem& disk_;
  uint64_t capacity_;
};

constexpr uint64_t kReserve = (uint64_t{64} << 10) + LogRing::kMinBytes / 4 * 3;
const std::string kRecord = "*1\r\n" + std::string(500, 'x') + "\r\n";

void FillUp(LogWriter& log) {
  for (int i = 0; i < 100; ++i) log.FillTurn();
}

TEST(LogWriterFullDiskTest, RefusesInTimeAndResumesByItself) {
  SimulatedFileSystem disk;
  SmallDisk small(disk, uint64_t{2} << 20);
  LogHarness harness(small);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  FillUp(log);
  ASSERT_TRUE(log.Admits());
  // Somebody else fills the disk; the log goes on until it must keep the reserve.
  small.set_capacity(small.Used());
  std::string all;
  const auto append = [&] {
    harness.Append(kRecord);
    all += kRecord;
    log.FlushTurn();
    log.FillTurn();
    log.SyncTurn();
    harness.clock.AdvanceMs(100);
  };
  int admitted = 0;
  for (; log.Admits(); ++admitted) {
    append();
    ASSERT_LT(admitted, 10'000);
  }
  EXPECT_GT(admitted, 50);
  EXPECT_EQ(log.Admission(false), AdmissionState::kRefused);
  EXPECT_EQ(log.Admission(true), AdmissionState::kOpen);
  EXPECT_EQ(log.RefusalReason(), "MISCONF Errors writing to the AOF file: No space left on device");
  EXPECT_FALSE(log.Stats().last_write_ok);
  EXPECT_EQ(log.Stats().recoveries, 0u);  // no frame failed
  EXPECT_EQ(log.covered(), log.tail());
  // DEL, UNLINK and FLUSH go on in the reserve.
  for (uint64_t bytes = 0; bytes < kReserve * 3 / 4; bytes += kRecord.size() + 100) {
    ASSERT_TRUE(log.AdmitsFreeing());
    append();
    ASSERT_EQ(log.covered(), log.tail());
  }
  EXPECT_EQ(log.Stats().recoveries, 0u);
  // Space again.
  small.set_capacity(uint64_t{8} << 20);
  FillUp(log);
  EXPECT_TRUE(log.Admits());
  EXPECT_TRUE(log.Stats().last_write_ok);
  ASSERT_TRUE(log.Close());
  EXPECT_TRUE(ReadLog(disk).payload == all);
}

// The worst moment: the disk is full, the ring holds all that it may, and a sync fails. The zeros
// that were filled ahead are the place for what must be written again.
TEST(LogWriterFullDiskTest, WhatIsRetainedFitsOnAFullDisk) {
  SimulatedFileSystem disk;
  SmallDisk small(disk, uint64_t{2} << 20);
  LogHarness harness(small);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  FillUp(log);
  small.set_capacity(small.Used());
  std::string all;
  while (log.Admits()) {
    harness.Append(kRecord);
    all += kRecord;
  }
  log.WriterTurn();
  EXPECT_EQ(log.covered(), log.tail());
  disk.FailAt({.calls = sim::kSync});
  log.SyncTurn();
  EXPECT_EQ(log.Admission(true), AdmissionState::kRefused);
  EXPECT_EQ(log.Stats().syncs, 0u);
  harness.clock.AdvanceMs(1000);
  log.SyncTurn();
  EXPECT_EQ(log.Stats().recoveries, 1u) << log.RefusalReason();
  EXPECT_EQ(log.synced(), log.tail());
  const auto cut = disk.AfterPowerCut({.operation = disk.operations(),
                                       .data = sim::PowerCut::Data::kDropUnsynced,
                                       .names = sim::PowerCut::Names::kDropUnsynced});
  EXPECT_TRUE(ReadLog(*cut).payload == all);
}

// No space at all: nothing is lost, nothing is admitted, and it ends when there is space.
TEST(LogWriterFullDiskTest, NoSpaceForAFrame) {
  SimulatedFileSystem disk;
  SmallDisk small(disk, uint64_t{1} << 20);
  LogHarness harness(small, SyncPolicy::kAlways);
  ASSERT_TRUE(harness.Open());
  LogWriter& log = *harness.log;
  small.set_capacity(small.Used());  // before anything was filled ahead
  harness.Append(kRecord);
  log.FlushTurn();
  EXPECT_EQ(log.Admission(true), AdmissionState::kRefused);
  for (int i = 0; i < 10; ++i) {
    harness.clock.AdvanceMs(3000);
    log.SyncTurn();
    log.FillTurn();
  }
  EXPECT_EQ(log.Admission(true), AdmissionState::kRefused);
  EXPECT_EQ(log.covered(), 0u);
  small.set_capacity(uint64_t{4} << 20);
  harness.clock.AdvanceMs(3000);
  log.SyncTurn();
  EXPECT_EQ(log.covered(), log.tail());
  EXPECT_EQ(log.Admission(true), AdmissionState::kOpen);
  EXPECT_EQ(log.Admission(false), AdmissionState::kRefused);  // until the reserve is there again
  FillUp(log);
  EXPECT_TRUE(log.Admits());
  ASSERT_TRUE(log.Close());
  EXPECT_TRUE(ReadLog(disk).payload == kRecord);
}

}  // namespace
}  // namespace holdfast::aof
