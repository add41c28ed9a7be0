// A handful of neighbours at a random place: what eviction chooses its victims from.
#include "holdfast/random.h"
#include "memtable/index.h"

namespace holdfast::memtable {
namespace {

uint64_t LanesOf(const Bucket& bucket, bool expiring_only) {
  const TagWord word = bucket.Load();
  return expiring_only ? word.Expiring() : word.Used();
}

size_t Take(const Bucket& bucket, uint64_t lanes, std::span<Entry*> out) {
  size_t taken = 0;
  for (; lanes != 0 && taken < out.size(); lanes &= lanes - 1) {
    Entry* entry = bucket.At(TagWord::FirstLane(lanes));
    __builtin_prefetch(entry, 1);
    out[taken++] = entry;
  }
  return taken;
}

struct Cell {
  uint32_t bucket;
  uint32_t lane;
};

// Each entry of the segment is as likely as another: whoever stands behind a gap must not be chosen
// for its width, as evicting it makes the gap wider. A segment with few that count is walked.
Cell RandomCell(const Bucket* buckets, bool expiring_only, SeededRandom& random) {
  constexpr int kTries = 24;
  Cell cell{};
  for (int i = 0; i < kTries; ++i) {
    const uint64_t pick = random.Next();
    cell = {static_cast<uint32_t>(pick >> 32) % kBuckets, static_cast<uint32_t>(pick) % kLanes};
    const uint64_t lanes = LanesOf(buckets[cell.bucket], expiring_only);
    if ((lanes >> (8 * cell.lane) & 0x80) != 0) break;
  }
  return cell;
}

}  // namespace

// From a random entry of the segment on, round, then the spill list.
size_t Index::SampleSegment(const Leaf& leaf, bool expiring_only, SeededRandom& random,
                            std::span<Entry*> out) {
  const Cell start = RandomCell(leaf.buckets, expiring_only, random);
  const uint64_t before = (uint64_t{1} << (8 * start.lane)) - 1;
  const Bucket& first = leaf.buckets[start.bucket];
  size_t taken = Take(first, LanesOf(first, expiring_only) & ~before, out);
  for (uint32_t i = 1; i < kBuckets && taken < out.size(); ++i) {
    const Bucket& bucket = leaf.buckets[(start.bucket + i) % kBuckets];
    taken += Take(bucket, LanesOf(bucket, expiring_only), out.subspan(taken));
  }
  taken += Take(first, LanesOf(first, expiring_only) & before, out.subspan(taken));
  for (uint32_t i = 0; i < leaf.info->spilled_size && taken < out.size(); ++i) {
    const TaggedEntry& spilled = leaf.info->spilled[i];
    if (!expiring_only || (spilled.tag & kTagHasExpiry) != 0) out[taken++] = spilled.entry;
  }
  return taken;
}

size_t Index::Sample(uint64_t seed, bool expiring_only, std::span<Entry*> out) const {
  if (empty() || (expiring_only && expiring_ == 0)) return 0;
  SeededRandom random(seed);
  const uint64_t place = random.Next();
  const uint32_t slot_bits = kSlotBits - shared_bits_;
  const uint64_t low_mask = slot_bits == 0 ? UINT64_MAX : UINT64_MAX >> slot_bits;
  size_t taken = 0;
  uint64_t position = place;
  uint64_t first = 0;  // the segment that the first of them came from
  for (uint32_t i = 0; i < kSampledSegments && taken < out.size(); ++i) {
    const Leaf leaf = Descend(position);
    if (taken > 0 && leaf.position == first) break;  // once round
    if (taken == 0) first = leaf.position;
    if (!expiring_only || leaf.info->expiring > 0)
      taken += SampleSegment(leaf, expiring_only, random, out.subspan(taken));
    if (leaf.span() == 0) break;
    position = leaf.position + leaf.span();
    // Behind a range of slots without keys, the place within the next slot is random again: its
    // first segment must not stand for all of them.
    if (taken == 0 && leaf.depth <= slot_bits)
      position = (position & ~low_mask) | (place & low_mask);
  }
  return taken;
}

}  // namespace holdfast::memtable
