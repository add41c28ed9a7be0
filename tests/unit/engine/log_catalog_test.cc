// The manifest's keeper: what a switch to a checkpoint gives back, and that one which fails gives
// nothing back.
#include "engine/log_catalog.h"

#include <gtest/gtest.h>

#include "tests/sim/simulated_file_system.h"

namespace holdfast {
namespace {

constexpr char kPath[] = "d/a.manifest";
using Names = std::vector<std::string>;

class LogCatalogTest : public testing::Test {
 protected:
  LogCatalogTest() {
    disk_.SetContents("d/x", "");
    aof::Manifest manifest;
    manifest.hash_key = aof::HashKey{1};
    catalog_ = std::make_unique<LogCatalog>(disk_, kPath, "a", manifest);
    EXPECT_TRUE(catalog_->Write());
  }

  aof::Manifest OnDisk() { return *aof::ReadManifest(disk_, kPath); }
  std::string List() {
    std::string name = catalog_->NextName();
    EXPECT_TRUE(catalog_->List(name, ++id_));
    return name;
  }
  // A snapshot: the log goes on in a new file from its cut on.
  Superseded Switch(size_t keep, bool with_log = true) {
    const std::string first = with_log ? List() : "";
    const std::string name = catalog_->NextCheckpointName();
    auto superseded = catalog_->SwitchToCheckpoint(name, ++id_, first, keep);
    EXPECT_TRUE(superseded);
    EXPECT_EQ(catalog_->manifest(), OnDisk());
    EXPECT_EQ(OnDisk().checkpoints.back().name, name);
    EXPECT_EQ(OnDisk().checkpoints.back().id, id_);
    return superseded.value_or(Superseded{});
  }

  sim::SimulatedFileSystem disk_;
  std::unique_ptr<LogCatalog> catalog_;
  uint64_t id_ = 100;
};

TEST_F(LogCatalogTest, ACheckpointReplacesWhatCameBefore) {
  ASSERT_TRUE(catalog_->SetFirstBase("a.1.base.aof", 1));
  List();
  List();
  Superseded superseded = Switch(1);
  EXPECT_EQ(superseded.files, (Names{"a.1.base.aof", "a.1.incr.aof", "a.2.incr.aof"}));
  EXPECT_EQ(superseded.checkpoints, Names{});
  EXPECT_FALSE(OnDisk().base);
  EXPECT_EQ(OnDisk().checkpoints[0].log_sequence, 3);
  EXPECT_EQ(OnDisk().incremental.size(), 1);
  List();
  superseded = Switch(1);
  EXPECT_EQ(superseded.files, (Names{"a.3.incr.aof", "a.4.incr.aof"}));
  EXPECT_EQ(superseded.checkpoints, Names{"a.1.checkpoint"});
  EXPECT_EQ(OnDisk().checkpoints.size(), 1);
}

TEST_F(LogCatalogTest, KeptCheckpointsKeepTheirLog) {
  List();
  EXPECT_EQ(Switch(3).files, Names{"a.1.incr.aof"});
  List();
  EXPECT_EQ(Switch(3).files, Names{});
  EXPECT_EQ(Switch(3).files, Names{});
  EXPECT_EQ(OnDisk().checkpoints.size(), 3);
  EXPECT_EQ(OnDisk().incremental.front().name, "a.2.incr.aof");
  Superseded superseded = Switch(3);
  EXPECT_EQ(superseded.checkpoints, Names{"a.1.checkpoint"});
  EXPECT_EQ(superseded.files, (Names{"a.2.incr.aof", "a.3.incr.aof"}));
  superseded = Switch(2);  // snapshot-keep was lowered
  EXPECT_EQ(superseded.checkpoints, (Names{"a.2.checkpoint", "a.3.checkpoint"}));
  EXPECT_EQ(superseded.files, (Names{"a.4.incr.aof", "a.5.incr.aof"}));
}

TEST_F(LogCatalogTest, ALogThatEndedLeadsNowhere) {
  Switch(3);
  const Superseded superseded = Switch(3, false);
  EXPECT_EQ(superseded.files, Names{"a.1.incr.aof"});
  EXPECT_EQ(OnDisk().checkpoints.size(), 2);
  EXPECT_FALSE(OnDisk().checkpoints[0].log_sequence);
  EXPECT_TRUE(OnDisk().incremental.empty());
  EXPECT_EQ(Switch(3).files, Names{});
  EXPECT_EQ(OnDisk().checkpoints.back().log_sequence, 1);
}

TEST_F(LogCatalogTest, ASwitchEndsWithholding) {
  List();
  catalog_->Withhold(5);
  const std::string cut = List();
  EXPECT_EQ(cut, "a.5.incr.aof");
  const auto superseded = catalog_->SwitchToCheckpoint(catalog_->NextCheckpointName(), 7, cut, 1);
  ASSERT_TRUE(superseded);
  EXPECT_EQ(superseded->files, Names{"a.1.incr.aof"});
  EXPECT_FALSE(catalog_->withheld());
  EXPECT_EQ(OnDisk().incremental.size(), 1);
  EXPECT_EQ(catalog_->NextName(), "a.6.incr.aof");
}

TEST_F(LogCatalogTest, AFailedSwitchRemovesNothing) {
  Switch(1);
  uint64_t failures = 0;
  for (const uint32_t calls : {sim::kOpen | 0U, sim::kWrite | 0U, sim::kSync | 0U,
                               sim::kRename | 0U, sim::kSyncDirectory | 0U}) {
    const std::string first = List();
    const aof::Manifest before = OnDisk();
    const std::string name = catalog_->NextCheckpointName();
    disk_.FailAt({.calls = calls, .nth = 1});
    const auto failed = catalog_->SwitchToCheckpoint(name, 9, first, 1);
    disk_.ClearFaults();
    ASSERT_FALSE(failed);
    ++failures;
    EXPECT_EQ(catalog_->manifest(), before);
    // Its name may stand on the disk: the next one has another.
    EXPECT_NE(catalog_->NextCheckpointName(), name);
    const bool renamed = calls == sim::kSyncDirectory;
    EXPECT_EQ(OnDisk() == before, !renamed);
    // Any later write of the log's brings the disk back to what memory says.
    ASSERT_TRUE(catalog_->Write());
    EXPECT_EQ(OnDisk(), before);
  }
  const Superseded superseded = Switch(1);
  EXPECT_EQ(superseded.checkpoints.size(), failures + 1);
  EXPECT_EQ(superseded.files.size(), failures + 1);
}

TEST_F(LogCatalogTest, TheNextFileIsTheOneThatACheckpointWaitsFor) {
  aof::Manifest manifest;
  manifest.hash_key = aof::HashKey{};
  manifest.checkpoints = {{"a.4.checkpoint", 4, 1, 12}};
  LogCatalog cut(disk_, kPath, "a", manifest);
  EXPECT_EQ(cut.NextName(), "a.12.incr.aof");
  EXPECT_EQ(cut.NextCheckpointName(), "a.5.checkpoint");
}

}  // namespace
}  // namespace holdfast
