// The index of one table: from the order (slot, hash) and a tag to entries, in segments of 64
// buckets, under a directory that is a trie of wide nodes. Growth splits one segment at a time, and
// a sparse index merges one pair at a time. A
// node of the directory takes at most kMaxWidth bits and then grows children, so its doubling
// copies at most 64 KiB; keys of one hash tag share all their slot bits, and the trie takes those
// bits in at most two nodes: about 100 bytes of directory per segment in the worst case.
//
// Entries that share all 54 order bits, more than a window of buckets holds, go to a list of their
// segment; a lookup then compares them one by one. The hash is keyed, so only a test makes such.
//
// Owned by a Table, which owns the entries and passes on its lock and thread rules (table.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "holdfast/random.h"
#include "memtable/entry.h"
#include "memtable/key.h"
#include "memtable/reclaimer.h"
#include "memtable/segment.h"

namespace holdfast::memtable {

class Index {
 public:
  Index(uint32_t shared_order_bits, Reclaimer* reclaimer);
  ~Index();  // retires what is left; the entries are the caller's
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  const Bucket* PrefetchBucket(const KeyRef& key) const;
  static void PrefetchEntry(const Bucket* bucket, const KeyRef& key);

  Entry* Find(const KeyRef& key) const;
  void Insert(const KeyRef& key, Entry* entry);  // absent so far
  // `now` (perhaps the same, perhaps with another expiry) takes the place of `old`, which may have
  // been freed already.
  void Update(const KeyRef& key, const Entry* old, Entry* now);
  void Erase(const KeyRef& key, const Entry* entry);

  size_t size() const { return size_; }
  size_t expiring() const { return expiring_; }
  size_t allocated_bytes() const { return allocated_bytes_; }

  // Exchanges all contents. Both have the same options.
  void Swap(Index& other);
  // Hands every entry to `take` (any order, which may free it) and leaves the index empty.
  void Drain(const std::function<void(Entry*)>& take);

  struct Ordered {
    KeyOrder order;
    Entry* entry;
  };
  // Replaces `out` by the entries of one home bucket, sorted, namely the first one that has any
  // entry at or after `start` (earlier entries of that bucket left out). Returns where the next
  // bucket begins, kOrderEnd after the last.
  KeyOrder CollectFrom(KeyOrder start, std::vector<Ordered>& out) const;
  // Visits the segment that `start` lies in, whole and in no order: also what is before `start`, if
  // segments were merged. Some hundred entries, of which it computes and sorts nothing. Returns
  // where the next segment begins, kOrderEnd after the last.
  KeyOrder VisitSegment(KeyOrder start, const std::function<void(Entry&)>& visit) const;

  // Searches the segment at the expiry cursor, if it is due, moves the cursor on, and returns how
  // many entries it reported.
  size_t LookForExpired(UnixMs now, size_t limit, const std::function<void(const Entry&)>& expired);
  bool empty() const { return root_.load(std::memory_order_relaxed) == 0; }

  // Fills `out` with neighbours from a place that `seed` decides (of those with a TTL, if
  // `expiring_only`) and returns how many there are: fewer than asked for if the index has no more,
  // or none nearby. They are on their way to the cache, to be read and written.
  size_t Sample(uint64_t seed, bool expiring_only, std::span<Entry*> out) const;

 private:
  static constexpr uint32_t kMaxWidth = 12;
  static constexpr uint32_t kSampledSegments = 64;  // looked at in one call

  // Where an order leads.
  struct Leaf {
    std::atomic<uint64_t>* parent = nullptr;  // the link to `links`, null if the root is the leaf
    SegmentInfo** parent_info = nullptr;      // the place of an info beside that link
    std::atomic<uint64_t>* links = nullptr;   // the directory node, null if the root is the leaf
    uint32_t base = 0;                        // order bits taken above the node
    uint32_t width = 0;
    uint64_t position = 0;  // the first position of the segment's range
    Bucket* buckets = nullptr;
    uint32_t depth = 0;
    SegmentInfo* info = nullptr;

    uint32_t HomeOf(uint64_t at) const {
      return static_cast<uint32_t>((at << depth) >> (64 - kBucketBits));
    }
    uint64_t span() const { return depth == 0 ? 0 : uint64_t{1} << (64 - depth); }  // 0: all
  };
  struct Home {
    Bucket* buckets = nullptr;  // null: the index is empty
    uint32_t home = 0;
  };
  // Where an entry lies: a lane of a bucket, or a place in the spill list.
  struct Spot {
    Bucket* bucket = nullptr;
    uint32_t lane = 0;
    TaggedEntry* spilled = nullptr;
  };

  // The order without the shard's common bits, left-aligned: its leading bits walk the directory.
  uint64_t PositionOf(KeyOrder order) const { return order << (64 - kOrderBits + shared_bits_); }
  KeyOrder OrderAt(uint64_t position) const {
    return (shared_value_ << (kOrderBits - shared_bits_)) |
           (position >> (64 - kOrderBits + shared_bits_));
  }
  uint64_t PositionOf(const Entry& entry, const Leaf& leaf) const;
  uint32_t MaxDepth() const;

  template <std::memory_order kOrder>
  Home FindHome(uint64_t position) const;
  Leaf Descend(uint64_t position) const;
  Entry* FindElsewhere(const KeyRef& key, Home at, TagWord word) const;
  Spot Locate(const Leaf& leaf, uint32_t home, uint8_t tag, const Entry* entry) const;

  void CreateRoot(KeyOrder first);
  static bool Place(Bucket* buckets, uint32_t home, TaggedEntry entry);
  void Spill(const Leaf& leaf, uint32_t home, TaggedEntry entry);
  void Unspill(const Leaf& leaf, uint32_t home, TaggedEntry* spot);
  bool Split(const KeyRef& key);
  bool SplitHelps(const Leaf& leaf, uint64_t position) const;
  void Resettle(const Leaf& leaf, uint64_t position, TaggedEntry tagged);
  void Shrink();
  void MergeAtCursor();
  void Merge(const Leaf& left, const Leaf& right);
  static size_t CountEntries(const Leaf& leaf);
  void DeepenDirectory(const Leaf& leaf);
  std::vector<TaggedEntry> TakeAll(const Leaf& leaf);
  Leaf SplitLinks(const Leaf& leaf);
  std::atomic<uint64_t>* NewDirectory(uint32_t width);
  void RetireDirectory(std::atomic<uint64_t>* links, uint32_t width);
  void RetireLines(void* block, size_t bytes);
  Bucket* NewSegment();
  void RetireSegment(Bucket* buckets);
  SegmentInfo* NewInfo();
  void FreeInfo(SegmentInfo* info);
  void FreeSpilled(SegmentInfo* info);
  std::optional<uint64_t> FirstPosition(KeyOrder start) const;
  static void PrefetchAhead(const Leaf& leaf, uint32_t home);
  void CollectHome(const Leaf& leaf, uint32_t home, uint64_t from, std::vector<Ordered>& out) const;
  static size_t SampleSegment(const Leaf& leaf, bool expiring_only, SeededRandom& random,
                              std::span<Entry*> out);
  static UnixMs NextLook(UnixMs now, bool reported, std::vector<UnixMs>& later);
  void RetireAll();

  uint32_t shared_bits_;
  uint64_t shared_value_ = 0;  // the bits that all keys share, learnt from the first
  Reclaimer* reclaimer_;
  std::atomic<uint64_t> root_{0};  // a Link
  SegmentInfo* root_info_ = nullptr;
  uint64_t expire_cursor_ = 0;
  uint64_t merge_cursor_ = 0;
  size_t segments_ = 0;
  size_t size_ = 0;
  size_t expiring_ = 0;
  size_t allocated_bytes_ = 0;
};

}  // namespace holdfast::memtable
