// Every call that the writer makes on the disk fails: once, and from then on.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/aof/log_script.h"

namespace holdfast::aof {
namespace {

using sim::Fault;
using sim::PowerCut;
using sim::SimulatedFileSystem;

constexpr const char* kScript = "azafsaafmfbftaprfamftRsaftdafsd";

struct Counts {
  size_t runs = 0;
  size_t failed_opens = 0;
  size_t refusals = 0;
  size_t recoveries = 0;
};

void CheckNothingLost(const SimulatedFileSystem& disk, const ScriptRun& run) {
  const size_t now = disk.operations();
  const ScriptRun::Promise promise = run.promises().back();
  const auto killed =
      ReadLog(*disk.AfterPowerCut({.operation = now, .data = PowerCut::Data::kKeepAll}));
  ASSERT_EQ(killed.damage, "");
  ASSERT_GE(run.WholeGroups(killed.payload), static_cast<int>(promise.covered));
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const auto cut = ReadLog(*disk.AfterPowerCut({.operation = now,
                                                  .data = PowerCut::Data::kRandomSectors,
                                                  .names = PowerCut::Names::kRandomSubset,
                                                  .seed = seed}));
    ASSERT_EQ(cut.damage, "");
    ASSERT_GE(run.WholeGroups(cut.payload), static_cast<int>(promise.synced));
  }
}

void CheckAfterwards(SimulatedFileSystem& disk, ScriptRun& run, Counts& counts) {
  ASSERT_TRUE(run.RunUntilRepaired()) << run.log().RefusalReason();
  CheckNothingLost(disk, run);
  counts.recoveries += run.log().Stats().recoveries;
  ASSERT_TRUE(run.log().Stats().last_write_ok);
  run.Run("afst");
  ASSERT_TRUE(run.Close());
  ASSERT_EQ(run.promises().back().synced, run.groups());
  const ReadBack back = ReadLog(*disk.AfterPowerCut({.operation = disk.operations()}));
  ASSERT_EQ(back.damage, "");
  ASSERT_EQ(run.WholeGroups(back.payload), static_cast<int>(run.groups()));
}

// One run; false when the fault did not come any more.
bool RunWithFault(SyncPolicy policy, const Fault& fault, Counts& counts) {
  SimulatedFileSystem disk;
  ScriptRun run(disk, policy);
  disk.FailAt(fault);
  if (!run.Open()) {
    ++counts.failed_opens;
    disk.ClearFaults();
    ScriptRun again(disk, policy);
    EXPECT_TRUE(again.Open());
    again.Run(kScript);
    CheckAfterwards(disk, again, counts);
    return true;
  }
  run.Run(kScript);
  const bool raised = disk.FaultsRaised() > 0;
  CheckNothingLost(disk, run);
  if (fault.for_ever) {
    // A minute of it changes nothing; then the disk works again.
    run.RunUntilRepaired();
    CheckNothingLost(disk, run);
    disk.ClearFaults();
  }
  counts.refusals += run.refused();
  CheckAfterwards(disk, run, counts);
  ++counts.runs;
  return raised;
}

void RunAll(SyncPolicy policy, Fault fault, Counts& counts) {
  for (const bool for_ever : {false, true}) {
    for (fault.nth = 1;; ++fault.nth) {
      fault.for_ever = for_ever;
      SCOPED_TRACE("policy " + std::to_string(static_cast<int>(policy)) + " calls " +
                   std::to_string(fault.calls) + " nth " + std::to_string(fault.nth) +
                   (for_ever ? " for ever" : " once") + " code " +
                   std::to_string(static_cast<int>(fault.code)) + " written " +
                   std::to_string(fault.written_256ths));
      const bool raised = RunWithFault(policy, fault, counts);
      if (testing::Test::HasFatalFailure() || !raised) break;
      ASSERT_LT(fault.nth, 1000u);
    }
  }
}

class LogWriterFaultTest : public testing::TestWithParam<SyncPolicy> {};

TEST_P(LogWriterFaultTest, TheNthCallFails) {
  Counts counts;
  for (const ErrorCode code : {ErrorCode::kIoError, ErrorCode::kNoSpace}) {
    for (const uint32_t calls : {sim::kWrite, sim::kSync, sim::kTruncate, sim::kRename, sim::kOpen,
                                 sim::kSyncDirectory, sim::kAllCalls}) {
      RunAll(GetParam(), {.calls = calls, .code = code}, counts);
      if (HasFatalFailure()) return;
    }
    for (const uint32_t share : {1u, 100u, 250u, 256u}) {
      RunAll(GetParam(), {.calls = sim::kWrite, .code = code, .written_256ths = share}, counts);
      if (HasFatalFailure()) return;
    }
  }
  // The faults reached every part: opening, refusing, repairing.
  EXPECT_GT(counts.runs, 400u);
  EXPECT_GT(counts.failed_opens, 10u);
  EXPECT_GT(counts.refusals, 100u);
  EXPECT_GT(counts.recoveries, 100u);
  RecordProperty("runs", static_cast<int>(counts.runs));
}

// A second fault while the first one is being repaired.
TEST_P(LogWriterFaultTest, ARepairFailsToo) {
  Counts counts;
  constexpr uint32_t kFirst[] = {sim::kWrite, sim::kSync};
  for (const uint32_t calls : kFirst) {
    for (uint64_t nth = 3; nth < 16; nth += 3) {
      for (uint64_t second = 1; second < 14; ++second) {
        SCOPED_TRACE("calls " + std::to_string(calls) + " nth " + std::to_string(nth) + " second " +
                     std::to_string(second));
        SimulatedFileSystem disk;
        ScriptRun run(disk, GetParam());
        ASSERT_TRUE(run.Open());
        disk.FailAt({.calls = calls, .nth = nth, .written_256ths = 128});
        // Counts from now on as well: right after the first, or a little later.
        disk.FailAt({.calls = sim::kChanges, .nth = 2 * nth + second, .written_256ths = 30});
        run.Run(kScript);
        CheckNothingLost(disk, run);
        CheckAfterwards(disk, run, counts);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(counts.recoveries, 50u);
}

INSTANTIATE_TEST_SUITE_P(Policies, LogWriterFaultTest,
                         testing::Values(SyncPolicy::kNo, SyncPolicy::kEverysec,
                                         SyncPolicy::kAlways));

}  // namespace
}  // namespace holdfast::aof
