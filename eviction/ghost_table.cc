#include "eviction/ghost_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "holdfast/check.h"

namespace holdfast::eviction {

GhostTable::~GhostTable() { Resize(0); }

void GhostTable::Resize(size_t resident) {
  if (cells_ != nullptr) Free(cells_, sets_ * kWays * sizeof(Cell));
  cells_ = nullptr;
  resident_ = resident;
  sets_ = (resident * 3 / 2 + kWays - 1) / kWays;
  HF_CHECK(sets_ <= UINT32_MAX);
  if (sets_ == 0) return;
  const size_t bytes = sets_ * kWays * sizeof(Cell);
  cells_ = static_cast<Cell*>(Allocate(bytes));
  std::memset(cells_, 0, bytes);
  inserted_ = 0;
  // An age turns over once in 65,536 ticks: eight times what the table can hold is far enough.
  const size_t cells = sets_ * kWays;
  const auto bits = static_cast<uint32_t>(std::bit_width(cells));
  tick_shift_ = bits + 3 > kAgeBits ? bits + 3 - kAgeBits : 0;
}

size_t GhostTable::allocated_bytes() const {
  return cells_ == nullptr ? 0 : UsableSize(cells_, sets_ * kWays * sizeof(Cell));
}

void GhostTable::Insert(uint64_t hash) {
  HF_DCHECK(sets_ > 0);
  Cell* const set = SetOf(hash);
  Cell* place = set;
  uint32_t oldest = 0;
  for (Cell* cell = set; cell != set + kWays; ++cell) {
    if (*cell == 0) {
      place = cell;
      break;
    }
    const uint32_t age = AgeOf(*cell);
    if (age >= oldest) {
      oldest = age;
      place = cell;
    }
  }
  *place = (Now() << (32 - kAgeBits)) | Fingerprint(hash);
  ++inserted_;
}

bool GhostTable::Take(uint64_t hash, uint64_t horizon) {
  if (sets_ == 0) return false;
  Cell* const set = SetOf(hash);
  for (Cell* cell = set; cell != set + kWays; ++cell) {
    if ((*cell & kFingerprintMask) != Fingerprint(hash)) continue;
    const bool young = (uint64_t{AgeOf(*cell)} << tick_shift_) <= horizon;
    *cell = 0;
    return young;
  }
  return false;
}

}  // namespace holdfast::eviction
