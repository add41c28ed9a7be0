// The walk beside traffic that writes the keyspace as of one instant, the cut, without a fork and
// without a copy of memory (DESIGN section 6, R1 to R4): for snapshots, and for the log rewrite of
// stores without a cold tier.
//
// At the cut every shard's epoch flips, so that every entry is *unsaved*: its epoch bit differs
// from its shard's. The walk visits the shards in order and hands each unsaved entry to the sink;
// a writer that is about to change an unsaved entry hands its old image over first. Either way the
// entry takes the current epoch, so each key gives at most one image. Entries made after the cut
// are born with the current epoch and are not seen.
//
// Owned by the snapshot or rewrite in progress; one at a time per keyspace. Begin, Finish and Abort
// run under the gate, Step on the walking thread, HandOver on any thread under the shard's lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/keyspace/breather.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"

namespace holdfast::keyspace {

// An entry as of the cut.
struct CutImage {
  Shard& shard;
  int database = 0;         // now
  int database_at_cut = 0;  // SWAPDB may have been there since
  memtable::Entry& entry;   // perhaps a tombstone
  bool changes = false;     // it is about to be changed or removed: this is the last chance
};

// Takes images. Called under the shard's lock: must only copy or take references. Several threads
// may call it at a time for different shards.
class CutSink {
 public:
  virtual ~CutSink() = default;
  virtual void Image(const CutImage& image) = 0;
};

class CutWalk {
 public:
  CutWalk(Keyspace& keyspace, CutSink& sink);
  ~CutWalk();
  CutWalk(const CutWalk&) = delete;
  CutWalk& operator=(const CutWalk&) = delete;

  void Begin(LockedShards& gate);
  // Visits the next entries, some hundred at most, under one shard's lock. False when every entry
  // has been visited or the walk was aborted. May sleep a moment afterwards.
  bool Step();
  bool aborted() const { return aborted_.load(std::memory_order_acquire); }

  // Called before an entry is changed or removed; the shard's lock is held.
  static void BeforeChange(Shard& shard, int database, memtable::Entry& entry) {
    if (shard.walk != nullptr && Unsaved(shard, entry)) [[unlikely]]
      shard.walk->Save(shard, database, entry, true);
  }
  static bool Unsaved(const Shard& shard, const memtable::Entry& entry) {
    return entry.Has(memtable::kDirty) && entry.Has(memtable::kEpoch) != shard.epoch;
  }

  // Under the gate. A database number at the cut may now name another table.
  void Swapped(int first, int second);
  // Under the gate: FLUSH cannot be walked round, the caller starts again. Sweeps (R2).
  void Abort(LockedShards& gate);

 private:
  void Save(Shard& shard, int database, memtable::Entry& entry, bool changes);
  void LeaveShard(Shard& shard);
  void Sweep(Shard& shard);

  Keyspace& keyspace_;
  CutSink& sink_;
  std::vector<int> database_at_cut_;
  std::atomic<bool> aborted_{false};
  size_t shard_ = 0;
  int database_ = 0;
  memtable::KeyOrder next_ = 0;
  Breather breather_;
};

}  // namespace holdfast::keyspace
