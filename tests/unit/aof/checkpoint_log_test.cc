// The log's side of checkpoints: which files are read, what a cut back does to newer ones, what is
// cleared away. What is in a checkpoint does not matter here.
#include <gtest/gtest.h>

#include "aof/log_recovery.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/aof/log_text.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;
using Kind = LogVerdict::Kind;

constexpr char kManifest[] = "d/log/a.manifest";

std::string Path(const std::string& name) { return "d/log/" + name; }

LogFileEntry Incremental(int64_t sequence) {
  return {IncrementalFileName("a", sequence), sequence, LogFileType::kIncremental,
          static_cast<uint64_t>(sequence)};
}

// Files 2 to 5 with frames 11 to 14 (times 11000 to 14000), checkpoints in front of 2, 4 and 5.
Manifest PutLog(SimulatedFileSystem& disk) {
  Manifest manifest;
  manifest.hash_key = HashKey{};
  for (const int64_t n : {2, 4, 5}) {
    const std::string name = CheckpointName("a", n);
    manifest.checkpoints.push_back({name, n, static_cast<uint64_t>(n), n});
    disk.SetContents(Path(name) + "/" + std::string(kCheckpointFile), "x");
  }
  for (int64_t n = 2; n <= 5; ++n) {
    manifest.incremental.push_back(Incremental(n));
    const auto id = static_cast<uint64_t>(n);
    const std::string set = Resp({"SET", "key", std::to_string(n)});
    disk.SetContents(Path(manifest.incremental.back().name),
                     FileHeaderLine(id) + FrameText(id, id + 9, set, 0, (n + 9) * 1000));
  }
  EXPECT_TRUE(WriteManifest(disk, kManifest, manifest));
  return manifest;
}

LogLocation Since(SimulatedFileSystem& disk, size_t checkpoint) {
  LogLocation location = *LocateLog(disk, "d", "log", "a");
  location.checkpoint = location.manifest.checkpoints.at(checkpoint);
  location.sources =
      *SourcesOf(disk, location.manifest, location.directory, "a", &*location.checkpoint);
  return location;
}

std::vector<std::string> NamesOf(const std::vector<LogSource>& sources) {
  std::vector<std::string> names;
  for (const LogSource& source : sources)
    names.push_back(source.path.substr(source.path.rfind('/') + 1) + (source.listed ? "" : "?"));
  return names;
}

using Names = std::vector<std::string>;

TEST(CheckpointLogTest, TheLogSinceTheNewestIsRead) {
  SimulatedFileSystem disk;
  PutLog(disk);
  EXPECT_EQ(NamesOf(LocateLog(disk, "d", "log", "a")->sources), Names{"a.5.incr.aof"});
  EXPECT_EQ(LocateLog(disk, "d", "log", "a")->checkpoint->sequence, 5);
  EXPECT_EQ(NamesOf(Since(disk, 1).sources), (Names{"a.4.incr.aof", "a.5.incr.aof"}));
  disk.SetContents(Path("a.6.incr.aof"), FileHeaderLine(6));
  EXPECT_EQ(NamesOf(LocateLog(disk, "d", "log", "a")->sources),
            (Names{"a.5.incr.aof", "a.6.incr.aof?"}));
  // No log was kept when it was made: none is read.
  Manifest manifest = LocateLog(disk, "d", "log", "a")->manifest;
  manifest.incremental.clear();
  for (CheckpointEntry& entry : manifest.checkpoints) entry.log_sequence.reset();
  ASSERT_TRUE(WriteManifest(disk, kManifest, manifest));
  EXPECT_TRUE(LocateLog(disk, "d", "log", "a")->sources.empty());
  // A cut took away what followed: the next file has that number.
  manifest.checkpoints.back().log_sequence = 6;
  ASSERT_TRUE(WriteManifest(disk, kManifest, manifest));
  EXPECT_EQ(NamesOf(LocateLog(disk, "d", "log", "a")->sources), Names{"a.6.incr.aof?"});
}

TEST(CheckpointLogTest, FramesGoOnFromTheCut) {
  SimulatedFileSystem disk;
  PutLog(disk);
  for (const auto& [first_frame, kind] :
       {std::pair{13, Kind::kDamage}, {14, Kind::kSound}, {15, Kind::kDamage}}) {
    const LogLocation location = *LocateLog(disk, "d", "log", "a");
    LogReader reader(disk, location.sources, {.first_frame = static_cast<uint64_t>(first_frame)});
    EXPECT_EQ(Drain(reader).verdict.kind, kind) << first_frame;
  }
  // Nothing came after the cut.
  Manifest manifest = LocateLog(disk, "d", "log", "a")->manifest;
  manifest.incremental.clear();
  manifest.checkpoints.back().log_sequence = 6;
  ASSERT_TRUE(WriteManifest(disk, kManifest, manifest));
  LogReader reader(disk, LocateLog(disk, "d", "log", "a")->sources, {.first_frame = 15});
  EXPECT_EQ(Drain(reader).verdict.kind, Kind::kSound);
  EXPECT_EQ(CutTornEnd(disk, reader)->next_frame, 15);
}

TEST(CheckpointLogTest, WithoutItsManifestACheckpointIsNoNewStore) {
  SimulatedFileSystem disk;
  disk.SetContents(Path("a.7.checkpoint/HOLDFAST"), "x");
  EXPECT_EQ(LocateLog(disk, "d", "log", "a").error().code, ErrorCode::kCorruption);
  EXPECT_TRUE(LocateLog(disk, "d", "log", "b"));
}

TEST(CheckpointLogTest, UnlistedCheckpointsAreRemoved) {
  SimulatedFileSystem disk;
  const Manifest manifest = PutLog(disk);
  for (const char* name : {"a.1.checkpoint/1.sst", "a.6.checkpoint/HOLDFAST", "a.6.checkpoint/s",
                           "a.7.checkpoint.tmp/2.sst", "b.1.checkpoint/1.sst", "a.x.checkpoint/s"})
    disk.SetContents(Path(name), "x");
  EXPECT_EQ(RemoveSupersededFiles(disk, "d/log", "a", manifest), Names{});
  for (const char* gone : {"a.1.checkpoint", "a.6.checkpoint", "a.7.checkpoint.tmp"})
    EXPECT_FALSE(*disk.Exists(Path(gone))) << gone;
  for (const char* kept : {"a.2.checkpoint/HOLDFAST", "a.4.checkpoint/HOLDFAST",
                           "a.5.checkpoint/HOLDFAST", "b.1.checkpoint/1.sst", "a.x.checkpoint/s"})
    EXPECT_TRUE(disk.Contents(Path(kept))) << kept;
}

// As aof-check --truncate-to-timestamp does it.
Result<LogEnd> CutAt(SimulatedFileSystem& disk, size_t checkpoint, UnixMs until_ms) {
  const LogLocation location = Since(disk, checkpoint);
  const auto first_frame = static_cast<uint64_t>(location.checkpoint->sequence) + 9;
  LogReader reader(disk, location.sources, {.first_frame = first_frame, .until_ms = until_ms});
  EXPECT_EQ(Drain(reader).verdict.kind, Kind::kReachedTime);
  return CutBack(disk, reader, location);
}

TEST(CheckpointLogTest, ACutBackTakesNewerCheckpointsAlong) {
  SimulatedFileSystem disk;
  Manifest expected = PutLog(disk);
  const auto end = CutAt(disk, 0, 12500);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->next_frame, 13);
  EXPECT_EQ(end->side_files.size(), 2);
  // The file that the cut is in stays, without frames.
  expected.checkpoints.resize(1);
  expected.incremental.resize(3);
  EXPECT_EQ(LocateLog(disk, "d", "log", "a")->manifest, expected);
  EXPECT_TRUE(*disk.Exists(Path("a.2.checkpoint")));
  EXPECT_FALSE(*disk.Exists(Path("a.4.checkpoint")) || *disk.Exists(Path("a.5.checkpoint")));
  EXPECT_FALSE(*disk.Exists(Path("a.5.incr.aof")));
  LogReader again(disk, LocateLog(disk, "d", "log", "a")->sources, {.first_frame = 11});
  EXPECT_EQ(Drain(again).groups, (Names{"0:SET key 2", "0:SET key 3"}));
}

TEST(CheckpointLogTest, ACutBackBehindACheckpointKeepsOlderOnes) {
  SimulatedFileSystem disk;
  const Manifest before = PutLog(disk);
  const auto older = disk.Contents(Path("a.4.incr.aof"));
  const auto end = CutAt(disk, 2, 13500);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->next_frame, 14);
  EXPECT_EQ(LocateLog(disk, "d", "log", "a")->manifest, before);
  EXPECT_EQ(disk.Contents(Path("a.4.incr.aof")), older);
}

TEST(CheckpointLogTest, CutsOfACutBackComeToTheSameEnd) {
  SimulatedFileSystem disk;
  PutLog(disk);
  const size_t start = disk.operations();
  ASSERT_TRUE(CutAt(disk, 0, 12500));
  for (size_t n = start; n <= disk.operations(); ++n) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto after = disk.AfterPowerCut({.operation = n,
                                             .data = sim::PowerCut::Data::kRandomSectors,
                                             .names = sim::PowerCut::Names::kRandomSubset,
                                             .seed = seed});
      const auto location = LocateLog(*after, "d", "log", "a");
      ASSERT_TRUE(location) << location.error().message;
      // The old data set, whole, or the new one.
      const bool is_new = location->manifest.checkpoints.size() == 1;
      EXPECT_TRUE(is_new || location->manifest.checkpoints.size() == 3);
      for (const CheckpointEntry& entry : location->manifest.checkpoints)
        EXPECT_TRUE(after->Contents(Path(entry.name) + "/HOLDFAST"));
      LogReader reader(*after, location->sources, {.first_frame = is_new ? 11U : 14U});
      const LogContents log = Drain(reader);
      EXPECT_NE(log.verdict.kind, Kind::kDamage) << log.verdict.Text();
      EXPECT_EQ(log.groups.front(), is_new ? "0:SET key 2" : "0:SET key 5");
    }
  }
}

}  // namespace
}  // namespace holdfast::aof
