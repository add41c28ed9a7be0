// How an Index grows and shrinks: segments split and merge, directories deepen.
#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <vector>

#include "holdfast/check.h"
#include "holdfast/memory.h"
#include "memtable/index.h"

namespace holdfast::memtable {
namespace {

constexpr size_t kSparseEntries = 48;      // on average in a segment, of 448: worth merging
constexpr size_t kMergedEntriesMax = 168;  // as full as after a split
constexpr size_t kErasesPerLook = 8;

// Every segment and directory under a link, a directory after what lies under it.
template <typename Part>
void ForEachPart(Link link, uint32_t base, const Part& part) {
  if (!link.IsDirectory()) {
    part(link.buckets(), kSegmentBytes);
    return;
  }
  const uint32_t width = link.width();
  for (size_t i = 0; i < size_t{1} << width;) {
    const Link next{link.links()[i].load(std::memory_order_relaxed)};
    ForEachPart(next, base + width, part);
    // A segment with fewer bits than the directory gives has several links.
    i += next.IsDirectory() ? 1 : size_t{1} << (base + width - next.depth());
  }
  part(link.links(), DirectoryBytes(width));
}

}  // namespace

void Index::CreateRoot(KeyOrder first) {
  shared_value_ = shared_bits_ == 0 ? 0 : first >> (kOrderBits - shared_bits_);
  root_info_ = NewInfo();
  root_.store(Link::ToSegment(NewSegment(), 0).word);
}

// Splits the segment that `key` belongs to; false if no split would ever make room for it.
bool Index::Split(const KeyRef& key) {
  const uint64_t position = PositionOf(key.order());
  Leaf leaf = Descend(position);
  if (leaf.depth >= MaxDepth() || !SplitHelps(leaf, position)) return false;
  if (leaf.links == nullptr || leaf.depth == leaf.base + leaf.width) {
    DeepenDirectory(leaf);
    leaf = Descend(position);
  }
  const std::vector<TaggedEntry> entries = TakeAll(leaf);
  const Leaf right = SplitLinks(leaf);
  Leaf left = leaf;
  ++left.depth;
  const uint64_t new_bit = uint64_t{1} << (63 - leaf.depth);
  for (const TaggedEntry& tagged : entries) {
    const uint64_t at = PositionOf(*tagged.entry, leaf);
    Resettle((at & new_bit) != 0 ? right : left, at, tagged);
  }
  return true;
}

// Puts an entry of a segment that was taken apart into its new one.
void Index::Resettle(const Leaf& leaf, uint64_t position, TaggedEntry tagged) {
  const uint32_t home = leaf.HomeOf(position);
  if (!Place(leaf.buckets, home, tagged)) Spill(leaf, home, tagged);
  if ((tagged.tag & kTagHasExpiry) != 0) ++leaf.info->expiring;
}

bool Index::SplitHelps(const Leaf& leaf, uint64_t position) const {
  const uint32_t home = leaf.HomeOf(position);
  for (uint32_t i = 0; i < kWindow; ++i) {
    const Bucket& bucket = leaf.buckets[(home + i) % kBuckets];
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      if (PositionOf(*bucket.At(lane), leaf) != position) return true;
    }
  }
  return false;
}

// Gives the leaf's links one more bit: doubles its directory, or starts a new one below it.
void Index::DeepenDirectory(const Leaf& leaf) {
  const bool doubling = leaf.links != nullptr && leaf.width < kMaxWidth;
  const uint32_t width = doubling ? leaf.width + 1 : 1;
  std::atomic<uint64_t>* links = NewDirectory(width);
  SegmentInfo** infos = InfosOf(links, width);
  const Link grown = Link::ToDirectory(links, width);
  if (doubling) {
    SegmentInfo** old_infos = InfosOf(leaf.links, leaf.width);
    for (size_t i = 0; i < size_t{1} << width; ++i) {
      links[i].store(leaf.links[i / 2].load(std::memory_order_relaxed), std::memory_order_relaxed);
      infos[i] = old_infos[i / 2];
    }
    leaf.parent->store(grown.word);  // seq_cst, before the retirement
    RetireDirectory(leaf.links, leaf.width);
    return;
  }
  const uint64_t link = Link::ToSegment(leaf.buckets, leaf.depth).word;
  for (size_t i = 0; i < 2; ++i) {
    links[i].store(link, std::memory_order_relaxed);
    infos[i] = leaf.info;
  }
  if (leaf.links == nullptr) {
    root_info_ = nullptr;
    root_.store(grown.word);
    return;
  }
  const size_t i = LinkIndex(leaf.position, leaf.base, leaf.width);
  InfosOf(leaf.links, leaf.width)[i] = nullptr;
  leaf.links[i].store(grown.word);
}

// Empties the segment into a list. The entries' cache lines are asked for on the way: the caller
// reads every one.
std::vector<TaggedEntry> Index::TakeAll(const Leaf& leaf) {
  std::vector<TaggedEntry> entries;
  entries.reserve(kBuckets * kLanes + leaf.info->spilled_size);
  for (uint32_t b = 0; b < kBuckets; ++b) {
    Bucket& bucket = leaf.buckets[b];
    const TagWord word = bucket.Load();
    for (uint64_t used = word.Used(); used != 0; used &= used - 1) {
      const uint32_t lane = TagWord::FirstLane(used);
      entries.push_back({bucket.At(lane), word.Tag(lane)});
      __builtin_prefetch(entries.back().entry);
    }
    bucket.Store({0});
  }
  for (uint32_t i = 0; i < leaf.info->spilled_size; ++i) entries.push_back(leaf.info->spilled[i]);
  FreeSpilled(leaf.info);
  leaf.info->expiring = 0;
  return entries;
}

// Makes the segment the left half of its range and a new, empty one the right half.
Index::Leaf Index::SplitLinks(const Leaf& leaf) {
  Leaf right = leaf;
  right.depth = leaf.depth + 1;
  right.position = leaf.position | (uint64_t{1} << (63 - leaf.depth));
  right.buckets = NewSegment();
  right.info = NewInfo();
  right.info->next_look_ms = leaf.info->next_look_ms;
  const size_t count = size_t{1} << (leaf.base + leaf.width - leaf.depth);
  HF_CHECK(count >= 2);
  const size_t first = LinkIndex(leaf.position, leaf.base, leaf.width);
  SegmentInfo** infos = InfosOf(leaf.links, leaf.width);
  for (size_t i = 0; i < count; ++i) {
    const bool is_right = i >= count / 2;
    const Link link = Link::ToSegment(is_right ? right.buckets : leaf.buckets, right.depth);
    infos[first + i] = is_right ? right.info : leaf.info;
    leaf.links[first + i].store(link.word, std::memory_order_release);
  }
  return right;
}

std::atomic<uint64_t>* Index::NewDirectory(uint32_t width) {
  const size_t bytes = DirectoryBytes(width);
  auto* links = static_cast<std::atomic<uint64_t>*>(AllocateLines(bytes));
  for (size_t i = 0; i < size_t{1} << width; ++i) new (&links[i]) std::atomic<uint64_t>(0);
  allocated_bytes_ += UsableLines(links, bytes);
  return links;
}

void Index::RetireDirectory(std::atomic<uint64_t>* links, uint32_t width) {
  const size_t bytes = DirectoryBytes(width);
  allocated_bytes_ -= UsableLines(links, bytes);
  RetireLines(links, bytes);
}

void Index::RetireLines(void* block, size_t bytes) {
  if (reclaimer_ == nullptr) {
    FreeLines(block, bytes);
  } else {
    reclaimer_->Retire([block, bytes] { FreeLines(block, bytes); });
  }
}

// After an erase. While the index is sparse, every few erases look at one segment and merge it with
// its neighbour: deleting most keys gives the memory back, no erase pays for more than one merge.
void Index::Shrink() {
  if (segments_ <= 1) return;
  if (size_ == 0) {
    RetireAll();
  } else if (size_ < segments_ * kSparseEntries && size_ % kErasesPerLook == 0) {
    MergeAtCursor();
  }
}

void Index::MergeAtCursor() {
  const Leaf left = Descend(merge_cursor_);
  merge_cursor_ = left.position + left.span();
  const uint64_t last_bit = left.span();
  // Pairs are looked at from their left half.
  if (left.links == nullptr || left.depth == left.base || (left.position & last_bit) != 0) return;
  const Leaf right = Descend(left.position | last_bit);
  if (right.depth != left.depth || right.links != left.links) return;
  if (CountEntries(left) + CountEntries(right) > kMergedEntriesMax) return;
  merge_cursor_ = right.position + right.span();
  Merge(left, right);
}

size_t Index::CountEntries(const Leaf& leaf) {
  size_t entries = leaf.info->spilled_size;
  for (uint32_t b = 0; b < kBuckets; ++b) {
    entries += static_cast<size_t>(std::popcount(leaf.buckets[b].Load().Used()));
  }
  return entries;
}

void Index::Merge(const Leaf& left, const Leaf& right) {
  std::vector<TaggedEntry> entries = TakeAll(left);
  const std::vector<TaggedEntry> more = TakeAll(right);
  entries.insert(entries.end(), more.begin(), more.end());
  Leaf merged = left;
  --merged.depth;
  merged.info->next_look_ms = std::min(left.info->next_look_ms, right.info->next_look_ms);
  const Link link = Link::ToSegment(merged.buckets, merged.depth);
  if (merged.depth == merged.base) {
    // All of its directory: hang it where the directory hung.
    *merged.parent_info = merged.info;
    merged.parent->store(link.word);  // seq_cst, before the retirements
    RetireDirectory(merged.links, merged.width);
  } else {
    const size_t count = size_t{1} << (merged.base + merged.width - merged.depth);
    const size_t first = LinkIndex(merged.position, merged.base, merged.width);
    SegmentInfo** infos = InfosOf(merged.links, merged.width);
    for (size_t i = first; i < first + count; ++i) {
      infos[i] = merged.info;
      merged.links[i].store(link.word);
    }
  }
  FreeInfo(right.info);
  RetireSegment(right.buckets);
  for (const TaggedEntry& tagged : entries) {
    Resettle(merged, PositionOf(*tagged.entry, merged), tagged);
  }
}

Bucket* Index::NewSegment() {
  auto* buckets = static_cast<Bucket*>(AllocateLines(kSegmentBytes));
  for (uint32_t i = 0; i < kBuckets; ++i) new (&buckets[i]) Bucket{};
  allocated_bytes_ += UsableLines(buckets, kSegmentBytes);
  ++segments_;
  return buckets;
}

void Index::RetireSegment(Bucket* buckets) {
  HF_CHECK(segments_ > 1);
  allocated_bytes_ -= UsableLines(buckets, kSegmentBytes);
  --segments_;
  RetireLines(buckets, kSegmentBytes);
}

SegmentInfo* Index::NewInfo() {
  auto* info = new (Allocate(sizeof(SegmentInfo))) SegmentInfo;
  allocated_bytes_ += UsableSize(info, sizeof(SegmentInfo));
  return info;
}

void Index::FreeInfo(SegmentInfo* info) {
  FreeSpilled(info);
  allocated_bytes_ -= UsableSize(info, sizeof(SegmentInfo));
  Free(info, sizeof(SegmentInfo));
}

void Index::FreeSpilled(SegmentInfo* info) {
  if (info->spilled == nullptr) return;
  const size_t bytes = info->spilled_capacity * sizeof(TaggedEntry);
  allocated_bytes_ -= UsableSize(info->spilled, bytes);
  Free(info->spilled, bytes);
  info->spilled = nullptr;
  info->spilled_size = info->spilled_capacity = 0;
}

void Index::RetireAll() {
  if (empty()) return;
  for (uint64_t position = 0;;) {
    const Leaf leaf = Descend(position);
    FreeInfo(leaf.info);
    position = leaf.position + leaf.span();
    if (position == 0) break;
  }
  const Link root{root_.exchange(0)};
  ForEachPart(root, 0,
              [this](void* part, size_t bytes) { allocated_bytes_ -= UsableLines(part, bytes); });
  HF_CHECK(allocated_bytes_ == 0);
  const auto free = [root] { ForEachPart(root, 0, FreeLines); };
  if (reclaimer_ == nullptr) {
    free();
  } else {
    reclaimer_->Retire(free);
  }
  root_info_ = nullptr;
  size_ = expiring_ = segments_ = 0;
  expire_cursor_ = merge_cursor_ = 0;
}

}  // namespace holdfast::memtable
