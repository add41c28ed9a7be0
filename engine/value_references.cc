#include "engine/value_references.h"

#include <algorithm>

#include "holdfast/check.h"
#include "memtable/value_reference.h"

namespace holdfast {
namespace {

constexpr size_t kLeastToForget = 64;
constexpr uint64_t kBytesEach = 64;  // a node of the map and its part of the buckets

}  // namespace

snapshot::ColdHeader HeaderOfReference(const CountedBlock& reference) {
  const memtable::ValueReference named = memtable::ReferenceIn(reference);
  return {.size = named.size, .value_id = named.value_id, .payload_bytes = named.payload_bytes};
}

BlockRef ValueReferences::To(const snapshot::ColdHeader& header) {
  const std::lock_guard lock(mutex_);
  if (references_.size() >= forget_at_) ForgetUnheld();
  BlockRef& reference = references_[header.value_id];
  if (!reference) {
    reference = memtable::MakeReference(
        {.value_id = header.value_id, .size = header.size, .payload_bytes = header.payload_bytes});
  }
  HF_CHECK(memtable::ReferenceIn(*reference.get()).payload_bytes == header.payload_bytes);
  return reference;
}

// A block that nobody else holds stays so: only To gives it away.
bool ValueReferences::Held(uint64_t value_id) {
  const std::lock_guard lock(mutex_);
  const auto found = references_.find(value_id);
  if (found == references_.end()) return false;
  if (found->second->Shared()) return true;
  references_.erase(found);
  return false;
}

// Each costs a look for each that came since the last time, at most.
void ValueReferences::ForgetUnheld() {
  std::erase_if(references_, [](const auto& named) { return !named.second->Shared(); });
  forget_at_ = std::max(kLeastToForget, 2 * references_.size());
}

uint64_t ValueReferences::MemoryBytes() const {
  const std::lock_guard lock(mutex_);
  return references_.size() * kBytesEach;
}

}  // namespace holdfast
