// A key as the keyspace sees it: its name, its Redis Cluster slot and its keyed 64-bit hash, all
// computed once per command. The order (slot, hash) is the one order of the whole system: table,
// scan cursor, live tier, snapshot walk, later migration.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast::memtable {

inline constexpr uint32_t kSlotBits = 14;
inline constexpr uint32_t kSlotCount = 1u << kSlotBits;
inline constexpr uint32_t kStoredHashBits = 40;  // what an entry keeps of its hash

// The secret that makes the hash unguessable: random, made once per data set, kept in the manifest.
struct HashSeed {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  friend bool operator==(const HashSeed&, const HashSeed&) = default;
};

// SipHash-1-3 (Aumasson, Bernstein 2012): flood-resistant under an unknown seed.
uint64_t KeyedHash(const HashSeed& seed, std::string_view name);

// CRC-16/XMODEM of the key or of its hash tag ("{...}", first non-empty), mod 16384, as
// https://redis.io/docs/reference/cluster-spec/ defines it.
uint16_t SlotOf(std::string_view name);

// Position in the one order: slot (14 bits), then the top 40 bits of the hash. Keys may share it.
using KeyOrder = uint64_t;
inline constexpr uint32_t kOrderBits = kSlotBits + kStoredHashBits;
inline constexpr KeyOrder kOrderEnd = KeyOrder{1} << kOrderBits;

constexpr KeyOrder OrderOf(uint16_t slot, uint64_t hash) {
  return (static_cast<KeyOrder>(slot) << kStoredHashBits) | (hash >> (64 - kStoredHashBits));
}

// Refers to the caller's bytes; valid as long as they are.
struct KeyRef {
  std::string_view name;
  uint64_t hash = 0;
  uint16_t slot = 0;

  KeyOrder order() const { return OrderOf(slot, hash); }
};

inline KeyRef MakeKeyRef(const HashSeed& seed, std::string_view name) {
  return {name, KeyedHash(seed, name), SlotOf(name)};
}

}  // namespace holdfast::memtable
