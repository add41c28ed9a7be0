// The keys and rows of the live tier: every value comes back, and no byte that changed does so
// unnoticed by the rules of the row itself (its block's checksum is RocksDB's).
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "holdfast/random.h"
#include "snapshot/cold_key.h"
#include "snapshot/cold_row.h"

namespace holdfast::snapshot {
namespace {

using memtable::ValueType;

TEST(ColdKeyTest, SortsAsTheKeyspaceDoes) {
  SeededRandom random(7);
  std::vector<std::tuple<SpaceId, memtable::KeyOrder, std::string>> keys;
  for (int i = 0; i < 2000; ++i) {
    const auto space = static_cast<SpaceId>(random.Below(3) * 0x7fffffffu);
    const memtable::KeyOrder order =
        random.Below(2) == 0 ? random.Below(4) : random.Below(memtable::kOrderEnd);
    keys.emplace_back(space, order, std::string(random.Below(5), static_cast<char>(random.Next())));
  }
  std::vector<std::string> encoded;
  for (const auto& [space, order, name] : keys)
    encoded.push_back(EncodeColdKey({space, order, name}));
  std::ranges::sort(keys);
  std::ranges::sort(encoded);  // as unsigned bytes, like RocksDB
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto& [space, order, name] = keys[i];
    const auto decoded = DecodeColdKey(encoded[i]);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->space, space);
    EXPECT_EQ(decoded->order, order);
  }
}

TEST(ColdKeyTest, BoundsEncloseASpace) {
  const std::string last = EncodeColdKey({5, memtable::kOrderEnd - 1, std::string(300, '\xff')});
  EXPECT_LE(ColdKeyBound(5, 0), EncodeColdKey({5, 0, ""}));
  EXPECT_LT(last, ColdKeyBound(5, memtable::kOrderEnd));
  EXPECT_LT(ColdKeyBound(5, memtable::kOrderEnd), EncodeColdKey({6, 0, ""}));
}

TEST(ColdKeyTest, WhatIsNoKeyIsRefused) {
  const std::string key = EncodeColdKey({1, 2, "name"});
  for (size_t size = 0; size < kColdKeyNameOffset; ++size)
    EXPECT_FALSE(DecodeColdKey(std::string_view(key).substr(0, size)));
  EXPECT_FALSE(DecodeColdKey(std::string(4, '\0') + std::string(7, '\xff')));
}

std::vector<std::pair<ColdHeader, std::string>> Samples() {
  std::vector<std::pair<ColdHeader, std::string>> samples;
  const auto add = [&](ColdHeader header, std::string payload) {
    if (header.value_id == 0) header.payload_bytes = payload.size();
    if (header.type == ValueType::kString) header.size = header.payload_bytes;
    samples.emplace_back(header, std::move(payload));
  };
  add({}, "");
  add({.raw_string = true, .rank = 255}, "value");
  add({.expiry_ms = 0}, std::string(127, 'a'));
  add({.expiry_ms = INT64_MAX}, std::string(128, 'a'));
  add({.rank = 3, .expiry_ms = 1'700'000'000'000}, std::string(kInlineBytes, 'b'));
  add({.value_id = 1, .payload_bytes = kInlineBytes + 1}, "");
  add({.expiry_ms = 5, .value_id = UINT64_MAX, .payload_bytes = uint64_t{1} << 40}, "");
  for (const ValueType type : {ValueType::kList, ValueType::kSet, ValueType::kSortedSet,
                               ValueType::kHash, ValueType::kStream, ValueType::kModule}) {
    add({.type = type, .size = UINT64_MAX}, "elements");
  }
  return samples;
}

TEST(ColdRowTest, ComesBack) {
  for (const auto& [header, payload] : Samples()) {
    std::string row = "before";
    AppendColdRow(row, header, payload);
    const auto decoded = DecodeColdRow(std::string_view(row).substr(6));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->header, header);
    EXPECT_EQ(decoded->payload, payload);
  }
}

TEST(ColdRowTest, EveryCutIsFound) {
  for (const auto& [header, payload] : Samples()) {
    std::string row;
    AppendColdRow(row, header, payload);
    for (size_t size = 0; size < row.size(); size += size < 64 ? 1 : 997)
      EXPECT_FALSE(DecodeColdRow(std::string_view(row).substr(0, size))) << size;
    row.push_back('x');
    EXPECT_FALSE(DecodeColdRow(row));
  }
}

TEST(ColdRowTest, ChangedHeadersAreFoundOrAnotherRow) {
  for (const auto& [header, payload] : Samples()) {
    std::string row;
    AppendColdRow(row, header, payload);
    for (size_t at = 0; at < std::min<size_t>(row.size(), 40); ++at) {
      for (int value = 0; value < 256; ++value) {
        std::string changed = row;
        changed[at] = static_cast<char>(value);
        const auto decoded = DecodeColdRow(changed);
        if (!decoded) continue;
        // What is taken is written the same way: no second form of a row.
        std::string again;
        AppendColdRow(again, decoded->header, decoded->payload);
        EXPECT_EQ(again, changed) << at;
      }
    }
  }
}

TEST(ColdRowTest, ANewerVersionIsNamed) {
  std::string row;
  AppendColdRow(row, {}, "");
  row[0] = 2;
  const auto decoded = DecodeColdRow(row);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(decoded.error().message, "a cold row of version 2");
}

}  // namespace
}  // namespace holdfast::snapshot
