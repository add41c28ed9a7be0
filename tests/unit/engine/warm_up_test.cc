// Stores that were stopped and start again: what was hot before comes back by itself, and nothing
// that happens meanwhile is undone by it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "aof/posix_file_system.h"
#include "holdfast/random.h"
#include "snapshot/checkpoint_reader.h"
#include "snapshot/hot_list.h"
#include "tests/unit/engine/tier_fixture.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;

class WarmUpTest : public TierFixture<aof::PosixFileSystem> {
 protected:
  WarmUpTest() { clock_ = &test_clock_; }
  bool Ended(std::string_view how = "done") {
    return Eventually([&] { return Field("tier_warmup_state") != "running"; }) &&
           Field("tier_warmup_state") == how;
  }
  std::string Checkpoint() const {
    std::string newest;
    for (const auto& entry : fs::directory_iterator(folder_ / "appendonlydir"))
      if (entry.is_directory()) newest = std::max(newest, entry.path().string());
    return newest;
  }
  std::string HotList() {
    std::ifstream file(Checkpoint() + "/HOTLIST", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  uint64_t KeysInList() {
    const auto list = snapshot::HotListReader::Open(files_, Checkpoint() + "/HOTLIST");
    return list ? (*list)->keys() : UINT64_MAX;
  }
  void Fill(int keys) {
    for (int i = 0; i < keys; ++i) ASSERT_EQ(Run("SET " + Key(i) + " " + Value(i)), "OK");
  }
  static std::string Key(int i) { return "key" + std::to_string(i); }
  static std::string Value(int i) {
    return std::to_string(i * 7919) + std::string(static_cast<size_t>(80 + i % 40), 'v');
  }
  // Loads that reading the keys [0, end) costs.
  uint64_t LoadsOf(int end) {
    const uint64_t before = Number("loaded_keys");
    for (int i = 0; i < end; ++i) EXPECT_EQ(Run("GET " + Key(i)), Value(i));
    return Number("loaded_keys") - before;
  }

  TestClock test_clock_;
};

TEST_F(WarmUpTest, WhatWasHotIsHotAgain) {
  const Settings limited = {{"maxmemory", "8mb"}, {"maxmemory-policy", "allkeys-s3fifo"}};
  constexpr int kKeys = 80'000;
  constexpr int kHot = 6'000;
  Open(limited);
  Fill(kKeys);
  for (int round = 0; round < 4; ++round) LoadsOf(kHot);
  EXPECT_LT(LoadsOf(kHot), kHot / 50);
  ASSERT_GT(Number("cold_keys"), kKeys / 5u);
  const uint64_t hot_before = Number("hot_keys");
  Close();
  EXPECT_GE(KeysInList(), hot_before * 9 / 10);
  Open(limited);
  ASSERT_TRUE(Ended());
  EXPECT_EQ(Number("spilled_keys"), 0u) << "the warm-up must not cause evictions";
  EXPECT_GE(Number("tier_warmup_loaded"), hot_before * 4 / 5);
  EXPECT_EQ(Number("hot_keys"), Number("tier_warmup_loaded"));
  EXPECT_EQ(Number("clean_keys"), Number("tier_warmup_loaded"));
  EXPECT_EQ(Run("DBSIZE"), std::to_string(kKeys));
  EXPECT_LT(LoadsOf(kHot), kHot / 50);
  for (int i = 0; i < kKeys; i += 17) ASSERT_EQ(Run("GET " + Key(i)), Value(i));
  Close();
}

TEST_F(WarmUpTest, RanksComeBack) {
  Open({{"maxmemory", "100mb"}, {"maxmemory-policy", "allkeys-lfu"}, {"lfu-log-factor", "0"}});
  Run("SET often v");
  Run("SET seldom v");
  Run("SET on-disk v");
  for (int i = 0; i < 20; ++i) Run("GET often");
  for (int i = 0; i < 4; ++i) Run("GET on-disk");
  ASSERT_EQ(Run("OBJECT FREQ often"), "25");
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Run("OBJECT FREQ on-disk"), "9") << "from its row";
  Run("GET often");
  Run("GET seldom");
  EXPECT_EQ(Run("OBJECT FREQ often"), "26");
  Close();
  Open({{"maxmemory", "100mb"}, {"maxmemory-policy", "allkeys-lfu"}, {"lfu-log-factor", "0"}});
  ASSERT_TRUE(Ended());
  EXPECT_EQ(Number("hot_keys"), 2u);
  EXPECT_EQ(Run("OBJECT FREQ often"), "26");
  EXPECT_EQ(Run("OBJECT FREQ seldom"), "6");
  Close();
}

TEST_F(WarmUpTest, IdleTimesComeBack) {
  Open();
  Run("SET old v");
  test_clock_.SetMs(test_clock_.NowMs() + 96'000);
  Run("SET new v");
  // Ranks are made by a time that is told now and then.
  ASSERT_TRUE(Eventually([&] {
    Run("DEBUG SPILL");
    const bool told = Run("OBJECT IDLETIME old") == "96";
    Run("GET old");
    Run("SET old v");
    test_clock_.SetMs(test_clock_.NowMs() + 96'000);
    return told;
  }));
  Close();
}

TEST_F(WarmUpTest, AListIsTenMinutesOldAtMostAndNewAtACleanStop) {
  Open();
  Fill(10);
  ASSERT_EQ(Run("SAVE"), "OK");
  EXPECT_EQ(KeysInList(), 10u);
  const std::string first = HotList();
  Run("SET more v");
  test_clock_.SetMs(test_clock_.NowMs() + 599'000);
  ASSERT_EQ(Run("SAVE"), "OK");
  EXPECT_EQ(HotList(), first) << "the one before is taken along";
  test_clock_.SetMs(test_clock_.NowMs() + 2'000);
  ASSERT_EQ(Run("SAVE"), "OK");
  EXPECT_EQ(KeysInList(), 11u);
  Run("SET yet-more " + std::string(500, 'v'));  // worth a checkpoint
  Close();
  EXPECT_EQ(KeysInList(), 12u);
  Open();
  ASSERT_TRUE(Ended());
  EXPECT_EQ(Number("tier_warmup_loaded"), 12u);
  ASSERT_EQ(Run("DEBUG SPILL"), "OK");
  EXPECT_EQ(Run("GET more"), "v");
  const std::string before = Checkpoint();
  Close();  // nothing changed, but what is hot
  EXPECT_NE(Checkpoint(), before);
  EXPECT_EQ(KeysInList(), 1u);
}

TEST_F(WarmUpTest, AStopBeforeItsEndKeepsTheList) {
  constexpr int kKeys = 30'000;
  Open();
  Fill(kKeys);
  Close();
  ASSERT_EQ(KeysInList(), static_cast<uint64_t>(kKeys));
  for (int i = 0; i < 5; ++i) {
    Open();
    Run("SET other v");
    Close();
    EXPECT_GE(KeysInList(), static_cast<uint64_t>(kKeys));
  }
  Open();
  ASSERT_TRUE(Ended());
  EXPECT_EQ(LoadsOf(kKeys), 0u);
  Close();
}

TEST_F(WarmUpTest, NothingThatHappensMeanwhileIsUndone) {
  constexpr int kKeys = 20'000;
  Open();
  Fill(kKeys);
  std::map<std::string, std::string> databases[2];
  for (int i = 0; i < kKeys; ++i) databases[0][Key(i)] = Value(i);
  SeededRandom random(4);
  for (int round = 0; round < 6; ++round) {
    Close();
    Open();
    const auto pick = [&] { return Key(static_cast<int>(random.Below(kKeys))); };
    const uint64_t flush_at = round == 3 ? 700 : UINT64_MAX;
    for (uint64_t i = 0; i < 3000; ++i) {
      const std::string key = pick();
      const uint64_t kind = random.Below(100);
      if (i == flush_at) {
        ASSERT_EQ(Run("FLUSHDB"), "OK");
        databases[0].clear();
      } else if (kind < 30) {
        ASSERT_EQ(Run("SET " + key + " new" + std::to_string(i)), "OK");
        databases[0][key] = "new" + std::to_string(i);
      } else if (kind < 60) {
        ASSERT_EQ(Run("DEL " + key), std::to_string(databases[0].erase(key)));
      } else if (kind < 61) {
        ASSERT_EQ(Run("SWAPDB 0 1"), "OK");
        std::swap(databases[0], databases[1]);
      } else if (kind < 62) {
        ASSERT_EQ(Run("DEBUG SPILL"), "OK");
      } else {
        const auto found = databases[0].find(key);
        ASSERT_EQ(Run("GET " + key), found != databases[0].end() ? found->second : "nil");
      }
    }
    ASSERT_TRUE(Ended());
    for (auto& contents : databases) {
      ASSERT_EQ(Run("DBSIZE"), std::to_string(contents.size()));
      for (int i = 0; i < kKeys; i += 7) {
        const auto found = contents.find(Key(i));
        ASSERT_EQ(Run("GET " + Key(i)), found != contents.end() ? found->second : "nil");
      }
      Run("SWAPDB 0 1");
    }
  }
  Close();
}

TEST_F(WarmUpTest, ADamagedListCostsSpeedOnly) {
  Open();
  Fill(100);
  Close();
  const std::string path = Checkpoint() + "/HOTLIST";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(50);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(50);
  file.put(byte);
  file.close();
  const Status verified =
      snapshot::VerifyCheckpoint(files_, Checkpoint(), [](uint64_t, uint64_t) { return Status(); });
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::kCorruption);
  EXPECT_NE(verified.error().message.find("HOTLIST"), std::string::npos);
  Open();
  EXPECT_TRUE(Ended("failed"));
  EXPECT_EQ(LoadsOf(100), 100u);
  Close();
  EXPECT_EQ(KeysInList(), 100u) << "the next one is sound";
  fs::remove(Checkpoint() + "/HOTLIST");
  Open();
  EXPECT_TRUE(Ended("failed"));
  EXPECT_EQ(LoadsOf(100), 100u);
  Close();
}

TEST_F(WarmUpTest, CanBeTurnedOff) {
  Open();
  Fill(100);
  Close();
  Open({{"warmup", "no"}});
  EXPECT_EQ(Field("tier_warmup_state"), "idle");
  EXPECT_EQ(Number("hot_keys"), 0u);
  EXPECT_EQ(LoadsOf(100), 100u);
  Close();
}

}  // namespace
}  // namespace holdfast::engine_test
