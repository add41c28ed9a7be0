// A disk that refuses for a while: what landed before is there, what lands afterwards lands, and
// compaction goes on by itself.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "holdfast/random.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;

// No file of this process may grow beyond `bytes`, as if the disk were full then.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    before_signal_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{bytes, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  ~SmallFiles() {
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0);
    std::signal(SIGXFSZ, before_signal_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_{};
  void (*before_signal_)(int) = nullptr;
};

class LiveTierFaultTest : public testing::Test {
 protected:
  LiveTierFaultTest() {
    std::string name = fs::temp_directory_path() / "holdfast-tier-XXXXXX";
    path_ = ::mkdtemp(name.data());
    auto opened = LiveTier::Open({.directory = path_ + "/tier", .checkpoint = {}});
    EXPECT_TRUE(opened);
    tier_ = *std::move(opened);
  }
  ~LiveTierFaultTest() override {
    tier_.reset();
    fs::remove_all(path_);
  }

  // So many rows of 100 bytes that do not compress, over the whole order.
  Status Land(int rows) {
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (int i = 0; i < rows; ++i) {
      names.push_back(fmt::format("key:{}", landed_ + i));
      std::string& value = values.emplace_back(100, '\0');
      SeededRandom random(static_cast<uint64_t>(landed_ + i));
      for (char& byte : value) byte = static_cast<char>(random.Next() >> 56);
    }
    std::vector<ColdWrite> writes;
    for (size_t i = 0; i < names.size(); ++i) {
      writes.push_back(
          {.key = KeyOf(names[i]), .header = {.size = values[i].size()}, .payload = values[i]});
    }
    HF_TRY_STATUS(tier_->Land(writes));
    landed_ += rows;
    return {};
  }
  // Tries again for a minute, as long as it fails.
  bool LandEventually() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!Land(5)) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  static ColdKey KeyOf(const std::string& name) {
    const memtable::KeyRef ref = memtable::MakeKeyRef({1, 2}, name);
    return {0, ref.order(), name};
  }
  void ExpectAllThere() {
    for (int i = 0; i < landed_; i += 37) {
      const std::string name = fmt::format("key:{}", i);
      const ColdKey key = KeyOf(name);
      const auto read = tier_->Read({&key, 1}, ReadDepth::kValue);
      ASSERT_TRUE(read) << read.error().message;
      ASSERT_TRUE((*read)[0]) << name;
    }
  }

  std::string ManifestName() const {
    std::ifstream current(path_ + "/tier/CURRENT");
    std::string name;
    std::getline(current, name);
    return name;
  }

  std::string path_;
  std::unique_ptr<LiveTier> tier_;
  int landed_ = 0;
};

TEST_F(LiveTierFaultTest, ALandingThatFailsChangesNothingAndTheNextWorks) {
  ASSERT_TRUE(Land(1'000));
  {
    const SmallFiles full(16 << 10);
    EXPECT_FALSE(Land(1'000));
  }
  ExpectAllThere();
  ASSERT_TRUE(Land(1'000));
  ExpectAllThere();
  for (const auto& file : fs::directory_iterator(path_ + "/tier"))
    EXPECT_FALSE(file.path().filename().string().starts_with("landing-"));
}

TEST_F(LiveTierFaultTest, CompactionGoesOnWhenTheDiskDoes) {
  {
    const SmallFiles full(512 << 10);  // enough to land, not enough to compact
    for (int landing = 0; landing < 30; ++landing) {
      const Status landed = Land(1'000);
      EXPECT_TRUE(landed) << landed.error().message;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    EXPECT_TRUE(tier_->Congested());
    ExpectAllThere();
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (tier_->Congested() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(tier_->Congested());
  ASSERT_TRUE(Land(1'000));
  ExpectAllThere();
  EXPECT_TRUE(tier_->VerifyChecksums());
}

// What landed is RocksDB's only with a record in its manifest, the longest file by far here.
TEST_F(LiveTierFaultTest, AManifestThatCannotBeWrittenIsMadeAgain) {
  for (int landing = 0; landing < 100; ++landing) ASSERT_TRUE(Land(5));
  for (int round = 0; round < 3; ++round) {
    const std::string manifest = ManifestName();
    {
      const SmallFiles full(4 << 10);
      // Perhaps in a new manifest, which is short.
      static_cast<void>(Land(5));
      ExpectAllThere();
    }
    ASSERT_TRUE(LandEventually());
    EXPECT_NE(ManifestName(), manifest);
    // RocksDB may still be recovering: what fails now is tried again, as the queue of writes does.
    for (int landing = 0; landing < 40; ++landing) ASSERT_TRUE(LandEventually());
    ExpectAllThere();
  }
  EXPECT_TRUE(tier_->VerifyChecksums());
  ASSERT_TRUE(tier_->Checkpoint(path_ + "/checkpoint"));
  tier_.reset();
  tier_ = *LiveTier::Open({.directory = path_ + "/tier", .checkpoint = path_ + "/checkpoint"});
  ExpectAllThere();
}

}  // namespace
}  // namespace holdfast::snapshot
