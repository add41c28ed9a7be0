// Walks over names: the same names in the same steps wherever the keys lie, and each key that is
// there all the while once, whatever moves in between.
#include "engine/keyspace/names_walk.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/keyspace/eviction_action.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/load.h"
#include "holdfast/random.h"
#include "tests/unit/engine/fake_cold_store.h"

namespace holdfast::keyspace {
namespace {

using memtable::Entry;
using memtable::KeyOrder;
using memtable::kOrderEnd;

constexpr UnixMs kNow = 1000;
constexpr memtable::HashSeed kSeed{5, 6};

// A keyspace over a fake tier, and how keys move in it.
class Tiered {
 public:
  explicit Tiered(bool with_tier) : keyspace_({.seed = kSeed, .databases = 2, .shards = 4}) {
    if (with_tier) tier_.Attach(keyspace_);
  }

  void Set(const std::string& name, UnixMs expiry_ms = memtable::kNoExpiry) {
    Change(name, [&](KeyAccess& access, const KeyHandle& key) {
      access.SetString(key, access.ForWrite(key), {.bytes = name, .expiry_ms = expiry_ms});
    });
  }
  void Erase(const std::string& name) {
    Change(name, [&](KeyAccess& access, const KeyHandle& key) {
      if (Entry* entry = access.ForWrite(key)) access.Erase(key, entry);
    });
  }
  // Into memory, if it is cold.
  void Load(const std::string& name) {
    Change(name, [](KeyAccess&, const KeyHandle&) {});
  }
  void Evict(const std::string& name) {
    LockedShards locks(keyspace_);
    const KeyHandle key = keyspace_.Handle(0, name);
    locks.LockOne(*key.shard);
    const memtable::Table* table = key.shard->table(0);
    Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
    if (entry == nullptr) return;
    KeyAccess access(keyspace_, {.now_ms = kNow});
    SpillAction().Evict(access, key, entry);
  }
  void MakeCold(const std::string& name) {
    Evict(name);
    tier_.LandAll();
  }

  struct Page {
    std::vector<std::string> names;
    KeyOrder next = 0;
    bool operator==(const Page&) const = default;
    friend void PrintTo(const Page& page, std::ostream* out) {
      *out << fmt::format("{} names up to {:x}", page.names.size(), page.next);
    }
  };
  // As SCAN does it: at least `count` keys.
  Page PageFrom(KeyOrder from, size_t count) {
    Page page;
    LockedShards none(keyspace_);
    NamesWalk walk(keyspace_, none, {.database = 0, .now_ms = kNow}, from);
    while (!walk.AtEnd() && walk.passed() < count) {
      const auto outcome = walk.Step(
          std::min<size_t>(count - walk.passed(), 16),
          [&](std::string_view name, memtable::ValueType) { page.names.emplace_back(name); });
      EXPECT_EQ(outcome, NamesWalk::Outcome::kDone);
      if (outcome != NamesWalk::Outcome::kDone) break;
    }
    page.next = walk.next();
    return page;
  }
  std::vector<Page> Pages(size_t count) {
    std::vector<Page> pages;
    for (KeyOrder next = 0; next < kOrderEnd; next = pages.back().next)
      pages.push_back(PageFrom(next, count));
    return pages;
  }
  std::vector<std::string> All(size_t count) {
    std::vector<std::string> all;
    for (const Page& page : Pages(count))
      all.insert(all.end(), page.names.begin(), page.names.end());
    return all;
  }

  Keyspace keyspace_;
  FakeColdStore tier_;

 private:
  template <typename Apply>
  void Change(const std::string& name, const Apply& apply) {
    const KeyHandle key = keyspace_.Handle(0, name);
    auto set = std::make_shared<LoadSet>(nullptr);
    {
      LockedShards locks(keyspace_);
      locks.LockOne(*key.shard);
      set->Want(keyspace_, key, Need::kValue);
    }
    set->ReadInPlace(keyspace_);
    {
      LockedShards locks(keyspace_);
      locks.LockOne(*key.shard);
      KeyAccess access(keyspace_, {.now_ms = kNow});
      apply(access, key);
    }
    set->Release(keyspace_);
  }
};

class NamesWalkTest : public testing::TestWithParam<uint64_t> {
 protected:
  NamesWalkTest() : random_(GetParam()) {}
  std::string Name() { return fmt::format("k{}", random_.Below(400)); }

  // The same change to both; keys of `tiered` move about besides.
  void RandomChange() {
    const std::string name = Name();
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2: {
        const UnixMs expiry = random_.Below(5) == 0
                                  ? kNow + 1 - static_cast<UnixMs>(random_.Below(2))
                                  : memtable::kNoExpiry;
        plain_.Set(name, expiry);
        tiered_.Set(name, expiry);
        return;
      }
      case 3:
        plain_.Erase(name);
        tiered_.Erase(name);
        return;
      default:
        Shuffle();
    }
  }
  void Shuffle() {
    switch (random_.Below(6)) {
      case 0:
        return tiered_.Load(Name());
      case 1:
        tiered_.tier_.Land(random_.Below(4));
        return;
      case 2:
        return tiered_.MakeCold(Name());
      default:
        return tiered_.Evict(Name());
    }
  }

  SeededRandom random_;
  Tiered plain_{false};
  Tiered tiered_{true};
};

TEST_P(NamesWalkTest, StepsDoNotDependOnWhereKeysLie) {
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 300; ++i) RandomChange();
    for (const size_t count : {size_t{1}, 1 + random_.Below(40), size_t{100'000}}) {
      ASSERT_EQ(tiered_.Pages(count), plain_.Pages(count)) << "count " << count;
    }
  }
  EXPECT_GT(tiered_.tier_.rows().size(), 50U);
  EXPECT_GT(tiered_.tier_.lists, 100U);
}

TEST_P(NamesWalkTest, KeysThatStayAreShownOnceWhileTheyMove) {
  std::set<std::string> all;
  for (int i = 0; i < 400; ++i) {
    all.insert(fmt::format("k{}", i));
    tiered_.Set(fmt::format("k{}", i));
  }
  // Between memory and tier, and between two steps.
  tiered_.tier_.on_list = [this] {
    for (int i = 0; i < 8; ++i) Shuffle();
  };
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 200; ++i) Shuffle();
    std::map<std::string, int> shown;
    for (KeyOrder next = 0; next < kOrderEnd;) {
      const auto page = tiered_.PageFrom(next, 1 + random_.Below(20));
      for (const std::string& name : page.names) ++shown[name];
      next = page.next;
      for (int i = 0; i < 8; ++i) Shuffle();
    }
    EXPECT_EQ(shown.size(), all.size());
    for (const auto& [name, times] : shown) EXPECT_EQ(times, 1) << name;
  }
}

TEST_P(NamesWalkTest, DeletedKeysAreNotShownWhileTheTierStillHasThem) {
  for (int i = 0; i < 100; ++i) tiered_.Set(fmt::format("k{}", i));
  for (int i = 0; i < 100; ++i) tiered_.MakeCold(fmt::format("k{}", i));
  for (int i = 0; i < 100; i += 2) tiered_.Erase(fmt::format("k{}", i));
  EXPECT_EQ(tiered_.tier_.rows().size(), 100U);
  const auto names = tiered_.All(7);
  EXPECT_EQ(names.size(), 50U);
  for (const std::string& name : names) EXPECT_EQ((name.back() - '0') % 2, 1) << name;
}

INSTANTIATE_TEST_SUITE_P(Seeds, NamesWalkTest, testing::Range<uint64_t>(1, 7));

TEST(NamesWalk, AFailingTierIsAnErrorAndShowsNothing) {
  Tiered store(true);
  store.Set("cold");
  store.MakeCold("cold");
  store.Set("hot");
  store.tier_.list_fails = true;
  LockedShards none(store.keyspace_);
  NamesWalk walk(store.keyspace_, none, {.database = 0, .now_ms = kNow}, 0);
  size_t shown = 0;
  auto outcome = NamesWalk::Outcome::kDone;
  while (outcome == NamesWalk::Outcome::kDone && !walk.AtEnd())
    outcome = walk.Step(10, [&](std::string_view name, memtable::ValueType) {
      EXPECT_EQ(name, "hot");
      ++shown;
    });
  EXPECT_EQ(outcome, NamesWalk::Outcome::kFailed);
  EXPECT_EQ(walk.error().code, ErrorCode::kIoError);
  EXPECT_LE(shown, 1U);
}

TEST(NamesWalk, AThreadThatMayNotWaitIsToldSoAndAsksNothing) {
  Tiered store(true);
  store.Set("k");
  LockedShards none(store.keyspace_);
  const auto walk_all = [&](bool may_ask) {
    NamesWalk walk(store.keyspace_, none, {.database = 0, .now_ms = kNow, .may_ask_tier = may_ask},
                   0);
    auto outcome = NamesWalk::Outcome::kDone;
    while (outcome == NamesWalk::Outcome::kDone && !walk.AtEnd())
      outcome = walk.Step(10, [](std::string_view, memtable::ValueType) {});
    return outcome;
  };
  EXPECT_EQ(walk_all(false), NamesWalk::Outcome::kDone);
  store.MakeCold("k");
  EXPECT_EQ(walk_all(false), NamesWalk::Outcome::kNeedsTier);
  EXPECT_EQ(store.tier_.lists, 0U);
  EXPECT_EQ(walk_all(true), NamesWalk::Outcome::kDone);
}

// Names of one slot whose positions differ in the lowest bit alone, or not at all.
TEST(NamesWalk, NamesOfOneCursorStayTogetherAcrossTheTiers) {
  constexpr uint32_t kNames = 3'000'000;
  const auto name = [](uint64_t i) { return "{tag}" + std::to_string(i); };
  std::vector<std::pair<KeyOrder, uint32_t>> places;
  for (uint32_t i = 0; i < kNames; ++i) {
    places.emplace_back(memtable::KeyedHash(kSeed, name(i)) >> (64 - memtable::kStoredHashBits), i);
  }
  std::sort(places.begin(), places.end());
  std::vector<std::pair<std::string, std::string>> twins;
  size_t same = 0;
  for (size_t i = 1; i < places.size(); ++i) {
    if (CursorOf(places[i - 1].first) != CursorOf(places[i].first)) continue;
    twins.emplace_back(name(places[i - 1].second), name(places[i].second));
    same += places[i - 1].first == places[i].first ? 1 : 0;
  }
  ASSERT_GT(same, 0U);
  ASSERT_GT(twins.size(), same);
  Tiered plain(false);
  Tiered tiered(true);
  for (int i = 0; i < 100; ++i) {
    plain.Set(fmt::format("{{tag}}x{}", i));
    tiered.Set(fmt::format("{{tag}}x{}", i));
  }
  for (size_t i = 0; i < twins.size(); ++i) {
    const auto& [first, second] = twins[i];
    for (const std::string& twin : {first, second}) {
      plain.Set(twin);
      tiered.Set(twin);
    }
    if (i % 4 != 0) tiered.MakeCold(first);
    if (i % 4 != 1) tiered.MakeCold(second);
    if (i % 4 == 3) tiered.Load(first);  // clean
  }
  for (const size_t count : {1, 2, 3}) EXPECT_EQ(tiered.Pages(count), plain.Pages(count));
}

}  // namespace
}  // namespace holdfast::keyspace
