#include "aof/manifest.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <functional>

#include "aof/crc32c.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

constexpr HashKey kKey = {0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255};

Manifest Sample() {
  Manifest manifest;
  manifest.hash_key = kKey;
  manifest.base = LogFileEntry{"a.aof.2.base.aof", 2, LogFileType::kBase, 0x0123456789abcdef};
  manifest.history = {{"a.aof.1.base.aof", 1, LogFileType::kHistory, {}}};
  manifest.incremental = {{"a.aof.2.incr.aof", 2, LogFileType::kIncremental, 7},
                          {"a.aof.3.incr.aof", 3, LogFileType::kIncremental, 8}};
  return manifest;
}

std::string ErrorOf(std::string_view text, ErrorCode code = ErrorCode::kCorruption) {
  const auto manifest = ParseManifest(text, "dir/m");
  if (manifest) return "";
  EXPECT_EQ(manifest.error().code, code) << manifest.error().message;
  EXPECT_EQ(manifest.error().message.find('\n'), std::string::npos);
  return manifest.error().message;
}

TEST(ManifestTest, WritesRedissLinesAndItsOwn) {
  const std::string text = *FormatManifest(Sample());
  const std::string before_end = text.substr(0, text.find("#HF:end"));
  EXPECT_EQ(before_end,
            "#HF:v=1,key=00112233445566778899aabbccddeeff\n"
            "#HF:id=0123456789abcdef\n"
            "file a.aof.2.base.aof seq 2 type b\n"
            "file a.aof.1.base.aof seq 1 type h\n"
            "#HF:id=0000000000000007\n"
            "file a.aof.2.incr.aof seq 2 type i\n"
            "#HF:id=0000000000000008\n"
            "file a.aof.3.incr.aof seq 3 type i\n");
  EXPECT_EQ(*ParseManifest(text, "m"), Sample());
}

TEST(ManifestTest, ReadsWhatRedisWrites) {
  // As redis-server 7.0.15 writes them, one with appendfilename "a \"b\".aof".
  const auto manifest = ParseManifest(
      "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
      "m");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->base->name, "appendonly.aof.1.base.rdb");
  EXPECT_FALSE(manifest->hash_key);
  EXPECT_FALSE(manifest->base->id);
  EXPECT_EQ(manifest->incremental.at(0).sequence, 1);
  EXPECT_EQ(*FormatManifest(*manifest),
            "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 "
            "type i\n");
  const std::string quoted = "file \"a \\\"b\\\"\\xff.aof.1.incr.aof\" seq 1 type i\n";
  const auto named = ParseManifest(quoted, "m");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->incremental.at(0).name, "a \"b\"\xff.aof.1.incr.aof");
  EXPECT_EQ(*FormatManifest(*named), quoted);
  Manifest single;
  single.incremental = {{"'a.aof", 1, LogFileType::kIncremental, {}}};
  EXPECT_EQ(*FormatManifest(single), "file \"'a.aof\" seq 1 type i\n");
  EXPECT_TRUE(ParseManifest("# by hand\n  FILE x Seq 5 later thing TYPE i  \r\n", "m"));
}

TEST(ManifestTest, ErrorsNameFileAndLine) {
  EXPECT_EQ(ErrorOf(""), "manifest dir/m line 0: the file is empty");
  EXPECT_EQ(ErrorOf("file a seq 1 type i\nfile b seq 2 ty"),
            "manifest dir/m line 2: the line has no end (half-written?)");
  for (const char* line : {"file a seq 1", "file a seq 1 type", "file a seq 0 type i",
                           "file a seq -1 type i", "file a seq 99999999999999999999 type i",
                           "file a seq x type i", "file a seq 1 type z", "file a seq 1 type bb",
                           "file a/b seq 1 type i", "file .. seq 1 type i", "file \"a seq 1 type i",
                           "file \"\" seq 1 type i", "seq 1 type i x y", "", "  ", "garbage"}) {
    const std::string error = ErrorOf("# c\n" + std::string(line) + "\n");
    EXPECT_EQ(error.rfind("manifest dir/m line 2: ", 0), 0U) << line << " -> " << error;
  }
  EXPECT_NE(ErrorOf("file a seq 1 type b\nfile b seq 1 type b\n"), "");
  EXPECT_NE(ErrorOf("file a seq 2 type i\nfile b seq 2 type i\n"), "");
  EXPECT_NE(ErrorOf("file a seq 1 type b\nfile a seq 1 type i\n"), "");
  EXPECT_NE(ErrorOf("file " + std::string(1100, 'a') + " seq 1 type i\n"), "");
}

TEST(ManifestTest, LaterVersionsAreNamed) {
  EXPECT_EQ(ErrorOf("#HF:v=2,key=zz,more=1\n", ErrorCode::kUnsupported),
            "manifest dir/m line 1: format version 2; this program reads version 1");
}

Manifest SampleWithCheckpoints() {
  Manifest manifest;
  manifest.hash_key = kKey;
  manifest.checkpoints = {{"a.aof.3.checkpoint", 3, 0xabc, std::nullopt},
                          {"a.aof.4.checkpoint", 4, 0xdef, 7},
                          {"a.aof.9.checkpoint", 9, 0x123, 9}};
  manifest.history = {{"a.aof.1.base.aof", 1, LogFileType::kHistory, {}}};
  manifest.incremental = {{"a.aof.7.incr.aof", 7, LogFileType::kIncremental, 7},
                          {"a.aof.8.incr.aof", 8, LogFileType::kIncremental, 8},
                          {"a.aof.9.incr.aof", 9, LogFileType::kIncremental, 8}};
  return manifest;
}

TEST(ManifestTest, CheckpointsStandInThePlaceOfTheBase) {
  const Manifest manifest = SampleWithCheckpoints();
  const std::string text = *FormatManifest(manifest);
  EXPECT_EQ(text.substr(0, text.find("file a.aof.1.base")),
            "#HF:v=1,key=00112233445566778899aabbccddeeff\n"
            "#HF:id=0000000000000abc\n"
            "file a.aof.3.checkpoint seq 3 type c\n"
            "#HF:id=0000000000000def\n"
            "file a.aof.4.checkpoint seq 4 type c log 7\n"
            "#HF:id=0000000000000123\n"
            "file a.aof.9.checkpoint seq 9 type c log 9\n");
  EXPECT_EQ(*ParseManifest(text, "m"), manifest);
  EXPECT_EQ(manifest.FirstLogOf(manifest.checkpoints[0]), 3);
  EXPECT_EQ(manifest.FirstLogOf(manifest.checkpoints[1]), 0);
  EXPECT_EQ(manifest.FirstLogOf(manifest.checkpoints[2]), 2);
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(ParseManifest(text.substr(0, size), "m")) << size;
}

// Each is right but for one thing.
TEST(ManifestTest, CheckpointsThatDoNotFitAreRefused) {
  const auto refused = [](const std::function<void(Manifest&)>& spoil, std::string_view reason) {
    Manifest manifest = SampleWithCheckpoints();
    spoil(manifest);
    const auto parsed = ParseManifest(*FormatManifest(manifest), "m");
    return !parsed && parsed.error().message.find(reason) != std::string::npos;
  };
  EXPECT_TRUE(refused([](Manifest& m) { m.checkpoints[1].sequence = 3; }, "must ascend"));
  EXPECT_TRUE(refused([](Manifest& m) { m.checkpoints[2].log_sequence = 6; }, "begins earlier"));
  EXPECT_TRUE(refused([](Manifest& m) { m.checkpoints[2].log_sequence.reset(); }, "earlier"));
  EXPECT_TRUE(refused([](Manifest& m) { m.checkpoints[1].name = "a.aof.8.incr.aof"; }, "twice"));
  EXPECT_TRUE(
      refused([](Manifest& m) { m.incremental.erase(m.incremental.begin()); }, "not listed"));
  // The newest file, or all, may have been cut away.
  EXPECT_FALSE(refused([](Manifest& m) { m.incremental.pop_back(); }, ""));
  EXPECT_FALSE(refused([](Manifest& m) { m.incremental.clear(); }, ""));
  const std::string line = "file a seq 1 type c log 1\n";
  EXPECT_NE(ErrorOf(line).find("without a #HF:id"), std::string::npos);
  const std::string start = "#HF:v=1,key=00112233445566778899aabbccddeeff\n";
  const std::string id = "#HF:id=0000000000000abc\n";
  const auto ended = [](const std::string& text) {
    return text + fmt::format("#HF:end,h={:08x}\n", Crc32c(0, text));
  };
  EXPECT_TRUE(ParseManifest(ended(start + id + line), "m"));
  EXPECT_NE(ErrorOf(ended(start + "file b seq 1 type b\n" + id + line)).find("beside"),
            std::string::npos);
  for (const char* log : {"0", "-1", "x", "99999999999999999999"}) {
    const std::string bad = fmt::format("file a seq 1 type c log {}\n", log);
    EXPECT_NE(ErrorOf(ended(start + id + bad)).find("first log file"), std::string::npos) << log;
  }
}

TEST(ManifestTest, AnnotatedManifestsMustBeWhole) {
  const std::string text = *FormatManifest(Sample());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseManifest(text.substr(0, size), "m")) << size;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      EXPECT_FALSE(ParseManifest(flipped, "m")) << at << " " << bit;
    }
  }
  EXPECT_FALSE(ParseManifest(text + "file z seq 9 type i\n", "m"));
  EXPECT_FALSE(ParseManifest("file z seq 1 type i\n" + text, "m"));
}

TEST(ManifestTest, NamesThatDoNotFitALineAreRefused) {
  Manifest manifest = Sample();
  manifest.incremental[0].name = std::string(255, '\x01');  // four bytes each when quoted
  EXPECT_EQ(FormatManifest(manifest).error().code, ErrorCode::kInvalidArgument);
}

TEST(ManifestTest, AnyCutLeavesTheOldOrTheNew) {
  Manifest old_manifest = Sample();
  old_manifest.incremental.pop_back();
  SimulatedFileSystem disk;
  disk.SetContents("d/a.manifest", *FormatManifest(old_manifest));
  ASSERT_TRUE(WriteManifest(disk, "d/a.manifest", Sample()));
  for (size_t n = 0; n <= disk.operations(); ++n) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
      auto after = disk.AfterPowerCut({.operation = n,
                                       .data = sim::PowerCut::Data::kRandomSectors,
                                       .names = sim::PowerCut::Names::kRandomSubset,
                                       .seed = seed});
      const auto found = ReadManifest(*after, "d/a.manifest");
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_TRUE(*found == old_manifest || *found == Sample());
      if (n == disk.operations()) {
        EXPECT_EQ(*found, Sample());
      }
      // A left-over temporary file is no hindrance.
      ASSERT_TRUE(WriteManifest(*after, "d/a.manifest", Sample()));
      EXPECT_EQ(*ReadManifest(*after, "d/a.manifest"), Sample());
    }
  }
}

TEST(ManifestTest, EveryFailingCallIsReportedAndHarmless) {
  for (uint64_t n = 1;; ++n) {
    SimulatedFileSystem disk;
    disk.SetContents("a.manifest", *FormatManifest(Sample()));
    disk.FailAt({.calls = sim::kAllCalls, .nth = n, .code = ErrorCode::kNoSpace});
    Manifest changed = Sample();
    changed.history.clear();
    const Status status = WriteManifest(disk, "a.manifest", changed);
    disk.ClearFaults();
    const auto found = ReadManifest(disk, "a.manifest");
    ASSERT_TRUE(found);
    if (status) {
      EXPECT_EQ(*found, changed);
      EXPECT_GT(n, 5U);
      break;
    }
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
    EXPECT_TRUE(*found == changed || *found == Sample());
  }
}

TEST(ManifestTest, Names) {
  EXPECT_EQ(BaseFileName("appendonly.aof", 1), "appendonly.aof.1.base.aof");
  EXPECT_EQ(IncrementalFileName("appendonly.aof", 12), "appendonly.aof.12.incr.aof");
  EXPECT_EQ(ManifestFileName("appendonly.aof"), "appendonly.aof.manifest");
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(DirectoryOf("a/b"), "a");
  EXPECT_EQ(DirectoryOf("/b"), "/");
  EXPECT_EQ(DirectoryOf("b"), ".");
}

}  // namespace
}  // namespace holdfast::aof
