// What lands replaces what landed before, whatever shape compactions have left the tier in.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;

const ColdKey kLow{1, 1000, "low"};
const ColdKey kHigh{1, 2000, "high"};

// A tier whose level 4 has only lower sequence numbers than level 5: what is left when a file is
// put into level 4 while that is compacted into level 5.
class TierWithAnOldUpperLevel {
 public:
  explicit TierWithAnOldUpperLevel(const std::string& path) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.compaction_style = rocksdb::kCompactionStyleUniversal;
    options.disable_auto_compactions = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const char* name : {"default", "chunks", "expiries", "references"})
      families.emplace_back(name, options);
    rocksdb::DB* opened = nullptr;
    EXPECT_TRUE(rocksdb::DB::Open(options, path, families, &handles_, &opened).ok());
    db_.reset(opened);
    PutInto(6, {kLow, kHigh}, "oldest");
    PutInto(4, {kLow}, "old");
    PutInto(5, {kHigh}, "new");
  }
  ~TierWithAnOldUpperLevel() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }

 private:
  void PutInto(int level, const std::vector<ColdKey>& keys, const std::string& value) {
    for (const ColdKey& key : keys) {
      std::string row;
      AppendColdRow(row, {.size = value.size(), .payload_bytes = value.size()}, value);
      EXPECT_TRUE(db_->Put({}, EncodeColdKey(key), row).ok());
    }
    EXPECT_TRUE(db_->Flush({}).ok());
    rocksdb::ColumnFamilyMetaData files;
    db_->GetColumnFamilyMetaData(&files);
    ASSERT_EQ(files.levels[0].files.size(), 1U);
    EXPECT_TRUE(db_->CompactFiles({}, {files.levels[0].files[0].name}, level).ok());
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

class LiveTierOrder : public testing::Test {
 protected:
  LiveTierOrder() {
    std::string name = fs::temp_directory_path() / "holdfast-order-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    {
      const TierWithAnOldUpperLevel made(folder_ / "made");
    }
    auto opened = LiveTier::Open({.directory = folder_ / "tier", .checkpoint = folder_ / "made"});
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) tier_ = *std::move(opened);
  }
  ~LiveTierOrder() override {
    tier_.reset();
    fs::remove_all(folder_);
  }

  std::string Read(const ColdKey& key) {
    const auto values = tier_->Read({&key, 1}, ReadDepth::kValue);
    if (!values) return values.error().message;
    return (*values)[0] ? (*values)[0]->payload : "none";
  }
  // The sizes of the rows, by a walk: that goes another way in RocksDB than a read.
  std::vector<uint64_t> Walk() {
    std::vector<uint64_t> sizes;
    const auto next = tier_->List(
        1, 0, memtable::kOrderEnd, 100,
        [&](const ColdKey&, const ColdHeader& header) { sizes.push_back(header.size); });
    EXPECT_TRUE(next);
    return sizes;
  }
  // Enough landings elsewhere that all there is becomes one run.
  void CompactAll() {
    for (uint64_t i = 0; i < 40; ++i) {
      const std::string name = std::to_string(i);
      ASSERT_TRUE(tier_->Land(std::vector<ColdWrite>{{.key = {1, 1500, name}, .erase = true},
                                                     {.key = {1, 3000, name}, .erase = true}}));
    }
  }

  fs::path folder_;
  std::unique_ptr<LiveTier> tier_;
};

TEST_F(LiveTierOrder, ADeleteHidesWhatItDeletes) {
  ASSERT_EQ(Walk(), (std::vector<uint64_t>{3, 3}));
  ASSERT_TRUE(tier_->Land(std::vector<ColdWrite>{{.key = kHigh, .erase = true}}));
  EXPECT_EQ(Read(kHigh), "none");
  EXPECT_EQ(Walk(), std::vector<uint64_t>{3});
  CompactAll();
  EXPECT_EQ(Read(kHigh), "none");
  EXPECT_EQ(Walk(), std::vector<uint64_t>{3});
  EXPECT_EQ(Read(kLow), "old");
}

TEST_F(LiveTierOrder, AWriteReplacesWhatWasThere) {
  ASSERT_TRUE(tier_->Land(
      std::vector<ColdWrite>{{.key = kHigh, .header = {.size = 6}, .payload = "newest"}}));
  EXPECT_EQ(Read(kHigh), "newest");
  EXPECT_EQ(Walk(), (std::vector<uint64_t>{3, 6}));
  CompactAll();
  EXPECT_EQ(Read(kHigh), "newest");
  EXPECT_EQ(Walk(), (std::vector<uint64_t>{3, 6}));
}

}  // namespace
}  // namespace holdfast::snapshot
