// Checkpoints on a real disk: what was in the tier is read back, whatever a disk changes is found
// and named, nothing in a checkpoint is changed by looking at it. And their metadata on a disk that
// loses power.
#include "snapshot/checkpoint.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "aof/log_recovery.h"
#include "aof/posix_file_system.h"
#include "holdfast/random.h"
#include "snapshot/checkpoint_reader.h"
#include "snapshot/live_tier.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;

constexpr aof::HashKey kHashKey = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr uint32_t kShards = 4;

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "holdfast-checkpoint-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Value {
  std::string payload;
  UnixMs expiry_ms = memtable::kNoExpiry;
  friend bool operator==(const Value&, const Value&) = default;
};
using Keys = std::map<std::string, Value>;
using DataSet = std::map<uint32_t, Keys>;  // by database

ColdKey KeyOf(SpaceId space, std::string_view name) {
  return {space, memtable::MakeKeyRef(SeedOf(kHashKey), name).order(), name};
}

std::string Bytes(SeededRandom& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next() >> 56);
  return bytes;
}

// Database n is in space n + 3; space 1 is what a FLUSHDB left.
SpaceId SpaceOf(uint32_t database) { return database + 3; }

void LandKeys(LiveTier& tier, SpaceId space, const Keys& keys) {
  std::vector<ColdWrite> writes;
  for (const auto& [name, value] : keys) {
    ColdWrite& write = writes.emplace_back();
    write.key = KeyOf(space, name);
    write.header = {.expiry_ms = value.expiry_ms, .size = value.payload.size()};
    write.payload = value.payload;
  }
  ASSERT_TRUE(tier.Land(writes));
}

DataSet RandomData(SeededRandom& random) {
  DataSet data;
  for (const uint32_t database : {0U, 2U, 9U}) {
    Keys& keys = data[database];
    for (int i = 0; i < 400; ++i) {
      const size_t size = i % 40 == 7 ? 60'000 + random.Below(150'000) : random.Below(100);
      Value& value = keys[fmt::format("key:{}:{}", database, i)];
      value.payload = Bytes(random, size);
      if (i % 3 == 0) value.expiry_ms = static_cast<UnixMs>(random.Below(1'000'000));
    }
  }
  return data;
}

CheckpointMetadata MetadataOf(const DataSet& data) {
  CheckpointMetadata metadata{.id = 0x0123456789abcdef,
                              .hash_key = kHashKey,
                              .cut_frame = 77,
                              .term = 3,
                              .cut_ms = 1'700'000'000'123,
                              .next_space = 40,
                              .shards = kShards,
                              .databases = {},
                              .files = {}};
  for (const auto& [number, keys] : data) {
    CheckpointDatabase& database = metadata.databases.emplace_back();
    database = {number, SpaceOf(number), std::vector<CheckpointCounts>(kShards)};
    for (const auto& [name, value] : keys) {
      CheckpointCounts& counts =
          database.shards[memtable::SlotOf(name) / (memtable::kSlotCount / kShards)];
      ++counts.keys;
      counts.expiring += value.expiry_ms == memtable::kNoExpiry ? 0 : 1;
    }
  }
  return metadata;
}

class Collector final : public aof::CheckpointVisitor {
 public:
  Status Row(const aof::CheckpointRow& row) override {
    EXPECT_EQ(row.type, "string");
    EXPECT_EQ(row.size, row.payload_bytes);
    last_ = &data[row.database][std::string(row.key)];
    last_->expiry_ms = row.expiry_ms.value_or(memtable::kNoExpiry);
    return {};
  }
  Status Piece(std::string_view piece) override {
    EXPECT_TRUE(!piece.empty() && piece.size() <= kChunkBytes);
    last_->payload += piece;
    return {};
  }
  DataSet data;

 private:
  Value* last_ = nullptr;
};

// Names, sizes, contents.
std::map<std::string, std::string> Contents(const std::string& path) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::directory_iterator(path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    contents[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(file), {});
  }
  return contents;
}

void Write(const std::string& path, const std::string& contents) {
  fs::remove(path);  // tables are links: the tier keeps its own
  std::ofstream(path, std::ios::binary) << contents;
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    SeededRandom random(11);
    data_ = RandomData(random);
    tier_ = *LiveTier::Open({.directory = folder_ / "tier", .checkpoint = {}});
    LandKeys(*tier_, 1, {{"of a space that is gone", {"x"}}});
    for (const auto& [database, keys] : data_) LandKeys(*tier_, SpaceOf(database), keys);
    ASSERT_TRUE(LinkCheckpoint(*tier_, files_, path_));
    ASSERT_TRUE(SealCheckpoint(files_, path_, MetadataOf(data_)));
  }

  std::string ErrorOf() {
    const Status verified =
        VerifyCheckpoint(files_, path_, [](uint64_t, uint64_t) { return Status(); });
    if (verified) return "";
    EXPECT_EQ(verified.error().code, ErrorCode::kCorruption) << verified.error().message;
    EXPECT_NE(verified.error().message.find(path_), std::string::npos) << verified.error().message;
    return verified.error().message;
  }

  const Folder folder_;
  const std::string path_ = folder_ / "a.aof.1.checkpoint";
  aof::PosixFileSystem files_;
  DataSet data_;
  std::unique_ptr<LiveTier> tier_;
};

TEST_F(CheckpointTest, HoldsWhatTheTierHeldAndIsNotChangedByReading) {
  LandKeys(*tier_, SpaceOf(0), {{"later", {"y"}}});
  const auto before = Contents(path_);
  const auto metadata = ReadCheckpoint(files_, path_);
  ASSERT_TRUE(metadata) << metadata.error().message;
  CheckpointMetadata expected = MetadataOf(data_);
  expected.files = metadata->files;
  EXPECT_EQ(*metadata, expected);
  EXPECT_EQ(metadata->files.size() + 1, before.size());
  for (const CheckpointFileEntry& entry : metadata->files)
    EXPECT_EQ(entry.bytes, before.at(entry.name).size());
  const auto reader = CheckpointReader::Open(files_, path_);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->keys(), 1200);
  Collector found;
  uint64_t last_done = 0;
  const Status read = (*reader)->Read(found, [&](uint64_t done, uint64_t all) {
    EXPECT_TRUE(done >= last_done && done <= all);
    last_done = done;
    return Status();
  });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_GT(last_done, 0);
  EXPECT_EQ(found.data, data_);
  EXPECT_EQ(Contents(path_), before);
}

TEST_F(CheckpointTest, ServesATierThatGoesOn) {
  tier_.reset();
  const auto before = Contents(path_);
  {
    auto opened = LiveTier::Open({.directory = folder_ / "tier", .checkpoint = path_});
    ASSERT_TRUE(opened) << opened.error().message;
    // Long values get numbers that no older one has.
    SeededRandom random(3);
    for (int i = 0; i < 30; ++i) {
      Value& value = data_[0][fmt::format("new:{}", i)];
      value.payload = Bytes(random, 70'000 + random.Below(1000));
    }
    LandKeys(**opened, SpaceOf(0), data_[0]);
    ASSERT_TRUE((*opened)->DropSpace(SpaceOf(9)));
    data_[9].clear();
    const std::string second = folder_ / "a.aof.2.checkpoint";
    ASSERT_TRUE(LinkCheckpoint(**opened, files_, second));
    ASSERT_TRUE(SealCheckpoint(files_, second, MetadataOf(data_)));
    const auto reader = CheckpointReader::Open(files_, second);
    ASSERT_TRUE(reader) << reader.error().message;
    Collector found;
    const Status read = (*reader)->Read(found, [](uint64_t, uint64_t) { return Status(); });
    ASSERT_TRUE(read) << read.error().message;
    data_.erase(9);  // no rows
    EXPECT_EQ(found.data, data_);
  }
  EXPECT_EQ(Contents(path_), before);
  EXPECT_EQ(ErrorOf(), "");
}

TEST_F(CheckpointTest, AnyDamageIsFoundAndNamed) {
  const auto whole = Contents(path_);
  SeededRandom random(5);
  for (const auto& [name, contents] : whole) {
    const std::string file = path_ + "/" + name;
    for (int i = 0; i < 40; ++i) {
      std::string damaged = contents;
      if (damaged.empty()) break;  // nothing that could change
      const size_t at = random.Below(damaged.size());
      damaged[at] ^= static_cast<char>(1 << random.Below(8));
      Write(file, damaged);
      EXPECT_NE(ErrorOf().find(name), std::string::npos)
          << name << " changed at " << at << " of " << damaged.size() << ": " << ErrorOf();
    }
    if (!contents.empty()) {
      Write(file, contents.substr(0, random.Below(contents.size())));
      EXPECT_NE(ErrorOf().find(name), std::string::npos) << ErrorOf();
    }
    Write(file, contents + '\0');
    EXPECT_NE(ErrorOf().find(name), std::string::npos) << ErrorOf();
    fs::remove(file);
    EXPECT_NE(ErrorOf().find(name), std::string::npos) << ErrorOf();
    Write(file, contents);
  }
  EXPECT_EQ(ErrorOf(), "");
}

TEST_F(CheckpointTest, WrongCountsAndPlacesAreFound) {
  CheckpointMetadata metadata = MetadataOf(data_);
  ++metadata.databases[1].shards[2].keys;
  ASSERT_TRUE(SealCheckpoint(files_, path_, metadata));
  EXPECT_NE(ErrorOf().find("shard 2 of 4 of database 2"), std::string::npos) << ErrorOf();
  metadata = MetadataOf(data_);
  --metadata.databases[0].shards[1].expiring;
  ASSERT_TRUE(SealCheckpoint(files_, path_, metadata));
  EXPECT_NE(ErrorOf().find("shard 1 of 4 of database 0"), std::string::npos) << ErrorOf();
  metadata = MetadataOf(data_);
  metadata.hash_key[0] ^= 1;
  ASSERT_TRUE(SealCheckpoint(files_, path_, metadata));
  EXPECT_NE(ErrorOf().find("not in its place"), std::string::npos) << ErrorOf();
}

TEST_F(CheckpointTest, BeginsByRemovingAnEarlierAttempt) {
  fs::create_directory(path_ + ".tmp");
  Write(path_ + ".tmp/000001.sst", "x");
  Write(path_ + "/rest", "x");
  ASSERT_TRUE(LinkCheckpoint(*tier_, files_, path_));
  EXPECT_FALSE(fs::exists(path_ + ".tmp"));
  EXPECT_FALSE(fs::exists(path_ + "/rest"));
  EXPECT_NE(ErrorOf().find("HOLDFAST is missing"), std::string::npos);
  Write(path_ + "/hot", "a file of someone else's");
  ASSERT_TRUE(SealCheckpoint(files_, path_, MetadataOf(data_)));
  EXPECT_EQ(ErrorOf(), "");
  Write(path_ + "/hot", "a file of someone else'S");
  EXPECT_NE(ErrorOf().find("hot"), std::string::npos);
}

TEST(CheckpointFormatTest, EveryChangedByteIsFound) {
  CheckpointMetadata metadata = MetadataOf({{0, {{"a", {"1"}}}}, {5, {}}});
  metadata.files = {{"000012.sst", 4711, 7}, {"CURRENT", 16, 0x12345678}};
  const std::string bytes = FormatCheckpoint(metadata);
  EXPECT_EQ(*ParseCheckpoint(bytes, "d"), metadata);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(ParseCheckpoint(bytes.substr(0, size), "d").error().code, ErrorCode::kCorruption);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] ^= 4;
    EXPECT_EQ(ParseCheckpoint(damaged, "d").error().code, ErrorCode::kCorruption);
  }
  EXPECT_FALSE(ParseCheckpoint(bytes + '\0', "d"));
}

TEST(CheckpointFormatTest, IsDurableOnceSealed) {
  sim::SimulatedFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("d"));
  ASSERT_TRUE(disk.SyncDirectory(""));
  ASSERT_TRUE(disk.CreateDirectory("d/c"));
  for (const char* name : {"d/c/CURRENT", "d/c/1.sst"}) {
    const auto file = disk.Open(name, {.write = true, .create = true});
    const std::string_view part = "content";
    ASSERT_TRUE((*file)->WriteAt(0, {&part, 1}));
  }
  const CheckpointMetadata metadata = MetadataOf({{0, {}}});
  ASSERT_TRUE(SealCheckpoint(disk, "d/c", metadata));
  const CheckpointMetadata whole = *ReadCheckpoint(disk, "d/c");
  for (size_t n = 0; n <= disk.operations(); ++n) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const auto after = disk.AfterPowerCut({.operation = n,
                                             .data = sim::PowerCut::Data::kRandomSectors,
                                             .names = sim::PowerCut::Names::kRandomSubset,
                                             .seed = seed});
      const auto found = ReadCheckpoint(*after, "d/c");
      // Before the end it may be there or not, but nothing else.
      EXPECT_TRUE(!found || *found == whole);
      EXPECT_TRUE(found || n < disk.operations()) << found.error().message;
    }
  }
  for (uint64_t nth = 1;; ++nth) {
    disk.FailAt({.calls = sim::kAllCalls, .nth = nth});
    const Status sealed = SealCheckpoint(disk, "d/c", metadata);
    disk.ClearFaults();
    if (sealed) break;
    ASSERT_LT(nth, 100);
  }
}

TEST(CheckpointFormatTest, RecoveryBeginsWhereTheManifestSays) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("d/log/a.2.checkpoint/1.sst", "table");
  const CheckpointMetadata metadata = MetadataOf({{0, {}}});
  ASSERT_TRUE(SealCheckpoint(disk, "d/log/a.2.checkpoint", metadata));
  aof::Manifest manifest;
  manifest.hash_key = kHashKey;
  manifest.checkpoints = {{"a.1.checkpoint", 1, 5, 2}, {"a.2.checkpoint", 2, metadata.id, 3}};
  manifest.incremental = {{"a.2.incr.aof", 2, aof::LogFileType::kIncremental, 8},
                          {"a.3.incr.aof", 3, aof::LogFileType::kIncremental, 9}};
  ASSERT_TRUE(WriteManifest(disk, "d/log/a.manifest", manifest));
  aof::LogLocation location = *aof::LocateLog(disk, "d", "log", "a");
  const auto point = FindRecoveryPoint(disk, location);
  ASSERT_TRUE(point && *point);
  EXPECT_EQ((*point)->checkpoint, "d/log/a.2.checkpoint");
  EXPECT_EQ((*point)->metadata.databases, metadata.databases);
  EXPECT_EQ((*point)->first_frame, 78);
  ASSERT_EQ(location.sources.size(), 1);
  EXPECT_EQ(location.sources[0].path, "d/log/a.3.incr.aof");

  location.checkpoint->id ^= 1;
  EXPECT_EQ(FindRecoveryPoint(disk, location).error().code, ErrorCode::kCorruption);
  location.checkpoint->id ^= 1;
  location.manifest.hash_key->front() ^= 1;
  EXPECT_EQ(FindRecoveryPoint(disk, location).error().code, ErrorCode::kCorruption);
  location.checkpoint = location.manifest.checkpoints[0];
  EXPECT_EQ(FindRecoveryPoint(disk, location).error().code, ErrorCode::kCorruption);  // missing
  location.checkpoint.reset();
  EXPECT_FALSE(*FindRecoveryPoint(disk, location));
}

}  // namespace
}  // namespace holdfast::snapshot
