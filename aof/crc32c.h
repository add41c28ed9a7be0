// CRC-32C (Castagnoli), the checksum of every byte in the log.
#pragma once

#include <cstdint>

#include "holdfast/bytes.h"

namespace holdfast::aof {

// The standard value (Crc32c(0, "123456789") == 0xe3069283). Extends: with crc = Crc32c(0, a),
// Crc32c(crc, b) is the checksum of a followed by b. Any thread; cannot fail.
uint32_t Crc32c(uint32_t crc, ByteView bytes);

}  // namespace holdfast::aof
