// aof-check on a directory with checkpoints. They are played here: text files, one row a line; the
// real ones are in tests/unit/snapshot/checkpoint_test.cc and tests/compat/aof_check_test.py.
#include "aof/checkpoint_check.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <sstream>

#include "aof/checker.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/aof/log_text.h"

namespace holdfast::aof {
namespace {

using sim::SimulatedFileSystem;

constexpr HashKey kHashKey = {9};

// "id cut_frame cut_ms", then a line "database key value [expiry]" for each row; a line "damage"
// is; "hot 7" and "hot damage" say what there is of a hot list.
class PlayedCheckpoint final : public CheckpointSource {
 public:
  explicit PlayedCheckpoint(std::string path, const std::string& text)
      : path_(std::move(path)), text_(text) {
    text_ >> id_ >> cut_frame_ >> cut_ms_;
  }
  uint64_t id() const override { return id_; }
  const HashKey& hash_key() const override { return kHashKey; }
  uint64_t cut_frame() const override { return cut_frame_; }
  UnixMs cut_ms() const override { return cut_ms_; }
  uint64_t keys() const override { return 3; }
  Result<std::optional<uint64_t>> HotKeys() const override {
    if (hot_ == "damage") return MakeError(ErrorCode::kCorruption, "a played list");
    if (hot_.empty()) return std::nullopt;
    return std::stoull(hot_);
  }
  Status Read(CheckpointVisitor& visitor, const Progress& progress) override {
    HF_TRY_STATUS(progress(1, 2));
    std::string line;
    while (std::getline(text_, line)) {
      if (line.empty()) continue;
      if (line.starts_with("hot ")) {
        hot_ = line.substr(4);
        continue;
      }
      if (line == "damage")
        return MakeError(ErrorCode::kCorruption, fmt::format("checkpoint {}: played", path_));
      std::istringstream words(line);
      CheckpointRow row{.database = 0,
                        .key = {},
                        .type = "string",
                        .expiry_ms = std::nullopt,
                        .size = 0,
                        .payload_bytes = 0};
      std::string key;
      std::string value;
      UnixMs expiry_ms = 0;
      words >> row.database >> key >> value;
      if (words >> expiry_ms) row.expiry_ms = expiry_ms;
      if (value == "-") value.clear();
      if (value == "list") row.type = "list";
      row.key = key;
      row.size = row.payload_bytes = value.size();
      HF_TRY_STATUS(visitor.Row(row));
      for (size_t at = 0; at < value.size(); at += 5)
        HF_TRY_STATUS(visitor.Piece(std::string_view(value).substr(at, 5)));
    }
    return {};
  }

 private:
  const std::string path_;
  std::istringstream text_;
  std::string hot_;
  uint64_t id_ = 0;
  uint64_t cut_frame_ = 0;
  UnixMs cut_ms_ = 0;
};

CheckpointOpener Player(SimulatedFileSystem& disk) {
  return
      [&disk](FileSystem&, const std::string& path) -> Result<std::unique_ptr<CheckpointSource>> {
        const auto text = disk.Contents(path + "/HOLDFAST");
        if (!text)
          return MakeError(ErrorCode::kCorruption, fmt::format("checkpoint {}: missing", path));
        return std::make_unique<PlayedCheckpoint>(path, *text);
      };
}

class Console final : public CheckConsole {
 public:
  void Print(std::string_view line) override { (out += line) += '\n'; }
  void PrintError(std::string_view line) override { (out += line) += '\n'; }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    EXPECT_LE(done_bytes, all_bytes);
  }
  bool Confirm(const std::string& text) override {
    out += text + '\n';
    return true;
  }
  std::string out;
};

constexpr char kLog[] = "/db/appendonlydir/";
constexpr char kManifest[] = "/db/appendonlydir/a.aof.manifest";

// Files 1 to 4 with frames 11 to 14 at seconds 11 to 14; checkpoints before frames 11, 13 and 14.
class CheckpointCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    disk_ = std::make_unique<SimulatedFileSystem>();
    manifest_ = {};
    manifest_.hash_key = kHashKey;
    for (int64_t n = 1; n <= 4; ++n) {
      const auto number = static_cast<uint64_t>(n);
      const std::string name = IncrementalFileName("a.aof", n);
      manifest_.incremental.push_back({name, n, LogFileType::kIncremental, number});
      const std::string set = Resp({"SET", "log", std::to_string(n)});
      disk_->SetContents(kLog + name, FileHeaderLine(number) +
                                          FrameText(number, number + 10, set, 0, (n + 10) * 1000));
    }
    for (const int64_t n : {1, 3, 4}) {
      const std::string name = CheckpointName("a.aof", n);
      manifest_.checkpoints.push_back({name, n, static_cast<uint64_t>(n), n});
      disk_->SetContents(kLog + name + "/HOLDFAST",
                         fmt::format("{} {} {}\n0 first {}\n2 empty -\n2 long abcdefghijklmn 77\n",
                                     n, n + 9, n * 1000 + 9500, n));
    }
    Put();
  }
  void Put() { EXPECT_TRUE(WriteManifest(*disk_, kManifest, manifest_)); }
  void Damage(const std::string& name) {
    const std::string path = kLog + name + "/HOLDFAST";
    disk_->SetContents(path, *disk_->Contents(path) + "damage\n");
  }
  Manifest OnDisk() { return *ReadManifest(*disk_, kManifest); }

  int Run(std::initializer_list<std::string_view> args) {
    console_.out.clear();
    return RunAofCheck(*disk_, {args.begin(), args.size()}, console_, {}, Player(*disk_));
  }
  bool Says(std::string_view text) const { return console_.out.find(text) != std::string::npos; }

  std::unique_ptr<SimulatedFileSystem> disk_;
  Manifest manifest_;
  Console console_;
};

TEST_F(CheckpointCheckTest, VerifiesAllOfThemAndTheLogBetween) {
  EXPECT_EQ(Run({"/db"}), kCheckSound) << console_.out;
  EXPECT_TRUE(Says("a.aof.1.checkpoint: sound checkpoint, 3 keys, cut behind frame 10"))
      << console_.out;
  EXPECT_TRUE(
      Says("a.aof.4.checkpoint: sound checkpoint, 3 keys, cut behind frame 13 at unix "
           "time 13.500"));
  EXPECT_TRUE(Says("sound: 1 files, 1 groups, 1 commands, next frame 15"));
  // Without one who can read them nothing is taken for sound.
  const std::string_view args[] = {"/db"};
  EXPECT_EQ(RunAofCheck(*disk_, args, console_), kCheckFailed);
  EXPECT_TRUE(Says("cannot be read here"));
}

TEST_F(CheckpointCheckTest, ADamagedHotListIsNamedAndTakesNothingWithIt) {
  const std::string path = std::string(kLog) + "a.aof.4.checkpoint/HOLDFAST";
  const std::string before = *disk_->Contents(path);
  disk_->SetContents(path, before + "hot 7\n");
  EXPECT_EQ(Run({"/db"}), kCheckSound) << console_.out;
  EXPECT_TRUE(Says("a.aof.4.checkpoint: sound checkpoint, 3 keys, 7 hot, cut")) << console_.out;
  EXPECT_EQ(Run({"--json", "/db"}), kCheckSound);
  EXPECT_TRUE(Says(R"("keys":3,"hot_keys":7})")) << console_.out;
  disk_->SetContents(path, before + "hot damage\n");
  EXPECT_EQ(Run({"/db"}), kCheckDamaged) << console_.out;
  EXPECT_TRUE(Says("a.aof.4.checkpoint: a played list; no data is lost")) << console_.out;
  EXPECT_EQ(Run({"--json", "/db"}), kCheckDamaged);
  EXPECT_TRUE(Says(R"("keys":3,"damaged_hint":"a played list"})")) << console_.out;
  EXPECT_EQ(Run({"--export", "/out", "/db"}), kCheckDamaged);
  EXPECT_TRUE(Says("exported to /out")) << console_.out;
  // There is nothing to go back for.
  EXPECT_EQ(Run({"--fix", "--yes", "/db"}), kCheckDamaged);
  EXPECT_TRUE(Says("nothing to cut")) << console_.out;
  EXPECT_EQ(OnDisk(), manifest_);
}

TEST_F(CheckpointCheckTest, DamageAnywhereIsNamed) {
  const auto fresh = [this](const std::string& path, const std::string& text) {
    const std::string before = *disk_->Contents(path);
    disk_->SetContents(path, text);
    const int code = Run({"/db"});
    disk_->SetContents(path, before);
    return code;
  };
  // In an older file of the log, which only the restores need.
  const std::string second = kLog + manifest_.incremental[1].name;
  EXPECT_EQ(fresh(second, disk_->Contents(second)->substr(0, 100)), kCheckDamaged);
  EXPECT_TRUE(Says("a.aof.2.incr.aof")) << console_.out;
  const std::string hold = "/HOLDFAST";
  for (const CheckpointEntry& entry : manifest_.checkpoints) {
    const std::string path = kLog + entry.name + hold;
    const std::string text = *disk_->Contents(path);
    EXPECT_EQ(fresh(path, text + "damage\n"), kCheckDamaged);
    EXPECT_TRUE(Says(entry.name)) << console_.out;
    EXPECT_EQ(fresh(path, "7" + text), kCheckDamaged);
    EXPECT_TRUE(Says("the manifest names")) << console_.out;
  }
  // A cut that the log does not lead to.
  const std::string newest = kLog + manifest_.checkpoints[2].name + hold;
  EXPECT_EQ(fresh(newest, "4 12 13500\n"), kCheckDamaged);
  EXPECT_TRUE(Says("ends with frame 13, and not with frame 12") || Says("where frame 13"))
      << console_.out;
  EXPECT_EQ(Run({"/db"}), kCheckSound);
}

TEST_F(CheckpointCheckTest, ExportsRowsThenTheLog) {
  ASSERT_EQ(Run({"--export", "/out", "/db"}), kCheckSound) << console_.out;
  EXPECT_EQ(*disk_->Contents("/out"), Resp({"SET", "first", "4"}) + Resp({"SELECT", "2"}) +
                                          Resp({"SET", "empty", ""}) +
                                          Resp({"SET", "long", "abcdefghijklmn", "PXAT", "77"}) +
                                          Resp({"SELECT", "0"}) + Resp({"SET", "log", "4"}));
  const std::string alone = std::string(kLog) + "a.aof.3.checkpoint";
  ASSERT_EQ(Run({"--export", "/alone", alone}), kCheckSound) << console_.out;
  EXPECT_EQ(disk_->Contents("/alone")->find(Resp({"SET", "first", "3"})), 0);
  EXPECT_EQ(Run({"--fix", alone}), kCheckFailed);
  EXPECT_EQ(Run({"--truncate-to-timestamp", "12", alone}), kCheckFailed);
  Damage("a.aof.4.checkpoint");
  EXPECT_EQ(Run({"--export", "/none", "/db"}), kCheckDamaged);
  EXPECT_FALSE(disk_->Contents("/none") || disk_->Contents("/none.temp"));
  disk_->SetContents(alone + "/HOLDFAST", "3 12 12500\n0 l list\n");
  EXPECT_EQ(Run({"--export", "/none", alone}), kCheckFailed);
  EXPECT_TRUE(Says("type list"));
  EXPECT_EQ(Run({"--stats", alone}), kCheckSound);
}

TEST_F(CheckpointCheckTest, Statistics) {
  ASSERT_EQ(Run({"--stats", "/db"}), kCheckSound);
  EXPECT_TRUE(
      Says("           3  string keys, 1 of them with a time to live; 14 bytes of keys, 15 of "
           "values"))
      << console_.out;
  EXPECT_TRUE(Says("           2  keys in database 2"));
  EXPECT_TRUE(Says("          18  bytes: string long in database 2"));
  ASSERT_EQ(Run({"--stats", "--json", "/db"}), kCheckSound);
  EXPECT_TRUE(Says(R"("databases":{"0":1,"2":2},"types":{"string":{"keys":3,"expiring":1,)"
                   R"("key_bytes":14,"value_bytes":15}},"biggest":[{"database":2,"key":"long",)"))
      << console_.out;
  EXPECT_TRUE(Says(R"("checkpoints":[{"path":"/db/appendonlydir/a.aof.1.checkpoint","id":)"
                   R"("0000000000000001","cut_frame":10,"cut_ms":10500,"keys":3})"));
}

TEST_F(CheckpointCheckTest, TheBiggestKeysAreKept) {
  RowStatistics statistics;
  for (uint64_t i = 0; i < 1000; ++i) {
    const std::string key = fmt::format("k{:03}", i * 7 % 1000);
    ASSERT_TRUE(statistics.Row({.database = 0,
                                .key = key,
                                .type = "string",
                                .expiry_ms = std::nullopt,
                                .size = 0,
                                .payload_bytes = i * 7 % 1000}));
  }
  const auto biggest = statistics.Biggest();
  ASSERT_EQ(biggest.size(), 10);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(biggest[i].key, fmt::format("k{:03}", 999 - i));
}

TEST_F(CheckpointCheckTest, AnyTimeSinceTheOldestCanBeGoneBackTo) {
  struct Case {
    const char* seconds;
    size_t checkpoints;
    size_t files;
    std::string groups;
  };
  for (const Case& c : {Case{"99", 3, 4, "4"}, Case{"13", 3, 4, ""}, Case{"12", 2, 3, ""},
                        Case{"11", 1, 2, "1"}, Case{"10", 1, 1, ""}}) {
    SCOPED_TRACE(c.seconds);
    SetUp();
    ASSERT_EQ(Run({"--truncate-to-timestamp", c.seconds, "--yes", "/db"}), kCheckSound)
        << console_.out;
    EXPECT_EQ(OnDisk().checkpoints.size(), c.checkpoints);
    EXPECT_EQ(OnDisk().incremental.size(), c.files);
    EXPECT_EQ(Run({"/db"}), kCheckSound) << console_.out;
    ASSERT_EQ(Run({"--export", "/out", "/db"}), kCheckSound);
    const bool has = disk_->Contents("/out")->ends_with(Resp({"SET", "log", c.groups}));
    EXPECT_EQ(has, !c.groups.empty()) << *disk_->Contents("/out");
  }
  EXPECT_EQ(Run({"--truncate-to-timestamp", "9", "--yes", "/db"}), kCheckFailed);
  EXPECT_TRUE(Says("before the oldest checkpoint, a.aof.1.checkpoint")) << console_.out;
}

TEST_F(CheckpointCheckTest, FixGoesBackToAnOlderOneWithoutLoss) {
  Damage("a.aof.4.checkpoint");
  EXPECT_EQ(Run({"/db"}), kCheckDamaged);
  EXPECT_TRUE(Says("--fix goes back to a.aof.3.checkpoint")) << console_.out;
  ASSERT_EQ(Run({"--fix", "/db"}), kCheckSound) << console_.out;
  EXPECT_TRUE(Says("newer than a.aof.3.checkpoint are removed"));
  manifest_.checkpoints.pop_back();
  EXPECT_EQ(OnDisk(), manifest_);
  EXPECT_FALSE(*disk_->Exists(std::string(kLog) + "a.aof.4.checkpoint"));
  EXPECT_EQ(Run({"/db"}), kCheckSound) << console_.out;
  EXPECT_TRUE(Says("sound: 2 files, 2 groups, 2 commands, next frame 15"));
  // Down to the last, of which there is no way back.
  Damage("a.aof.3.checkpoint");
  Damage("a.aof.1.checkpoint");
  EXPECT_EQ(Run({"--fix", "/db"}), kCheckDamaged);
  EXPECT_EQ(OnDisk(), manifest_);
}

TEST_F(CheckpointCheckTest, NoLogLeadsOnFromACheckpointWithoutOne) {
  manifest_.checkpoints[1].log_sequence.reset();
  manifest_.checkpoints[0].log_sequence.reset();
  manifest_.incremental.erase(manifest_.incremental.begin(), manifest_.incremental.end() - 1);
  Put();
  EXPECT_EQ(Run({"/db"}), kCheckSound) << console_.out;
  EXPECT_EQ(Run({"--truncate-to-timestamp", "12", "--yes", "/db"}), kCheckFailed);
  EXPECT_TRUE(Says("no log was kept after the checkpoint a.aof.3.checkpoint")) << console_.out;
  Damage("a.aof.4.checkpoint");
  EXPECT_EQ(Run({"--fix", "--yes", "/db"}), kCheckDamaged);
  EXPECT_EQ(OnDisk(), manifest_);
}

}  // namespace
}  // namespace holdfast::aof
