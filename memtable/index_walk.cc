// The walks over an Index: in order, for expiry, and the last one.
#include <algorithm>

#include "holdfast/check.h"
#include "memtable/index.h"

namespace holdfast::memtable {

// The walk comes to these entries soon: each is on a cache line of its own.
void Index::PrefetchAhead(const Leaf& leaf, uint32_t home) {
  constexpr uint32_t kBucketsAhead = 3;
  if (home + kBucketsAhead >= kBuckets) return;
  const Bucket& bucket = leaf.buckets[home + kBucketsAhead];
  for (uint64_t used = bucket.Load().Used(); used != 0; used &= used - 1)
    __builtin_prefetch(bucket.At(TagWord::FirstLane(used)));
}

// Entries with this home lie in its bucket and, where the bucket says so, in the rest of its window
// and in the spill list.
void Index::CollectHome(const Leaf& leaf, uint32_t home, uint64_t from,
                        std::vector<Ordered>& out) const {
  const TagWord word = leaf.buckets[home].Load();
  const auto add = [&](Entry* entry) {
    const uint64_t at = PositionOf(*entry, leaf);
    if (at >= from && leaf.HomeOf(at) == home) out.push_back({OrderAt(at), entry});
  };
  const uint32_t window = word.Displaced() ? kWindow : 1;
  for (uint32_t i = 0; i < window; ++i) {
    const Bucket& bucket = leaf.buckets[(home + i) % kBuckets];
    for (uint64_t used = bucket.Load().Used(); used != 0; used &= used - 1) {
      add(bucket.At(TagWord::FirstLane(used)));
    }
  }
  if (word.Spilled()) {
    for (uint32_t i = 0; i < leaf.info->spilled_size; ++i) add(leaf.info->spilled[i].entry);
  }
  // Ties (equal order) by name, so that a walk does not depend on the history of the table.
  std::sort(out.begin(), out.end(), [](const Ordered& a, const Ordered& b) {
    return a.order != b.order ? a.order < b.order : a.entry->key() < b.entry->key();
  });
}

// Where entries at or after `start` may lie; nothing, if this index has none.
std::optional<uint64_t> Index::FirstPosition(KeyOrder start) const {
  if (start >= kOrderEnd || empty()) return std::nullopt;
  if (shared_bits_ > 0) {
    const uint64_t shared = start >> (kOrderBits - shared_bits_);
    if (shared > shared_value_) return std::nullopt;
    if (shared < shared_value_) return 0;
  }
  return PositionOf(start);
}

KeyOrder Index::CollectFrom(KeyOrder start, std::vector<Ordered>& out) const {
  out.clear();
  const std::optional<uint64_t> first = FirstPosition(start);
  if (!first) return kOrderEnd;
  for (uint64_t position = *first;;) {
    const Leaf leaf = Descend(position);
    const uint32_t home_shift = 64 - leaf.depth - kBucketBits;
    for (uint32_t home = leaf.HomeOf(position); home < kBuckets; ++home) {
      PrefetchAhead(leaf, home);
      CollectHome(leaf, home, position, out);
      if (out.empty()) continue;
      const uint64_t next = leaf.position + (uint64_t{home + 1} << home_shift);
      return home + 1 == kBuckets && leaf.position + leaf.span() == 0 ? kOrderEnd : OrderAt(next);
    }
    position = leaf.position + leaf.span();
    if (position == 0) return kOrderEnd;
  }
}

KeyOrder Index::VisitSegment(KeyOrder start, const std::function<void(Entry&)>& visit) const {
  const std::optional<uint64_t> position = FirstPosition(start);
  if (!position) return kOrderEnd;
  const Leaf leaf = Descend(*position);
  for (uint32_t b = 0; b < kBuckets; ++b) {
    PrefetchAhead(leaf, b);
    const Bucket& bucket = leaf.buckets[b];
    for (uint64_t used = bucket.Load().Used(); used != 0; used &= used - 1)
      visit(*bucket.At(TagWord::FirstLane(used)));
  }
  for (uint32_t i = 0; i < leaf.info->spilled_size; ++i) visit(*leaf.info->spilled[i].entry);
  const uint64_t end = leaf.position + leaf.span();
  const KeyOrder next = end == 0 ? kOrderEnd : OrderAt(end);
  HF_CHECK(next > start);
  return next;
}

size_t Index::LookForExpired(UnixMs now, size_t limit,
                             const std::function<void(const Entry&)>& expired) {
  if (empty()) return 0;
  const Leaf leaf = Descend(expire_cursor_);
  expire_cursor_ = leaf.position + leaf.span();
  SegmentInfo& info = *leaf.info;
  if (info.expiring == 0 || info.next_look_ms > now) return 0;
  size_t reported = 0;
  bool left_due = false;
  std::vector<UnixMs> later;
  later.reserve(info.expiring);
  const auto look = [&](const Entry& entry) {
    if (!entry.ExpiredAt(now)) {
      later.push_back(entry.expiry_ms());
    } else if (reported < limit) {
      ++reported;
      expired(entry);
    } else {
      left_due = true;
    }
  };
  for (uint32_t b = 0; b < kBuckets; ++b) {
    const Bucket& bucket = leaf.buckets[b];
    for (uint64_t lanes = bucket.Load().Expiring(); lanes != 0; lanes &= lanes - 1) {
      look(*bucket.At(TagWord::FirstLane(lanes)));
    }
  }
  for (uint32_t i = 0; i < info.spilled_size; ++i) {
    if ((info.spilled[i].tag & kTagHasExpiry) != 0) look(*info.spilled[i].entry);
  }
  HF_CHECK(left_due || reported + later.size() == info.expiring);
  info.next_look_ms = left_due ? now : NextLook(now, reported > 0, later);
  return reported;
}

// When a tenth of the TTLs will be due, but no later than a second after the first of them, nor a
// second from now if some were reported: the caller may have left them.
UnixMs Index::NextLook(UnixMs now, bool reported, std::vector<UnixMs>& later) {
  UnixMs next = reported ? now + 1000 : INT64_MAX;
  if (later.empty()) return next;
  const auto tenth = later.begin() + static_cast<ptrdiff_t>(later.size() / 10);
  std::nth_element(later.begin(), tenth, later.end());
  const UnixMs first = *std::min_element(later.begin(), tenth + 1);
  const UnixMs latest = first > INT64_MAX - 1000 ? INT64_MAX : first + 1000;
  return std::min({next, *tenth, latest});
}

void Index::Drain(const std::function<void(Entry*)>& take) {
  if (empty()) return;
  for (uint64_t position = 0;;) {
    const Leaf leaf = Descend(position);
    for (const TaggedEntry& tagged : TakeAll(leaf)) take(tagged.entry);
    position = leaf.position + leaf.span();
    if (position == 0) break;
  }
  RetireAll();
}

}  // namespace holdfast::memtable
