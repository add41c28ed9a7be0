#include "memtable/key.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast::memtable {
namespace {

// Bit by bit, straight from the definition of CRC-16/XMODEM.
uint16_t SlowCrc16(std::string_view bytes) {
  uint16_t crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<uint16_t>(static_cast<unsigned char>(c) << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

TEST(SlotOf, MatchesTheDefinitionForEveryLength) {
  EXPECT_EQ(SlotOf("123456789"), 0x31c3 % kSlotCount);  // the check value of the CRC
  std::string name;
  for (int length = 0; length < 300; ++length) {
    EXPECT_EQ(SlotOf(name), SlowCrc16(name) % kSlotCount) << length;
    name.push_back(static_cast<char>(length * 37 + 1));
    if (name.back() == '{') name.back() = 'x';
  }
}

TEST(SlotOf, UsesTheFirstNonEmptyHashTag) {
  EXPECT_EQ(SlotOf("{user1000}.following"), SlotOf("user1000"));
  EXPECT_EQ(SlotOf("foo{bar}{zap}"), SlotOf("bar"));
  EXPECT_EQ(SlotOf("foo{{bar}}zap"), SlotOf("{bar"));
  EXPECT_EQ(SlotOf("foo{}{bar}"), SlowCrc16("foo{}{bar}") % kSlotCount);
  EXPECT_EQ(SlotOf("foo{bar"), SlowCrc16("foo{bar") % kSlotCount);
  EXPECT_EQ(SlotOf("}{"), SlowCrc16("}{") % kSlotCount);
}

TEST(OrderOf, PutsTheSlotBeforeTheHash) {
  EXPECT_EQ(OrderOf(1, 0), uint64_t{1} << 40);
  EXPECT_EQ(OrderOf(0, UINT64_MAX), (uint64_t{1} << 40) - 1);
  EXPECT_EQ(OrderOf(kSlotCount - 1, UINT64_MAX), kOrderEnd - 1);
}

}  // namespace
}  // namespace holdfast::memtable
