#include "aof/checker.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "aof/check_report.h"
#include "aof/log_export.h"
#include "aof/log_recovery.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr std::string_view kManifestEnd = ".manifest";
constexpr std::string_view kLockName = "holdfast.lock";

std::string FileNameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<std::string> Head(FileSystem& fs, const std::string& path) {
  const auto file = HF_TRY(fs.Open(path, {}));
  std::string head(2 * kMaxAnnotationBytes, '\0');
  head.resize(HF_TRY(file->ReadAt(0, head)));
  return head;
}

struct Target {
  LogLocation location;
  uint64_t first_frame = 1;
};

Result<Target> OfManifest(FileSystem& fs, const std::string& path) {
  Target target;
  const std::string name = FileNameOf(path);
  std::string append_filename;
  if (name.ends_with(kManifestEnd)) {
    append_filename = name.substr(0, name.size() - kManifestEnd.size());
  }
  target.location.directory = DirectoryOf(path);
  target.location.manifest_path = path;
  target.location.has_manifest = true;
  target.location.manifest = HF_TRY(ReadManifest(fs, path));
  target.location.sources =
      HF_TRY(SourcesOf(fs, target.location.manifest, target.location.directory, append_filename));
  return target;
}

// One file by itself: what came before it is not known, so its own first number is taken.
Result<Target> OfFile(FileSystem& fs, const std::string& path) {
  Target target;
  target.location.directory = DirectoryOf(path);
  const bool base = FileNameOf(path).find(".base.") != std::string::npos;
  target.location.sources.push_back({path, base, true, std::nullopt});
  if (base) return target;
  const std::string head = HF_TRY(Head(fs, path));
  const auto file = ParseFileHeader(head);
  if (!file) return target;
  const auto frame =
      ParseFrameHeader(std::string_view(head).substr(file->line_bytes), file->header.file_id);
  if (frame && frame->header.number > 0) target.first_frame = frame->header.number;
  return target;
}

bool LooksLikeManifest(const std::string& path, std::string_view head) {
  return path.ends_with(kManifestEnd) || head.starts_with("file ") ||
         head.starts_with("#HF:v=1,key=");
}

Result<std::vector<std::string>> ManifestsIn(FileSystem& fs, const std::string& directory) {
  std::vector<std::string> found;
  for (const std::string& name : HF_TRY(fs.List(directory))) {
    if (name.ends_with(kManifestEnd) && !name.starts_with("temp-")) {
      found.push_back(JoinPath(directory, name));
    }
  }
  return found;
}

// A data directory holds the manifest one level down, in appenddirname; before Redis 7, or with
// appendonly just turned off, a single file.
Result<Target> OfDirectory(FileSystem& fs, const std::string& directory) {
  std::vector<std::string> found = HF_TRY(ManifestsIn(fs, directory));
  if (found.empty()) {
    for (const std::string& name : HF_TRY(fs.List(directory))) {
      const std::string path = JoinPath(directory, name);
      if (!HF_TRY(fs.IsDirectory(path))) continue;
      for (std::string& manifest : HF_TRY(ManifestsIn(fs, path))) {
        found.push_back(std::move(manifest));
      }
    }
  }
  std::ranges::sort(found);
  if (found.size() > 1) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("{} holds more than one manifest: give one of {} and {}",
                                 directory, found[0], found[1]));
  }
  if (found.size() == 1) return OfManifest(fs, found.front());
  const std::string single = JoinPath(directory, "appendonly.aof");
  if (HF_TRY(fs.Exists(single)) && !HF_TRY(fs.IsDirectory(single))) return OfFile(fs, single);
  return MakeError(ErrorCode::kNotFound,
                   fmt::format("{} holds no manifest and no appendonly.aof", directory));
}

Result<Target> FindTarget(FileSystem& fs, const std::string& path) {
  if (HF_TRY(fs.IsDirectory(path))) return OfDirectory(fs, path);
  return LooksLikeManifest(path, HF_TRY(Head(fs, path))) ? OfManifest(fs, path) : OfFile(fs, path);
}

// Nobody may write to the log while it is cut: takes the server's lock where there is one.
Result<std::vector<std::unique_ptr<FileLock>>> LockAround(FileSystem& fs,
                                                          const std::string& directory) {
  std::vector<std::unique_ptr<FileLock>> locks;
  for (const std::string& place : {directory, DirectoryOf(directory), directory + "/.."}) {
    const std::string path = JoinPath(place, kLockName);
    if (!HF_TRY(fs.Exists(path))) continue;
    locks.push_back(HF_TRY(fs.Lock(path)));
    break;
  }
  return locks;
}

class Checker {
 public:
  Checker(FileSystem& fs, CheckOptions options, CheckConsole& console)
      : fs_(fs), options_(std::move(options)), console_(console), report_(options_.stats) {}

  Result<int> Run() {
    target_ = HF_TRY(FindTarget(fs_, options_.path));
    if (options_.fix || options_.truncate_to_timestamp) {
      locks_ = HF_TRY(LockAround(fs_, target_.location.directory));
    }
    LogReadOptions read{.first_frame = target_.first_frame};
    if (options_.truncate_to_timestamp) {
      read.until_ms = *options_.truncate_to_timestamp * 1000 + 999;
    }
    LogReader reader(fs_, target_.location.sources, read);
    HF_TRY_STATUS(ReadAll(reader));
    if (!options_.json) Print(report_.Lines(reader, options_.stats));
    outcome_.path = options_.path;
    outcome_.exit_code = Sound(reader) ? kCheckSound : kCheckDamaged;
    if (options_.fix || options_.truncate_to_timestamp) HF_TRY_STATUS(Change(reader));
    if (exporter_ != nullptr) HF_TRY_STATUS(FinishExport(reader));
    if (options_.json) console_.Print(report_.Json(reader, options_.stats, outcome_));
    return outcome_.exit_code;
  }

 private:
  static bool Sound(const LogReader& reader) {
    return reader.verdict().kind == LogVerdict::Kind::kSound ||
           reader.verdict().kind == LogVerdict::Kind::kReachedTime;
  }

  void Print(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) console_.Print(line);
  }
  void Say(const std::string& line) {
    if (!options_.json) console_.Print(line);
  }

  // 0 if there is no such file: the reader says so.
  Result<uint64_t> SizeOf(const std::string& path) {
    auto file = fs_.Open(path, {});
    if (file) return (*file)->Size();
    if (file.error().code == ErrorCode::kNotFound) return uint64_t{0};
    return std::unexpected(std::move(file).error());
  }

  Status ReadAll(LogReader& reader) {
    uint64_t all_bytes = 0;
    for (const LogSource& source : reader.sources()) {
      all_bytes += HF_TRY(SizeOf(source.path));
    }
    if (!options_.export_path.empty()) {
      exporter_ = HF_TRY(LogExporter::Create(fs_, options_.export_path));
    }
    LogBatch batch;
    while (HF_TRY(reader.Next(batch))) {
      report_.Count(batch);
      if (exporter_ != nullptr) {
        HF_TRY_STATUS(CheckExportable(batch));
        HF_TRY_STATUS(exporter_->Add(batch));
      }
      console_.Progress(reader.bytes_read(), all_bytes);
    }
    console_.Progress(all_bytes, all_bytes);
    return {};
  }

  // The log of a raft node holds requests, not effects.
  static Status CheckExportable(const LogBatch& batch) {
    const bool raft =
        std::ranges::any_of(batch.frames, [](const LogFrame& f) { return f.term > 0; });
    if (!raft) return {};
    return MakeError(ErrorCode::kUnsupported,
                     "this is the log of a cluster node, which only a server can export");
  }

  Status FinishExport(const LogReader& reader) {
    if (reader.verdict().kind == LogVerdict::Kind::kDamage) {
      Say("nothing was exported");
      exporter_.reset();
      return {};
    }
    HF_TRY_STATUS(exporter_->Finish());
    Say(fmt::format("exported to {}", Printable(options_.export_path)));
    return {};
  }

  // Bytes that a cut removes, the later files included.
  Result<uint64_t> BytesBehind(const LogReader& reader) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < reader.sources().size(); ++i) {
      const LogSourceState& state = reader.states()[i];
      if (state.present) {
        bytes += state.size - state.end;
      } else {
        bytes += HF_TRY(SizeOf(reader.sources()[i].path));
      }
    }
    return bytes;
  }

  // Whether the files already are what a cut would leave.
  static bool NothingToChange(const LogReader& reader) {
    if (reader.verdict().kind != LogVerdict::Kind::kSound || reader.written_again()) return false;
    for (size_t i = 0; i < reader.sources().size(); ++i) {
      const LogSourceState& state = reader.states()[i];
      if (!reader.sources()[i].listed || state.end != state.size) return false;
    }
    return true;
  }

  Status Change(const LogReader& reader) {
    const LogVerdict& verdict = reader.verdict();
    const bool in_base =
        verdict.kind == LogVerdict::Kind::kReachedTime && reader.sources()[verdict.source].base;
    if (in_base) {
      return MakeError(ErrorCode::kInvalidArgument,
                       "that time lies before the base file: nothing was changed");
    }
    if (options_.truncate_to_timestamp && !Sound(reader)) {
      Say("not cut: use --fix first");
      return {};
    }
    if (NothingToChange(reader)) {
      Say("nothing to cut");
      return {};
    }
    const uint64_t bytes = HF_TRY(BytesBehind(reader));
    const std::string question =
        verdict.kind == LogVerdict::Kind::kSound
            ? fmt::format(
                  "Cut {} zero bytes off, and list or remove files that are not in the "
                  "manifest?",
                  bytes)
            : fmt::format(
                  "Cut the log at offset {} of {}? {} bytes in {} file(s) are removed, and "
                  "kept beside them.",
                  verdict.offset, Printable(verdict.file), bytes,
                  reader.sources().size() - verdict.source);
    if (!options_.yes && !console_.Confirm(question)) {
      Say("nothing was changed");
      return {};
    }
    const LogEnd end = HF_TRY(CutBack(fs_, reader, target_.location));
    outcome_.fixed = true;
    outcome_.exit_code = kCheckSound;
    outcome_.side_files = end.side_files;
    for (const std::string& path : end.side_files) Say("kept: " + Printable(path));
    Say(fmt::format("fixed: {} bytes are left", end.log_bytes));
    return {};
  }

  FileSystem& fs_;
  const CheckOptions options_;
  CheckConsole& console_;
  Target target_;
  std::vector<std::unique_ptr<FileLock>> locks_;
  CheckReport report_;
  CheckReport::Outcome outcome_;
  std::unique_ptr<LogExporter> exporter_;
};

int CodeOf(const Error& error) {
  return error.code == ErrorCode::kCorruption ? kCheckDamaged : kCheckFailed;
}

}  // namespace

int RunAofCheck(FileSystem& fs, std::span<const std::string_view> args, CheckConsole& console) {
  auto options = ParseCheckArguments(args);
  if (!options) {
    console.PrintError(fmt::format("aof-check: {}", Printable(options.error().message)));
    console.PrintError(CheckUsage());
    return kCheckFailed;
  }
  if (options->help) {
    console.Print(CheckUsage());
    return kCheckSound;
  }
  const bool json = options->json;
  const std::string path = options->path;
  const auto code = Checker(fs, *std::move(options), console).Run();
  if (code) return *code;
  const int exit_code = CodeOf(code.error());
  if (json) console.Print(CheckReport::JsonError(path, code.error().message, exit_code));
  console.PrintError(fmt::format("aof-check: {}", Printable(code.error().message)));
  return exit_code;
}

}  // namespace holdfast::aof
