#include "memtable/value_reference.h"

#include <cstring>

#include "holdfast/check.h"

namespace holdfast::memtable {

BlockRef MakeReference(const ValueReference& reference) {
  HF_CHECK(reference.value_id != 0);
  BlockRef block = BlockRef::Adopt(CountedBlock::Create(sizeof(reference)));
  std::memcpy(block->data(), &reference, sizeof(reference));
  block->size = sizeof(reference);
  return block;
}

ValueReference ReferenceIn(const CountedBlock& block) {
  ValueReference reference;
  HF_CHECK(block.size == sizeof(reference));
  std::memcpy(&reference, block.view().data(), sizeof(reference));
  HF_CHECK(reference.value_id != 0);
  return reference;
}

}  // namespace holdfast::memtable
