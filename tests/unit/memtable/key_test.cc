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

// What redis-server 7.0 answers to CLUSTER KEYSLOT.
TEST(SlotOf, MatchesRedis) {
  const struct {
    std::string_view name;
    uint16_t slot;
  } vectors[] = {
      {"foo", 12182},
      {"user:{42}:x", 8000},
      {"a{}{b}", 15033},
      {"{", 4092},
      {"x{y", 2740},
      {"{{a}}", 10276},
      {"", 0},
      {"key:000000000017", 12587},
      {"0123456", 14697},
      {"the quick brown fox jumps over the lazy dog", 12325},
      {"}{a}", 15495},
      {"a{b}c{d}", 3300},
      {"{a", 10276},
  };
  for (const auto& [name, slot] : vectors) EXPECT_EQ(SlotOf(name), slot) << name;
}

// SipHash-1-3 of the bytes 0, 1, ... n-1 under the key 00 01 ... 0f, as OpenSSL computes it.
TEST(KeyedHash, MatchesTheReference) {
  constexpr uint64_t kVectors[] = {
      0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
      0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
      0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
      0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
      0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
      0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
      0xf464aeb267349c8c, 0x45cd5928705b0979, 0x3a3e35e3ca9913a5, 0xa91dc74e4ade3b35,
      0xfb0bed02ef6cd00d, 0x88d93cb44ab1e1f4, 0x540f11d643c5e663, 0x2370dd1f8c21d1bc,
      0x81157b6c16a7b60d, 0x4d54b9e57a8ff9bf, 0x759f12781f2a753e, 0xcea1a3bebf186b91,
      0x2cf508d3ada26206, 0xb6101c2da3c33057, 0xb3f47496ae3a36a1, 0x626b57547b108392,
      0xc1d2363299e41531, 0x667cc1923f1ad944, 0x65704ffec8138825, 0x24f280d1c28949a6,
      0xc2ca1cedfaf8876b, 0xc2164bfc9f042196, 0xa16e9c9368b1d623, 0x49fb169c8b5114fd,
      0x9f3143f8df074c46, 0xc6fdaf2412cc86b3, 0x7eaf49d10a52098f, 0x1cf313559d292f9a,
      0xc44a30dda2f41f12, 0x36fae98943a71ed0, 0x318fb34c73f0bce6, 0xa27abf3670a7e980,
      0xb4bcc0db243c6d75, 0x23f8d852fdb71513, 0x8f035f4da67d8a08, 0xd89cd0e5b7e8f148,
      0xf6f4e6bcf7a644ee, 0xaec59ad80f1837f2, 0xc3b2f6154b6694e0, 0x9d199062b7bbb3a8,
  };
  const HashSeed seed{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string name;
  for (const uint64_t vector : kVectors) {
    EXPECT_EQ(KeyedHash(seed, name), vector) << name.size();
    name.push_back(static_cast<char>(name.size()));
  }
}

// The same from Python 3.11 (PYTHONHASHSEED=0), whose hash of bytes this is.
TEST(KeyedHash, MatchesASecondReference) {
  EXPECT_EQ(KeyedHash({}, "a"), 0x407448d2b89b1813);
  EXPECT_EQ(KeyedHash({}, "holdfast"), 0x9d1d125a95998509);
  EXPECT_EQ(KeyedHash({}, "the quick brown fox"), 0x5a17575ad3449cba);
}

TEST(OrderOf, PutsTheSlotBeforeTheHash) {
  EXPECT_EQ(OrderOf(1, 0), uint64_t{1} << 40);
  EXPECT_EQ(OrderOf(0, UINT64_MAX), (uint64_t{1} << 40) - 1);
  EXPECT_EQ(OrderOf(kSlotCount - 1, UINT64_MAX), kOrderEnd - 1);
}

}  // namespace
}  // namespace holdfast::memtable
