// Random operations on a Table beside a std::map that says what must be in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "holdfast/number.h"
#include "holdfast/random.h"
#include "memtable/table.h"

namespace holdfast::memtable {
namespace {

constexpr HashSeed kSeed{0x0123456789abcdef, 0xfedcba9876543210};

struct ModelValue {
  std::string bytes;
  UnixMs expiry_ms = kNoExpiry;
  bool raw = false;
};

struct Shape {
  uint32_t shared_order_bits;
  size_t keys;  // how many different names are in play
  size_t steps;
  size_t max_value;
  int collisions;  // of 100 names, how many get a forged hash
  bool one_tag;    // all names in one slot
};

// Names, their forged or real hashes, a Table and the map beside it.
class Fixture {
 public:
  Fixture(const Shape& shape, uint64_t seed) : shape_(shape), random_(seed) {
    const uint32_t shift = kSlotBits - shape.shared_order_bits;
    std::optional<uint32_t> shared;
    for (uint64_t i = 0; names_.size() < shape.keys; ++i) {
      const std::string number(IntegerText(static_cast<int64_t>(i)).view());
      std::string name = shape.one_tag ? "{tag}" + number : "key:" + number;
      // A few names that are too long for an entry's length field.
      if (i % 5000 == 17) name += std::string(65530 + i % 10, 'n');
      KeyRef key = MakeKeyRef(kSeed, name);
      const uint32_t prefix = uint32_t{key.slot} >> shift;
      if (shared.value_or(prefix) != prefix) continue;
      shared = prefix;
      names_.push_back(std::move(name));
      hashes_.push_back(Forge(key.hash));
      slots_.push_back(key.slot);
    }
    for (size_t i = 0; i < names_.size(); ++i) number_of_[names_[i]] = i;
    table_.emplace(TableOptions{shape.shared_order_bits, &reclaimer_});
  }

  KeyRef Key(size_t i) const { return {names_[i], hashes_[i], slots_[i]}; }
  Table& table() { return *table_; }
  SeededRandom& random() { return random_; }
  size_t RandomKey() { return random_.Below(names_.size()); }

  std::string RandomValue() {
    if (random_.Below(4) == 0) {
      return std::string(IntegerText(static_cast<int64_t>(random_.Next())).view());
    }
    std::string value(random_.Below(shape_.max_value + 1), 'a');
    for (char& c : value) c = static_cast<char>(random_.Next());
    return value;
  }
  UnixMs RandomExpiry() {
    return random_.Below(3) == 0 ? static_cast<UnixMs>(random_.Below(100'000)) : kNoExpiry;
  }

  void ExpectEqual(const Entry& entry, const ModelValue& value) {
    Entry::Scratch scratch;
    ASSERT_EQ(entry.StringBytes(scratch), value.bytes);
    ASSERT_EQ(entry.StringLength(), value.bytes.size());
    ASSERT_EQ(entry.expiry_ms(), value.expiry_ms);
    ASSERT_EQ(entry.Has(kRawString), value.raw);
  }

  void ExpectSame() {
    ASSERT_EQ(table_->size(), model_.size());
    size_t expiring = 0;
    for (size_t i = 0; i < names_.size(); ++i) {
      const Entry* entry = table_->Find(Key(i));
      const auto at = model_.find(names_[i]);
      ASSERT_EQ(entry != nullptr, at != model_.end()) << names_[i].substr(0, 40);
      if (entry == nullptr) continue;
      ASSERT_EQ(entry->key(), names_[i]);
      ExpectEqual(*entry, at->second);
      expiring += at->second.expiry_ms != kNoExpiry ? 1 : 0;
    }
    ASSERT_EQ(table_->expiring(), expiring);
    ExpectWalkInOrder();
    ExpectVisitOfAll();
  }

  // The walk, in steps of random size: every key once, in order; its bytes add up.
  void ExpectWalkInOrder() {
    std::set<std::string_view> seen;
    KeyOrder last = 0;
    KeyOrder cursor = 0;
    size_t bytes = 0;
    while (cursor < kOrderEnd) {
      const KeyOrder from = cursor;
      cursor = table_->Scan(from, 1 + random_.Below(50), [&](Entry& entry) {
        const KeyOrder order = Key(number_of_.at(entry.key())).order();
        EXPECT_GE(order, last);
        EXPECT_GE(order, from);
        last = order;
        EXPECT_TRUE(seen.insert(entry.key()).second);
        bytes += entry.AllocatedBytes();
      });
      ASSERT_GT(cursor, from);
      ASSERT_GT(cursor, last);
    }
    ASSERT_EQ(seen.size(), model_.size());
    ASSERT_EQ(table_->allocated_bytes(), table_->index_bytes() + bytes);
  }

  // Every key once as well, as nothing changes meanwhile.
  void ExpectVisitOfAll() {
    std::set<std::string_view> seen;
    for (KeyOrder cursor = 0; cursor < kOrderEnd;) {
      cursor = table_->VisitStretch(
          cursor, [&](Entry& entry) { EXPECT_TRUE(seen.insert(entry.key()).second); });
    }
    ASSERT_EQ(seen.size(), model_.size());
  }

  void Step() {
    const size_t i = RandomKey();
    const KeyRef key = Key(i);
    Entry* entry = table_->Find(key);
    const auto at = model_.find(names_[i]);
    ASSERT_EQ(entry != nullptr, at != model_.end());
    if (entry != nullptr) ExpectEqual(*entry, at->second);
    const uint64_t what = random_.Below(20);
    if (what < 9) {
      Set(i, entry);
    } else if (what < 14 && entry != nullptr) {
      table_->Erase(key, entry);
      model_.erase(at);
    } else if (what < 16 && entry != nullptr) {
      at->second.expiry_ms = RandomExpiry();
      ExpectEqual(*table_->SetExpiry(key, entry, at->second.expiry_ms), at->second);
    } else if (what < 18) {
      Resize(i, entry);
    } else {
      Copy(i, entry);
    }
  }

  void Set(size_t i, Entry* entry) {
    ModelValue value{RandomValue(), RandomExpiry(), random_.Below(4) == 0};
    if (entry != nullptr) entry->set_ticket(7);
    Entry* now = nullptr;
    const auto integer = ParseInteger(value.bytes);
    if (integer && random_.Below(2) == 0) {
      value.raw = false;
      now = table_->SetInteger(Key(i), entry, *integer, value.expiry_ms);
    } else {
      now = table_->SetString(Key(i), entry, {value.bytes, value.expiry_ms, value.raw, true});
    }
    EXPECT_EQ(now->ticket(), 0);
    ExpectEqual(*now, value);
    model_[names_[i]] = std::move(value);
  }

  void Resize(size_t i, Entry* entry) {
    const size_t length = random_.Below(2 * shape_.max_value + 1);
    ModelValue& value = model_[names_[i]];
    const auto [now, bytes] = table_->ResizeString(Key(i), entry, length);
    value.bytes.resize(length);
    value.raw = true;
    ExpectEqual(*now, value);
    if (length == 0) return;
    bytes[length - 1] = 'z';
    value.bytes.back() = 'z';
  }

  void Copy(size_t i, Entry* entry) {
    const size_t j = RandomKey();
    const Entry* from = table_->Find(Key(j));
    if (from == nullptr || i == j) return;
    ModelValue value = model_.at(names_[j]);
    value.expiry_ms = RandomExpiry();
    ExpectEqual(*table_->CopyValue(Key(i), entry, *from, value.expiry_ms), value);
    model_[names_[i]] = std::move(value);
  }

 private:
  uint64_t Forge(uint64_t hash) {
    if (static_cast<int>(random_.Below(100)) >= shape_.collisions) return hash;
    // The same 40 bits for all, or one bit apart; few different tags.
    const uint64_t low = random_.Below(3);
    return (uint64_t{0xabcdef0123} << 24) + (random_.Below(2) << 24) + low;
  }

  Shape shape_;
  SeededRandom random_;
  Reclaimer reclaimer_;
  std::vector<std::string> names_;
  std::vector<uint64_t> hashes_;
  std::vector<uint16_t> slots_;
  std::unordered_map<std::string_view, size_t> number_of_;
  std::map<std::string, ModelValue> model_;
  std::optional<Table> table_;
};

class TableModel : public testing::TestWithParam<Shape> {};

TEST_P(TableModel, RandomOperationsAgreeWithAMap) {
  const Shape& shape = GetParam();
  const uint64_t seeds = shape.keys > 100'000 ? 1 : 2;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Fixture fixture(shape, seed);
    for (size_t step = 0; step < shape.steps; ++step) {
      ASSERT_NO_FATAL_FAILURE(fixture.Step());
      if (step % (shape.steps / 4) == 0) {
        ASSERT_NO_FATAL_FAILURE(fixture.ExpectSame());
      }
    }
    ASSERT_NO_FATAL_FAILURE(fixture.ExpectSame());
    // Down to nothing.
    for (size_t i = 0; i < shape.keys; ++i) {
      Entry* entry = fixture.table().Find(fixture.Key(i));
      if (entry != nullptr) fixture.table().Erase(fixture.Key(i), entry);
    }
    ASSERT_EQ(fixture.table().size(), 0u);
    ASSERT_EQ(fixture.table().expiring(), 0u);
    ASSERT_EQ(fixture.table().FirstFrom(0), nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TableModel,
    testing::Values(Shape{0, 10, 20'000, 40, 0, false}, Shape{0, 2000, 200'000, 100, 0, false},
                    Shape{8, 2000, 200'000, 3000, 0, false}, Shape{8, 20'000, 400'000, 40, 0, true},
                    Shape{8, 3000, 100'000, 40, 100, true}, Shape{8, 5000, 100'000, 40, 50, true},
                    Shape{0, 5000, 100'000, 40, 10, true},
                    Shape{0, 200'000, 500'000, 32, 0, false}));

}  // namespace
}  // namespace holdfast::memtable
