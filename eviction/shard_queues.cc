#include "eviction/shard_queues.h"

#include "eviction/access_rule.h"
#include "holdfast/check.h"

namespace holdfast::eviction {

using memtable::Entry;

namespace {

// Measured on real traces (bench/hit_ratio.py): half and twice as much cost 0.1 to 0.3 points.
constexpr size_t kTurnShare = 16;
// How far back the ghost is asked, in evictions: five quarters of the resident keys.
constexpr uint64_t Horizon(size_t resident) { return resident + resident / 4; }

}  // namespace

uint32_t ShardQueues::Enter(uint64_t hash) {
  if (ghost_.Take(hash, Horizon(ghost_.resident()))) return EnterMain();
  return QueueState(false, ++small_clock_, 0);
}

uint32_t ShardQueues::EnterMain() { return QueueState(true, ++main_clock_, 0); }

uint32_t ShardQueues::Return(bool main, uint32_t hits) {
  HF_CHECK(hits <= kHitsMask);
  return QueueState(main, main ? ++main_clock_ : ++small_clock_, hits);
}

Entry* ShardQueues::Oldest(std::span<Entry* const> sample, bool main) const {
  Entry* oldest = nullptr;
  uint32_t oldest_age = 0;
  for (Entry* entry : sample) {
    const uint32_t state = entry->eviction_state();
    if (InMain(state) != main) continue;
    const uint32_t age = QueueAge(state, main ? main_clock_ : small_clock_);
    if (oldest != nullptr && age <= oldest_age) continue;
    oldest = entry;
    oldest_age = age;
  }
  return oldest;
}

// Whether the key whose turn it is stays, at the main queue's end.
bool ShardQueues::MovesOn(Entry& entry) {
  const uint32_t state = entry.eviction_state();
  const uint32_t hits = QueueHits(state);
  if (hits == 0) return false;
  entry.set_eviction_state(QueueState(true, ++main_clock_, InMain(state) ? hits - 1 : 0));
  return true;
}

Entry* ShardQueues::Choose(std::span<Entry* const> sample, size_t resident, bool more) {
  HF_CHECK(!sample.empty());
  const size_t turn = resident / kTurnShare;
  // Each round takes a hit away or moves a key out of the small queue: it ends.
  for (;;) {
    Entry* small = Oldest(sample, false);
    Entry* main = Oldest(sample, true);
    HF_CHECK(small != nullptr || main != nullptr);
    const bool small_due =
        small != nullptr && QueueAge(small->eviction_state(), small_clock_) >= turn;
    Entry* first = main == nullptr || small_due ? small : main;
    if (!MovesOn(*first)) return first;
    if (more) return nullptr;
  }
}

void ShardQueues::Evicted(uint64_t hash, size_t resident) {
  HF_CHECK(resident > 0);
  const size_t known = ghost_.resident();
  if (resident > known + known / 4 || resident < known / 2) ghost_.Resize(resident);
  ghost_.Insert(hash);
}

}  // namespace holdfast::eviction
