// When a key was last accessed: seconds modulo 2^24 (194 days), in the entry's eviction state. Read
// and written under the shard's lock; no part of the contents, so that replay need not match it.
#pragma once

#include <cstdint>

#include "holdfast/clock.h"
#include "memtable/entry.h"

namespace holdfast::keyspace {

inline constexpr uint32_t kAccessMask = (1u << 24) - 1;

constexpr uint32_t AccessStamp(UnixMs now_ms) {
  return static_cast<uint32_t>(static_cast<uint64_t>(now_ms) / 1000) & kAccessMask;
}

inline int64_t IdleSeconds(const memtable::Entry& entry, UnixMs now_ms) {
  return (AccessStamp(now_ms) - entry.eviction_state()) & kAccessMask;
}

}  // namespace holdfast::keyspace
