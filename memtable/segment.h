// The pieces of the Index: buckets of 64 bytes, segments of 64 buckets, the words that lead to
// them. Internal to the memtable. What a prefetching thread reads without the lock is atomic; all
// else is under the shard's lock.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "holdfast/check.h"
#include "memtable/entry.h"

namespace holdfast::memtable {

inline constexpr uint32_t kLanes = 7;  // entries of a bucket
inline constexpr uint32_t kBucketBits = 6;
inline constexpr uint32_t kBuckets = 1u << kBucketBits;
inline constexpr uint32_t kWindow = 4;  // buckets that may hold the entries of one home bucket

// Eight bytes: seven tags (7 bits of the hash, never 0, under a top bit that says "has a TTL"; a
// whole byte 0 is an empty lane) and, on top, how many entries whose home this is lie in the
// following buckets (7 bits) and whether some lie in the segment's spill list (1 bit).
struct TagWord {
  static constexpr uint64_t kOnes = 0x0001010101010101;
  static constexpr uint64_t kLow = kOnes * 0x7f;
  static constexpr uint64_t kTop = kOnes * 0x80;
  static constexpr uint32_t kDisplacedShift = 56;
  static constexpr uint64_t kDisplacedOne = uint64_t{1} << kDisplacedShift;
  static constexpr uint64_t kSpilled = uint64_t{1} << 63;

  uint64_t word;

  // The top bit of each lane whose tag, TTL bit aside, is `tag`. Exact: no byte carries.
  uint64_t Match(uint8_t tag) const {
    const uint64_t difference = (word ^ (kOnes * (tag & 0x7f))) & kLow;
    return ~(difference + kLow) & kTop;
  }
  uint64_t Empty() const { return Match(0); }
  uint64_t Used() const { return ~Empty() & kTop; }
  uint64_t Expiring() const { return word & kTop; }
  bool Elsewhere() const { return (word >> kDisplacedShift) != 0; }
  bool Displaced() const { return ((word >> kDisplacedShift) & 0x7f) != 0; }
  bool Spilled() const { return (word & kSpilled) != 0; }
  uint8_t Tag(uint32_t lane) const { return static_cast<uint8_t>(word >> (8 * lane)); }
  TagWord WithTag(uint32_t lane, uint8_t tag) const {
    const uint64_t mask = uint64_t{0xff} << (8 * lane);
    return {(word & ~mask) | (static_cast<uint64_t>(tag) << (8 * lane))};
  }

  static uint32_t FirstLane(uint64_t matches) {
    return static_cast<uint32_t>(std::countr_zero(matches)) / 8;
  }
};

inline constexpr uint8_t kTagHasExpiry = 0x80;

// From hash bits that the order does not hold.
constexpr uint8_t TagOf(uint64_t hash) {
  const uint8_t tag = hash & 0x7f;
  return tag == 0 ? 1 : tag;
}

struct Bucket {
  std::atomic<uint64_t> tags;
  std::atomic<Entry*> entries[kLanes];

  TagWord Load() const { return {tags.load(std::memory_order_relaxed)}; }
  void Store(TagWord value) { tags.store(value.word, std::memory_order_relaxed); }
  Entry* At(uint32_t lane) const { return entries[lane].load(std::memory_order_relaxed); }
  void Put(uint32_t lane, Entry* entry, uint8_t tag) {
    entries[lane].store(entry, std::memory_order_relaxed);
    Store(Load().WithTag(lane, tag));
  }
};
static_assert(sizeof(Bucket) == 64);
inline constexpr size_t kSegmentBytes = kBuckets * sizeof(Bucket);
static_assert(kSegmentBytes == 4096);  // exactly an allocator's size class

struct TaggedEntry {
  Entry* entry;
  uint8_t tag;
};

// What lookups need not see of a segment.
struct SegmentInfo {
  UnixMs next_look_ms = INT64_MAX;  // when CollectExpired should look again
  TaggedEntry* spilled = nullptr;   // entries that found no room in their window
  uint32_t spilled_size = 0;
  uint32_t spilled_capacity = 0;
  uint32_t expiring = 0;  // entries with a TTL
};

// A word that leads on: to a segment, with its depth (the number of leading order bits that its
// entries share), or to a directory, with its width (it takes `width` order bits and has 2^width
// words). Both lie on cache lines, so the low six bits are free. 0: nothing there.
struct Link {
  static constexpr uint64_t kDirectoryCode = 48;
  static constexpr uint64_t kCodeMask = 63;

  uint64_t word;

  static Link ToSegment(Bucket* buckets, uint32_t depth) {
    HF_CHECK(depth < kDirectoryCode);
    return {reinterpret_cast<uint64_t>(buckets) | depth};
  }
  static Link ToDirectory(std::atomic<uint64_t>* links, uint32_t width) {
    HF_CHECK(width > 0 && width < kCodeMask - kDirectoryCode);
    return {reinterpret_cast<uint64_t>(links) | (kDirectoryCode + width)};
  }
  bool IsDirectory() const { return (word & kCodeMask) > kDirectoryCode; }
  uint32_t depth() const { return word & kCodeMask; }
  uint32_t width() const { return static_cast<uint32_t>((word & kCodeMask) - kDirectoryCode); }
  Bucket* buckets() const { return reinterpret_cast<Bucket*>(word & ~kCodeMask); }
  std::atomic<uint64_t>* links() const {
    return reinterpret_cast<std::atomic<uint64_t>*>(word & ~kCodeMask);
  }
};
static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));

// A directory: its links, then as many pointers to infos (null beside a link to a directory).
inline size_t DirectoryBytes(uint32_t width) {
  const size_t bytes = (size_t{1} << width) * (sizeof(uint64_t) + sizeof(SegmentInfo*));
  return (bytes + 63) / 64 * 64;
}

inline SegmentInfo** InfosOf(std::atomic<uint64_t>* links, uint32_t width) {
  return reinterpret_cast<SegmentInfo**>(links + (size_t{1} << width));
}

inline size_t LinkIndex(uint64_t position, uint32_t base, uint32_t width) {
  return (position << base) >> (64 - width);
}

}  // namespace holdfast::memtable
