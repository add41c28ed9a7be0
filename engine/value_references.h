// Which long values of the tier memory names without having them. An entry that was renamed, copied
// or given another expiry while its value was cold holds a reference (memtable/value_reference.h);
// so do the writes of such entries on their way, and reads of their values.
//
// The rule: a value may be removed from the tier only if no row of the tier names it and nobody
// holds its reference, asked in this order: first Held, then the rows, with no landing in between.
// Whoever comes to hold a reference after Held said no has read it in a row, or got it from
// somebody who held it. A row that was read and is current still stands there, as no landing took
// it away; what was read in a row that is not current any more is not believed (R10). A write gives
// its reference back after its row has landed, so there is no moment without either.
//
// Owned by the tier. Any thread, under any lock; short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "holdfast/memory.h"
#include "snapshot/cold_row.h"

namespace holdfast {

// Of a row with the value that a reference names, as far as that tells.
snapshot::ColdHeader HeaderOfReference(const CountedBlock& reference);

class ValueReferences {
 public:
  // The reference to the value of a row with a value id: the same block for all who hold it.
  BlockRef To(const snapshot::ColdHeader& header);
  // Somebody has a reference to the value.
  bool Held(uint64_t value_id);
  // Of this; the blocks are counted where they are held.
  uint64_t MemoryBytes() const;

 private:
  void ForgetUnheld();

  mutable std::mutex mutex_;                           // guards what follows
  std::unordered_map<uint64_t, BlockRef> references_;  // some of them held by nobody else any more
  size_t forget_at_ = 64;                              // so many: those are looked for
};

}  // namespace holdfast
