#include "memtable/key.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace holdfast::memtable {
namespace {

uint64_t LoadLittleEndian(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    v0 ^= word;
  }
};

// The last 0 to 7 bytes, little-endian, without reading past them.
uint64_t LoadTail(const char* bytes, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) {
    word |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return word;
}

// Tables for eight input bytes at a time: entry [k][b] is the CRC of byte b followed by k zeros.
using CrcTables = std::array<std::array<uint16_t, 256>, 8>;

constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    tables[0][byte] = static_cast<uint16_t>(crc);
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint16_t crc = tables[k - 1][byte];
      tables[k][byte] = static_cast<uint16_t>((crc << 8) ^ tables[0][crc >> 8]);
    }
  }
  return tables;
}

constexpr CrcTables kCrc = MakeCrcTables();

uint16_t Crc16(const char* bytes, size_t size) {
  uint32_t crc = 0;
  while (size >= 8) {
    const uint64_t word = LoadLittleEndian(bytes);
    const auto byte = [word](int i) { return (word >> (8 * i)) & 255; };
    crc = kCrc[7][byte(0) ^ (crc >> 8)] ^ kCrc[6][byte(1) ^ (crc & 255)] ^ kCrc[5][byte(2)] ^
          kCrc[4][byte(3)] ^ kCrc[3][byte(4)] ^ kCrc[2][byte(5)] ^ kCrc[1][byte(6)] ^
          kCrc[0][byte(7)];
    bytes += 8;
    size -= 8;
  }
  for (; size > 0; --size, ++bytes) {
    crc = ((crc << 8) & 0xffff) ^ kCrc[0][(crc >> 8) ^ static_cast<unsigned char>(*bytes)];
  }
  return static_cast<uint16_t>(crc);
}

}  // namespace

uint64_t KeyedHash(const HashSeed& seed, std::string_view name) {
  SipState state{seed.k0 ^ 0x736f6d6570736575ULL, seed.k1 ^ 0x646f72616e646f6dULL,
                 seed.k0 ^ 0x6c7967656e657261ULL, seed.k1 ^ 0x7465646279746573ULL};
  const char* bytes = name.data();
  size_t left = name.size();
  for (; left >= 8; left -= 8, bytes += 8) state.Absorb(LoadLittleEndian(bytes));
  state.Absorb((static_cast<uint64_t>(name.size()) << 56) | LoadTail(bytes, left));
  state.v2 ^= 0xff;
  state.Round();
  state.Round();
  state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint16_t SlotOf(std::string_view name) {
  if (const size_t open = name.find('{'); open != std::string_view::npos) {
    const size_t close = name.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      name = name.substr(open + 1, close - open - 1);
    }
  }
  return Crc16(name.data(), name.size()) & (kSlotCount - 1);
}

}  // namespace holdfast::memtable
