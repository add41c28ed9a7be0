#include "aof/checker.h"

#include <gtest/gtest.h>

#include "aof/manifest.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/aof/log_text.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

class TestConsole final : public CheckConsole {
 public:
  void Print(std::string_view line) override { (out += line) += '\n'; }
  void PrintError(std::string_view line) override { (errors += line) += '\n'; }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    EXPECT_LE(done_bytes, all_bytes);
    ++progress_calls;
  }
  bool Confirm(const std::string& text) override {
    question = text;
    return answer;
  }

  std::string out;
  std::string errors;
  std::string question;
  bool answer = false;
  int progress_calls = 0;
};

struct CheckRun {
  int code;
  TestConsole console;
  bool Says(std::string_view text) const { return console.out.find(text) != std::string::npos; }
};

CheckRun Check(SimulatedFileSystem& disk, std::initializer_list<std::string_view> args,
               bool answer = false) {
  CheckRun run;
  run.console.answer = answer;
  run.code = RunAofCheck(disk, {args.begin(), args.size()}, run.console);
  return run;
}

constexpr uint64_t kBaseId = 1;
constexpr uint64_t kFirstId = 2;
constexpr uint64_t kSecondId = 3;
const std::string kSetA = Resp({"SET", "a", "1"});
const std::string kSetB = Resp({"set", "b", "2"});
const std::string kMulti = Resp({"MULTI"}) + kSetA + Resp({"SELECT", "3"}) + kSetB +
                           Resp({"EXEC"}) + Resp({"SELECT", "0"});
const std::string kBase =
    FileHeaderLine(kBaseId) + FrameText(kBaseId, 1, kSetA) + FrameText(kBaseId, 10, "");
const std::string kFirst =
    FileHeaderLine(kFirstId) + FrameText(kFirstId, 11, kMulti, 0, 1'700'000'000'000);
const std::string kSecond = FileHeaderLine(kSecondId) +
                            FrameText(kSecondId, 12, kSetB, 11, 1'700'000'005'000) +
                            FrameText(kSecondId, 13, kSetA, 11, 1'700'000'009'000);
constexpr char kDirectory[] = "/db/appendonlydir/";

Manifest SampleManifest() {
  Manifest manifest;
  manifest.hash_key = HashKey{7};
  manifest.base = LogFileEntry{"a.aof.4.base.aof", 4, LogFileType::kBase, kBaseId};
  manifest.incremental = {{"a.aof.4.incr.aof", 4, LogFileType::kIncremental, kFirstId},
                          {"a.aof.5.incr.aof", 5, LogFileType::kIncremental, kSecondId}};
  return manifest;
}

void MakeLog(SimulatedFileSystem& disk) {
  const std::string directory = kDirectory;
  disk.SetContents(directory + "a.aof.manifest", *FormatManifest(SampleManifest()));
  disk.SetContents(directory + "a.aof.4.base.aof", kBase);
  disk.SetContents(directory + "a.aof.4.incr.aof", kFirst);
  disk.SetContents(directory + "a.aof.5.incr.aof", kSecond);
}

Manifest ManifestOn(SimulatedFileSystem& disk) {
  return *ReadManifest(disk, std::string(kDirectory) + "a.aof.manifest");
}

TEST(CheckerTest, ArgumentsAreChecked) {
  SimulatedFileSystem disk;
  for (const auto& args : std::vector<std::vector<std::string_view>>{
           {},
           {"--frobnicate", "x"},
           {"a", "b"},
           {""},
           {"--export"},
           {"--export", ""},
           {"x", "--truncate-to-timestamp"},
           {"x", "--truncate-to-timestamp", "soon"},
           {"x", "--truncate-to-timestamp", "-1"},
           {"x", "--truncate-to-timestamp", "99999999999999999999"},
           {"x", "--fix", "--truncate-to-timestamp", "5"},
           {"x", "--fix", "--export", "y"}}) {
    TestConsole console;
    EXPECT_EQ(RunAofCheck(disk, args, console), kCheckFailed);
    EXPECT_NE(console.errors.find("usage: aof-check"), std::string::npos);
  }
  EXPECT_EQ(Check(disk, {"--help"}).code, kCheckSound);
  EXPECT_EQ(Check(disk, {"nowhere"}).code, kCheckFailed);
  disk.SetContents("-x", kSetA);
  EXPECT_EQ(Check(disk, {"--", "-x"}).code, kCheckSound);
}

TEST(CheckerTest, ASoundLogFoundByDirectoryManifestOrFile) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  for (const char* path :
       {"/db", "/db/", "/db/appendonlydir", "/db/appendonlydir/a.aof.manifest"}) {
    const CheckRun run = Check(disk, {path});
    EXPECT_EQ(run.code, kCheckSound) << run.console.out << run.console.errors;
    EXPECT_TRUE(run.Says("sound: 3 files, 4 groups, 5 commands, next frame 14")) << run.console.out;
    EXPECT_GT(run.console.progress_calls, 0);
  }
  for (const char* name : {"a.aof.4.base.aof", "a.aof.4.incr.aof", "a.aof.5.incr.aof"}) {
    EXPECT_EQ(Check(disk, {std::string(kDirectory) + name}).code, kCheckSound) << name;
  }
  disk.SetContents("/old/appendonly.aof", kSetA);
  EXPECT_EQ(Check(disk, {"/old"}).code, kCheckSound);
  disk.SetContents("/db/other/b.manifest", "file x seq 1 type i\n");
  const CheckRun two = Check(disk, {"/db"});
  EXPECT_EQ(two.code, kCheckFailed);
  EXPECT_NE(two.console.errors.find("more than one manifest"), std::string::npos);
  disk.SetContents("/empty/x", "");
  EXPECT_EQ(Check(disk, {"/empty"}).code, kCheckFailed);
}

TEST(CheckerTest, StatsAndJson) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  const CheckRun run = Check(disk, {"--stats", "/db"});
  EXPECT_TRUE(run.Says("/db/appendonlydir/a.aof.4.base.aof: ")) << run.console.out;
  EXPECT_TRUE(run.Says("           5  SET\n"));
  EXPECT_TRUE(run.Says("written between unix times 1.000 and 1700000009.000"));
  const CheckRun json = Check(disk, {"--json", "--stats", "/db"});
  EXPECT_EQ(json.console.out.find(R"({"path":"/db","verdict":"sound","exit_code":0,"fixed":false)"),
            0U);
  EXPECT_TRUE(json.Says(R"("counts":{"SET":5})"));
  disk.SetContents(std::string(kDirectory) + "a.aof.5.incr.aof", kSecond.substr(0, 50));
  const CheckRun torn = Check(disk, {"--json", "/db"});
  EXPECT_EQ(torn.code, kCheckDamaged);
  EXPECT_TRUE(torn.Says(R"("verdict":"torn","exit_code":1)")) << torn.console.out;
  EXPECT_TRUE(torn.Says(R"("offset":40,"bytes":10)"));
  EXPECT_TRUE(Check(disk, {"--json", "\"\x01"}).Says(R"("path":"\"\u0001","verdict":"error")"));
}

TEST(CheckerTest, DamageIsNamedAndOnlyCutWhenConfirmed) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  const std::string first_path = std::string(kDirectory) + "a.aof.4.incr.aof";
  std::string damaged = kFirst;
  damaged[kFirst.size() - 30] ^= 1;
  disk.SetContents(first_path, damaged);
  const CheckRun found = Check(disk, {"/db"});
  EXPECT_EQ(found.code, kCheckDamaged);
  EXPECT_TRUE(found.Says("damage in " + first_path + " at offset 40: the checksum of frame 11"));
  EXPECT_TRUE(found.Says("1 groups, 1 commands before it are good"));
  const size_t operations = disk.operations();
  const CheckRun no = Check(disk, {"--fix", "/db"}, false);
  EXPECT_EQ(no.code, kCheckDamaged);
  EXPECT_NE(no.console.question.find("Cut the log at offset 40 of " + first_path),
            std::string::npos);
  EXPECT_EQ(disk.operations(), operations);

  const CheckRun yes = Check(disk, {"--fix", "/db"}, true);
  EXPECT_EQ(yes.code, kCheckSound) << yes.console.out << yes.console.errors;
  EXPECT_EQ(ManifestOn(disk).incremental.size(), 1U);
  EXPECT_EQ(disk.Contents(first_path), FileHeaderLine(kFirstId));
  size_t kept = 0;
  for (const std::string& path : disk.Paths()) {
    if (path.find(".cut-40-") != std::string::npos) {
      EXPECT_EQ(disk.Contents(path), damaged.substr(40));
      ++kept;
    }
    if (path.find("5.incr.aof.cut-0-") != std::string::npos) {
      EXPECT_EQ(disk.Contents(path), kSecond);
      ++kept;
    }
  }
  EXPECT_EQ(kept, 2U);
  const CheckRun again = Check(disk, {"--fix", "/db"});
  EXPECT_EQ(again.code, kCheckSound);
  EXPECT_TRUE(again.Says("nothing to cut"));
}

TEST(CheckerTest, EveryDamagedByteCanBeFixed) {
  const std::string second_path = std::string(kDirectory) + "a.aof.5.incr.aof";
  for (const auto& [path, text] : std::vector<std::pair<std::string, std::string>>{
           {std::string(kDirectory) + "a.aof.4.base.aof", kBase},
           {std::string(kDirectory) + "a.aof.4.incr.aof", kFirst},
           {second_path, kSecond}}) {
    for (size_t at = 0; at < text.size(); ++at) {
      SimulatedFileSystem disk;
      MakeLog(disk);
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ 4);
      disk.SetContents(path, changed);
      const CheckRun fixed = Check(disk, {"--fix", "--yes", "/db"});
      const bool version = changed.starts_with("#HF:v=") && at == 6;
      const bool base_header = path.find("base") != std::string::npos && at < 40;
      if (version) {
        EXPECT_EQ(fixed.code, kCheckFailed);
        continue;
      }
      if (base_header) continue;  // nothing of a base may be left: refused, or cut to what is good
      ASSERT_EQ(fixed.code, kCheckSound) << path << " " << at << fixed.console.errors;
      const CheckRun after = Check(disk, {"/db"});
      ASSERT_EQ(after.code, kCheckSound) << path << " " << at << " " << after.console.out;
    }
  }
}

TEST(CheckerTest, ALogOfWhichNothingWouldBeLeftIsNotTouched) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  disk.SetContents(std::string(kDirectory) + "a.aof.4.base.aof", "garbage");
  const CheckRun run = Check(disk, {"--fix", "--yes", "/db"});
  EXPECT_EQ(run.code, kCheckFailed);
  EXPECT_NE(run.console.errors.find("no file of the log would be left"), std::string::npos);
  EXPECT_EQ(disk.operations(), 0U);
}

TEST(CheckerTest, FixListsWhatACrashLeftUnlisted) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  const std::string third = std::string(kDirectory) + "a.aof.6.incr.aof";
  disk.SetContents(third, FileHeaderLine(9) + FrameText(9, 14, kSetA, 13) + std::string(300, '\0'));
  const CheckRun run = Check(disk, {"/db"});
  EXPECT_EQ(run.code, kCheckSound);
  EXPECT_TRUE(run.Says("300 zero bytes at its end"));
  EXPECT_EQ(Check(disk, {"--fix", "--yes", "/db"}).code, kCheckSound);
  ASSERT_EQ(ManifestOn(disk).incremental.size(), 3U);
  EXPECT_EQ(ManifestOn(disk).incremental[2],
            (LogFileEntry{"a.aof.6.incr.aof", 6, LogFileType::kIncremental, 9}));
  EXPECT_EQ(disk.Contents(third), FileHeaderLine(9) + FrameText(9, 14, kSetA, 13));
}

TEST(CheckerTest, FixListsFilesInAManifestOfRedisToo) {
  SimulatedFileSystem disk;
  disk.SetContents("/db/a.manifest", "file a.1.incr.aof seq 1 type i\n");
  disk.SetContents("/db/a.1.incr.aof", FileHeaderLine(1) + FrameText(1, 1, kSetA));
  disk.SetContents("/db/a.2.incr.aof", FileHeaderLine(2) + FrameText(2, 2, kSetB));
  EXPECT_EQ(Check(disk, {"--fix", "--yes", "/db"}).code, kCheckSound);
  EXPECT_EQ(disk.Contents("/db/a.manifest"),
            "file a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n");
}

TEST(CheckerTest, FixRefusesWhileAServerHoldsTheLock) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  disk.SetContents("/db/holdfast.lock", "");
  auto lock = disk.Lock("/db/holdfast.lock");
  EXPECT_EQ(Check(disk, {"/db"}).code, kCheckSound);
  EXPECT_EQ(Check(disk, {"--fix", "--yes", "/db"}).code, kCheckFailed);
  lock->reset();
  EXPECT_EQ(Check(disk, {"--fix", "--yes", "/db"}).code, kCheckSound);
}

TEST(CheckerTest, TruncateToTimestamp) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  EXPECT_EQ(Check(disk, {"--truncate-to-timestamp", "1700000009", "/db"}, true).code, kCheckSound);
  EXPECT_EQ(disk.operations(), 0U);
  const CheckRun run = Check(disk, {"--truncate-to-timestamp", "1700000008", "/db"}, true);
  EXPECT_EQ(run.code, kCheckSound) << run.console.out << run.console.errors;
  EXPECT_TRUE(Check(disk, {"/db"}).Says("sound: 3 files, 3 groups, 4 commands, next frame 13"));
  EXPECT_EQ(Check(disk, {"--truncate-to-timestamp", "1", "/db"}, true).code, kCheckSound);
  EXPECT_TRUE(Check(disk, {"/db"}).Says("sound: 2 files, 1 groups, 1 commands"));
  SimulatedFileSystem plain;
  plain.SetContents("f", "#TS:100\r\n" + kSetA + "#TS:200\r\n" + kSetB);
  EXPECT_EQ(Check(plain, {"--truncate-to-timestamp", "150", "f"}, true).code, kCheckSound);
  EXPECT_EQ(plain.Contents("f"), "#TS:100\r\n" + kSetA);
}

// A store that was stopped: the newest file ends with a closing frame.
TEST(CheckerTest, AClosedLog) {
  const std::string newest = std::string(kDirectory) + "a.aof.5.incr.aof";
  const std::string closed = kSecond + FrameText(kSecondId, 14, "", 13, 1'700'000'700'000);
  SimulatedFileSystem disk;
  MakeLog(disk);
  disk.SetContents(newest, closed);
  EXPECT_TRUE(Check(disk, {"/db"}).Says("sound: 3 files, 4 groups, 5 commands, next frame 15"));
  EXPECT_TRUE(Check(disk, {"--fix", "/db"}).Says("nothing to cut"));
  EXPECT_TRUE(Check(disk, {"--truncate-to-timestamp", "1700000009", "/db"}).Says("nothing to cut"));
  EXPECT_EQ(disk.operations(), 0U);
  EXPECT_EQ(Check(disk, {"--export", "/out.aof", "/db"}).code, kCheckSound);
  EXPECT_TRUE(disk.Contents("/out.aof")->ends_with(kSetB + kSetA));
  // A changed byte in the last frame.
  std::string changed = closed;
  changed[kSecond.size() - 3] ^= 1;
  disk.SetContents(newest, changed);
  const CheckRun damaged = Check(disk, {"/db"});
  EXPECT_EQ(damaged.code, kCheckDamaged);
  EXPECT_TRUE(
      damaged.Says("damage in " + newest + " at offset " +
                   std::to_string(kSecond.size() -
                                  FrameText(kSecondId, 13, kSetA, 11, 1'700'000'009'000).size())));
  // In the closing frame: cut, and nothing is missing.
  changed = closed;
  changed[kSecond.size() + 10] ^= 1;
  disk.SetContents(newest, changed);
  EXPECT_TRUE(Check(disk, {"/db"}).Says("torn end of " + newest));
  EXPECT_EQ(Check(disk, {"--fix", "--yes", "/db"}).code, kCheckSound);
  EXPECT_EQ(disk.Contents(newest), kSecond);
  // A time before its last frame goes with it.
  disk.SetContents(newest, closed);
  EXPECT_EQ(Check(disk, {"--truncate-to-timestamp", "1700000005", "/db"}, true).code, kCheckSound);
  EXPECT_TRUE(Check(disk, {"/db"}).Says("sound: 3 files, 3 groups, 4 commands, next frame 13"));
}

TEST(CheckerTest, ExportsOnePlainFile) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  const CheckRun run = Check(disk, {"--export", "/out.aof", "/db"});
  EXPECT_EQ(run.code, kCheckSound) << run.console.errors;
  EXPECT_EQ(disk.Contents("/out.aof"), kSetA + Resp({"MULTI"}) + kSetA + Resp({"SELECT", "3"}) +
                                           kSetB + Resp({"EXEC"}) + Resp({"SELECT", "0"}) + kSetB +
                                           kSetA);
  EXPECT_EQ(Check(disk, {"--export", "/out.aof", "/db"}).code, kCheckFailed);  // never overwrites
  disk.SetContents("/d", "x");
  const CheckRun damaged = Check(disk, {"--export", "/out2.aof", "/d"});
  EXPECT_EQ(damaged.code, kCheckDamaged);
  EXPECT_EQ(disk.Contents("/out2.aof"), std::nullopt);
  EXPECT_EQ(disk.Contents("/out2.aof.temp"), std::nullopt);
}

TEST(CheckerTest, PlainLogsOfRedis) {
  SimulatedFileSystem disk;
  disk.SetContents("f", kSetA + Resp({"MULTI"}) + kSetB);
  const CheckRun found = Check(disk, {"f"});
  EXPECT_EQ(found.code, kCheckDamaged);
  EXPECT_TRUE(found.Says("torn end of f at offset " + std::to_string(kSetA.size())));
  EXPECT_EQ(Check(disk, {"--fix", "f"}, true).code, kCheckSound);
  EXPECT_EQ(disk.Contents("f"), kSetA);
  disk.SetContents("/x/rdb", "REDIS0010");
  const CheckRun rdb = Check(disk, {"/x/rdb"});
  EXPECT_EQ(rdb.code, kCheckFailed);
  EXPECT_NE(rdb.console.errors.find("RDB"), std::string::npos);
}

TEST(CheckerTest, EveryFailingCallIsReported) {
  for (const bool fix : {false, true}) {
    for (uint64_t n = 1;; ++n) {
      SimulatedFileSystem disk;
      MakeLog(disk);
      disk.SetContents(std::string(kDirectory) + "a.aof.5.incr.aof",
                       kSecond.substr(0, kSecond.size() - 3));
      disk.FailAt({.nth = n, .code = ErrorCode::kNoSpace});
      const CheckRun run = fix ? Check(disk, {"--fix", "--yes", "/db"}) : Check(disk, {"/db"});
      if (disk.FaultsRaised() == 0) break;
      EXPECT_EQ(run.code, kCheckFailed) << n << run.console.out;
      disk.ClearFaults();
      const CheckRun again = Check(disk, {"--fix", "--yes", "/db"});
      EXPECT_EQ(again.code, kCheckSound) << n << again.console.out << again.console.errors;
      EXPECT_TRUE(Check(disk, {"/db"}).Says("3 groups, 4 commands")) << n;
    }
  }
}

TEST(CheckerTest, GarbledManifestsAreDamage) {
  SimulatedFileSystem disk;
  MakeLog(disk);
  disk.SetContents(std::string(kDirectory) + "a.aof.manifest", "garbage\n");
  const CheckRun run = Check(disk, {"/db"});
  EXPECT_EQ(run.code, kCheckDamaged);
  EXPECT_NE(run.console.errors.find("a.aof.manifest line 1"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::aof
