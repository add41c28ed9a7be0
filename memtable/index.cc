#include "memtable/index.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "holdfast/check.h"
#include "holdfast/memory.h"

namespace holdfast::memtable {
namespace {

size_t DirectoryBytes(uint32_t width) {
  const size_t bytes = (size_t{1} << width) * (sizeof(uint64_t) + sizeof(SegmentInfo*));
  return (bytes + 63) / 64 * 64;
}

// The info pointers of a directory follow its links.
SegmentInfo** InfosOf(std::atomic<uint64_t>* links, uint32_t width) {
  return reinterpret_cast<SegmentInfo**>(links + (size_t{1} << width));
}

inline size_t LinkIndex(uint64_t position, uint32_t base, uint32_t width) {
  return (position << base) >> (64 - width);
}

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

void FreeSegments(Link link, uint32_t base) {
  if (!link.IsDirectory()) {
    FreeLines(link.buckets(), kSegmentBytes);
    return;
  }
  std::atomic<uint64_t>* links = link.links();
  const uint32_t width = link.width();
  for (size_t i = 0; i < size_t{1} << width;) {
    const Link next{links[i].load(std::memory_order_relaxed)};
    FreeSegments(next, base + width);
    // A segment with fewer bits than the directory gives has several links.
    i += next.IsDirectory() ? 1 : size_t{1} << (base + width - next.depth());
  }
  FreeLines(links, DirectoryBytes(width));
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
  return PositionOf((static_cast<KeyOrder>(SlotOf(entry.key())) << kStoredHashBits) |
                    entry.stored_hash());
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
  leaf.info = root_info_;
  while (link.IsDirectory()) {
    leaf.parent = const_cast<std::atomic<uint64_t>*>(at);
    leaf.base += leaf.width;
    leaf.width = link.width();
    leaf.links = link.links();
    const size_t i = LinkIndex(position, leaf.base, leaf.width);
    leaf.info = InfosOf(leaf.links, leaf.width)[i];
    at = &leaf.links[i];
    link.word = at->load(std::memory_order_relaxed);
  }
  leaf.buckets = link.buckets();
  leaf.depth = link.depth();
  leaf.position = leaf.depth == 0 ? 0 : position >> (64 - leaf.depth) << (64 - leaf.depth);
  HF_CHECK(leaf.info != nullptr);
  return leaf;
}

// seq_cst loads: what a retirement unlinked before this thread's guard began must not be found.
void Index::PrefetchBucket(const KeyRef& key) const {
  const Home at = FindHome<std::memory_order_seq_cst>(PositionOf(key.order()));
  if (at.buckets != nullptr) __builtin_prefetch(&at.buckets[at.home]);
}

void Index::PrefetchEntry(const KeyRef& key) const {
  const Home at = FindHome<std::memory_order_seq_cst>(PositionOf(key.order()));
  if (at.buckets == nullptr) return;
  const Bucket& bucket = at.buckets[at.home];
  const TagWord word = bucket.Load();
  // Only the address is used: an entry freed meanwhile is not read.
  for (uint64_t matches = word.Match(TagOf(key.hash)); matches != 0; matches &= matches - 1) {
    __builtin_prefetch(bucket.At(TagWord::FirstLane(matches)));
  }
  if (word.Displaced()) __builtin_prefetch(&at.buckets[(at.home + 1) % kBuckets]);
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
    if (Place(at.buckets, at.home, tagged)) break;
    if (Split(key)) continue;
    const Leaf leaf = Descend(position);
    Spill(leaf, leaf.HomeOf(position), tagged);
    break;
  }
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
  if ((tag & kTagHasExpiry) == 0) return;
  HF_CHECK(leaf.info->expiring > 0 && expiring_ > 0);
  --leaf.info->expiring;
  --expiring_;
}

bool Index::Place(Bucket* buckets, uint32_t home, TaggedEntry entry) {
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
    const Leaf& target = (at & new_bit) != 0 ? right : left;
    const uint32_t home = target.HomeOf(at);
    if (!Place(target.buckets, home, tagged)) Spill(target, home, tagged);
    if ((tagged.tag & kTagHasExpiry) != 0) ++target.info->expiring;
  }
  return true;
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
  if (reclaimer_ == nullptr) {
    FreeLines(links, bytes);
  } else {
    reclaimer_->Retire([links, bytes] { FreeLines(links, bytes); });
  }
}

Bucket* Index::NewSegment() {
  auto* buckets = static_cast<Bucket*>(AllocateLines(kSegmentBytes));
  for (uint32_t i = 0; i < kBuckets; ++i) new (&buckets[i]) Bucket{};
  allocated_bytes_ += UsableLines(buckets, kSegmentBytes);
  return buckets;
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
  if (reclaimer_ == nullptr) {
    FreeSegments(root, 0);
  } else {
    reclaimer_->Retire([root] { FreeSegments(root, 0); });
  }
  root_info_ = nullptr;
  allocated_bytes_ = 0;
  expiring_ = 0;
  expire_cursor_ = 0;
}

void Index::Swap(Index& other) {
  HF_CHECK(shared_bits_ == other.shared_bits_ && reclaimer_ == other.reclaimer_);
  const uint64_t root = root_.load(std::memory_order_relaxed);
  root_.store(other.root_.load(std::memory_order_relaxed));
  other.root_.store(root);
  std::swap(shared_value_, other.shared_value_);
  std::swap(root_info_, other.root_info_);
  std::swap(expire_cursor_, other.expire_cursor_);
  std::swap(expiring_, other.expiring_);
  std::swap(allocated_bytes_, other.allocated_bytes_);
}

}  // namespace holdfast::memtable
