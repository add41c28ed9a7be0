#include "memtable/index.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "holdfast/check.h"
#include "holdfast/memory.h"

namespace holdfast::memtable {
namespace {

inline bool Holds(const Entry* entry, const KeyRef& key) {
  return entry->stored_hash() == key.hash >> (64 - kStoredHashBits) && entry->key() == key.name;
}

uint8_t TagWithExpiry(const KeyRef& key, const Entry* entry) {
  return static_cast<uint8_t>(TagOf(key.hash) | (entry->Has(kHasExpiry) ? kTagHasExpiry : 0));
}

void NoteExpiry(SegmentInfo& info, UnixMs expiry_ms) {
  // A second late at most: CollectExpired's promise.
  const UnixMs look_ms = expiry_ms > INT64_MAX - 1000 ? INT64_MAX : expiry_ms + 1000;
  if (look_ms < info.next_look_ms) info.next_look_ms = look_ms;
}

}  // namespace

Index::Index(uint32_t shared_order_bits, Reclaimer* reclaimer)
    : shared_bits_(shared_order_bits), reclaimer_(reclaimer) {
  HF_CHECK(shared_order_bits <= kSlotBits);
}

Index::~Index() { RetireAll(); }

uint32_t Index::MaxDepth() const {
  // The home bucket takes its bits after the depth; a link has room for a depth of 47.
  return std::min<uint32_t>(kOrderBits - shared_bits_ - kBucketBits, Link::kDirectoryCode - 1);
}

uint64_t Index::PositionOf(const Entry& entry, const Leaf& leaf) const {
  const uint32_t slot_bits = kSlotBits - shared_bits_;
  if (leaf.depth >= slot_bits) {  // the segment's range lies within one slot
    const uint64_t slot =
        slot_bits == 0 ? 0 : leaf.position >> (64 - slot_bits) << (64 - slot_bits);
    return slot | PositionOf(entry.stored_hash());
  }
  return PositionOf(entry.order());
}

template <std::memory_order kOrder>
inline Index::Home Index::FindHome(uint64_t position) const {
  Link link{root_.load(kOrder)};
  if (link.word == 0) [[unlikely]]
    return {};
  uint32_t base = 0;
  while (link.IsDirectory()) {
    const uint32_t width = link.width();
    link.word = link.links()[LinkIndex(position, base, width)].load(kOrder);
    base += width;
  }
  return {link.buckets(), static_cast<uint32_t>((position << link.depth()) >> (64 - kBucketBits))};
}

Index::Leaf Index::Descend(uint64_t position) const {
  Leaf leaf;
  const std::atomic<uint64_t>* at = &root_;
  Link link{root_.load(std::memory_order_relaxed)};
  HF_CHECK(link.word != 0);
  SegmentInfo* const* info = &root_info_;
  while (link.IsDirectory()) {
    leaf.parent = const_cast<std::atomic<uint64_t>*>(at);
    leaf.base += leaf.width;
    leaf.width = link.width();
    leaf.links = link.links();
    const size_t i = LinkIndex(position, leaf.base, leaf.width);
    leaf.parent_info = const_cast<SegmentInfo**>(info);
    info = &InfosOf(leaf.links, leaf.width)[i];
    at = &leaf.links[i];
    link.word = at->load(std::memory_order_relaxed);
  }
  leaf.buckets = link.buckets();
  leaf.depth = link.depth();
  leaf.position = leaf.depth == 0 ? 0 : position >> (64 - leaf.depth) << (64 - leaf.depth);
  leaf.info = *info;
  HF_CHECK(leaf.info != nullptr && leaf.buckets != nullptr);
  return leaf;
}

// seq_cst loads: what a retirement unlinked before this thread's guard began must not be found.
const Bucket* Index::PrefetchBucket(const KeyRef& key) const {
  const Home at = FindHome<std::memory_order_seq_cst>(PositionOf(key.order()));
  if (at.buckets == nullptr) return nullptr;
  const Bucket* bucket = &at.buckets[at.home];
  __builtin_prefetch(bucket);
  return bucket;
}

void Index::PrefetchEntry(const Bucket* bucket, const KeyRef& key) {
  const TagWord word = bucket->Load();
  // Only the address is used: an entry freed meanwhile is not read.
  for (uint64_t matches = word.Match(TagOf(key.hash)); matches != 0; matches &= matches - 1) {
    __builtin_prefetch(bucket->At(TagWord::FirstLane(matches)));
  }
  if (word.Displaced()) __builtin_prefetch(bucket + 1);
}

Entry* Index::Find(const KeyRef& key) const {
  const Home at = FindHome<std::memory_order_relaxed>(PositionOf(key.order()));
  if (at.buckets == nullptr) [[unlikely]]
    return nullptr;
  const Bucket& bucket = at.buckets[at.home];
  const TagWord word = bucket.Load();
  for (uint64_t matches = word.Match(TagOf(key.hash)); matches != 0; matches &= matches - 1) {
    Entry* entry = bucket.At(TagWord::FirstLane(matches));
    if (Holds(entry, key)) [[likely]]
      return entry;
  }
  if (!word.Elsewhere()) [[likely]]
    return nullptr;
  return FindElsewhere(key, at, word);
}

Entry* Index::FindElsewhere(const KeyRef& key, Home at, TagWord word) const {
  const uint8_t tag = TagOf(key.hash);
  for (uint32_t i = 1; word.Displaced() && i < kWindow; ++i) {
    const Bucket& bucket = at.buckets[(at.home + i) % kBuckets];
    for (uint64_t matches = bucket.Load().Match(tag); matches != 0; matches &= matches - 1) {
      Entry* entry = bucket.At(TagWord::FirstLane(matches));
      if (Holds(entry, key)) return entry;
    }
  }
  if (!word.Spilled()) return nullptr;
  const SegmentInfo& info = *Descend(PositionOf(key.order())).info;
  for (uint32_t i = 0; i < info.spilled_size; ++i) {
    const TaggedEntry& spilled = info.spilled[i];
    if ((spilled.tag & 0x7f) == tag && Holds(spilled.entry, key)) return spilled.entry;
  }
  return nullptr;
}

Index::Spot Index::Locate(const Leaf& leaf, uint32_t home, uint8_t tag, const Entry* entry) const {
  for (uint32_t i = 0; i < kWindow; ++i) {
    Bucket& bucket = leaf.buckets[(home + i) % kBuckets];
    for (uint64_t matches = bucket.Load().Match(tag); matches != 0; matches &= matches - 1) {
      const uint32_t lane = TagWord::FirstLane(matches);
      if (bucket.At(lane) == entry) return {&bucket, lane, nullptr};
    }
  }
  for (uint32_t i = 0; i < leaf.info->spilled_size; ++i) {
    if (leaf.info->spilled[i].entry == entry) return {nullptr, 0, &leaf.info->spilled[i]};
  }
  return {};
}

void Index::Insert(const KeyRef& key, Entry* entry) {
  const uint64_t position = PositionOf(key.order());
  if (empty()) CreateRoot(key.order());
  HF_DCHECK(shared_bits_ == 0 || key.order() >> (kOrderBits - shared_bits_) == shared_value_);
  const TaggedEntry tagged{entry, TagWithExpiry(key, entry)};
  for (;;) {
    const Home at = FindHome<std::memory_order_relaxed>(position);
    HF_CHECK(at.buckets != nullptr);
    if (Place(at.buckets, at.home, tagged)) break;
    if (Split(key)) continue;
    const Leaf leaf = Descend(position);
    Spill(leaf, leaf.HomeOf(position), tagged);
    break;
  }
  ++size_;
  if (!entry->Has(kHasExpiry)) return;
  SegmentInfo& info = *Descend(position).info;
  ++info.expiring;
  ++expiring_;
  NoteExpiry(info, entry->expiry_ms());
}

void Index::Update(const KeyRef& key, const Entry* old, Entry* now) {
  const uint64_t position = PositionOf(key.order());
  const Leaf leaf = Descend(position);
  const Spot spot = Locate(leaf, leaf.HomeOf(position), TagOf(key.hash), old);
  HF_CHECK(spot.bucket != nullptr || spot.spilled != nullptr);
  const uint8_t before =
      spot.bucket != nullptr ? spot.bucket->Load().Tag(spot.lane) : spot.spilled->tag;
  const uint8_t after = TagWithExpiry(key, now);
  if (spot.bucket != nullptr) {
    spot.bucket->Put(spot.lane, now, after);
  } else {
    *spot.spilled = {now, after};
  }
  if (before != after) {
    const bool more = (after & kTagHasExpiry) != 0;
    HF_CHECK(more || (leaf.info->expiring > 0 && expiring_ > 0));
    leaf.info->expiring += more ? 1 : -1;
    expiring_ += more ? 1 : -1;
  }
  if (now->Has(kHasExpiry)) NoteExpiry(*leaf.info, now->expiry_ms());
}

void Index::Erase(const KeyRef& key, const Entry* entry) {
  const uint64_t position = PositionOf(key.order());
  const Leaf leaf = Descend(position);
  const uint32_t home = leaf.HomeOf(position);
  const Spot spot = Locate(leaf, home, TagOf(key.hash), entry);
  HF_CHECK(spot.bucket != nullptr || spot.spilled != nullptr);
  uint8_t tag = 0;
  if (spot.bucket != nullptr) {
    tag = spot.bucket->Load().Tag(spot.lane);
    spot.bucket->Put(spot.lane, nullptr, 0);
    Bucket& home_bucket = leaf.buckets[home];
    if (spot.bucket != &home_bucket) {
      const TagWord word = home_bucket.Load();
      HF_CHECK(word.Displaced());
      home_bucket.Store({word.word - TagWord::kDisplacedOne});
    }
  } else {
    tag = spot.spilled->tag;
    Unspill(leaf, home, spot.spilled);
  }
  if ((tag & kTagHasExpiry) != 0) {
    HF_CHECK(leaf.info->expiring > 0 && expiring_ > 0);
    --leaf.info->expiring;
    --expiring_;
  }
  --size_;
  Shrink();
}

bool Index::Place(Bucket* buckets, uint32_t home, TaggedEntry entry) {
  HF_DCHECK(buckets != nullptr);
  for (uint32_t i = 0; i < kWindow; ++i) {
    Bucket& bucket = buckets[(home + i) % kBuckets];
    const uint64_t empty = bucket.Load().Empty();
    if (empty == 0) continue;
    bucket.Put(TagWord::FirstLane(empty), entry.entry, entry.tag);
    if (i > 0) {
      Bucket& home_bucket = buckets[home];
      home_bucket.Store({home_bucket.Load().word + TagWord::kDisplacedOne});
    }
    return true;
  }
  return false;
}

void Index::Spill(const Leaf& leaf, uint32_t home, TaggedEntry entry) {
  SegmentInfo& info = *leaf.info;
  if (info.spilled_size == info.spilled_capacity) {
    const uint32_t capacity = info.spilled_capacity == 0 ? 8 : 2 * info.spilled_capacity;
    const size_t bytes = capacity * sizeof(TaggedEntry);
    auto* grown = static_cast<TaggedEntry*>(Allocate(bytes));
    if (info.spilled_size > 0) {
      std::memcpy(grown, info.spilled, info.spilled_size * sizeof(TaggedEntry));
    }
    const uint32_t size = info.spilled_size;
    FreeSpilled(&info);
    info.spilled = grown;
    info.spilled_size = size;
    info.spilled_capacity = capacity;
    allocated_bytes_ += UsableSize(grown, bytes);
  }
  info.spilled[info.spilled_size++] = entry;
  Bucket& bucket = leaf.buckets[home];
  bucket.Store({bucket.Load().word | TagWord::kSpilled});
}

void Index::Unspill(const Leaf& leaf, uint32_t home, TaggedEntry* spot) {
  SegmentInfo& info = *leaf.info;
  *spot = info.spilled[--info.spilled_size];
  for (uint32_t i = 0; i < info.spilled_size; ++i) {
    if (leaf.HomeOf(PositionOf(*info.spilled[i].entry, leaf)) == home) return;
  }
  Bucket& bucket = leaf.buckets[home];
  HF_CHECK(bucket.Load().Spilled());
  bucket.Store({bucket.Load().word & ~TagWord::kSpilled});
  if (info.spilled_size == 0) FreeSpilled(&info);
}

void Index::Swap(Index& other) {
  HF_CHECK(shared_bits_ == other.shared_bits_ && reclaimer_ == other.reclaimer_);
  const uint64_t root = root_.load(std::memory_order_relaxed);
  root_.store(other.root_.load(std::memory_order_relaxed));
  other.root_.store(root);
  std::swap(shared_value_, other.shared_value_);
  std::swap(root_info_, other.root_info_);
  std::swap(merge_cursor_, other.merge_cursor_);
  std::swap(segments_, other.segments_);
  std::swap(size_, other.size_);
  std::swap(expire_cursor_, other.expire_cursor_);
  std::swap(expiring_, other.expiring_);
  std::swap(allocated_bytes_, other.allocated_bytes_);
}

}  // namespace holdfast::memtable
