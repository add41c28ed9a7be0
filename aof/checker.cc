#include "aof/checker.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "aof/check_report.h"
#include "aof/log_export.h"
#include "aof/log_recovery.h"
#include "aof/log_target.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr std::string_view kLockName = "holdfast.lock";

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
  Checker(FileSystem& fs, CheckOptions options, CheckConsole& console, PreambleOpener preambles)
      : fs_(fs),
        options_(std::move(options)),
        console_(console),
        preambles_(std::move(preambles)),
        report_(options_.stats) {}

  Result<int> Run() {
    target_ = HF_TRY(FindLog(fs_, options_.path));
    if (options_.fix || options_.truncate_to_timestamp) {
      locks_ = HF_TRY(LockAround(fs_, target_.location.directory));
    }
    LogReadOptions read{.first_frame = target_.first_frame, .open_preamble = preambles_};
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
    HF_TRY_STATUS(CheckCuttable(reader));
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
  const PreambleOpener preambles_;
  LogTarget target_;
  std::vector<std::unique_ptr<FileLock>> locks_;
  CheckReport report_;
  CheckReport::Outcome outcome_;
  std::unique_ptr<LogExporter> exporter_;
};

int CodeOf(const Error& error) {
  return error.code == ErrorCode::kCorruption ? kCheckDamaged : kCheckFailed;
}

}  // namespace

int RunAofCheck(FileSystem& fs, std::span<const std::string_view> args, CheckConsole& console,
                const PreambleOpener& preambles) {
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
  const auto code = Checker(fs, *std::move(options), console, preambles).Run();
  if (code) return *code;
  const int exit_code = CodeOf(code.error());
  if (json) console.Print(CheckReport::JsonError(path, code.error().message, exit_code));
  console.PrintError(fmt::format("aof-check: {}", Printable(code.error().message)));
  return exit_code;
}

}  // namespace holdfast::aof
