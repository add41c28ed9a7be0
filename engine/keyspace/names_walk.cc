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

}  // namespace

// Returns the end of the shard.
KeyOrder MemoryStretch::Begin(Keyspace& keyspace, KeyOrder from) {
  HF_CHECK(from < kOrderEnd && BetweenCursors(from));
  places_.clear();
  took_end_ = false;
  return (keyspace.ShardAt(from).index + KeyOrder{1}) * (kOrderEnd / keyspace.shards().size());
}

const memtable::Table* MemoryStretch::LookAt(Keyspace& keyspace, const Shard& shard, int database) {
  cold_ = shard.cold_keys != 0 && shard.residency->cold(database).keys != 0;
  if (cold_) space_ = keyspace.space(database);
  end_ = kOrderEnd;
  return shard.table(database);
}

void MemoryStretch::Remember(const Entry& entry) {
  places_.push_back({entry.order(), std::string(entry.key())});
}

// Where the stretch ends an entry lies; the newest before it may share its cursor.
bool MemoryStretch::HasMoreOfCursor(const Entry* newest) const {
  if (BetweenCursors(end_)) return false;
  HF_CHECK(newest != nullptr);
  return CursorOf(newest->order()) == CursorOf(end_);
}

bool MemoryStretch::Masks(const ColdAddress& key) const {
  HF_DCHECK(cold_);
  const auto at = std::ranges::lower_bound(
      places_, std::tuple(key.order, key.name), {},
      [](const Place& place) { return std::tuple(place.order, std::string_view(place.name)); });
  return at != places_.end() && at->order == key.order && at->name == key.name;
}

// Between two cursors: in front of the entry that lies at the end, or behind it if it was taken.
void MemoryStretch::Finish(KeyOrder from, KeyOrder shard_end) {
  if (!BetweenCursors(end_)) end_ = took_end_ ? end_ + 1 : end_ - 1;
  end_ = std::min(end_, shard_end);
  HF_CHECK(end_ > from && BetweenCursors(end_));
}

NamesWalk::NamesWalk(Keyspace& keyspace, LockedShards& locks, const NamesWalkOptions& options,
                     KeyOrder from)
    : keyspace_(keyspace), locks_(locks), options_(options), next_(from) {
  HF_CHECK(BetweenCursors(from));
}

void NamesWalk::Keep(const Entry& entry, std::vector<Found>& found) {
  found.push_back({entry.order(), std::string(entry.key()), entry.type(), entry.expiry_ms()});
}

NamesWalk::Outcome NamesWalk::StepOverBoth(const MemoryStretch& stretch, size_t keys,
                                           std::vector<Found>& found, const ShowName& show) {
  if (!options_.may_ask_tier) return Outcome::kNeedsTier;
  const auto end = AddCold(stretch, keys, found);
  if (!end) {
    error_ = end.error();
    return Outcome::kFailed;
  }
  ShowMerged(found, *end, keys, show);
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
                           const ShowName& show) {
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
    if (Shown(key.expiry_ms)) show(key.name, key.type);
  }
  passed_ += passed;
  next_ = end;
  if (passed >= keys) RestAfter(last);
}

}  // namespace holdfast::keyspace
