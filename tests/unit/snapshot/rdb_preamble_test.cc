// RDB files through the log reader, as recovery and aof-check see them.
#include "snapshot/rdb_preamble.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "aof/checker.h"
#include "aof/log_recovery.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/aof/log_text.h"
#include "tests/unit/snapshot/rdb_text.h"

namespace holdfast::snapshot {
namespace {

using aof::LogBatch;
using aof::LogContents;
using aof::LogReader;
using aof::LogSource;
using aof::Resp;
using Groups = std::vector<std::string>;
using Kind = aof::LogVerdict::Kind;
using sim::SimulatedFileSystem;

const std::string kRdb =
    RdbText().Select(0).String("a", "1").Select(3).ExpireMs(5000).String("b", "two").End();
const Groups kRdbGroups = {"0:SET a 1", "3:SET b two PXAT 5000"};
const std::string kSetC = Resp({"SET", "c", "3"});

LogContents ReadFiles(SimulatedFileSystem& disk, std::vector<LogSource> sources,
                      const RdbReadOptions& options = {}) {
  LogReader reader(disk, std::move(sources), {.open_preamble = RdbPreambles(options)});
  return Drain(reader);
}

LogContents ReadFile(std::string_view text, const RdbReadOptions& options = {}) {
  SimulatedFileSystem disk;
  disk.SetContents("f", text);
  return ReadFiles(disk, {{"f", false, true, std::nullopt}}, options);
}

TEST(RdbPreambleTest, KeysComeAsCommands) {
  const LogContents log = ReadFile(kRdb);
  EXPECT_EQ(log.groups, kRdbGroups);
  EXPECT_EQ(log.verdict.kind, Kind::kSound);
}

TEST(RdbPreambleTest, CommandsMayFollow) {
  const LogContents log = ReadFile(kRdb + kSetC + Resp({"MULTI"}) + kSetC);
  EXPECT_EQ(log.groups, (Groups{kRdbGroups[0], kRdbGroups[1], "0:SET c 3"}));
  EXPECT_EQ(log.verdict.Text(),
            fmt::format("torn end of f at offset {}: the file ends inside a command or transaction",
                        kRdb.size() + kSetC.size()));
  EXPECT_EQ(ReadFile(kRdb + std::string(300, '\0')).verdict.kind, Kind::kSound);
  EXPECT_EQ(ReadFile(kRdb + "garbage").verdict.kind, Kind::kDamage);
  EXPECT_EQ(ReadFile(kRdb + kRdb).verdict.kind, Kind::kDamage);
}

TEST(RdbPreambleTest, TheLogGoesOnInTheNextFile) {
  SimulatedFileSystem disk;
  disk.SetContents("1.base.rdb", kRdb);
  disk.SetContents("1.incr.aof", kSetC);
  disk.SetContents("2.incr.aof", aof::FileHeaderLine(7) + aof::FrameText(7, 1, kSetC));
  LogReader reader(disk,
                   {{"1.base.rdb", true, true, std::nullopt},
                    {"1.incr.aof", false, true, std::nullopt},
                    {"2.incr.aof", false, false, std::nullopt}},
                   {.open_preamble = RdbPreambles()});
  const LogContents log = Drain(reader);
  EXPECT_EQ(log.groups, (Groups{kRdbGroups[0], kRdbGroups[1], "0:SET c 3", "0:SET c 3"}));
  EXPECT_EQ(log.verdict.kind, Kind::kSound);
  EXPECT_EQ(reader.states()[0].preamble, "RDB version 10, checksum right");
  EXPECT_EQ(reader.states()[0].end, kRdb.size());
  EXPECT_EQ(reader.next_frame(), 2U);
  EXPECT_EQ(reader.bytes_read(), kRdb.size() + kSetC.size() + aof::FrameText(7, 1, kSetC).size());
}

// Only where a log begins.
TEST(RdbPreambleTest, ElsewhereItIsDamage) {
  SimulatedFileSystem disk;
  disk.SetContents("1", kSetC);
  disk.SetContents("2", kRdb);
  EXPECT_EQ(ReadFiles(disk, {{"1", false, true, std::nullopt}, {"2", false, true, std::nullopt}})
                .verdict.kind,
            Kind::kDamage);
  EXPECT_EQ(ReadFiles(disk, {{"1", false, true, std::nullopt}, {"2", false, false, std::nullopt}})
                .verdict.kind,
            Kind::kTorn);
  // The manifest says that it is one of ours.
  EXPECT_EQ(ReadFiles(disk, {{"2", true, true, 77}}).verdict.kind, Kind::kDamage);
}

TEST(RdbPreambleTest, EveryCutAndEveryChangedByteIsDamage) {
  for (size_t at = 5; at < kRdb.size(); ++at) {
    std::string changed = kRdb;
    changed[at] = static_cast<char>(changed[at] ^ 0x21);
    for (const std::string& text : {kRdb.substr(0, at), changed}) {
      const LogContents log = ReadFile(text);
      EXPECT_TRUE(!log.error.empty() || log.verdict.kind == Kind::kDamage) << at;
    }
    EXPECT_LE(ReadFile(kRdb.substr(0, at)).verdict.offset, at);
  }
  const LogContents cut = ReadFile(kRdb.substr(0, kRdb.size() - 3));
  EXPECT_EQ(
      cut.verdict.Text(),
      fmt::format("damage in f at offset {}: 8 bytes should follow at offset {}, but the file "
                  "ends at {}",
                  kRdb.size() - 9, kRdb.size() - 8, kRdb.size() - 3));
}

TEST(RdbPreambleTest, WhatCannotBeKeptIsNamedWithItsFile) {
  const LogContents log = ReadFile(RdbText().String("a", "1").Byte(1).Text("q").End());
  EXPECT_EQ(log.error,
            "f at offset 14: the key 'q' of database 0 is a list, which is not supported yet");
}

TEST(RdbPreambleTest, ExpiredKeysAreLeftOutOfADumpAlone) {
  for (const bool base : {false, true}) {
    RdbText text;
    text.Aux("aof-base", base ? "1" : "0");
    text.ExpireMs(999).String("a", "1").ExpireMs(1000).String("b", "1").ExpireMs(1001).String("c",
                                                                                              "1");
    text.ExpireMs(-7).String("d", "1").String("e", "1");
    RdbCounts counts;
    const LogContents log = ReadFile(text.End(), {.drop_expired_at_ms = 1000, .counts = &counts});
    const Groups all = {"0:SET a 1 PXAT 999", "0:SET b 1 PXAT 1000", "0:SET c 1 PXAT 1001",
                        "0:SET d 1 PXAT 1", "0:SET e 1"};
    EXPECT_EQ(log.groups, base ? all : (Groups{all[2], all[4]}));
    EXPECT_EQ(counts.expired, base ? 0U : 3U);
    EXPECT_EQ(counts.loaded, log.groups.size());
    EXPECT_EQ(ReadFile(text.End()).groups, all);
  }
}

// Memory for a batch is bounded by bytes and by keys; nothing is lost between batches.
TEST(RdbPreambleTest, BatchesAreBounded) {
  RdbText text;
  Groups expected;
  for (int i = 0; i < 40'000; ++i) text.String("", "");
  for (size_t size : {4096UL, 4097UL, 700'000UL, 700'000UL, 3'000'000UL, 10UL}) {
    for (int i = 0; i < 3; ++i) text.String(std::string(size, 'k'), std::string(size, 'v'), false);
  }
  SimulatedFileSystem disk;
  disk.SetContents("f", text.End());
  LogReader reader(disk, {{"f", false, true, std::nullopt}}, {.open_preamble = RdbPreambles()});
  LogBatch batch;
  size_t groups = 0;
  uint64_t bytes = 0;
  while (*reader.Next(batch)) {
    groups += batch.groups.size();
    EXPECT_LE(batch.groups.size(), 16'384U);
    EXPECT_LE(batch.held_bytes(), 8'000'000U);
    for (const aof::LogCommand& command : batch.commands) {
      EXPECT_EQ(batch.Args(command)[1].size(), batch.Args(command)[2].size());
      bytes += batch.Args(command)[1].size();
    }
  }
  EXPECT_EQ(groups, 40'018U);
  EXPECT_EQ(bytes, 3U * (4096 + 4097 + 700'000 + 700'000 + 3'000'000 + 10));
  EXPECT_EQ(reader.verdict().kind, Kind::kSound);
}

// ---- aof-check

class TestConsole final : public aof::CheckConsole {
 public:
  void Print(std::string_view line) override { (text += line) += '\n'; }
  void PrintError(std::string_view line) override { (text += line) += '\n'; }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    EXPECT_LE(done_bytes, all_bytes);
  }
  bool Confirm(const std::string&) override {
    asked = true;
    return true;
  }
  bool Says(std::string_view part) const { return text.find(part) != std::string::npos; }

  std::string text;
  bool asked = false;
};

int Check(SimulatedFileSystem& disk, std::initializer_list<std::string_view> args,
          TestConsole& console) {
  return aof::RunAofCheck(disk, {args.begin(), args.size()}, console, RdbPreambles());
}

constexpr std::string_view kManifest =
    "file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n";

TEST(RdbCheckTest, ADumpByItselfAndInADirectory) {
  SimulatedFileSystem disk;
  disk.SetContents("/d/dump.rdb", kRdb);
  for (const char* path : {"/d/dump.rdb", "/d"}) {
    TestConsole console;
    EXPECT_EQ(Check(disk, {"--stats", path}, console), aof::kCheckSound) << console.text;
    EXPECT_TRUE(console.Says("2 commands, RDB version 10, checksum right")) << console.text;
  }
  TestConsole console;
  EXPECT_EQ(Check(disk, {"--export", "/out", "/d"}, console), aof::kCheckSound);
  EXPECT_EQ(disk.Contents("/out"), Resp({"SET", "a", "1"}) + Resp({"SELECT", "3"}) +
                                       Resp({"SET", "b", "two", "PXAT", "5000"}));
}

TEST(RdbCheckTest, DamageInABaseIsNamedAndNeverCut) {
  SimulatedFileSystem disk;
  disk.SetContents("/d/l/a.aof.manifest", kManifest);
  disk.SetContents("/d/l/a.aof.1.incr.aof", kSetC);
  std::string damaged = kRdb;
  damaged[kRdb.size() - 12] ^= 1;
  disk.SetContents("/d/l/a.aof.1.base.rdb", damaged);
  disk.SetContents("/alone/appendonly.aof", damaged);
  TestConsole console;
  EXPECT_EQ(Check(disk, {"/d"}, console), aof::kCheckDamaged);
  EXPECT_TRUE(console.Says("damage in /d/l/a.aof.1.base.rdb at offset ")) << console.text;
  EXPECT_TRUE(console.Says("the checksum of the file is ")) << console.text;
  const auto before = disk.operations();
  for (const char* path : {"/d", "/d/l/a.aof.1.base.rdb", "/alone"}) {
    TestConsole fix;
    EXPECT_EQ(Check(disk, {"--fix", path}, fix), aof::kCheckFailed) << fix.text;
    EXPECT_TRUE(fix.Says("of a damaged RDB file nothing can be kept")) << fix.text;
    EXPECT_FALSE(fix.asked);
  }
  EXPECT_EQ(disk.operations(), before);
  TestConsole no_export;
  EXPECT_EQ(Check(disk, {"--export", "/out", "/d"}, no_export), aof::kCheckDamaged);
  EXPECT_EQ(disk.Contents("/out"), std::nullopt);
}

TEST(RdbCheckTest, ATornEndBehindABaseIsCut) {
  SimulatedFileSystem disk;
  disk.SetContents("/d/l/a.aof.manifest", kManifest);
  disk.SetContents("/d/l/a.aof.1.base.rdb", kRdb);
  disk.SetContents("/d/l/a.aof.1.incr.aof", kSetC + "*2\r\n$3\r\n");
  disk.SetContents("/alone/appendonly.aof", kRdb + kSetC + "*2\r\n");
  TestConsole console;
  EXPECT_EQ(Check(disk, {"--fix", "/d"}, console), aof::kCheckSound) << console.text;
  EXPECT_EQ(disk.Contents("/d/l/a.aof.1.base.rdb"), kRdb);
  EXPECT_EQ(disk.Contents("/d/l/a.aof.1.incr.aof"), kSetC);
  EXPECT_EQ(Check(disk, {"--fix", "/alone"}, console), aof::kCheckSound) << console.text;
  EXPECT_EQ(disk.Contents("/alone/appendonly.aof"), kRdb + kSetC);
}

}  // namespace
}  // namespace holdfast::snapshot
