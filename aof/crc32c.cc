#include "aof/crc32c.h"

#include <isa-l/crc.h>

namespace holdfast::aof {
namespace {

// ISA-L takes its length as an int.
constexpr size_t kMaxPiece = size_t{1} << 30;

}  // namespace

uint32_t Crc32c(uint32_t crc, ByteView bytes) {
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const ByteView piece = bytes.substr(0, kMaxPiece);
    // ISA-L's signature lacks const; it only reads.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    state = crc32_iscsi(data, static_cast<int>(piece.size()), state);
    bytes.remove_prefix(piece.size());
  }
  return ~state;
}

}  // namespace holdfast::aof
