#include "engine/keyspace/names_walk.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

using memtable::Entry;
using memtable::KeyOrder;
using memtable::kOrderEnd;

namespace {

bool BetweenCursors(KeyOrder order) { return (order & 1) == 0; }

KeyOrder PlaceOf(const Entry& entry) {
  return (static_cast<KeyOrder>(memtable::SlotOf(entry.key())) << memtable::kStoredHashBits) |
         entry.stored_hash();
}

}  // namespace

void MemoryStretch::Take(Keyspace& keyspace, LockedShards& locks, int database, KeyOrder from,
                         size_t entries, const Visit& visit) {
  HF_CHECK(from < kOrderEnd && BetweenCursors(from));
  const KeyOrder shard_orders = kOrderEnd / keyspace.shards().size();
  const KeyOrder index = from / shard_orders;
  const KeyOrder shard_end = (index + 1) * shard_orders;
  end_ = from;
  places_.clear();
  locks.With(keyspace.shards()[index], [&](Shard& shard) {
    cold_ = shard.cold_keys != 0 && shard.residency->cold(database).keys != 0;
    if (cold_) space_ = keyspace.space(database);
    if (const memtable::Table* table = shard.table(database)) {
      TakeEntries(*table, entries, visit);
    } else {
      end_ = kOrderEnd;
    }
  });
  end_ = std::min(end_, shard_end);
  HF_CHECK(end_ > from && BetweenCursors(end_));
}

void MemoryStretch::TakeEntries(const memtable::Table& table, size_t entries, const Visit& visit) {
  const Entry* newest = nullptr;
  const Entry* last = nullptr;
  const auto take = [&](const Entry& entry) {
    newest = &entry;
    if (cold_) places_.push_back({PlaceOf(entry), std::string(entry.key())});
    if (entry.Has(memtable::kTombstone)) return;
    last = &entry;
    visit(entry);
  };
  end_ = table.Scan(end_, entries, take);
  if (!BetweenCursors(end_)) {  // an entry lies there
    HF_CHECK(newest != nullptr);
    if (CursorOf(PlaceOf(*newest)) == CursorOf(end_)) {
      table.Scan(end_, 1, take);
      ++end_;
    } else {
      --end_;
    }
  }
  if (last != nullptr) last_ = PlaceOf(*last);
}

bool MemoryStretch::Masks(const ColdAddress& key) const {
  HF_DCHECK(cold_);
  const auto at = std::ranges::lower_bound(
      places_, std::tuple(key.order, key.name), {},
      [](const Place& place) { return std::tuple(place.order, std::string_view(place.name)); });
  return at != places_.end() && at->order == key.order && at->name == key.name;
}

NamesWalk::NamesWalk(Keyspace& keyspace, LockedShards& locks, const NamesWalkOptions& options,
                     KeyOrder from)
    : keyspace_(keyspace), locks_(locks), options_(options), next_(from) {
  HF_CHECK(BetweenCursors(from));
}

NamesWalk::Outcome NamesWalk::Step(size_t keys, const Visit& visit) {
  HF_CHECK(!AtEnd() && keys > 0);
  MemoryStretch stretch;
  std::vector<Found> found;
  size_t passed = 0;
  stretch.Take(keyspace_, locks_, options_.database, next_, keys, [&](const Entry& entry) {
    if (stretch.cold()) [[unlikely]] {
      found.push_back({PlaceOf(entry), std::string(entry.key()), entry.type(), entry.expiry_ms()});
      return;
    }
    ++passed;
    if (Shown(entry.expiry_ms())) visit(entry.key(), entry.type());
  });
  if (!stretch.cold()) [[likely]] {
    passed_ += passed;
    next_ = stretch.end();
    if (passed >= keys) RestAfter(stretch.last());
    return Outcome::kDone;
  }
  if (!options_.may_ask_tier) return Outcome::kNeedsTier;
  const auto end = AddCold(stretch, keys, found);
  if (!end) {
    error_ = end.error();
    return Outcome::kFailed;
  }
  ShowMerged(found, *end, keys, visit);
  return Outcome::kDone;
}

// Adds what the tier has of the stretch, or of its beginning; returns where that ends.
Result<KeyOrder> NamesWalk::AddCold(const MemoryStretch& stretch, size_t keys,
                                    std::vector<Found>& found) {
  ColdStore& tier = *keyspace_.cold_store();
  const auto take = [&](const ColdAddress& key, const ColdFacts& facts) {
    HF_CHECK(key.order >= next_ && key.order < stretch.end());
    if (stretch.Masks(key)) return;
    found.push_back({key.order, std::string(key.name), facts.type, facts.expiry_ms});
  };
  const KeyOrder reached = HF_TRY(tier.List(stretch.space(), next_, stretch.end(), keys, take));
  HF_CHECK(reached > next_ && reached <= stretch.end());
  if (BetweenCursors(reached)) return reached;
  HF_TRY(tier.List(stretch.space(), reached, reached + 1, SIZE_MAX, take));
  return reached + 1;
}

void NamesWalk::ShowMerged(std::vector<Found>& found, KeyOrder end, size_t keys,
                           const Visit& visit) {
  std::ranges::sort(found, [](const Found& a, const Found& b) {
    return std::tie(a.order, a.name) < std::tie(b.order, b.name);
  });
  size_t passed = 0;
  KeyOrder last = 0;
  for (const Found& key : found) {
    if (key.order >= end) break;
    if (passed >= keys && CursorOf(key.order) != CursorOf(last)) break;
    last = key.order;
    ++passed;
    if (Shown(key.expiry_ms)) visit(key.name, key.type);
  }
  passed_ += passed;
  next_ = end;
  if (passed >= keys) RestAfter(last);
}

}  // namespace holdfast::keyspace
