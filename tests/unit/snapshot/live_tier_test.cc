// The live tier against a model of it in memory, on a real disk: what landed is read, whatever
// compactions, checkpoints and sweeps did meanwhile; what a disk changed is not served.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "holdfast/random.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;
using memtable::KeyOrder;

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "holdfast-tier-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::unique_ptr<LiveTier> MustOpen(const std::string& directory,
                                   const std::string& checkpoint = {}) {
  auto opened = LiveTier::Open({.directory = directory, .checkpoint = checkpoint});
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? *std::move(opened) : nullptr;
}

struct Value {
  std::string payload;
  UnixMs expiry_ms = memtable::kNoExpiry;
  uint8_t rank = 0;
  friend bool operator==(const Value&, const Value&) = default;
};
// A key without views.
struct Name {
  SpaceId space;
  KeyOrder order;
  std::string text;
  friend auto operator<=>(const Name&, const Name&) = default;
  ColdKey key() const { return {space, order, text}; }
};
using Model = std::map<Name, Value>;

// Nothing compresses, and nothing is the same twice.
std::string Bytes(SeededRandom& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next() >> 56);
  return bytes;
}

Name RandomName(SeededRandom& random, SpaceId spaces) {
  const auto number = random.Below(300);
  // Several keys share an order now and then.
  return {static_cast<SpaceId>(random.Below(spaces)), number / 3 * 77'777'777'777,
          fmt::format("key:{}", number)};
}

Status LandRandom(LiveTier& tier, Model& model, SeededRandom& random, SpaceId spaces = 3) {
  struct Draft {
    Name name;
    bool erase;
    Value value;
  };
  std::vector<Draft> drafts;
  for (uint64_t left = 1 + random.Below(60); left > 0; --left) {
    Draft& draft = drafts.emplace_back(RandomName(random, spaces), random.Below(4) == 0, Value{});
    const size_t size = random.Below(20) == 0 ? random.Below(300'000) : random.Below(200);
    draft.value = {Bytes(random, size), memtable::kNoExpiry, static_cast<uint8_t>(random.Next())};
    if (random.Below(3) == 0) draft.value.expiry_ms = static_cast<UnixMs>(random.Below(1000));
  }
  std::vector<ColdWrite> writes;
  for (const Draft& draft : drafts) {
    ColdWrite& write = writes.emplace_back();
    write.key = draft.name.key();
    write.erase = draft.erase;
    write.header = {.rank = draft.value.rank,
                    .expiry_ms = draft.value.expiry_ms,
                    .size = draft.value.payload.size()};
    write.payload = draft.value.payload;
  }
  HF_TRY_STATUS(tier.Land(writes));
  for (const Draft& draft : drafts) {
    model.erase(draft.name);
    if (!draft.erase) model.emplace(draft.name, draft.value);
  }
  return {};
}

Value Flat(const ColdValue& value) {
  EXPECT_EQ(value.header.size, value.header.payload_bytes);
  return {value.block ? std::string(value.block->view()) : value.payload, value.header.expiry_ms,
          value.header.rank};
}

void ExpectEqual(LiveTier& tier, const Model& model, SpaceId spaces = 3) {
  std::vector<Name> names;
  for (SpaceId space = 0; space < spaces; ++space) {
    for (uint64_t i = 0; i < 300; ++i)
      names.push_back({space, i / 3 * 77'777'777'777, fmt::format("key:{}", i)});
  }
  std::vector<ColdKey> keys;
  for (const Name& name : names) keys.push_back(name.key());
  const auto values = tier.Read(keys, ReadDepth::kValue);
  ASSERT_TRUE(values) << values.error().message;
  const auto headers = tier.Read(keys, ReadDepth::kHeader);
  ASSERT_TRUE(headers) << headers.error().message;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto expected = model.find(names[i]);
    ASSERT_EQ((*values)[i].has_value(), expected != model.end()) << names[i].text;
    ASSERT_EQ((*headers)[i].has_value(), expected != model.end());
    if (expected == model.end()) continue;
    EXPECT_EQ(Flat(*(*values)[i]), expected->second) << names[i].text;
    EXPECT_EQ((*headers)[i]->header, (*values)[i]->header);
    EXPECT_TRUE((*headers)[i]->payload.empty() && !(*headers)[i]->block);
  }
}

TEST(LiveTierTest, HoldsWhatLandedInOrder) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  Model model;
  SeededRandom random(1);
  for (int round = 0; round < 60; ++round) {
    ASSERT_TRUE(LandRandom(*tier, model, random));
    if (round % 6 == 0) ExpectEqual(*tier, model);
  }
  ExpectEqual(*tier, model);
  EXPECT_TRUE(tier->VerifyChecksums());
}

TEST(LiveTierTest, ListsEachRowOnceAndOrdersWhole) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  Model model;
  SeededRandom random(2);
  for (int round = 0; round < 20; ++round) ASSERT_TRUE(LandRandom(*tier, model, random));
  for (const size_t enough : {size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
    for (SpaceId space = 0; space < 4; ++space) {
      std::vector<Name> listed;
      KeyOrder from = 0;
      while (from != memtable::kOrderEnd) {
        const size_t before = listed.size();
        const auto next =
            tier->List(space, from, memtable::kOrderEnd, enough,
                       [&](const ColdKey& key, const ColdHeader& header) {
                         listed.push_back({key.space, key.order, std::string(key.name)});
                         EXPECT_EQ(header.expiry_ms, model.at(listed.back()).expiry_ms);
                       });
        ASSERT_TRUE(next);
        ASSERT_GT(*next, from);
        if (*next != memtable::kOrderEnd) {
          ASSERT_GE(listed.size() - before, enough);
          ASSERT_LT(listed.back().order, *next);
        }
        from = *next;
      }
      std::vector<Name> expected;
      for (const auto& [name, value] : model) {
        if (name.space == space) expected.push_back(name);
      }
      EXPECT_EQ(listed, expected);
    }
  }
}

// What lands afterwards is not in it, nor does it change what a tier made of it holds; a crash
// leaves a tier that the next one is not made of.
TEST(LiveTierTest, ACheckpointStaysAsItWas) {
  const Folder folder;
  Model model;
  Model as_of;
  SeededRandom random(3);
  {
    const auto tier = MustOpen(folder / "tier");
    for (int round = 0; round < 12; ++round) ASSERT_TRUE(LandRandom(*tier, model, random));
    ASSERT_TRUE(tier->Checkpoint(folder / "checkpoint"));
    as_of = model;
    for (int round = 0; round < 12; ++round) ASSERT_TRUE(LandRandom(*tier, model, random));
    ASSERT_TRUE(tier->DropSpace(1));
    EXPECT_FALSE(tier->Checkpoint(folder / "checkpoint"));  // it is there
  }
  for (int round = 0; round < 3; ++round) {
    const auto tier = MustOpen(folder / "tier", folder / "checkpoint");
    model = as_of;
    ExpectEqual(*tier, model);
    for (int landing = 0; landing < 8; ++landing) ASSERT_TRUE(LandRandom(*tier, model, random));
    ExpectEqual(*tier, model);
  }
  const auto empty = MustOpen(folder / "tier");
  ExpectEqual(*empty, {});
}

TEST(LiveTierTest, ADroppedSpaceStaysGone) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  Model model;
  SeededRandom random(4);
  for (int round = 0; round < 10; ++round) {
    for (int landing = 0; landing < 6; ++landing) ASSERT_TRUE(LandRandom(*tier, model, random));
    const auto space = static_cast<SpaceId>(random.Below(3));
    ASSERT_TRUE(tier->DropSpace(space));
    std::erase_if(model, [&](const auto& row) { return row.first.space == space; });
    ExpectEqual(*tier, model);
    ASSERT_TRUE(round % 3 != 0 || tier->DropSpace(space));
  }
  ExpectEqual(*tier, model);
}

TEST(LiveTierTest, HintsNameWhatExpires) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  Model model;
  SeededRandom random(5);
  for (int round = 0; round < 10; ++round) ASSERT_TRUE(LandRandom(*tier, model, random));
  const auto all = tier->DueHints(499, 100'000);
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::ranges::is_sorted(*all, {}, &LiveTier::ExpiryHint::expiry_ms));
  std::set<std::pair<std::string, UnixMs>> hinted;
  for (const LiveTier::ExpiryHint& hint : *all) hinted.emplace(hint.cold_key, hint.expiry_ms);
  size_t due = 0;
  for (const auto& [name, value] : model) {
    if (value.expiry_ms == memtable::kNoExpiry || value.expiry_ms > 499) continue;
    EXPECT_TRUE(hinted.contains({EncodeColdKey(name.key()), value.expiry_ms}));
    ++due;
  }
  EXPECT_GT(due, 20u);
  EXPECT_LE(all->back().expiry_ms, 499);
  const auto few = tier->DueHints(499, 3);
  ASSERT_TRUE(few);
  ASSERT_EQ(few->size(), 3u);
  ASSERT_TRUE(tier->ForgetHints(*few));
  const auto fewer = tier->DueHints(499, 100'000);
  ASSERT_TRUE(fewer);
  EXPECT_EQ(fewer->size() + 3, all->size());
}

TEST(LiveTierTest, LongValuesAreSharedAndFreed) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  SeededRandom random(6);
  const std::string payload = Bytes(random, 1'000'003);
  const std::string other = Bytes(random, kInlineBytes + 1);
  const auto put = [&](std::string_view name, ColdHeader header, std::string_view bytes) {
    const ColdWrite write{.key = {0, 5, name}, .header = header, .payload = bytes};
    return tier->Land({&write, 1}).has_value();
  };
  const auto erase = [&](std::string_view name) {
    const ColdWrite write{.key = {0, 5, name}, .erase = true};
    return tier->Land({&write, 1}).has_value();
  };
  const auto read = [&](std::string_view name) {
    const ColdKey key{0, 5, name};
    auto values = tier->Read({&key, 1}, ReadDepth::kValue);
    EXPECT_TRUE(values) << values.error().message;
    return std::move((*values)[0]);
  };
  const auto nothing_queued = [](uint64_t) { return false; };
  ASSERT_TRUE(put("first", {.size = payload.size()}, payload));
  ASSERT_TRUE(put("other", {.size = other.size()}, other));
  ColdHeader renamed = read("first")->header;
  ASSERT_NE(renamed.value_id, 0u);
  renamed.expiry_ms = 77;
  ASSERT_TRUE(put("second", renamed, {}));  // RENAME, COPY, EXPIRE: a row
  ASSERT_TRUE(erase("first"));
  EXPECT_EQ(tier->SweepValues(0, 100, nothing_queued), 0u);
  EXPECT_EQ(read("second")->block->view(), payload);
  EXPECT_EQ(read("other")->block->view(), other);
  // In two steps, between which anything may land.
  const ColdKey second{0, 5, "second"};
  auto row = tier->Read({&second, 1}, ReadDepth::kRow);
  ASSERT_TRUE(row && (*row)[0] && !(*row)[0]->block);
  EXPECT_EQ((*tier->ReadLong(second, (*row)[0]->header))->block->view(), payload);
  ASSERT_TRUE(erase("second"));
  // As long as a write on its way may name it.
  EXPECT_EQ(tier->SweepValues(0, 100, [&](uint64_t id) { return id == renamed.value_id; }), 0u);
  ASSERT_TRUE(put("third", renamed, {}));
  EXPECT_EQ(read("third")->block->view(), payload);
  ASSERT_TRUE(erase("third"));
  ASSERT_TRUE(put("second", {.size = 5}, "short"));
  // In steps.
  const auto next = tier->SweepValues(0, 1, nothing_queued);
  EXPECT_EQ(next, renamed.value_id + 1);
  EXPECT_EQ(tier->SweepValues(*next, 5, nothing_queued), 0u);
  EXPECT_EQ(read("other")->block->view(), other);
  EXPECT_EQ((*tier->ReadLong(second, (*row)[0]->header))->payload, "short");
  ASSERT_TRUE(erase("second"));
  const auto nothing = tier->ReadLong(second, (*row)[0]->header);
  EXPECT_TRUE(nothing && !nothing->has_value());
  // What was freed is gone, and a row that names it says so.
  ASSERT_TRUE(put("late", renamed, {}));
  const ColdKey late{0, 5, "late"};
  const auto lost = tier->Read({&late, 1}, ReadDepth::kValue);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kCorruption);
  // Its number is not given to another.
  ASSERT_TRUE(put("fresh", {.size = other.size()}, other));
  EXPECT_GT(read("fresh")->header.value_id, renamed.value_id + 1);
}

// Each byte of each table, one at a time, changed on the disk.
TEST(LiveTierTest, DamageIsNamedAndNotServed) {
  const Folder folder;
  Model model;
  SeededRandom random(8);
  {
    const auto tier = MustOpen(folder / "tier");
    for (int round = 0; round < 2; ++round) ASSERT_TRUE(LandRandom(*tier, model, random, 1));
    ASSERT_TRUE(tier->Checkpoint(folder / "checkpoint"));
  }
  std::vector<ColdKey> keys;
  for (const auto& [name, value] : model) keys.push_back(name.key());
  size_t found = 0;
  size_t tried = 0;
  for (const auto& file : fs::directory_iterator(folder / "checkpoint")) {
    if (file.path().extension() != ".sst") continue;
    const auto size = fs::file_size(file.path());
    for (int i = 0; i < 12; ++i) {
      const auto at = static_cast<std::streamoff>(random.Below(size));
      const auto change = [&] {
        std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(at);
        const char byte = static_cast<char>(bytes.get());
        bytes.seekp(at);
        bytes.put(static_cast<char>(byte ^ 0x20));
      };
      change();
      ++tried;
      const auto opened =
          LiveTier::Open({.directory = folder / "tier", .checkpoint = folder / "checkpoint"});
      const Status verified = opened ? (*opened)->VerifyChecksums() : Status{};
      if (!opened || !verified) {
        ++found;
        const Error error = opened ? verified.error() : opened.error();
        // RocksDB notices some damage to a table's properties only as a contradiction with its
        // manifest.
        EXPECT_TRUE(error.message.contains(opened ? ".sst" : folder / "tier")) << error.message;
        EXPECT_EQ(error.code, ErrorCode::kCorruption) << error.message;
      }
      if (opened) {
        // Refused, or what it was.
        for (const ColdKey& key : keys) {
          const auto read = (*opened)->Read({&key, 1}, ReadDepth::kValue);
          if (!read) {
            EXPECT_FALSE(verified);
            continue;
          }
          ASSERT_TRUE((*read)[0]);
          EXPECT_EQ(Flat(*(*read)[0]), model.at({key.space, key.order, std::string(key.name)}));
        }
      }
      change();
    }
  }
  EXPECT_GT(tried, 30u);
  EXPECT_GT(found, tried * 3 / 4);  // the rest hit what nobody reads
}

TEST(LiveTierTest, ALookForAnAbsentKeyReadsHardlyEver) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  SeededRandom random(9);
  std::vector<std::string> names;
  for (int i = 0; i < 40'000; ++i) names.push_back(fmt::format("present:{}", i));
  for (size_t at = 0; at < names.size(); at += 5'000) {  // eight files that overlap
    std::vector<ColdWrite> writes;
    for (size_t i = at; i < at + 5'000; ++i) {
      ColdWrite& write = writes.emplace_back();
      write.key = {0, random.Below(memtable::kOrderEnd), names[i]};
      write.header.size = names[i].size();
      write.payload = names[i];
    }
    ASSERT_TRUE(tier->Land(writes));
  }
  const LiveTierFigures before = tier->Figures();
  constexpr int kLooks = 50'000;
  for (int i = 0; i < kLooks; ++i) {
    const std::string name = fmt::format("absent:{}", i);
    const ColdKey key{0, random.Below(memtable::kOrderEnd), name};
    const auto read = tier->Read({&key, 1}, ReadDepth::kHeader);
    ASSERT_TRUE(read && !(*read)[0]);
  }
  const LiveTierFigures after = tier->Figures();
  EXPECT_EQ(after.filter_true_passes, before.filter_true_passes);
  EXPECT_LE(after.filter_passes - before.filter_passes, uint64_t{kLooks} * 15 / 1000);
  EXPECT_GT(after.filter_stops, before.filter_stops);
  EXPECT_GT(after.memory_bytes, 0u);
  EXPECT_GT(after.disk_bytes, 40'000u * 10);
}

TEST(LiveTierTest, CountsFilesThatAreNotCompactedYet) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  Model model;
  SeededRandom random(10);
  for (uint64_t landed = 0; landed < 5; ++landed) {
    EXPECT_EQ(tier->Figures().newest_files, landed);
    EXPECT_FALSE(tier->Congested());
    ASSERT_TRUE(LandRandom(*tier, model, random));
  }
}

// At 1 KB/s a megabyte takes a quarter of an hour: whether it is over is looked at after a moment.
TEST(LiveTierTest, CompactionsKeepToTheirRate) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  SeededRandom random(12);
  std::vector<std::string> payloads;
  std::vector<ColdWrite> writes;
  for (int i = 0; i < 1000; ++i) payloads.push_back(Bytes(random, 1000));
  for (uint64_t i = 0; i < payloads.size(); ++i) {
    writes.push_back(
        {.key = {0, i, "key"}, .header = {.size = payloads[i].size()}, .payload = payloads[i]});
  }
  ASSERT_TRUE(tier->Land(writes));
  tier->SetCompactionRate(1000);
  EXPECT_EQ(tier->Figures().compacted_bytes, 0u);
  std::atomic<bool> over{false};
  std::jthread compacts([&] {
    EXPECT_TRUE(tier->Compact());
    over = true;
  });
  while (tier->Figures().compacted_bytes == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(over);
  tier->SetCompactionRate(0);
  compacts.join();
  EXPECT_GT(tier->Figures().compacted_bytes, 1'000'000u);
}

TEST(LiveTierTest, ReadersBesideLandings) {
  const Folder folder;
  const auto tier = MustOpen(folder / "tier");
  // Each landing writes one number everywhere: whoever reads all keys at once sees numbers that
  // never go back.
  constexpr int kKeys = 40;
  std::vector<std::string> names;
  for (int i = 0; i < kKeys; ++i) names.push_back(fmt::format("key:{}", i));
  const auto land = [&](int number) {
    const std::string payload = fmt::format("{:08}", number);
    std::vector<ColdWrite> writes;
    for (const std::string& name : names)
      writes.push_back(
          {.key = {0, 1, name}, .header = {.size = payload.size()}, .payload = payload});
    return tier->Land(writes).has_value();
  };
  ASSERT_TRUE(land(0));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      std::vector<ColdKey> keys;
      for (const std::string& name : names) keys.push_back({0, 1, name});
      std::string newest = "00000000";
      while (!stop) {
        const auto values = tier->Read(keys, ReadDepth::kValue);
        ASSERT_TRUE(values);
        for (const auto& value : *values) {
          ASSERT_TRUE(value);
          EXPECT_GE(value->payload, newest);
        }
        newest = (*values)[0]->payload;
      }
    });
  }
  for (int number = 1; number < 60; ++number) EXPECT_TRUE(land(number));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace holdfast::snapshot
