// The table of one shard and database: every key of a contiguous slot range, in segments.
//
// A segment covers a range of (slot, hash) and holds 64 buckets of 64 bytes: 7 tags of 8 bits, an
// overflow count, 7 entry pointers. A directory indexed by the leading bits of the order points to
// the segments (its low pointer bits carry the segment's depth, so that a bucket's address is known
// without touching the segment); growth splits one segment at a time, so no insert ever pays for
// more than a few hundred entries. Bucket order follows key order, so a walk in order sorts a few
// entries at a time. index.h has the index, entry_builder.h what makes and frees entries.
//
// Owned by a Shard. Every call except Prefetch* needs the shard's lock. Prefetch* may be called by
// any thread inside a Reclaimer::Guard: they read only atomics, and replaced directories and
// segments are retired through the Reclaimer, never freed at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "memtable/entry.h"
#include "memtable/index.h"
#include "memtable/key.h"
#include "memtable/reclaimer.h"

namespace holdfast::memtable {

struct NewValue;

struct TableOptions {
  uint32_t shared_order_bits = 8;  // leading bits that all keys of one shard share (256 shards: 8)
  Reclaimer* reclaimer = nullptr;  // outlives the table
};

// What a string entry is made of.
struct StringSpec {
  std::string_view bytes;
  UnixMs expiry_ms = kNoExpiry;
  bool raw = false;         // never stored as an integer, shown as "raw"
  bool try_integer = true;  // a canonical integer becomes ValueForm::kInteger
};

class Table {
 public:
  explicit Table(const TableOptions& options);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // First touches the directory cell and the bucket, then the entries whose tag matches. Call both
  // for a batch of keys, one stage after the other.
  // Inside one guard: the bucket that the first gives (perhaps null) is what the second wants.
  const Bucket* PrefetchBucket(const KeyRef& key) const { return index_.PrefetchBucket(key); }
  static void PrefetchEntry(const Bucket* bucket, const KeyRef& key) {
    if (bucket != nullptr) Index::PrefetchEntry(bucket, key);
  }

  // Null if absent (tombstones are found).
  Entry* Find(const KeyRef& key) const { return index_.Find(key); }

  // Creates or overwrites; returns the entry, whose address may have changed. Flags other than
  // kHasExpiry and kRawString, and the eviction state, of an overwritten entry survive; its ticket
  // does not. `existing` is what Find returned (null: the key is absent). The new bytes must not
  // lie in the entry that they replace.
  Entry* SetString(const KeyRef& key, Entry* existing, const StringSpec& spec);
  Entry* SetInteger(const KeyRef& key, Entry* existing, int64_t value, UnixMs expiry_ms);
  Entry* SetBlock(const KeyRef& key, Entry* existing, BlockRef block, UnixMs expiry_ms, bool raw);
  // Of a long string that the live tier has: `reference` names it.
  Entry* SetReference(const KeyRef& key, Entry* existing, BlockRef reference, UnixMs expiry_ms,
                      bool raw);
  // Grows or shrinks a string to `length`, zero-filled, and returns its writable bytes: in place
  // where they fit, with slack for the next append, copied first when the block is shared. The
  // entry becomes raw (as after APPEND and SETRANGE) and its address may change.
  struct Writable {
    Entry* entry;
    char* bytes;
  };
  Writable ResizeString(const KeyRef& key, Entry* existing, size_t length);
  // kNoExpiry removes it. The entry's address may change.
  Entry* SetExpiry(const KeyRef& key, Entry* existing, UnixMs expiry_ms);
  void Erase(const KeyRef& key, Entry* existing);
  // Puts a tombstone in the place of a key, which may be absent (null): deleted, while the live
  // tier still has it or may get it. Returns it; it has no TTL.
  Entry* Bury(const KeyRef& key, Entry* existing);
  // Makes an empty string of a tombstone, which the caller gives a value next.
  void Revive(Entry* tombstone);
  // Gives `key` the value (bytes, form, rawness) of `from`, which may lie in another table; blocks
  // are shared, not copied (and counted once for each entry). The expiry is the caller's choice.
  // `from` is not `existing`.
  Entry* CopyValue(const KeyRef& key, Entry* existing, const Entry& from, UnixMs expiry_ms);

  size_t size() const { return index_.size(); }  // tombstones included
  size_t tombstones() const { return tombstones_; }
  size_t live() const { return size() - tombstones_; }
  size_t expiring() const { return index_.expiring(); }  // entries with a TTL
  // Entries, blocks and the table, as the allocator handed them out.
  size_t allocated_bytes() const { return entry_bytes_ + index_.allocated_bytes(); }
  size_t index_bytes() const { return index_.allocated_bytes(); }  // the part without entries
  // By how much allocated_bytes grew since the last call.
  int64_t TakeGrowth() {
    const size_t before = std::exchange(noted_bytes_, allocated_bytes());
    return static_cast<int64_t>(noted_bytes_ - before);
  }

  // Exchanges all contents with a table of the same options (SWAPDB), in constant time.
  void Swap(Table& other);
  // Moves all contents into a table of their own, in constant time (FLUSHALL): freeing that one
  // needs no lock, and a table that prefetching threads know never goes away.
  std::unique_ptr<Table> Detach();

  using Visit = std::function<void(Entry&)>;
  // Visits, in order, entries from `start` on: whole equal-order runs, at least `at_least` entries
  // if there are that many. Returns where to go on, kOrderEnd when done. The callback may change
  // flags and eviction state of the entry, nothing else.
  KeyOrder Scan(KeyOrder start, size_t at_least, const Visit& visit) const;
  // Visits some hundred entries, cheaply: the stretch that `start` lies in, in no order. Returns
  // where the next one begins, kOrderEnd after the last. Who goes on there misses no entry that was
  // there all the while, but may come to one twice. The callback as for Scan.
  KeyOrder VisitStretch(KeyOrder start, const Visit& visit) const {
    return index_.VisitSegment(start, visit);
  }
  // The first entry at or after `start`, null if none in this table.
  Entry* FirstFrom(KeyOrder start) const;
  // Neighbours at a random place, for eviction to choose from: see Index::Sample.
  size_t Sample(uint64_t seed, bool expiring_only, std::span<Entry*> out) const {
    return index_.Sample(seed, expiring_only, out);
  }
  // Looks at up to `segments` segments, going round from where the last call stopped, and calls
  // `expired` for entries due at `now`, at most `limit`, of segments that are due for a look (again
  // when a tenth of a segment's TTLs are due or a second has passed since a due one was left).
  // The callback must not change the table: it collects names. Returns the number reported.
  size_t CollectExpired(UnixMs now, size_t segments, size_t limit,
                        const std::function<void(const Entry&)>& expired);

 private:
  Entry* Put(const KeyRef& key, Entry* existing, const NewValue& value, UnixMs expiry_ms);
  void Moved(const KeyRef& key, const Entry* old, Entry* now);
  Writable ResizeBlock(const KeyRef& key, Entry* existing, size_t length);

  TableOptions options_;
  Index index_;
  size_t entry_bytes_ = 0;
  size_t tombstones_ = 0;
  size_t noted_bytes_ = 0;
};

}  // namespace holdfast::memtable
