#include "aof/log_recovery.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/aof/log_restart.h"
#include "tests/unit/aof/log_text.h"

namespace holdfast::aof {
namespace {

using sim::PowerCut;
using sim::SimulatedFileSystem;
using Kind = LogVerdict::Kind;

std::string Record(size_t number) {
  const std::string text = std::to_string(number);
  const std::string filler(number % 7 == 0 ? 900 : 5, 'f');
  switch (number % 3) {
    case 0:
      return Resp({"SET", text, filler});
    case 1:
      return Resp({"MULTI"}) + Resp({"SET", text, filler}) + Resp({"DEL", "x"}) + Resp({"EXEC"});
    default:
      return Resp({"SELECT", "2"}) + Resp({"SET", text, filler}) + Resp({"SELECT", "0"});
  }
}

// How many records the log holds: all of 1, 2, ... n, or a failure.
size_t CountRecords(const LogContents& log) {
  for (size_t i = 0; i < log.groups.size(); ++i) {
    const std::string& group = log.groups[i];
    const size_t start = group.find("SET ") + 4;
    if (group.substr(start, group.find(' ', start) - start) != std::to_string(i + 1)) {
      ADD_FAILURE() << "record " << i + 1 << " is " << group;
      return 0;
    }
  }
  return log.groups.size();
}

// What was promised by the time of an operation.
struct Promise {
  size_t operations;
  size_t written;
  size_t synced;
};

class Workload {
 public:
  Workload(SimulatedFileSystem& disk, uint64_t seed, bool faults)
      : disk_(disk), random_(seed), faults_(faults), harness_(disk) {}

  void Run(int steps) {
    EXPECT_TRUE(disk_.SyncDirectory(""));
    ASSERT_TRUE(disk_.CreateDirectory(kLogDirectory));
    ASSERT_TRUE(disk_.SyncDirectory(""));
    ASSERT_TRUE(harness_.Open());
    for (int step = 0; step < steps; ++step) {
      Step();
      Note();
    }
  }
  const std::vector<Promise>& promises() const { return promises_; }

 private:
  void Step() {
    LogWriter& log = *harness_.log;
    switch (random_() % 12) {
      case 0:
      case 1:
        log.SyncTurn();
        break;
      case 2:
        log.FillTurn();
        break;
      case 3:
        harness_.clock.AdvanceMs(1000);
        log.SyncTurn();
        break;
      case 4:
        if (log.PrepareRotation() && log.Rotate()) log.WriterTurn();
        break;
      case 5:
        if (faults_) {
          disk_.FailAt({.calls = sim::kWrite | sim::kSync | sim::kTruncate | sim::kRename |
                                 sim::kSyncDirectory,
                        .nth = 1 + random_() % 3,
                        .for_ever = false,
                        .code = ErrorCode::kIoError,
                        .written_256ths = static_cast<uint32_t>(random_() % 257)});
        }
        break;
      default:
        for (size_t n = random_() % 3; n > 0 && log.Admits(); --n) {
          ends_.push_back(harness_.Append(Record(ends_.size() + 1)));
        }
        log.FlushTurn();
    }
  }

  void Note() {
    const auto count = [&](LogPosition position) {
      return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) -
                                 ends_.begin());
    };
    promises_.push_back(
        {disk_.operations(), count(harness_.log->written()), count(harness_.log->synced())});
  }

  SimulatedFileSystem& disk_;
  std::mt19937_64 random_;
  const bool faults_;
  LogHarness harness_;
  std::vector<LogPosition> ends_;
  std::vector<Promise> promises_;
};

// Reads, cuts, and lists what was found unlisted, as a start does.
struct Recovered {
  size_t records = 0;
  LogEnd end;
  std::vector<LogSource> sources;
};

Recovered Recover(SimulatedFileSystem& disk) {
  Recovered recovered;
  recovered.sources = SourcesOn(disk);
  LogReader reader(disk, recovered.sources);
  const LogContents log = Drain(reader);
  EXPECT_EQ(log.error, "");
  EXPECT_NE(log.verdict.kind, Kind::kDamage) << log.verdict.Text();
  if (log.verdict.kind == Kind::kDamage || !log.error.empty()) return recovered;
  recovered.records = CountRecords(log);
  auto end = CutTornEnd(disk, reader);
  EXPECT_TRUE(end) << end.error().message;
  if (end) recovered.end = *std::move(end);
  return recovered;
}

// After recovery the files are exactly the log: sound, without zeros; and a writer can go on.
void CheckSettled(SimulatedFileSystem& disk, const Recovered& recovered) {
  TestCatalog catalog(disk);
  for (const size_t i : recovered.end.to_list) {
    const std::string& path = recovered.sources[i].path;
    ASSERT_TRUE(catalog.List(path.substr(path.rfind('/') + 1), 1));
  }
  LogReader reader(disk, SourcesOn(disk));
  const LogContents log = Drain(reader);
  ASSERT_EQ(log.verdict.kind, Kind::kSound) << log.verdict.Text();
  ASSERT_EQ(CountRecords(log), recovered.records);
  uint64_t bytes = 0;
  for (const LogSourceState& state : reader.states()) {
    ASSERT_EQ(state.end, state.size);
    bytes += state.size;
  }
  ASSERT_EQ(bytes, recovered.end.log_bytes);
  ASSERT_EQ(reader.next_frame(), recovered.end.next_frame);

  LogHarness harness(disk);
  ASSERT_TRUE(harness.Open(StartAt(recovered.end, recovered.sources)));
  harness.Append(Record(recovered.records + 1));
  ASSERT_TRUE(harness.log->Close());
  LogReader later(disk, SourcesOn(disk));
  const LogContents all = Drain(later);
  ASSERT_EQ(all.verdict.kind, Kind::kSound) << all.verdict.Text();
  ASSERT_EQ(CountRecords(all), recovered.records + 1);
}

PowerCut RandomCut(size_t operation, uint64_t seed) {
  constexpr PowerCut::Data kData[] = {PowerCut::Data::kKeepAll,     PowerCut::Data::kDropUnsynced,
                                      PowerCut::Data::kTornSectors, PowerCut::Data::kRandomSectors,
                                      PowerCut::Data::kRandomPages, PowerCut::Data::kPrefix};
  constexpr PowerCut::Names kNames[] = {PowerCut::Names::kKeepAll, PowerCut::Names::kDropUnsynced,
                                        PowerCut::Names::kRandomPrefix};
  PowerCut cut{.operation = operation, .seed = seed};
  cut.data = kData[seed % std::size(kData)];
  cut.names = cut.data == PowerCut::Data::kKeepAll ? PowerCut::Names::kKeepAll
                                                   : kNames[seed / 7 % std::size(kNames)];
  cut.prefix_bytes = seed * 37 % 2000;
  return cut;
}

// A power cut at every operation of a workload: nothing that was synced is missing, nothing else
// than a prefix is found, and nothing is taken for damage.
void CutEverywhere(uint64_t seed, bool faults, int seeds_per_cut) {
  SimulatedFileSystem disk;
  Workload workload(disk, seed, faults);
  workload.Run(150);
  ASSERT_GT(disk.operations(), 100U);
  Promise promise{0, 0, 0};
  size_t next = 0;
  for (size_t n = 0; n <= disk.operations(); ++n) {
    while (next < workload.promises().size() && workload.promises()[next].operations <= n) {
      promise = workload.promises()[next++];
    }
    for (int i = 0; i < seeds_per_cut; ++i) {
      const PowerCut cut = RandomCut(n, seed * 1000 + n * 31 + static_cast<uint64_t>(i));
      auto after = disk.AfterPowerCut(cut);
      const Recovered recovered = Recover(*after);
      const bool killed = cut.data == PowerCut::Data::kKeepAll;
      ASSERT_GE(recovered.records, killed ? promise.written : promise.synced)
          << "operation " << n << " variant " << static_cast<int>(cut.data);
      if (i % 8 == 0) CheckSettled(*after, recovered);
      if (testing::Test::HasFailure()) {
        FAIL() << "workload seed " << seed << " operation " << n << " cut seed " << cut.seed;
      }
    }
  }
}

TEST(LogRecoveryTest, PowerCutsAtEveryOperation) {
  for (uint64_t seed = 1; seed <= 3 && !HasFailure(); ++seed) CutEverywhere(seed, false, 8);
}

TEST(LogRecoveryTest, PowerCutsWithFailingDisksBefore) {
  for (uint64_t seed = 100; seed <= 106 && !HasFailure(); ++seed) CutEverywhere(seed, true, 8);
}

TEST(LogRecoveryTest, CutsDuringRecoveryComeToTheSameEnd) {
  size_t recoveries = 0;
  for (uint64_t seed = 200; seed < 203; ++seed) {
    SimulatedFileSystem disk;
    Workload workload(disk, seed, true);
    workload.Run(100);
    for (size_t n = 0; n <= disk.operations(); n += 3) {
      auto first = disk.AfterPowerCut(RandomCut(n, seed * 77 + n));
      const Recovered recovered = Recover(*first);
      for (size_t m = 0; m <= first->operations(); ++m) {
        auto second = first->AfterPowerCut(RandomCut(m, seed + n * 5 + m));
        ASSERT_EQ(Recover(*second).records, recovered.records)
            << "seed " << seed << " operation " << n << " then " << m;
        ++recoveries;
      }
    }
  }
  EXPECT_GT(recoveries, 500U);
}

TEST(LogRecoveryTest, FailingCallsDuringRecoveryCanBeRepeated) {
  constexpr uint64_t kId = 5;
  const std::string start = FileHeaderLine(kId) + FrameText(kId, 1, Record(1));
  const std::string torn = FrameText(kId, 2, Record(2), 0).substr(0, 70) + std::string(600, '\0');
  for (uint64_t n = 1;; ++n) {
    SimulatedFileSystem disk;
    disk.SetContents("/data/manifest", "log.1.incr.aof\n");
    disk.SetContents("/data/log.1.incr.aof", start + torn);
    disk.SetContents("/data/log.2.incr.aof", FileHeaderLine(9) + FrameText(9, 3, Record(3)));
    LogReader reader(disk, SourcesOn(disk));
    ASSERT_EQ(Drain(reader).verdict.kind, Kind::kTorn);
    disk.FailAt({.nth = n, .code = ErrorCode::kNoSpace});
    const auto end = CutTornEnd(disk, reader);
    disk.ClearFaults();
    if (!end) {
      const Recovered again = Recover(disk);
      EXPECT_EQ(again.records, 1U);
      CheckSettled(disk, again);
      continue;
    }
    EXPECT_EQ(end->next_frame, 2U);
    EXPECT_EQ(disk.Contents("/data/log.1.incr.aof"), start);
    EXPECT_EQ(disk.Contents("/data/log.2.incr.aof"), std::nullopt);
    // What was cut away is kept, without the zeros behind it.
    ASSERT_EQ(end->side_files.size(), 2U);
    EXPECT_EQ(disk.Contents(end->side_files[0]), torn.substr(0, 70));
    EXPECT_EQ(end->side_files[0].find("/data/log.1.incr.aof.torn-" + std::to_string(start.size())),
              0U);
    EXPECT_EQ(disk.Contents(end->side_files[1])->size(),
              FileHeaderLine(9).size() + FrameText(9, 3, Record(3)).size());
    EXPECT_GT(n, 10U);
    break;
  }
}

TEST(LogRecoveryTest, ZerosAreCutWithoutASideFile) {
  SimulatedFileSystem disk;
  disk.SetContents("/data/manifest", "log.1.incr.aof\n");
  const std::string text = FileHeaderLine(5) + FrameText(5, 1, Record(1));
  disk.SetContents("/data/log.1.incr.aof", text + std::string(5000, '\0'));
  const Recovered recovered = Recover(disk);
  EXPECT_TRUE(recovered.end.side_files.empty());
  EXPECT_EQ(disk.Contents("/data/log.1.incr.aof"), text);
  EXPECT_EQ(recovered.end.source, 0U);
  EXPECT_EQ(recovered.end.file_id, 5U);
  EXPECT_EQ(recovered.end.size, text.size());
}

TEST(LogRecoveryTest, AWriterDoesNotGoOnInAFileOfRedis) {
  SimulatedFileSystem disk;
  disk.SetContents("/data/manifest", "log.1.incr.aof\n");
  const std::string ours = FileHeaderLine(5) + FrameText(5, 1, Record(1));
  for (const std::string& text : {Record(1), ours + Record(2), std::string()}) {
    disk.SetContents("/data/log.1.incr.aof", text);
    auto copy = disk.AfterPowerCut({.operation = 0});
    const Recovered recovered = Recover(*copy);
    EXPECT_EQ(recovered.end.source, std::nullopt);
    CheckSettled(*copy, recovered);
  }
}

// Linux keeps pages whose sync failed readable, but never writes them again.
TEST(LogRecoveryTest, WhatWasReadIsOnTheDiskAfterwards) {
  SimulatedFileSystem disk;
  disk.SetContents("/data/manifest", "log.1.incr.aof\n");
  disk.SetContents("/data/log.1.incr.aof", FileHeaderLine(5));
  {
    auto file = *disk.Open("/data/log.1.incr.aof", {.write = true});
    const std::string frame = FrameText(5, 1, Record(1));
    const std::string_view part = frame;
    ASSERT_TRUE(file->WriteAt(FileHeaderLine(5).size(), {&part, 1}));
    disk.FailAt({.calls = sim::kSync});
    ASSERT_FALSE(file->Sync());
  }
  const Recovered recovered = Recover(disk);
  EXPECT_EQ(recovered.records, 1U);
  auto after =
      disk.AfterPowerCut({.operation = disk.operations(), .data = PowerCut::Data::kDropUnsynced});
  EXPECT_EQ(Recover(*after).records, 1U);
}

TEST(LogRecoveryTest, LocatesLogs) {
  SimulatedFileSystem disk;
  const auto locate = [&] { return LocateLog(disk, "/db", "appendonlydir", "appendonly.aof"); };
  EXPECT_TRUE(locate()->sources.empty());
  disk.SetContents("/db/appendonly.aof", Record(1));
  ASSERT_EQ(locate()->sources.size(), 1U);
  EXPECT_EQ(locate()->sources[0].path, "/db/appendonly.aof");
  EXPECT_FALSE(locate()->has_manifest);
  disk.SetContents("/db/appendonlydir/appendonly.aof.1.incr.aof", "");
  const auto lost = locate();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kCorruption);
  EXPECT_EQ(lost.error().message,
            "/db/appendonlydir/appendonly.aof.manifest is missing, but the log file "
            "appendonly.aof.1.incr.aof is there");
  disk.SetContents("/db/appendonlydir/appendonly.aof.manifest",
                   "file appendonly.aof.2.base.aof seq 2 type b\n"
                   "file appendonly.aof.1.incr.aof seq 1 type i\n");
  disk.SetContents("/db/appendonlydir/appendonly.aof.2.incr.aof", "");
  disk.SetContents("/db/appendonlydir/appendonly.aof.4.incr.aof", "");
  const auto found = locate();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->sources.size(), 3U);
  EXPECT_TRUE(found->sources[0].base);
  EXPECT_TRUE(found->sources[1].listed);
  EXPECT_FALSE(found->sources[2].listed);
  EXPECT_EQ(found->sources[2].path, "/db/appendonlydir/appendonly.aof.2.incr.aof");
  disk.SetContents("/db/appendonlydir/appendonly.aof.manifest", "garbage");
  EXPECT_FALSE(locate());
}

TEST(LogRecoveryTest, RemovesTemporaryFilesOfTheLogOnly) {
  SimulatedFileSystem disk;
  disk.SetContents("/d/temp-a.aof.3.incr.aof", "x");
  disk.SetContents("/d/temp-other", "x");
  disk.SetContents("/d/a.aof.1.incr.aof", "x");
  ASSERT_TRUE(RemoveTemporaryFiles(disk, "/d", "a.aof"));
  EXPECT_EQ(disk.Paths(), (std::vector<std::string>{"/d/a.aof.1.incr.aof", "/d/temp-other"}));
}

}  // namespace
}  // namespace holdfast::aof
