#include "memtable/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "holdfast/random.h"
#include "memtable/value_reference.h"

namespace holdfast::memtable {
namespace {

constexpr HashSeed kSeed{1, 2};

std::string Name(uint64_t i) { return "key:" + std::to_string(i); }
std::string Tagged(uint64_t i) { return "{tag}" + std::to_string(i); }

KeyRef Key(const std::string& name) { return MakeKeyRef(kSeed, name); }

std::string Bytes(const Entry* entry) {
  Entry::Scratch scratch;
  return std::string(entry->StringBytes(scratch));
}

Entry* Set(Table& table, const std::string& name, std::string_view value,
           UnixMs expiry_ms = kNoExpiry) {
  const KeyRef key = Key(name);
  return table.SetString(key, table.Find(key), {value, expiry_ms});
}

size_t WalkedBytes(const Table& table) {
  size_t bytes = 0;
  table.Scan(0, SIZE_MAX, [&](Entry& entry) { bytes += entry.AllocatedBytes(); });
  return bytes;
}

TEST(Table, StoresIntegersInTheirOwnForm) {
  Table table({0, nullptr});
  EXPECT_EQ(Set(table, "a", "12")->form(), ValueForm::kInteger);
  EXPECT_EQ(Set(table, "a", "012")->form(), ValueForm::kInline);
  EXPECT_EQ(Set(table, "a", "-9223372036854775808")->Integer(), INT64_MIN);
  EXPECT_EQ(Set(table, "a", "9223372036854775808")->form(), ValueForm::kInline);
  EXPECT_EQ(Set(table, "a", "")->form(), ValueForm::kInline);
  EXPECT_EQ(table.SetString(Key("b"), nullptr, {"12", kNoExpiry, true})->form(),
            ValueForm::kInline);
  EXPECT_EQ(table.SetString(Key("c"), nullptr, {"12", kNoExpiry, false, false})->form(),
            ValueForm::kInline);
}

TEST(Table, LongStringsLieInBlocks) {
  Table table({0, nullptr});
  EXPECT_EQ(Set(table, "a", std::string(kInlineValueLimit, 'x'))->block(), nullptr);
  const Entry* entry = Set(table, "a", std::string(kInlineValueLimit + 1, 'x'));
  ASSERT_NE(entry->block(), nullptr);
  EXPECT_EQ(entry->StringLength(), kInlineValueLimit + 1);
  EXPECT_EQ(Set(table, "a", "x")->block(), nullptr);
}

TEST(Table, FlagsAndEvictionStateOutliveAnOverwrite) {
  Table table({0, nullptr});
  Entry* entry = Set(table, "a", "short");
  entry->Mark(kDirty, true);
  entry->Mark(kCold, true);
  entry->set_eviction_state(0xabcdef);
  for (const std::string& value : {std::string("other"), std::string(500, 'x'), std::string("7"),
                                   std::string(5000, 'y'), std::string("short")}) {
    entry->set_ticket(7);
    entry = Set(table, "a", value, 123);
    EXPECT_TRUE(entry->Has(kDirty) && entry->Has(kCold) && !entry->Has(kTombstone));
    EXPECT_EQ(entry->eviction_state(), 0xabcdefu);
    EXPECT_EQ(entry->ticket(), 0);  // a queued write of it is out of date
    EXPECT_EQ(entry->expiry_ms(), 123);
    entry = table.SetExpiry(Key("a"), entry, kNoExpiry);
    EXPECT_TRUE(entry->Has(kDirty) && entry->Has(kCold));
    EXPECT_EQ(entry->eviction_state(), 0xabcdefu);
    EXPECT_EQ(Bytes(entry), value);
  }
}

TEST(Table, SameLengthIsOverwrittenInPlace) {
  Table table({0, nullptr});
  const Entry* entry = Set(table, "a", "value one");
  EXPECT_EQ(Set(table, "a", "value two"), entry);
  EXPECT_EQ(Bytes(entry), "value two");
}

TEST(Table, ASharedBlockIsNeverChanged) {
  Table table({0, nullptr});
  Entry* entry = Set(table, "a", std::string(5000, 'x'));
  const BlockRef held = BlockRef::Share(entry->block());
  const auto [grown, bytes] = table.ResizeString(Key("a"), entry, 6000);
  bytes[0] = 'y';
  EXPECT_EQ(held->view(), std::string(5000, 'x'));
  EXPECT_EQ(Bytes(grown), "y" + std::string(4999, 'x') + std::string(1000, '\0'));
  const BlockRef again = BlockRef::Share(grown->block());
  table.Erase(Key("a"), grown);
  EXPECT_FALSE(again->Shared());
  EXPECT_EQ(again->size, 6000u);
}

TEST(Table, AppendingHasSlack) {
  Table table({0, nullptr});
  Entry* entry = Set(table, "a", std::string(2000, 'x'));
  int moves = 0;
  for (size_t length = 2001; length < 100'000; ++length) {
    const char* before = entry->block()->data();
    const auto [now, bytes] = table.ResizeString(Key("a"), entry, length);
    moves += bytes != before ? 1 : 0;
    entry = now;
  }
  EXPECT_LE(moves, 8);
}

TEST(Table, CopiesShareTheirBlocks) {
  Table one({0, nullptr});
  Table two({0, nullptr});
  const Entry* from = Set(one, "a", std::string(5000, 'x'));
  const Entry* copy = two.CopyValue(Key("b"), nullptr, *from, 99);
  EXPECT_EQ(copy->block(), from->block());
  EXPECT_EQ(copy->expiry_ms(), 99);
  one.Erase(Key("a"), one.Find(Key("a")));
  EXPECT_EQ(Bytes(copy), std::string(5000, 'x'));
}

// An entry may have what names its value instead of the value: all but the bytes is there.
TEST(Table, AReferenceStandsInForALongString) {
  Table table({0, nullptr});
  const BlockRef reference =
      MakeReference({.value_id = 7, .size = 500'000, .payload_bytes = 500'000});
  Entry* entry = table.SetReference(Key("a"), nullptr, reference, kNoExpiry, true);
  EXPECT_EQ(entry->form(), ValueForm::kReference);
  EXPECT_EQ(entry->StringLength(), 500'000U);
  EXPECT_EQ(entry->block(), nullptr);
  EXPECT_EQ(entry->Integer(), std::nullopt);
  entry = table.SetExpiry(Key("a"), entry, 99);
  EXPECT_EQ(entry->reference(), reference.get());
  const Entry* copy = table.CopyValue(Key("b"), nullptr, *entry, 77);
  EXPECT_EQ(copy->reference(), reference.get());
  EXPECT_EQ(copy->expiry_ms(), 77);
  EXPECT_TRUE(copy->Has(kRawString));
  EXPECT_EQ(ReferenceIn(*copy->reference()).value_id, 7U);
  EXPECT_EQ(reference->references.load(), 3U);
  EXPECT_LT(table.allocated_bytes() - table.index_bytes(), 300U);
  EXPECT_EQ(WalkedBytes(table), table.allocated_bytes() - table.index_bytes());
  EXPECT_EQ(Bytes(Set(table, "a", std::string(5000, 'x'))), std::string(5000, 'x'));
  table.Bury(Key("b"), table.Find(Key("b")));
  EXPECT_FALSE(reference->Shared());
  EXPECT_EQ(WalkedBytes(table), table.allocated_bytes() - table.index_bytes());
}

// `step` visits a part of the table from the cursor on and returns the next cursor.
void ExpectFindsWhatStays(
    const std::function<KeyOrder(Table&, KeyOrder, const Table::Visit&)>& step) {
  Table table({0, nullptr});
  for (uint64_t i = 0; i < 5000; ++i) Set(table, Name(i), "stays");
  for (uint64_t seed = 0; seed < 5; ++seed) {
    SeededRandom random(seed);
    std::set<std::string> seen;
    for (KeyOrder cursor = 0; cursor < kOrderEnd;) {
      cursor = step(table, cursor, [&](Entry& entry) { seen.emplace(entry.key()); });
      for (int k = 0; k < 200; ++k) {
        const std::string name = Name(5000 + random.Below(20'000));
        const KeyRef key = Key(name);
        Entry* entry = table.Find(key);
        if (entry == nullptr) {
          Set(table, name, "comes and goes");
        } else {
          table.Erase(key, entry);
        }
      }
    }
    for (uint64_t i = 0; i < 5000; ++i) ASSERT_TRUE(seen.contains(Name(i)));
  }
}

TEST(Table, ScanFindsWhatStaysWhateverElseChanges) {
  ExpectFindsWhatStays([](Table& table, KeyOrder cursor, const Table::Visit& visit) {
    return table.Scan(cursor, 10, visit);
  });
}

TEST(Table, VisitStretchFindsWhatStaysWhateverElseChanges) {
  ExpectFindsWhatStays([](Table& table, KeyOrder cursor, const Table::Visit& visit) {
    return table.VisitStretch(cursor, visit);
  });
}

TEST(Table, ScanKeepsEqualOrdersTogether) {
  Table table({0, nullptr});
  std::vector<std::string> names;
  for (uint64_t i = 0; i < 3000; ++i) names.push_back(Tagged(i));
  for (size_t i = 0; i < names.size(); ++i) {
    KeyRef key = Key(names[i]);
    key.hash = (i % 3) << 30;
    EXPECT_EQ(table.Find(key), nullptr);
    table.SetString(key, nullptr, {"x"});
  }
  std::vector<size_t> runs;
  for (KeyOrder cursor = 0; cursor < kOrderEnd;) {
    runs.push_back(0);
    cursor = table.Scan(cursor, 1, [&](Entry&) { ++runs.back(); });
  }
  EXPECT_EQ(runs, (std::vector<size_t>{1000, 1000, 1000}));
  EXPECT_EQ(table.size(), 3000u);
}

TEST(Table, FirstFromGoesToTheNextKey) {
  Table table({0, nullptr});
  std::vector<KeyOrder> orders;
  for (uint64_t i = 0; i < 1000; ++i) {
    Set(table, Name(i), "x");
    orders.push_back(Key(Name(i)).order());
  }
  std::sort(orders.begin(), orders.end());
  for (size_t i = 0; i + 1 < orders.size(); ++i) {
    const Entry* next = table.FirstFrom(orders[i] + 1);
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(Key(std::string(next->key())).order(), orders[i + 1]);
  }
  EXPECT_EQ(table.FirstFrom(orders.back() + 1), nullptr);
}

// A million keys of one hash tag: 14 equal order bits in a table that shares none, 6 in a shard's.
TEST(Table, OneHashTagMayHoldAMillionKeys) {
  for (const uint32_t shared : {0u, 8u}) {
    Table table({shared, nullptr});
    size_t names = 0;
    for (uint64_t i = 0; i < 1'000'000; ++i) names += Set(table, Tagged(i), "v") != nullptr ? 1 : 0;
    ASSERT_EQ(table.size(), names);
    for (uint64_t i = 0; i < 1'000'000; i += 97) ASSERT_NE(table.Find(Key(Tagged(i))), nullptr);
    ASSERT_EQ(table.Find(Key(Tagged(1'000'000))), nullptr);
    // The index costs no more than it does for keys without a tag.
    EXPECT_LT(table.allocated_bytes() - WalkedBytes(table), 24 * table.size());
  }
}

TEST(Table, DeletingMostKeysGivesTheMemoryBack) {
  for (const uint64_t kept : {0u, 1u, 1000u}) {
    Reclaimer reclaimer;
    Table table({0, &reclaimer});
    for (uint64_t i = 0; i < 200'000; ++i) Set(table, Name(i), "x", i % 3 == 0 ? 1000 : kNoExpiry);
    for (uint64_t i = kept; i < 200'000; ++i) {
      const std::string name = Name(i);
      table.Erase(Key(name), table.Find(Key(name)));
    }
    ASSERT_EQ(table.size(), kept);
    EXPECT_LT(table.index_bytes(), 20'000 + kept * 120);
    size_t expiring = 0;
    for (uint64_t i = 0; i < kept; ++i) {
      const Entry* entry = table.Find(Key(Name(i)));
      ASSERT_NE(entry, nullptr);
      expiring += entry->Has(kHasExpiry) ? 1 : 0;
    }
    EXPECT_EQ(table.expiring(), expiring);
    for (uint64_t i = 0; i < 200'000; ++i) Set(table, Name(i), "again");
    ASSERT_EQ(table.size(), 200'000u);
  }
}

TEST(Table, SwapAndDetachMoveEverything) {
  Reclaimer reclaimer;
  Table one({0, &reclaimer});
  Table two({0, &reclaimer});
  for (uint64_t i = 0; i < 2000; ++i) Set(one, Name(i), "x", 5);
  const size_t bytes = one.allocated_bytes();
  one.Swap(two);
  EXPECT_EQ(one.size(), 0u);
  EXPECT_EQ(one.allocated_bytes(), 0u);
  EXPECT_EQ(two.size(), 2000u);
  EXPECT_EQ(two.expiring(), 2000u);
  EXPECT_EQ(two.allocated_bytes(), bytes);
  const std::unique_ptr<Table> gone = two.Detach();
  EXPECT_EQ(two.size(), 0u);
  EXPECT_EQ(two.Find(Key(Name(1))), nullptr);
  EXPECT_EQ(gone->size(), 2000u);
  EXPECT_NE(gone->Find(Key(Name(1))), nullptr);
  Set(two, Name(1), "new");
  EXPECT_EQ(two.size(), 1u);
}

class Expiry : public testing::Test {
 protected:
  // Everything that expires by `now`, erased; the number of calls is bounded.
  size_t Sweep(UnixMs now, size_t limit = 1000) {
    size_t erased = 0;
    for (int round = 0; round < 1000; ++round) {
      std::vector<std::string> names;
      table_.CollectExpired(now, 16, limit, [&](const Entry& entry) {
        EXPECT_TRUE(entry.ExpiredAt(now));
        names.emplace_back(entry.key());
      });
      EXPECT_LE(names.size(), limit);
      for (const std::string& name : names) table_.Erase(Key(name), table_.Find(Key(name)));
      erased += names.size();
    }
    return erased;
  }
  Table table_{{0, nullptr}};
};

TEST_F(Expiry, FindsAllThatIsDueWithinASecond) {
  for (uint64_t i = 0; i < 20'000; ++i) {
    Set(table_, Name(i), "x", i % 2 == 0 ? static_cast<UnixMs>(i) : kNoExpiry);
  }
  EXPECT_EQ(table_.expiring(), 10'000u);
  // Due at 0, 2 ... 10,000: a second later none of them may be left.
  EXPECT_GE(Sweep(11'000), 5001u);
  table_.Scan(0, SIZE_MAX, [](Entry& entry) {
    EXPECT_TRUE(!entry.Has(kHasExpiry) || entry.expiry_ms() > 10'000);
  });
  Sweep(21'000);
  EXPECT_EQ(table_.expiring(), 0u);
  EXPECT_EQ(table_.size(), 10'000u);
}

TEST_F(Expiry, LooksAgainWhatALimitLeft) {
  for (uint64_t i = 0; i < 300; ++i) Set(table_, Name(i), "x", 10);
  EXPECT_EQ(Sweep(5000, 7), 300u);
}

TEST_F(Expiry, ATtlThatComesLaterIsSeen) {
  for (uint64_t i = 0; i < 300; ++i) Set(table_, Name(i), "x", 1'000'000);
  EXPECT_EQ(Sweep(5000), 0u);
  table_.SetExpiry(Key(Name(7)), table_.Find(Key(Name(7))), 6000);
  EXPECT_EQ(Sweep(6500 + 1000), 1u);
  EXPECT_EQ(table_.Find(Key(Name(7))), nullptr);
}

TEST_F(Expiry, DoesNotSearchWhatIsNotDue) {
  for (uint64_t i = 0; i < 300; ++i) Set(table_, Name(i), "x", 1'000'000 + static_cast<UnixMs>(i));
  EXPECT_EQ(table_.CollectExpired(999'999, 100, 100, [](const Entry&) { FAIL(); }), 0u);
}

TEST_F(Expiry, ACallerThatLeavesThemIsAskedAgain) {
  Set(table_, "a", "x", 10);
  size_t seen = 0;
  const auto count = [&](const Entry&) { ++seen; };
  table_.CollectExpired(2000, 16, 100, count);
  EXPECT_EQ(seen, 1u);
  table_.CollectExpired(3001, 16, 100, count);
  EXPECT_EQ(seen, 2u);
}

// Prefetching threads beside a writer that splits, doubles directories, swaps, detaches.
TEST(TablePrefetch, RunsBesideAWriter) {
  Reclaimer reclaimer;
  Table table({0, &reclaimer});
  Table spare({0, &reclaimer});
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (uint64_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      Reclaimer::Reader reader(reclaimer);
      SeededRandom random(r);
      while (!stop.load(std::memory_order_relaxed)) {
        std::vector<std::string> names;
        for (int i = 0; i < 16; ++i) names.push_back(Name(random.Below(30'000)));
        const Reclaimer::Guard guard(reader);
        for (const std::string& name : names) {
          const KeyRef key = Key(name);
          Table::PrefetchEntry(table.PrefetchBucket(key), key);
        }
      }
    });
  }
  SeededRandom random(99);
  for (int round = 0; round < 4; ++round) {
    for (uint64_t i = 0; i < 30'000; ++i) Set(table, Name(i), Name(i));
    for (uint64_t i = 0; i < 10'000; ++i) {
      const std::string name = Name(random.Below(30'000));
      const KeyRef key = Key(name);
      if (Entry* entry = table.Find(key)) table.Erase(key, entry);
    }
    for (uint64_t i = 100; i < 30'000; ++i) {
      const std::string name = Name(i);
      if (Entry* entry = table.Find(Key(name))) table.Erase(Key(name), entry);
    }
    table.Swap(spare);
    table.Detach();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(spare.size(), 0u);
}

}  // namespace
}  // namespace holdfast::memtable
