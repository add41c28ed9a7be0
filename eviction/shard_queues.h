// S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, SOSP 2023) without lists, for one shard: each entry
// carries its queue, its stamp of entering it and two bits of hits; the head of a queue is the
// oldest among a few neighbours. So deletion, expiry and growth of the table need no bookkeeping.
//
// A new key enters the small queue. When its turn comes it moves to the main queue if it was hit,
// and is evicted if not. A key of the main queue whose turn comes loses a hit and enters again, or
// is evicted if it has none. A ghost table remembers what was evicted: a key that comes back while
// it is known enters the main queue at once. So a scan passes through the small queue alone: keys
// that come from a slower tier enter like new ones.
//
// A key's turn in the small queue is when a sixteenth of the shard's keys have entered it since.
// Another sixteenth comes while it waits to be found by a sample: together the tenth or so that the
// paper gives the small queue. No queue's length is counted, so none can drift.
//
// Owned by a Shard, under its lock. Cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "eviction/ghost_table.h"
#include "memtable/entry.h"

namespace holdfast::eviction {

class ShardQueues {
 public:
  static constexpr size_t kSample = 16;

  // The state of a key that is new in memory.
  uint32_t Enter(uint64_t hash);
  // The state of one that was there before the queues were.
  uint32_t EnterMain();
  // The state of one that comes back to the queue in which it was.
  uint32_t Return(bool main, uint32_t hits);
  // Chooses one of some neighbours out of a shard of `resident` keys. If the first in turn was hit
  // it moves on: then null if the caller has other neighbours to show (`more`), else the next is
  // looked at.
  memtable::Entry* Choose(std::span<memtable::Entry* const> sample, size_t resident, bool more);
  // The key was evicted out of `resident` keys, itself included.
  void Evicted(uint64_t hash, size_t resident);
  // Forgets everything and gives the memory back: another policy is in force.
  void Reset() { ghost_.Resize(0); }

  size_t allocated_bytes() const { return ghost_.allocated_bytes(); }

 private:
  memtable::Entry* Oldest(std::span<memtable::Entry* const> sample, bool main) const;
  bool MovesOn(memtable::Entry& entry);

  uint32_t small_clock_ = 0;  // keys that entered the small queue so far
  uint32_t main_clock_ = 0;   // ... the main queue
  GhostTable ghost_;
};

}  // namespace holdfast::eviction
