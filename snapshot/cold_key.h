// The key of a row in the live tier: space, (slot, hash), name. Its bytes sort as the keyspace's
// one order (memtable/key.h), so that a walk, a scan and a range deletion are each one run of rows.
//
//   space 4 | order 7 | name       big-endian; stored on disk (docs/formats.md)
//
// Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "memtable/key.h"

namespace holdfast::snapshot {

// A logical database's rows. FLUSHDB takes a new one, SWAPDB swaps two: no key changes.
using SpaceId = uint32_t;

// Refers to the caller's bytes.
struct ColdKey {
  SpaceId space = 0;
  memtable::KeyOrder order = 0;
  std::string_view name;

  friend bool operator==(const ColdKey&, const ColdKey&) = default;
};

inline constexpr size_t kColdKeyNameOffset = 11;

void AppendColdKey(std::string& out, const ColdKey& key);
std::string EncodeColdKey(const ColdKey& key);
// Null if these bytes are no key. The name refers to `bytes`.
std::optional<ColdKey> DecodeColdKey(std::string_view bytes);

// The first key of `space` at `order` or behind it; kOrderEnd gives the first of the next space.
std::string ColdKeyBound(SpaceId space, memtable::KeyOrder order);

}  // namespace holdfast::snapshot
