#include "aof/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "aof/crc32c.h"

namespace holdfast::aof {
namespace {

constexpr uint64_t kId = 0x0123456789abcdefULL;

FrameHeader Sample() {
  return {.number = 42,
          .term = 7,
          .unix_ms = 1700000000123,
          .synced = 40,
          .bytes = 1234,
          .crc = 0xdeadbeef};
}

TEST(Crc32cTest, MatchesTheStandardValueAndExtends) {
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(0, ""), 0u);
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes.push_back(static_cast<char>(i * 7));
  for (size_t cut = 0; cut <= bytes.size(); cut += 13) {
    const ByteView view = bytes;
    EXPECT_EQ(Crc32c(Crc32c(0, view.substr(0, cut)), view.substr(cut)), Crc32c(0, bytes));
  }
}

TEST(FrameTest, HeaderLineIsAsDocumented) {
  const std::string line(FormatFrameHeader(Sample(), kId).view());
  EXPECT_TRUE(line.starts_with("#HF:i=42,t=7,ts=1700000000123,s=40,n=1234,crc=deadbeef,h="))
      << line;
  EXPECT_TRUE(line.ends_with("\r\n"));
  const std::string file(FormatFileHeader({kId}).view());
  EXPECT_TRUE(file.starts_with("#HF:v=1,id=0123456789abcdef,h=")) << file;
  EXPECT_EQ(file.size(), 40u);
}

TEST(FrameTest, HeaderRoundTripsWithWhateverFollows) {
  const std::string line(FormatFrameHeader(Sample(), kId).view());
  const auto parsed = ParseFrameHeader(line + "*1\r\n$4\r\nPING\r\n", kId);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->header, Sample());
  EXPECT_EQ(parsed->line_bytes, line.size());

  const FrameHeader biggest = {.number = UINT64_MAX,
                               .term = UINT64_MAX,
                               .unix_ms = INT64_MAX,
                               .synced = UINT64_MAX,
                               .bytes = UINT64_MAX,
                               .crc = UINT32_MAX};
  const auto line_of_biggest = FormatFrameHeader(biggest, UINT64_MAX);
  const auto again = ParseFrameHeader(line_of_biggest.view(), UINT64_MAX);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->header, biggest);

  const auto file = ParseFileHeader(std::string(FormatFileHeader({kId}).view()) + "#HF:");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->header.file_id, kId);
  EXPECT_EQ(file->line_bytes, 40u);
}

TEST(FrameTest, AFrameOfAnotherFileIsRejected) {
  const auto line = FormatFrameHeader(Sample(), kId);
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_FALSE(ParseFrameHeader(line.view(), kId ^ (uint64_t{1} << bit))) << bit;
  }
}

TEST(FrameTest, EveryFlippedBitAndEveryCutIsRejected) {
  const std::string frame(FormatFrameHeader(Sample(), kId).view());
  const std::string file(FormatFileHeader({kId}).view());
  for (size_t at = 0; at < frame.size(); ++at) {
    EXPECT_FALSE(ParseFrameHeader(frame.substr(0, at), kId)) << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = frame;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_FALSE(ParseFrameHeader(damaged, kId)) << at << " " << bit;
    }
  }
  for (size_t at = 0; at < file.size(); ++at) {
    EXPECT_FALSE(ParseFileHeader(file.substr(0, at))) << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_FALSE(ParseFileHeader(damaged)) << at << " " << bit;
    }
  }
}

// A line with a right checksum is still refused when the formatter would not have written it.
std::string SealedFor(uint64_t file_id, const std::string& text) {
  std::string id;
  for (int i = 0; i < 8; ++i) id.push_back(static_cast<char>(file_id >> (8 * i)));
  char hex[16];
  std::snprintf(hex, sizeof(hex), "%08x", Crc32c(Crc32c(0, id), text));
  return text + ",h=" + hex + "\r\n";
}

TEST(FrameTest, OnlyTheCanonicalFormIsAccepted) {
  const std::string good = "#HF:i=42,t=7,ts=5,s=40,n=12,crc=0000beef";
  ASSERT_TRUE(ParseFrameHeader(SealedFor(kId, good), kId));
  for (const std::string bad :
       {"#HF:i=042,t=7,ts=5,s=40,n=12,crc=0000beef", "#HF:i=+42,t=7,ts=5,s=40,n=12,crc=0000beef",
        "#HF:i=42,t=7,ts=-5,s=40,n=12,crc=0000beef", "#HF:i=42,t=7,ts=5,s=43,n=12,crc=0000beef",
        "#HF:i=42,t=7,ts=5,s=40,n=12,crc=0000BEEF", "#HF:i=42,t=7,ts=5,s=40,n=12,crc=beef",
        "#HF:i=42, t=7,ts=5,s=40,n=12,crc=0000beef", "#HF:i=,t=7,ts=5,s=40,n=12,crc=0000beef",
        "#HF:t=7,i=42,ts=5,s=40,n=12,crc=0000beef", "#hf:i=42,t=7,ts=5,s=40,n=12,crc=0000beef",
        "#HF:i=42,t=7,ts=5,s=40,n=12,x=1,crc=0000beef",
        "#HF:i=42,t=7,ts=9223372036854775808,s=40,n=12,crc=0000beef",
        "#HF:i=18446744073709551616,t=7,ts=5,s=40,n=12,crc=0000beef"}) {
    EXPECT_FALSE(ParseFrameHeader(SealedFor(kId, bad), kId)) << bad;
  }
}

TEST(FrameTest, ANewerFileFormatIsNamedAsSuch) {
  const auto newer = ParseFileHeader("#HF:v=2,whatever=1\r\n");
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::kUnsupported);
  const auto garbage = ParseFileHeader("*2\r\n$6\r\nSELECT\r\n");
  ASSERT_FALSE(garbage);
  EXPECT_EQ(garbage.error().code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace holdfast::aof
