// Hot lists: every key comes back, and no byte of the file can change without being noticed.
#include "snapshot/hot_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "aof/crc32c.h"
#include "holdfast/random.h"
#include "snapshot/byte_coding.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::snapshot {
namespace {

constexpr char kPath[] = "d/HOTLIST";
constexpr UnixMs kNowMs = 1'700'000'000'123;

using Keys = std::map<std::pair<SpaceId, memtable::KeyOrder>, uint8_t>;

class HotListTest : public testing::Test {
 protected:
  HotListTest() { EXPECT_TRUE(disk_.CreateDirectory("d")); }

  void Write(const std::vector<std::pair<SpaceId, std::vector<HotKey>>>& parts) {
    auto writer = HotListWriter::Create(disk_, kPath, kNowMs);
    ASSERT_TRUE(writer);
    for (const auto& [space, keys] : parts) {
      std::vector<HotKey> copy = keys;
      ASSERT_TRUE((*writer)->Add(space, copy));
    }
    ASSERT_TRUE((*writer)->Finish());
  }
  // Checks the rules of the runs on the way.
  Keys ReadAll() {
    Keys all;
    auto reader = HotListReader::Open(disk_, kPath);
    EXPECT_TRUE(reader) << reader.error().message;
    if (!reader) return all;
    EXPECT_EQ((*reader)->made_ms(), kNowMs);
    for (const HotRun& run : (*reader)->runs()) {
      std::vector<HotKey> keys;
      EXPECT_TRUE((*reader)->Read(run, keys));
      EXPECT_EQ(keys.size(), run.keys);
      EXPECT_LE(keys.size(), kMostKeysOfHotRun);
      EXPECT_EQ(keys.front().order, run.first);
      EXPECT_TRUE(std::ranges::is_sorted(keys, {}, &HotKey::order));
      for (const HotKey& key : keys) {
        EXPECT_EQ(HotClassOf(key.rank), run.hot_class);
        EXPECT_TRUE(all.try_emplace({run.space, key.order}, key.rank).second);
      }
    }
    EXPECT_EQ((*reader)->keys(), all.size());
    return all;
  }
  Error ErrorOf(const std::string& bytes) {
    disk_.SetContents(kPath, bytes);
    const auto reader = HotListReader::Open(disk_, kPath);
    if (reader) return {ErrorCode::kBusy, "it was taken"};
    return reader.error();
  }

  sim::SimulatedFileSystem disk_;
};

TEST_F(HotListTest, EveryKeyComesBack) {
  SeededRandom random(3);
  Keys wanted;
  std::vector<std::pair<SpaceId, std::vector<HotKey>>> parts;
  for (const SpaceId space : {SpaceId{0}, SpaceId{7}, SpaceId{UINT32_MAX}}) {
    for (int part = 0; part < 3; ++part) {
      std::vector<HotKey>& keys = parts.emplace_back(space, std::vector<HotKey>()).second;
      for (int i = 0; i < 3000; ++i) {
        const memtable::KeyOrder order =
            (static_cast<memtable::KeyOrder>(part) << memtable::kStoredHashBits) +
            random.Below(uint64_t{1} << memtable::kStoredHashBits);
        const auto rank = static_cast<uint8_t>(random.Below(256));
        if (wanted.try_emplace({space, order}, rank).second) keys.push_back({order, rank});
      }
    }
  }
  parts[0].second.push_back({memtable::kOrderEnd - 1, 255});
  wanted[{0, memtable::kOrderEnd - 1}] = 255;
  Write(parts);
  EXPECT_EQ(ReadAll(), wanted);
  EXPECT_LT(disk_.Contents(kPath)->size(), wanted.size() * 8);
  // Copied as it is, and not if it is not sound.
  ASSERT_TRUE(CopyHotList(disk_, kPath, "d/copy"));
  EXPECT_EQ(*disk_.Contents("d/copy"), *disk_.Contents(kPath));
  std::string damaged = *disk_.Contents(kPath);
  damaged[damaged.size() / 2] ^= 1;
  disk_.SetContents(kPath, damaged);
  EXPECT_EQ(CopyHotList(disk_, kPath, "d/copy").error().code, ErrorCode::kCorruption);
}

TEST_F(HotListTest, KeysOfOneOrderBecomeOneAndLongRunsSeveral) {
  Write({{1, {{5, 10}, {4, 1}, {5, 200}, {5, 40}}}});
  EXPECT_EQ(ReadAll(), (Keys{{{1, 4}, 1}, {{1, 5}, 200}}));
  std::vector<HotKey> many;
  for (size_t i = 0; i < kMostKeysOfHotRun + 10; ++i) many.push_back({i * 3, 255});
  Write({{1, many}});
  EXPECT_EQ(ReadAll().size(), many.size());
  EXPECT_EQ((*HotListReader::Open(disk_, kPath))->runs().size(), 2u);
}

TEST_F(HotListTest, AnEmptyOneIsSound) {
  Write({});
  EXPECT_TRUE(ReadAll().empty());
  Write({{3, {}}});
  EXPECT_TRUE(ReadAll().empty());
  EXPECT_EQ(HotListReader::Open(disk_, "d/none").error().code, ErrorCode::kNotFound);
}

TEST_F(HotListTest, EveryChangedByteIsFound) {
  Write({{0, {{1, 255}, {900, 250}, {77, 3}}}, {9, {{4000, 128}}}});
  const std::string whole = *disk_.Contents(kPath);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = whole;
      damaged[at] ^= static_cast<char>(1 << bit);
      const Error error = ErrorOf(damaged);
      EXPECT_EQ(error.code, ErrorCode::kCorruption) << at << ": " << error.message;
      EXPECT_NE(error.message.find(kPath), std::string::npos);
    }
  }
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(ErrorOf(whole.substr(0, size)).code, ErrorCode::kCorruption) << size;
  EXPECT_EQ(ErrorOf(whole + '\0').code, ErrorCode::kCorruption);
  EXPECT_EQ(ErrorOf(whole + whole).code, ErrorCode::kCorruption);
  // A run that is there twice, or not at all, though its own checksum is right.
  const auto runs = [&] {
    disk_.SetContents(kPath, whole);
    return (*HotListReader::Open(disk_, kPath))->runs();
  }();
  ASSERT_EQ(runs.size(), 3u);
  const std::string first = whole.substr(runs[0].offset, runs[1].offset - runs[0].offset);
  EXPECT_EQ(ErrorOf(whole.substr(0, runs[0].offset) + first + whole.substr(runs[0].offset)).code,
            ErrorCode::kCorruption);
  EXPECT_EQ(ErrorOf(whole.substr(0, runs[0].offset) + whole.substr(runs[1].offset)).code,
            ErrorCode::kCorruption);
}

TEST_F(HotListTest, ANewerOneIsRefusedByName) {
  Write({});
  std::string bytes = *disk_.Contents(kPath);
  bytes[8] = 2;
  std::string crc;
  AppendFixed(crc, aof::Crc32c(0, bytes.substr(0, 20)), 4);
  bytes.replace(20, 4, crc);
  const Error error = ErrorOf(bytes);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_NE(error.message.find("format version 2"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace holdfast::snapshot
