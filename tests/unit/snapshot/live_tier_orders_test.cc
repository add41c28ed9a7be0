// Rows by their places in the order: what is there of a list of places is found, in order, whatever
// lies between them, however they are looked for.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "holdfast/random.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;
using memtable::KeyOrder;

class LiveTierOrdersTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "holdfast-orders-XXXXXX";
    path_ = ::mkdtemp(name.data());
    tier_ = *LiveTier::Open({.directory = path_ + "/tier", .checkpoint = {}});
  }
  void TearDown() override {
    tier_.reset();
    fs::remove_all(path_);
  }
  using Rows = std::map<std::pair<KeyOrder, std::string>, std::string>;
  Rows Found(SpaceId space, const std::vector<KeyOrder>& orders, KeyOrder near,
             size_t most = SIZE_MAX) {
    Rows rows;
    KeyOrder last = 0;
    const Status read =
        tier_->ReadOrders(space, orders, near, [&](const ColdKey& key, const ColdRow& row) {
          EXPECT_EQ(key.space, space);
          EXPECT_GE(key.order, last);
          last = key.order;
          EXPECT_EQ(row.payload.empty(), row.header.value_id != 0);
          EXPECT_TRUE(rows.try_emplace({key.order, std::string(key.name)},
                                       row.header.value_id != 0 ? "long" : row.payload)
                          .second);
          return rows.size() < most;
        });
    EXPECT_TRUE(read) << read.error().message;
    return rows;
  }

  std::string path_;
  std::unique_ptr<LiveTier> tier_;
};

TEST_F(LiveTierOrdersTest, FindsWhatIsThere) {
  SeededRandom random(9);
  std::map<SpaceId, Rows> rows;
  for (int landing = 0; landing < 4; ++landing) {
    std::vector<std::string> values;
    std::vector<std::pair<std::pair<SpaceId, KeyOrder>, std::string>> names;
    for (int i = 0; i < 3000; ++i) {
      const auto space = static_cast<SpaceId>(3 + random.Below(3));
      names.push_back({{space, random.Below(5000)}, fmt::format("k{}", random.Below(3))});
      values.push_back(i == 77 ? std::string(80'000, 'x') : fmt::format("{}:{}", landing, i));
    }
    std::vector<ColdWrite> writes;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto& [place, name] = names[i];
      ColdWrite& write = writes.emplace_back();
      write.key = {place.first, place.second, name};
      write.erase = i % 5 == 4;
      if (write.erase) {
        rows[place.first].erase({place.second, name});
        continue;
      }
      write.header = {.size = values[i].size()};
      write.payload = values[i];
      rows[place.first][{place.second, name}] = values[i].size() > 1000 ? "long" : values[i];
    }
    ASSERT_TRUE(tier_->Land(writes));
  }
  for (int round = 0; round < 200; ++round) {
    const auto space = static_cast<SpaceId>(3 + random.Below(3));
    const uint64_t part = 1 + random.Below(300);
    std::vector<KeyOrder> orders;
    for (KeyOrder order = random.Below(part); order < 5100; order += 1 + random.Below(part))
      orders.push_back(order);
    Rows wanted;
    for (const auto& [key, value] : rows[space]) {
      if (std::ranges::binary_search(orders, key.first)) wanted[key] = value;
    }
    const KeyOrder near = random.Below(3) * random.Below(200);
    EXPECT_EQ(Found(space, orders, near), wanted);
    const size_t most = 1 + random.Below(20);
    EXPECT_EQ(Found(space, orders, near, most).size(), std::min(most, wanted.size()));
  }
  EXPECT_TRUE(Found(99, {1, 2, 3}, 0).empty());
  EXPECT_TRUE(Found(3, {}, 0).empty());
  EXPECT_TRUE(Found(3, {memtable::kOrderEnd - 1}, memtable::kOrderEnd).empty());
}

}  // namespace
}  // namespace holdfast::snapshot
