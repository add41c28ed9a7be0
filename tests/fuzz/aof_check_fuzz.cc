// Fuzzes aof-check as a whole. The input: arguments, one a line, up to an empty line, then the log
// file. The tool ends with one of its exit codes, and a log that it fixed is sound.
// Files under test: aof/checker.cc aof/check_options.cc aof/check_report.cc aof/checkpoint_check.cc
// aof/log_export.cc aof/log_recovery.cc aof/log_target.cc
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aof/checker.h"
#include "aof/log_recovery.h"
#include "holdfast/check.h"
#include "snapshot/rdb_preamble.h"
#include "tests/sim/simulated_file_system.h"

namespace {

using namespace holdfast;       // NOLINT(google-build-using-namespace)
using namespace holdfast::aof;  // NOLINT(google-build-using-namespace)

class Console final : public CheckConsole {
 public:
  explicit Console(bool answer) : answer_(answer) {}
  void Print(std::string_view line) override { Check(line); }
  void PrintError(std::string_view line) override { Check(line); }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    HF_CHECK(done_bytes <= all_bytes);
  }
  bool Confirm(const std::string& question) override {
    Check(question);
    return answer_;
  }

 private:
  // Nothing from a file reaches a terminal as it is.
  static void Check(std::string_view text) {
    for (const char c : text) HF_CHECK((c >= ' ' && c <= '~') || c == '\n');
  }

  const bool answer_;
};

constexpr HashKey kHashKey = {3};

// A checkpoint whose file HOLDFAST holds any bytes: the first says which it is (1 to 3, or
// damaged), the rest are keys and values.
class PlayedCheckpoint final : public CheckpointSource {
 public:
  explicit PlayedCheckpoint(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t id() const override { return bytes_.empty() ? 0 : bytes_[0] & 3U; }
  const HashKey& hash_key() const override { return kHashKey; }
  uint64_t cut_frame() const override { return id() - 1; }
  UnixMs cut_ms() const override { return static_cast<UnixMs>(id()) * 1000; }
  uint64_t keys() const override { return bytes_.size() / 2; }
  Status Read(CheckpointVisitor& visitor, const Progress& progress) override {
    HF_TRY_STATUS(progress(0, bytes_.size()));
    if (id() == 0) return MakeError(ErrorCode::kCorruption, "checkpoint: played");
    for (size_t at = 1; at + 1 < bytes_.size(); ++at) {
      CheckpointRow row{.database = static_cast<uint8_t>(bytes_[at]) % 3U,
                        .key = std::string_view(bytes_).substr(at, 2),
                        .type = bytes_[at] == 'l' ? "list" : "string",
                        .expiry_ms = std::nullopt,
                        .size = bytes_.size() - at,
                        .payload_bytes = bytes_.size() - at};
      if (bytes_[at] == 't') row.expiry_ms = 77;
      HF_TRY_STATUS(visitor.Row(row));
      HF_TRY_STATUS(visitor.Piece(std::string_view(bytes_).substr(at)));
    }
    return progress(bytes_.size(), bytes_.size());
  }

 private:
  const std::string bytes_;
};

Result<std::unique_ptr<CheckpointSource>> OpenPlayed(FileSystem& disk, const std::string& path) {
  const auto file = HF_TRY(disk.Open(JoinPath(path, kCheckpointFile), {}));
  std::string bytes(std::min<uint64_t>(HF_TRY(file->Size()), 200), '\0');
  bytes.resize(HF_TRY(file->ReadAt(0, bytes)));
  return std::make_unique<PlayedCheckpoint>(std::move(bytes));
}

// Three checkpoints, the newest of the bytes; the log behind the second and the third of them too.
void PutCheckpoints(sim::SimulatedFileSystem& disk, std::string_view bytes) {
  Manifest manifest;
  manifest.hash_key = kHashKey;
  for (uint64_t n = 1; n <= 3; ++n) {
    const auto number = static_cast<int64_t>(n);
    manifest.checkpoints.push_back({CheckpointName("a.aof", number), number, n, number});
    disk.SetContents("/cp/d/" + manifest.checkpoints.back().name + "/HOLDFAST",
                     n == 3 ? bytes : std::string_view("\1\2x", 3).substr(n - 1));
    manifest.incremental.push_back(
        {IncrementalFileName("a.aof", number), number, LogFileType::kIncremental, std::nullopt});
    disk.SetContents("/cp/d/" + manifest.incremental.back().name,
                     n == 1 ? "" : bytes.substr(bytes.size() / 3));
  }
  HF_CHECK(WriteManifest(disk, "/cp/d/a.aof.manifest", manifest).has_value());
}

constexpr std::string_view kManifest =
    "file a.aof.1.base.aof seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n";

// Places for the bytes: a file, the layouts of a data directory, what is no log.
void PutEverywhere(sim::SimulatedFileSystem& disk, std::string_view bytes) {
  disk.SetContents("/f", bytes);
  disk.SetContents("/db/d/a.aof.manifest", kManifest);
  disk.SetContents("/db/d/a.aof.1.base.aof", bytes);
  disk.SetContents("/db/d/a.aof.1.incr.aof", bytes.substr(bytes.size() / 2));
  disk.SetContents("/db/d/temp-a.aof.2.incr.aof", bytes);
  disk.SetContents("/m/a.aof.manifest", bytes);
  disk.SetContents("/old/appendonly.aof", bytes);
  disk.SetContents("/old/holdfast.lock", "");
  PutCheckpoints(disk, bytes);
  disk.SetContents("/two/a.manifest", kManifest);
  disk.SetContents("/two/b.manifest", bytes);
  disk.SetContents("/none/a.aof.1.incr.aof", bytes);
  for (const char* name : {"a.aof.1.base.aof", "a.aof.2.base.aof", "a.aof.1.incr.aof",
                           "a.aof.2.incr.aof", "a.aof.3.incr.aof", "a.aof.x.incr.aof"}) {
    disk.SetContents("/left/" + std::string(name), bytes);
  }
}

void CheckPlaces(sim::SimulatedFileSystem& disk) {
  HF_CHECK(LocateLog(disk, "/old", "d", "appendonly.aof")->sources.size() == 1);
  HF_CHECK(LocateLog(disk, "/db", "d", "a.aof")->sources.size() == 2);
  HF_CHECK(!LocateLog(disk, "/", "none", "a.aof"));  // the manifest is missing
  HF_CHECK(RemoveTemporaryFiles(disk, "/db/d", "a.aof").has_value());
  Manifest manifest;
  manifest.incremental = {{"a.aof.2.incr.aof", 2, LogFileType::kIncremental, std::nullopt}};
  HF_CHECK(NewestSequence(disk, "/left", "a.aof") == 3);
  HF_CHECK(RemoveSupersededFiles(disk, "/left", "a.aof", manifest).has_value());
  HF_CHECK(disk.Contents("/left/a.aof.2.incr.aof") && !disk.Contents("/left/a.aof.1.incr.aof"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> args;
  while (!input.empty() && args.size() < 8) {
    const size_t end = std::min(input.find('\n'), input.size());
    const std::string_view arg = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (arg.empty()) break;
    args.push_back(arg);
  }
  sim::SimulatedFileSystem disk;
  PutEverywhere(disk, input);
  CheckPlaces(disk);
  Console console(input.size() % 2 == 0);
  const PreambleOpener preambles = snapshot::RdbPreambles();
  const CheckpointOpener checkpoints = OpenPlayed;
  const int code = RunAofCheck(disk, args, console, preambles, checkpoints);
  HF_CHECK(code >= kCheckSound && code <= kCheckFailed);
  const std::string_view path = args.empty() ? "" : args.back();
  const std::string_view fix[] = {"--fix", "--yes", path};
  if ((path == "/f" || path == "/db" || path == "/old" || path == "/cp") &&
      RunAofCheck(disk, fix, console, preambles, checkpoints) == kCheckSound) {
    const std::string_view check[] = {path};
    HF_CHECK(RunAofCheck(disk, check, console, preambles, checkpoints) == kCheckSound);
  }
  return 0;
}
