#include "memtable/payload.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "holdfast/random.h"
#include "memtable/rdb_encoding.h"
#include "memtable/table.h"

namespace holdfast::memtable {
namespace {

using std::string_literals::operator""s;

std::string Footer(std::string payload, uint16_t version = kPayloadVersion) {
  payload.push_back(static_cast<char>(version));
  payload.push_back(static_cast<char>(version >> 8));
  const uint64_t crc = Crc64(0, payload);
  for (int i = 0; i < 8; ++i) payload.push_back(static_cast<char>(crc >> (8 * i)));
  return payload;
}

ErrorCode CodeOf(const std::string& payload) {
  const auto value = DecodePayload(payload);
  EXPECT_FALSE(value.has_value());
  return value ? ErrorCode::kBusy : value.error().code;
}

std::string Decoded(const std::string& payload) {
  auto value = DecodePayload(payload);
  EXPECT_TRUE(value.has_value()) << value.error().message;
  return value ? value->bytes : "";
}

TEST(Crc64, HasTheCheckValueOfRedis) {
  EXPECT_EQ(Crc64(0, "123456789"), 0xe9c6d914c4b8d9ca);
  EXPECT_EQ(Crc64(Crc64(0, "1234"), "56789"), 0xe9c6d914c4b8d9ca);
  EXPECT_EQ(Crc64(0, ""), 0u);
}

// What redis-server 7.0 answers to DUMP.
TEST(EncodePayload, MatchesRedis) {
  const struct {
    std::string value;
    std::string payload;
  } vectors[] = {
      {"", "\x00\x00\n\x00]\x9b\\@\x0f\x7f\xa2\xda"s},
      {"0", "\x00\xc0\x00\n\x00\x98@\xa7x\xf8P\x03\b"s},
      {"-1", "\x00\xc0\xff\n\x00\x0c\x93~$\x85\b\x9d\xc5"s},
      {"127", "\x00\xc0\x7f\n\x00\r\xb5\xeb\x31RT\xc5\x14"s},
      {"128", "\x00\xc1\x80\x00\n\x00\xebz\xb3\xb5\x10\xcfKe"s},
      {"-129", "\x00\xc1\x7f\xff\n\x00\x17`\x82(T\x80\x84\x80"s},
      {"32767", "\x00\xc1\xff\x7f\n\x00IZ7\xda\x17\xf4\xd5+"s},
      {"-32769", "\x00\xc2\xff\x7f\xff\xff\n\x00\xae\xe3LM\x06\xc6\x85\x36"s},
      {"2147483647", "\x00\xc2\xff\xff\xff\x7f\n\x00,t\xe5\x9e\xe0.\xad\xa1"s},
      {"2147483648", "\x00\n2147483648\n\x00\xe7\xb1)\xa3L\x1dv\xee"s},
      {"-2147483648", "\x00\xc2\x00\x00\x00\x80\n\x00\xc7O\x87>3U\x81\x87"s},
      {"-2147483649", "\x00\x0b-2147483649\n\x00\xc2\x61\x37y\b\xf2\x02\x8c"s},
      {"007", "\x00\x03\x30\x30\x37\n\x00rX\xe2{Li\xba\xd9"s},
      {"abc", "\x00\x03\x61\x62\x63\n\x00\xd9\xac\x30=Ar\xa2\xe2"s},
      {std::string(20, 'a'),
       "\x00\x14"s + std::string(20, 'a') + "\n\x00\x83\xb4k^\x1b\x11\xac\xf1"s},
      {std::string(21, 'a'), "\x00\xc3\x06\x15\x01\x61\x61\xe0\n\x00\n\x00\xfd\x0c\xb3h\aA?h"s},
      {"hello hello hello hello hello hello",
       "\x00\xc3\x0e#\x06hello h\xe0\x11\x05\x01lo\n\x00q\xeb\xee\x95\xa8p\xea\xce"s},
  };
  for (const auto& [value, payload] : vectors) {
    EXPECT_EQ(EncodeStringPayload(value), payload) << value;
    EXPECT_EQ(Decoded(payload), value);
  }
}

TEST(EncodePayload, OfAnEntryIsThatOfItsString) {
  Table table({0, nullptr});
  const KeyRef key = MakeKeyRef({}, "k");
  Entry* entry = table.SetInteger(key, nullptr, -70000, kNoExpiry);
  EXPECT_EQ(EncodePayload(*entry), EncodeStringPayload("-70000"));
  entry = table.SetString(key, entry, {std::string(5000, 'x')});
  EXPECT_EQ(EncodePayload(*entry), EncodeStringPayload(std::string(5000, 'x')));
  EXPECT_EQ(EncodePayload(*entry, false), EncodeStringPayload(std::string(5000, 'x'), false));
  EXPECT_EQ(EncodePayload(*entry, false).size(), 1 + 2 + 5000 + 10u);
}

TEST(DecodePayload, GivesBackWhatWasEncoded) {
  SeededRandom random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string value(random.Below(i % 100 == 0 ? 70'000 : 200), 'a');
    const uint64_t alphabet = 1 + random.Below(random.Below(2) == 0 ? 3 : 256);
    for (char& c : value) c = static_cast<char>('0' + random.Below(alphabet));
    for (const bool compress : {true, false}) {
      ASSERT_EQ(Decoded(EncodeStringPayload(value, compress)), value);
    }
  }
}

TEST(DecodePayload, TakesEveryFormOfALength) {
  const std::string abc = "abc";
  EXPECT_EQ(Decoded(Footer("\x00\x40\x03"s + abc)), abc);
  EXPECT_EQ(Decoded(Footer("\x00\x80\x00\x00\x00\x03"s + abc)), abc);
  EXPECT_EQ(Decoded(Footer("\x00\x81\x00\x00\x00\x00\x00\x00\x00\x03"s + abc)), abc);
  EXPECT_EQ(Decoded(Footer("\x00\x03"s + abc + "and more")), abc);
  for (const uint8_t form : {0x82, 0x90, 0xbf}) {
    EXPECT_EQ(CodeOf(Footer("\x00"s + static_cast<char>(form) + std::string(20, '\0'))),
              ErrorCode::kInvalidArgument);
  }
}

// redis-server 7.0 reads values from payload and footer alike.
TEST(DecodePayload, LengthsMayReachIntoTheFooter) {
  EXPECT_EQ(Decoded(Footer("\x00\x05"s + "abc")), "abc\n\0"s);
  EXPECT_EQ(Decoded(Footer("\x00\xc2\x01\x00\x00"s)), std::to_string(1 + (kPayloadVersion << 24)));
}

TEST(DecodePayload, RefusesLengthsThatGoPastTheEnd) {
  EXPECT_EQ(CodeOf(Footer("\x00\x0e"s + "abc")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Footer("\x00\x80\xff\xff\xff\xff"s + "abc")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Footer("\x00\x81"s + std::string(8, '\xff') + "abc")),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Footer("\x00\x40"s)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Footer("\x00"s)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Footer("")), ErrorCode::kUnsupported);
}

TEST(DecodePayload, RefusesDamagedCompression) {
  const std::string good = "\xc3\x06\x15\x01\x61\x61\xe0\n\x00"s;
  EXPECT_EQ(Decoded(Footer("\x00"s + good)), std::string(21, 'a'));
  const std::string bad[] = {
      "\xc3\x06\x14\x01\x61\x61\xe0\n\x00"s,                // says 20, gives 21
      "\xc3\x06\x16\x01\x61\x61\xe0\n\x00"s,                // says 22
      "\xc3\x06\x15\x01\x61\x61\xe0\n\x05"s,                // refers to before the beginning
      "\xc3\x07\x15\x01\x61\x61\xe0\n\x00"s,                // compressed length too long
      "\xc3\x00\x15"s,                                      // nothing to decompress
      "\xc3\x01\x80\xff\xff\xff\xff\x00"s,                  // 4 GiB from one byte
      "\xc3\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x00"s,  // more than there is
      "\xc3\xc0\x15\x01\x61\x61\xe0\n\x00"s,                // a form instead of a length
      "\xc4\x01\x61"s,                                      // no such form
  };
  for (const std::string& body : bad) {
    EXPECT_EQ(CodeOf(Footer("\x00"s + body)), ErrorCode::kInvalidArgument) << body;
  }
}

TEST(DecodePayload, RefusesAWrongFooter) {
  const std::string good = EncodeStringPayload("abc");
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = good;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_EQ(CodeOf(flipped), ErrorCode::kCorruption);
    }
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(CodeOf(good.substr(0, size)), ErrorCode::kCorruption);
  }
}

TEST(DecodePayload, TakesVersionsUpToTwelve) {
  for (const uint16_t version : {0, 1, 9, 10, 11, 12}) {
    EXPECT_EQ(Decoded(Footer("\x00\x03"s + "abc", version)), "abc");
  }
  EXPECT_EQ(CodeOf(Footer("\x00\x03"s + "abc", 13)), ErrorCode::kCorruption);
  EXPECT_EQ(CodeOf(Footer("\x00\x03"s + "abc", 0xffff)), ErrorCode::kCorruption);
}

TEST(DecodePayload, NamesTypesThatAreNotThere) {
  const auto value = DecodePayload(Footer("\x10\x03"s + "abc"));
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(value.error().message.find("hash (listpack)"), std::string::npos);
  for (int type = 1; type < 256; ++type) {
    const bool known = !RdbTypeName(static_cast<uint8_t>(type)).empty();
    EXPECT_EQ(CodeOf(Footer(std::string(1, static_cast<char>(type)) + "\x03" + "abc")),
              known ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument);
  }
}

TEST(RdbEncoder, WritesTheShortestLength) {
  const struct {
    uint64_t length;
    size_t bytes;
  } vectors[] = {{0, 1},     {63, 1},         {64, 2},         {16383, 2},
                 {16384, 5}, {UINT32_MAX, 5}, {1ULL << 32, 9}, {UINT64_MAX, 9}};
  for (const auto& [length, bytes] : vectors) {
    std::string out;
    RdbEncoder(out).PutLength(length);
    EXPECT_EQ(out.size(), bytes);
    RdbDecoder decoder(out);
    EXPECT_EQ(decoder.GetLength(), length);
    EXPECT_EQ(decoder.left(), 0u);
  }
}

}  // namespace
}  // namespace holdfast::memtable
