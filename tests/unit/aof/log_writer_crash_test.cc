// The power goes off, or the process dies, at every operation that the writer does on the disk.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/aof/log_script.h"

namespace holdfast::aof {
namespace {

using sim::PowerCut;
using sim::SimulatedFileSystem;

struct Workload {
  const char* name;
  const char* script;
};

constexpr Workload kWorkloads[] = {
    {"turns", "azafaambftafsaafmtfbfsamaft"},      {"batches", "zaaaaaaftmmmmmfsbabafaaatfts"},
    {"rotation", "zafsamfprafamftRaftsmfs"},       {"rotation_at_once", "prRafsprafaRmfst"},
    {"two_rotations", "zafpmrfaftRpafrmfRaftsaf"}, {"unused_preparation", "afpafsamftafs"},
};

constexpr SyncPolicy kPolicies[] = {SyncPolicy::kNo, SyncPolicy::kEverysec, SyncPolicy::kAlways};

struct Counts {
  size_t points = 0;
  size_t cuts_with_less = 0;  // where the cut lost something: the test must see such cuts
};

void CheckCut(const SimulatedFileSystem& disk, const ScriptRun& run, const PowerCut& cut,
              size_t promised, Counts& counts) {
  const auto after = disk.AfterPowerCut(cut);
  const ReadBack back = ReadLog(*after);
  const int groups = run.WholeGroups(back.payload);
  ASSERT_GE(groups, 0) << "not a prefix, or half a group";
  ASSERT_GE(static_cast<size_t>(groups), promised) << "a promise was broken";
  ASSERT_EQ(back.damage, "");
  ++counts.points;
  if (static_cast<size_t>(groups) < run.groups()) ++counts.cuts_with_less;
}

void CheckEveryCut(const SimulatedFileSystem& disk, const ScriptRun& run, bool quick,
                   Counts& counts) {
  for (size_t n = 0; n <= disk.operations(); ++n) {
    const ScriptRun::Promise promise = run.At(n);
    SCOPED_TRACE("operation " + std::to_string(n));
    // A killed process loses nothing that was written.
    CheckCut(disk, run, {.operation = n, .data = PowerCut::Data::kKeepAll}, promise.covered,
             counts);
    for (const auto data : {PowerCut::Data::kDropUnsynced, PowerCut::Data::kTornSectors,
                            PowerCut::Data::kRandomSectors, PowerCut::Data::kRandomPages}) {
      for (const auto names : {PowerCut::Names::kDropUnsynced, PowerCut::Names::kRandomSubset}) {
        for (uint64_t seed = 1; seed <= (quick ? 1 : 3); ++seed) {
          SCOPED_TRACE("data " + std::to_string(static_cast<int>(data)) + " names " +
                       std::to_string(static_cast<int>(names)) + " seed " + std::to_string(seed));
          CheckCut(disk, run, {.operation = n, .data = data, .names = names, .seed = seed},
                   promise.synced, counts);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(LogWriterCrashTest, EveryOperationOfEveryWorkload) {
  Counts counts;
  for (const Workload& workload : kWorkloads) {
    for (const SyncPolicy policy : kPolicies) {
      SCOPED_TRACE(std::string(workload.name) + " policy " +
                   std::to_string(static_cast<int>(policy)));
      SimulatedFileSystem disk;
      ScriptRun run(disk, policy);
      ASSERT_TRUE(run.Open());
      run.Run(workload.script);
      ASSERT_TRUE(run.Close());
      // The promises are not empty.
      ASSERT_EQ(run.promises().back().synced, run.groups());
      if (policy == SyncPolicy::kAlways) {
        for (const auto& promise : run.promises()) ASSERT_EQ(promise.covered, promise.synced);
      }
      CheckEveryCut(disk, run, false, counts);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(counts.cuts_with_less, 1000u);
  RecordProperty("cut_points", static_cast<int>(counts.points));
}

// The same while the log repairs itself: one call failed, then perhaps one that names files (which
// may have happened nevertheless), and then the power goes.
TEST(LogWriterCrashTest, EveryOperationOfARepair) {
  Counts counts;
  constexpr const char* kScript = "azafsaafmfbfaprfamftsaft";
  for (const SyncPolicy policy : {SyncPolicy::kEverysec, SyncPolicy::kAlways}) {
    for (const uint32_t calls : {sim::kWrite, sim::kSync, sim::kRename, sim::kSyncDirectory}) {
      for (const uint64_t second : {0, 1, 2, 3, 4}) {
        for (uint64_t nth = 1; nth < 100; ++nth) {
          SCOPED_TRACE("policy " + std::to_string(static_cast<int>(policy)) + " calls " +
                       std::to_string(calls) + " nth " + std::to_string(nth) + " second " +
                       std::to_string(second));
          SimulatedFileSystem disk;
          ScriptRun run(disk, policy);
          ASSERT_TRUE(run.Open());
          disk.FailAt({.calls = calls, .nth = nth, .written_256ths = 100});
          if (second != 0)
            disk.FailAt({.calls = sim::kRename | sim::kSyncDirectory, .nth = second});
          run.Run(kScript);
          const uint64_t raised = disk.FaultsRaised();
          ASSERT_TRUE(run.RunUntilRepaired());
          if (raised < (second == 0 ? 1 : 2) && nth > 1) break;
          CheckEveryCut(disk, run, true, counts);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  EXPECT_GT(counts.cuts_with_less, 1000u);
  RecordProperty("cut_points", static_cast<int>(counts.points));
}

}  // namespace
}  // namespace holdfast::aof
