#include "engine/keyspace/cut_walk.h"

#include <utility>

#include "holdfast/check.h"

namespace holdfast::keyspace {

CutWalk::CutWalk(Keyspace& keyspace, CutSink& sink) : keyspace_(keyspace), sink_(sink) {
  for (int i = 0; i < keyspace.databases(); ++i) database_at_cut_.push_back(i);
}

CutWalk::~CutWalk() {
  for (Shard& shard : keyspace_.shards()) {
    shard.lock.Lock();
    if (shard.walk == this) {
      Sweep(shard);
      LeaveShard(shard);
    }
    shard.lock.Unlock();
  }
}

void CutWalk::Begin(LockedShards& gate) {
  HF_CHECK(gate.HoldsGate());
  for (Shard& shard : keyspace_.shards()) {
    HF_CHECK(shard.walk == nullptr);  // one walk at a time: one epoch bit is enough (R2)
    shard.walk = this;
    shard.epoch = !shard.epoch;
  }
}

bool CutWalk::Step() {
  if (aborted() || shard_ == keyspace_.shards().size()) return false;
  Shard& shard = keyspace_.shards()[shard_];
  shard.lock.LockInTurn();
  if (aborted()) {
    shard.lock.Unlock();
    return false;
  }
  HF_CHECK(shard.walk == this);
  const memtable::Table* table = shard.table(database_);
  if (table != nullptr) {
    next_ = table->VisitStretch(next_, [&](memtable::Entry& entry) {
      if (Unsaved(shard, entry)) Save(shard, database_, entry, false);
    });
  }
  if (table == nullptr || next_ == memtable::kOrderEnd) {
    next_ = 0;
    if (++database_ == keyspace_.databases()) {
      database_ = 0;
      LeaveShard(shard);
      ++shard_;
    }
  }
  shard.lock.Unlock();
  breather_.Breathe();
  return true;
}

void CutWalk::Save(Shard& shard, int database, memtable::Entry& entry, bool changes) {
  HF_DCHECK(Unsaved(shard, entry));
  sink_.Image({.shard = shard,
               .database = database,
               .database_at_cut = database_at_cut_[static_cast<size_t>(database)],
               .entry = entry,
               .changes = changes});
  entry.Mark(memtable::kEpoch, shard.epoch);
}

void CutWalk::LeaveShard(Shard& shard) { shard.walk = nullptr; }

// After a swap the walk may already have passed one of the two tables of the shard it is in, so it
// goes through that shard again; what was visited carries the current epoch and is skipped.
void CutWalk::Swapped(int first, int second) {
  std::swap(database_at_cut_[static_cast<size_t>(first)],
            database_at_cut_[static_cast<size_t>(second)]);
  database_ = 0;
  next_ = 0;
}

void CutWalk::Sweep(Shard& shard) {
  for (int database = 0; database < keyspace_.databases(); ++database) {
    const memtable::Table* table = shard.table(database);
    if (table == nullptr) continue;
    table->Scan(0, table->size() + 1,
                [&](memtable::Entry& entry) { entry.Mark(memtable::kEpoch, shard.epoch); });
  }
}

void CutWalk::Abort(LockedShards& gate) {
  HF_CHECK(gate.HoldsGate());
  aborted_.store(true, std::memory_order_release);
  for (Shard& shard : keyspace_.shards()) {
    if (shard.walk != this) continue;
    Sweep(shard);
    LeaveShard(shard);
  }
}

}  // namespace holdfast::keyspace
