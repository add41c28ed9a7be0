// What names a long value that lies in the live tier alone. It stands in a CountedBlock, which is
// shared by every entry of form kReference and every cold write on its way that has this value: as
// long as somebody holds the block, the value is not removed (engine/value_references.h).
//
// Plain functions; any thread.
#pragma once

#include <cstdint>

#include "holdfast/memory.h"

namespace holdfast::memtable {

struct ValueReference {
  uint64_t value_id = 0;       // as the tier counts them, not 0
  uint64_t size = 0;           // of a string its length
  uint64_t payload_bytes = 0;  // of the value as the tier has it
};

BlockRef MakeReference(const ValueReference& reference);
// `block` is one that MakeReference made.
ValueReference ReferenceIn(const CountedBlock& block);

}  // namespace holdfast::memtable
