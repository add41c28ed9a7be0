#include "engine/keyspace/shard_picker.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::keyspace {

void ShardPicker::TakeShares(bool expiring_only) {
  shares_.clear();
  uint64_t keys = 0;
  for (Shard& shard : keyspace_.shards()) {
    shard.lock.Lock();
    for (int database = 0; database < shard.used_databases; ++database) {
      const memtable::Table* table = shard.table(database);
      if (table == nullptr) continue;
      const size_t size = expiring_only ? table->expiring() : table->size();
      if (size > 0) shares_.push_back({keys += size, {&shard, database}});
    }
    shard.lock.Unlock();
  }
  HF_CHECK(shares_.empty() || shares_.back().end == keys);
  expiring_only_ = expiring_only;
  left_ = kPicks;
}

ShardPicker::Place ShardPicker::Pick(bool expiring_only, SeededRandom& random) {
  if (left_ <= 0 || expiring_only != expiring_only_) TakeShares(expiring_only);
  if (shares_.empty()) {
    left_ = 0;
    return {};
  }
  --left_;
  const uint64_t at = random.Below(shares_.back().end);
  const auto share = std::ranges::upper_bound(shares_, at, {}, &Share::end);
  HF_CHECK(share != shares_.end());
  return share->place;
}

}  // namespace holdfast::keyspace
