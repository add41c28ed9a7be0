#include "snapshot/rdb_reader.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "holdfast/check.h"
#include "holdfast/random.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/snapshot/rdb_text.h"

namespace holdfast::snapshot {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace)

struct ReadOutcome {
  std::vector<std::string> entries;  // "database:key=value", and "@expiry" if there is one
  std::optional<Error> error;
  uint64_t offset = 0;
  bool has_checksum = false;
  UnixMs written_ms = 0;
  bool log_base = false;

  std::string ErrorText() const { return error ? error->message : ""; }
  bool Says(std::string_view text) const { return ErrorText().find(text) != std::string::npos; }
};

Status ReadInto(FileSystem& disk, uint64_t piece_bytes, ReadOutcome& outcome) {
  const auto file = HF_TRY(disk.Open("f", {}));
  const uint64_t size = HF_TRY(file->Size());
  const auto reader = HF_TRY(RdbReader::Open(*file, size, piece_bytes));
  RdbEntry entry;
  while (true) {
    const auto more = reader->Next(entry);
    outcome.offset = reader->offset();
    outcome.has_checksum = reader->has_checksum();
    outcome.written_ms = reader->written_ms();
    outcome.log_base = reader->log_base();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    std::string text = fmt::format("{}:{}={}", entry.database, entry.key, entry.value);
    if (entry.expiry_ms != memtable::kNoExpiry) text += fmt::format("@{}", entry.expiry_ms);
    outcome.entries.push_back(std::move(text));
  }
}

ReadOutcome Read(FileSystem& disk, uint64_t piece_bytes = RdbReader::kPieceBytes) {
  ReadOutcome outcome;
  if (Status status = ReadInto(disk, piece_bytes, outcome); !status) outcome.error = status.error();
  return outcome;
}

ReadOutcome Read(std::string_view bytes) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("f", bytes);
  const ReadOutcome whole = Read(disk);
  for (const uint64_t piece_bytes : {1, 7, 4096}) {
    if (bytes.size() / piece_bytes > 10'000) continue;
    const ReadOutcome pieces = Read(disk, piece_bytes);
    EXPECT_TRUE(pieces.entries == whole.entries);
    EXPECT_EQ(pieces.ErrorText(), whole.ErrorText());
    EXPECT_EQ(pieces.offset, whole.offset);
  }
  return whole;
}

using Entries = std::vector<std::string>;

RdbText Sample() {
  RdbText text;
  text.Aux("redis-ver", "7.0.15").Aux("ctime", "1700000000").Aux("aof-base", "0");
  text.Select(0).Byte(251).Length(3).Length(1);
  text.String("a", "1").String("long", std::string(500, 'x'));
  text.ExpireMs(1'800'000'000'123).Byte(248).Length(77).String("b", "-300");
  return text.Select(9).ExpireSeconds(1'900'000'000).Byte(249).Byte(5).String("", "70000");
}

// Written by redis-server 7.0.15: SET a 1, SET c 70000, in database 3 SET d -5 PXAT
// 4102444800000, SET b of 40 times 'x'.
constexpr char kRedisBytes[] =
    "REDIS0010\xfa\x09redis-ver\x06"
    "7.0.15\xfa\x0aredis-bits\xc0@\xfa\x05"
    "ctime\xc2"
    "\xf3n\x03k\xfa\x08used-mem\xc2"
    "0\xb6\x0e\x00\xfa\x08"
    "aof-base\xc0\x00\xfe\x00\xfb"
    "\x03\x00\x00\x01"
    "b\xc3\x09(\x01xx\xe0\x1b\x00\x01xx\x00\x01"
    "a\xc0\x01\x00\x01"
    "c"
    "\xc2p\x11\x01\x00\xfe\x03\xfb\x01\x01\xfc\x00\xd8\xc3,\xbb\x03\x00\x00\x00\x01"
    "d"
    "\xc0\xfb\xff\xf1\x85\xf3*\x22(\x18\xed";
constexpr std::string_view kOfRedis(kRedisBytes, sizeof(kRedisBytes) - 1);

TEST(RdbReaderTest, ReadsWhatRedisWrote) {
  const ReadOutcome read = Read(kOfRedis);
  EXPECT_EQ(read.ErrorText(), "");
  EXPECT_THAT(read.entries,
              testing::UnorderedElementsAre("0:a=1", "0:c=70000", "0:b=" + std::string(40, 'x'),
                                            "3:d=-5@4102444800000"));
  EXPECT_TRUE(read.has_checksum);
  EXPECT_FALSE(read.log_base);
  EXPECT_EQ(read.offset, kOfRedis.size());
  EXPECT_GT(read.written_ms, 1'700'000'000'000);
}

// Written by valkey-server 9.1.2: SET greeting hello, SET number 12345, SET long of 100 times "ab",
// in database 3 SET later x PXAT 4102444800000.
constexpr char kValkeyBytes[] =
    "VALKEY080\xfa\x0avalkey-ver\x05"
    "9.1.2\xfa\x0aredis-bits\xc0@\xfa\x05"
    "ctime\xc2\xf5\x0f\x04k\xfa\x08used-mem\xc2\x00I\x10\x00\xfa\x08"
    "aof-base\xc0\x00\xfe\x00\xfb\x03\x00\x00\x08greeting\x05hello"
    "\x00\x06number\xc1"
    "90\x00\x04long\xc3\x0a@\xc8\x02"
    "aba\xe0\xba\x01\x01"
    "ab\xfe\x03\xfb\x01\x01\xfc\x00\xd8\xc3,\xbb\x03\x00\x00\x00"
    "\x05later\x01x\xff\x15XeB\xcf"
    "4\xb1N";
constexpr std::string_view kOfValkey(kValkeyBytes, sizeof(kValkeyBytes) - 1);

TEST(RdbReaderTest, ReadsWhatValkeyWrote) {
  const ReadOutcome read = Read(kOfValkey);
  EXPECT_EQ(read.ErrorText(), "");
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ab";
  EXPECT_EQ(read.entries, (Entries{"0:greeting=hello", "0:number=12345", "0:long=" + text,
                                   "3:later=x@4102444800000"}));
  EXPECT_TRUE(read.has_checksum);
  EXPECT_EQ(read.offset, kOfValkey.size());
}

TEST(RdbReaderTest, ReadsOneVersionOfValkeys) {
  const auto valkey = [](std::string_view version) { return RdbText(version, "VALKEY"); };
  EXPECT_EQ(Read(valkey("080").String("k", "v").End()).entries, Entries{"0:k=v"});
  EXPECT_EQ(Read(valkey("081").End()).error->code, ErrorCode::kUnsupported);
  EXPECT_TRUE(Read(valkey("081").End()).Says("Valkey's RDB version 81 is newer than 80"));
  EXPECT_TRUE(Read(RdbText("0080").End()).Says("RDB version 80 is newer than 12"));
  for (const char* bad : {"011", "079", "8x0", "-80"})
    EXPECT_EQ(Read(valkey(bad).End()).error->code, ErrorCode::kCorruption) << bad;
  EXPECT_EQ(Read(RdbText("0100", "VALKE").End()).error->code, ErrorCode::kCorruption);
  // Its own kind of hash, and what a node of a cluster may write.
  const ReadOutcome hash = Read(valkey("080").Byte(22).Text("h").Bytes("\x01").End());
  EXPECT_TRUE(hash.Says("the key 'h' of database 0 is a hash (field TTLs), ")) << hash.ErrorText();
  EXPECT_EQ(Read(valkey("080").Byte(243).Text("job").End()).error->code, ErrorCode::kUnsupported);
  EXPECT_EQ(Read(RdbText().Byte(243).Text("job").End()).error->code, ErrorCode::kCorruption);
}

TEST(RdbReaderTest, ReadsAllItems) {
  const ReadOutcome read = Read(Sample().End());
  EXPECT_EQ(read.ErrorText(), "");
  EXPECT_EQ(read.entries, (Entries{"0:a=1", "0:long=" + std::string(500, 'x'),
                                   "0:b=-300@1800000000123", "9:=70000@1900000000000"}));
  EXPECT_EQ(read.written_ms, 1'700'000'000'000);
  EXPECT_TRUE(read.has_checksum);
}

TEST(RdbReaderTest, ReadsEveryVersion) {
  for (int version = 1; version <= kRdbVersionMax; ++version) {
    RdbText text(fmt::format("{:04}", version));
    text.Select(1).String("k", "v");
    const bool checksummed = version >= 5;
    const ReadOutcome read = Read(checksummed ? text.End() : text.End(""));
    EXPECT_EQ(read.ErrorText(), "") << version;
    EXPECT_EQ(read.entries, Entries{"1:k=v"}) << version;
    EXPECT_EQ(read.has_checksum, checksummed) << version;
  }
  EXPECT_EQ(Read(RdbText("0013").End()).error->code, ErrorCode::kUnsupported);
  EXPECT_TRUE(Read(RdbText("0013").End()).Says("RDB version 13 is newer than 12"));
  for (const char* bad : {"0000", "00x1", "-001", "    "}) {
    EXPECT_EQ(Read(RdbText(bad).End()).error->code, ErrorCode::kCorruption) << bad;
  }
}

TEST(RdbReaderTest, SkipsSlotsOfLaterVersions) {
  RdbText text("0012");
  text.Select(0).Byte(244).Length(5).Length(1).Length(0).String("k", "v");
  EXPECT_EQ(Read(text.End()).entries, Entries{"0:k=v"});
}

TEST(RdbReaderTest, AChecksumOfZeroIsNone) {
  const ReadOutcome read = Read(Sample().End("\0\0\0\0\0\0\0\0"s));
  EXPECT_EQ(read.ErrorText(), "");
  EXPECT_EQ(read.entries.size(), 4U);
  EXPECT_FALSE(read.has_checksum);
}

TEST(RdbReaderTest, SaysThatItIsTheBaseOfALog) {
  EXPECT_TRUE(Read(RdbText().Aux("aof-base", "1").End()).log_base);
  EXPECT_TRUE(Read(RdbText("0009").Aux("aof-preamble", "1").End()).log_base);
}

TEST(RdbReaderTest, StopsAtTheEnd) {
  const std::string text = Sample().End();
  const ReadOutcome read = Read(text + "*1\r\n");
  EXPECT_EQ(read.ErrorText(), "");
  EXPECT_EQ(read.offset, text.size());
}

TEST(RdbReaderTest, NamesTypesThatAreNotThere) {
  for (int type = 1; type <= 25; ++type) {
    const auto name = memtable::RdbTypeName(static_cast<uint8_t>(type));
    RdbText text;
    text.Select(4).String("a", "1");
    const size_t at = text.size();
    text.Byte(type).Text("the\nkey").Bytes("\x03xyz");
    const ReadOutcome read = Read(text.End());
    EXPECT_EQ(read.entries.size(), 1U);
    EXPECT_EQ(read.offset, at) << type;
    if (name.empty()) {
      EXPECT_EQ(read.error->code, ErrorCode::kCorruption) << type;
      continue;
    }
    EXPECT_EQ(read.error->code, ErrorCode::kUnsupported) << type;
    EXPECT_TRUE(read.Says(fmt::format("the key 'the\\x0akey' of database 4 is a {}, ", name)))
        << read.ErrorText();
  }
  const ReadOutcome long_key = Read(RdbText().Byte(1).Text(std::string(9000, 'k')).End());
  EXPECT_TRUE(long_key.Says("'" + std::string(64, 'k') + "'... of")) << long_key.ErrorText();
}

TEST(RdbReaderTest, NamesFunctionsAndModules) {
  const ReadOutcome library =
      Read(RdbText().Byte(245).Text("#!lua name=mylib engine=lua\nredis.x()").End());
  EXPECT_EQ(library.error->code, ErrorCode::kUnsupported);
  EXPECT_TRUE(library.Says("function library 'mylib'")) << library.ErrorText();
  EXPECT_TRUE(Read(RdbText().Byte(246).Text("old").End()).Says("function library 'old'"));
  // "ABCDEFGHI", version 1: six bits for each character.
  uint64_t id = 0;
  for (uint64_t i = 0; i < 9; ++i) id = id << 6 | i;
  const ReadOutcome module = Read(RdbText().Byte(247).Length(id << 10 | 1).End());
  EXPECT_EQ(module.error->code, ErrorCode::kUnsupported);
  EXPECT_TRUE(module.Says("module type ABCDEFGHI;")) << module.ErrorText();
}

TEST(RdbReaderTest, EveryCutIsFound) {
  for (const std::string& whole : {Sample().End(), std::string(kOfRedis), std::string(kOfValkey)}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const ReadOutcome read = Read(whole.substr(0, size));
      ASSERT_TRUE(read.error) << size;
      EXPECT_EQ(read.error->code, ErrorCode::kCorruption) << size;
      EXPECT_TRUE(read.Says("should follow at offset")) << size << " " << read.ErrorText();
      EXPECT_LE(read.offset, size);
    }
  }
}

TEST(RdbReaderTest, EveryChangedBitIsFound) {
  for (const std::string& whole : {Sample().End(), std::string(kOfRedis), std::string(kOfValkey)}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
        const ReadOutcome read = Read(changed);
        // A version before checksums leaves bytes behind the end.
        EXPECT_TRUE(read.error || read.offset + 8 == whole.size()) << at << " " << bit;
      }
    }
  }
}

TEST(RdbReaderTest, NoLengthIsBelieved) {
  const std::string huge[] = {
      "\x80\x20\x00\x00\x00"s,                                      // 512 MiB
      "\x80\xff\xff\xff\xff"s,                                      // 4 GiB - 1
      "\x81\x7f\xff\xff\xff\xff\xff\xff\xff"s,                      // 2^63 - 1
      "\x81\xff\xff\xff\xff\xff\xff\xff\xff"s,                      // 2^64 - 1
      "\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x05"s,              // compressed bytes
      "\xc3\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x61\x61"s,  // 2^64 - 1 of four
      "\xc3\x04\x80\xff\xff\xff\xff\x01\x61\x61\x61"s,              // 4 GiB of four
      "\xc3\x00\x05"s,
      "\xc2\x01"s,
      "\xc7\x01"s,
      "\x82\x01"s,
  };
  for (const std::string& length : huge) {
    for (const std::string& before : {""s, "\x01k"s}) {
      const ReadOutcome read = Read(RdbText().Byte(0).Bytes(before + length).End(""));
      ASSERT_TRUE(read.error);
      EXPECT_EQ(read.error->code, ErrorCode::kCorruption) << read.ErrorText();
      EXPECT_EQ(read.offset, 9U);
    }
    EXPECT_TRUE(Read(RdbText().Byte(250).Text("name").Bytes(length).End("")).error);
    EXPECT_TRUE(Read(RdbText().Byte(245).Bytes(length).End("")).error);
  }
  EXPECT_TRUE(Read(RdbText().Select(uint64_t{1} << 31).End()).Says("no database 2147483648"));
  EXPECT_TRUE(Read(RdbText().Byte(254).Bytes("\xc0\x01").End()).error);
}

// A file of that size of which only the beginning is not zeros.
class HugeFile final : public File {
 public:
  HugeFile(std::string head, uint64_t size) : head_(std::move(head)), size_(size) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    HF_CHECK(offset <= size_ && out.size() <= size_ - offset && out.size() <= (1 << 20));
    std::ranges::fill(out, '\0');
    if (offset < head_.size()) head_.copy(out.data(), out.size(), offset);
    return out.size();
  }
  Status WriteAt(uint64_t, std::span<const std::string_view>) override { return {}; }
  Status Sync() override { return {}; }
  Status Truncate(uint64_t) override { return {}; }
  Result<uint64_t> Size() override { return size_; }

 private:
  const std::string head_;
  const uint64_t size_;
};

TEST(RdbReaderTest, NoRoomIsMadeForWhatIsTooLong) {
  constexpr uint64_t kBytes = uint64_t{5} << 30;
  const std::string length = "\x81\x00\x00\x00\x01\x00\x00\x00\x00"s;  // 4 GiB
  for (const std::string& text : {"\x01k"s + length, length, "\x01k\xc3"s + length + "\x05"}) {
    HugeFile file("REDIS0010\x00"s + text, kBytes);
    const auto reader = RdbReader::Open(file, kBytes);
    ASSERT_TRUE(reader);
    RdbEntry entry;
    const auto read = (*reader)->Next(entry);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::kUnsupported) << read.error().message;
    EXPECT_NE(read.error().message.find("a string of 4294967296 bytes, longer than"),
              std::string::npos)
        << read.error().message;
    EXPECT_EQ((*reader)->offset(), 9U);
  }
}

// Strings of all sizes, before, across and behind the pieces in which the file is read.
TEST(RdbReaderTest, StringsLieAcrossPieces) {
  SeededRandom random(3);
  for (const bool compress : {true, false}) {
    RdbText text;
    Entries expected;
    for (const size_t size : {70'000UL, 1'048'576UL, 5UL, 1'048'570UL, 3'000'000UL, 65'536UL,
                              65'535UL, 1'000'000UL, 17UL, 2'097'152UL, 40UL}) {
      std::string value(size, 'v');
      // Every other one does not compress.
      if (expected.size() % 2 == 1) {
        for (char& c : value) c = static_cast<char>(random.Next());
      }
      const std::string key(expected.size() % 3 == 2 ? size / 2 : 9, 'k');
      text.String(key, value, compress);
      expected.push_back(fmt::format("0:{}={}", key, value));
    }
    const ReadOutcome read = Read(text.End());
    EXPECT_EQ(read.ErrorText(), "");
    EXPECT_TRUE(read.entries == expected);
  }
}

TEST(RdbReaderTest, AFailingDiskIsNamedAsSuch) {
  RdbText text;
  text.String("a", std::string(3'000'000, 'a'), false).String("b", "1");
  for (uint64_t n = 1;; ++n) {
    sim::SimulatedFileSystem disk;
    disk.SetContents("f", text.End());
    disk.FailAt({.calls = sim::kRead, .nth = n});
    const ReadOutcome read = Read(disk);
    if (disk.FaultsRaised() == 0) {
      EXPECT_EQ(read.entries.size(), 2U);
      EXPECT_GE(n, 3U);
      break;
    }
    ASSERT_TRUE(read.error);
    EXPECT_EQ(read.error->code, ErrorCode::kIoError) << n;
  }
}

}  // namespace
}  // namespace holdfast::snapshot
