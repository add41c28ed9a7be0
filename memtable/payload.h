// The payload of DUMP and RESTORE, byte for byte Redis's: type byte, value, RDB version (2 bytes,
// little-endian), CRC64 of all before it (8 bytes, little-endian). docs/formats.md has the layout.
//
// Plain functions; any thread (the entry's shard locked).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/result.h"
#include "memtable/entry.h"

namespace holdfast::memtable {

// Stored on disk: what Redis 7.0 writes, and the newest whose payloads are read (Redis 7.4, 8.0).
inline constexpr uint16_t kPayloadVersion = 10;
inline constexpr uint16_t kPayloadVersionMax = 12;

// CRC-64 with Jones's polynomial, reflected, nothing inverted: Redis's crc64(). 0 to begin with.
uint64_t Crc64(uint64_t crc, std::string_view bytes);

// A value on its way from a payload into a table. `type` says which member holds it.
struct DecodedValue {
  ValueType type = ValueType::kString;
  std::string bytes;  // kString
};

// `compress`: Redis's rdbcompression.
std::string EncodePayload(const Entry& entry, bool compress = true);
std::string EncodeStringPayload(std::string_view bytes, bool compress = true);

// Accepts any bytes. Errors:
//   kCorruption       version too new or checksum wrong (RESTORE: "DUMP payload version or checksum
//                     are wrong")
//   kInvalidArgument  the checksum is right, what it covers is not a value (RESTORE: "Bad data
//                     format"); `message` says why
//   kUnsupported      a type that Redis has and this version does not, by name
// As in Redis, bytes between value and footer are ignored, and a length may reach into the footer.
Result<DecodedValue> DecodePayload(std::string_view payload);

}  // namespace holdfast::memtable
