// The names of keys that eviction took a while ago, as fingerprints: a key that comes back while
// the table knows it was taken too early. Sets of four cells of four bytes (16 bits of the hash and
// an age); the oldest of a set makes room. A false "known" comes about once in 16,000 questions,
// and costs one place in the main queue.
//
// Owned by ShardQueues, under the shard's lock. Cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "holdfast/memory.h"

namespace holdfast::eviction {

class GhostTable {
 public:
  GhostTable() = default;
  ~GhostTable();
  GhostTable(const GhostTable&) = delete;
  GhostTable& operator=(const GhostTable&) = delete;

  // Room for the fingerprints that `resident` keys call for: one and a half cells each, six bytes.
  // What it knew is forgotten if the size changes. 0 gives all memory back.
  void Resize(size_t resident);
  // The size it was made for.
  size_t resident() const { return resident_; }
  size_t allocated_bytes() const;

  void Insert(uint64_t hash);
  // Whether the key was inserted, within the last `horizon` insertions; it is forgotten.
  bool Take(uint64_t hash, uint64_t horizon);

 private:
  static constexpr size_t kWays = 4;
  static constexpr uint32_t kAgeBits = 16;
  static constexpr uint32_t kFingerprintMask = 0xffff;
  static constexpr uint32_t kAgeMask = (1u << kAgeBits) - 1;

  // time of insertion (16 bits) | fingerprint (16), which is never 0
  using Cell = uint32_t;
  static uint32_t Fingerprint(uint64_t hash) {
    const auto bits = static_cast<uint32_t>(hash >> 32) & kFingerprintMask;
    return bits == 0 ? 1 : bits;
  }
  Cell* SetOf(uint64_t hash) const {
    return cells_ + kWays * (((hash & 0xffffffff) * sets_) >> 32);
  }
  // In ticks; a tick is 2^tick_shift_ insertions, so that the ages of a table's cells differ.
  uint32_t Now() const { return static_cast<uint32_t>(inserted_ >> tick_shift_) & kAgeMask; }
  uint32_t AgeOf(Cell cell) const { return (Now() - (cell >> (32 - kAgeBits))) & kAgeMask; }

  Cell* cells_ = nullptr;
  size_t sets_ = 0;
  size_t resident_ = 0;
  uint32_t tick_shift_ = 0;
  uint64_t inserted_ = 0;
};

}  // namespace holdfast::eviction
