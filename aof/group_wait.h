// Whether a sync is worth putting off for a moment, so that more share it (group commit).
//
// Clients whose writes shared a sync are answered together and come back together. The first of
// them must not start the next sync alone: the others would have to wait for it and then for one of
// their own. So whoever was in the last group is waited for, as long as they keep coming and for no
// more than half a sync. A small group is not worth a sleep (measured, 50 clients: +20% throughput
// at -P 16, where a group is 27 KB; -13% at -P 1, where it is 2 KB).
//
// Plain values and arithmetic without a clock, of the sync thread; cannot fail.
#pragma once

#include <algorithm>
#include <cstdint>

namespace holdfast::aof {

// What the last sync covered, and what it took.
struct SyncedGroup {
  uint64_t bytes = 0;
  uint64_t frames = 0;
  int64_t sync_ns = 0;
};

// One wait, before one sync.
class GroupWait {
 public:
  explicit GroupWait(const SyncedGroup& last) : last_(last) {}

  // `gathered` bytes are written and not synced, `waited_ns` since the wait began. True: sleep for
  // step_ns() and ask again.
  bool GoesOn(uint64_t gathered, int64_t waited_ns) {
    if (last_.frames < 2 || last_.bytes < kMinBytes) return false;
    if (waited_ns >= std::min(last_.sync_ns / 2, kLongestNs)) return false;
    if (gathered >= last_.bytes || (looked_ && gathered == seen_)) return false;
    looked_ = true;
    seen_ = gathered;
    return true;
  }
  int64_t step_ns() const { return std::clamp(last_.sync_ns / 8, kShortestStepNs, kLongestStepNs); }

  static constexpr uint64_t kMinBytes = 8 << 10;
  static constexpr int64_t kLongestNs = 1'000'000;
  static constexpr int64_t kShortestStepNs = 20'000;
  static constexpr int64_t kLongestStepNs = 100'000;

 private:
  const SyncedGroup last_;
  bool looked_ = false;
  uint64_t seen_ = 0;
};

}  // namespace holdfast::aof
