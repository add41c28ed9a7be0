#include "aof/checker.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "aof/check_report.h"
#include "aof/checkpoint_check.h"
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

// Rows of the checkpoint that the log goes on from, counted and, if there is an exporter, exported.
class RowTaker final : public CheckpointVisitor {
 public:
  explicit RowTaker(LogExporter* exporter) : exporter_(exporter) {}

  Status Row(const CheckpointRow& row) override {
    HF_TRY_STATUS(statistics_.Row(row));
    if (exporter_ == nullptr) return {};
    if (row.type != "string") {
      return MakeError(ErrorCode::kUnsupported,
                       fmt::format("a key of type {}, which cannot be exported yet", row.type));
    }
    return exporter_->AddString(row.database, row.key, row.payload_bytes, row.expiry_ms);
  }
  Status Piece(std::string_view piece) override {
    return exporter_ == nullptr ? Status() : exporter_->AddPiece(piece);
  }
  RowStatistics TakeStatistics() && { return std::move(statistics_); }

 private:
  LogExporter* exporter_;
  RowStatistics statistics_;
};

class Checker {
 public:
  Checker(FileSystem& fs, CheckOptions options, CheckConsole& console, PreambleOpener preambles,
          const CheckpointOpener& checkpoints)
      : fs_(fs),
        options_(std::move(options)),
        console_(console),
        preambles_(std::move(preambles)),
        checkpoints_(fs, checkpoints,
                     [this](uint64_t done, uint64_t all) {
                       console_.Progress(done, all);
                       return Status();
                     }),
        report_(options_.stats) {}

  Result<int> Run() {
    target_ = HF_TRY(FindLog(fs_, options_.path));
    const bool changes = options_.fix || options_.truncate_to_timestamp;
    if (changes && !target_.checkpoint.empty())
      return MakeError(ErrorCode::kInvalidArgument, "a checkpoint is never changed");
    if (changes) locks_ = HF_TRY(LockAround(fs_, target_.location.directory));
    if (!options_.export_path.empty())
      exporter_ = HF_TRY(LogExporter::Create(fs_, options_.export_path));
    HF_TRY_STATUS(ReadCheckpoints());
    LogReadOptions read{.first_frame = target_.first_frame, .open_preamble = preambles_};
    if (options_.truncate_to_timestamp) read.until_ms = UntilMs();
    LogReader reader(fs_, target_.location.sources, read);
    HF_TRY_STATUS(ReadAll(reader));
    if (!options_.json) Print(report_.Lines(reader, options_.stats));
    outcome_.path = options_.path;
    outcome_.exit_code = Sound(reader) ? kCheckSound : kCheckDamaged;
    if (changes) HF_TRY_STATUS(Change(reader));
    // Nothing is lost by it and nothing can be done about it, but it is damage.
    if (checkpoints_.HintsDamaged()) outcome_.exit_code = kCheckDamaged;
    if (exporter_ != nullptr) HF_TRY_STATUS(FinishExport(reader));
    if (options_.json) console_.Print(report_.Json(reader, options_.stats, outcome_));
    return outcome_.exit_code;
  }

 private:
  UnixMs UntilMs() const { return *options_.truncate_to_timestamp * 1000 + 999; }

  // What stands before the log: verified, exported, counted.
  Status ReadCheckpoints() {
    RowTaker rows(exporter_.get());
    if (!target_.checkpoint.empty()) {
      HF_TRY_STATUS(checkpoints_.ReadAlone(target_.checkpoint, rows));
    } else if (target_.location.checkpoint) {
      if (options_.truncate_to_timestamp)
        HF_TRY_STATUS(checkpoints_.GoBackTo(UntilMs(), target_.location));
      HF_TRY_STATUS(ReadOrGoBack(rows));
      HF_TRY_STATUS(checkpoints_.ReadOlder(target_.location));
      target_.first_frame = checkpoints_.first_frame();
    } else {
      return {};
    }
    report_.AddCheckpoints(checkpoints_.checked(), std::move(rows).TakeStatistics());
    return {};
  }

  // A damaged checkpoint loses nothing while there is an older one and the log since.
  Status ReadOrGoBack(RowTaker& rows) {
    while (true) {
      Status read = checkpoints_.Read(target_.location, rows);
      if (read || read.error().code != ErrorCode::kCorruption) return read;
      LogLocation older = target_.location;
      if (!HF_TRY(checkpoints_.GoBack(older))) return read;
      const std::string& name = older.checkpoint->name;
      if (!options_.fix) {
        read.error().message +=
            fmt::format("; nothing is lost yet: --fix goes back to {} and the log since it", name);
        return read;
      }
      Say(Printable(read.error().message));
      Say(fmt::format("going back to {} and the log since it", Printable(name)));
      target_.location = std::move(older);
      rows = RowTaker(nullptr);
    }
  }

  bool WentBack() const {
    const LogLocation& location = target_.location;
    return location.checkpoint && *location.checkpoint != location.manifest.checkpoints.back();
  }

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
  bool NothingToChange(const LogReader& reader) const {
    if (WentBack()) return false;
    if (reader.verdict().kind != LogVerdict::Kind::kSound || reader.written_again()) return false;
    for (size_t i = 0; i < reader.sources().size(); ++i) {
      const LogSourceState& state = reader.states()[i];
      if (!reader.sources()[i].listed || state.end != state.size) return false;
    }
    return true;
  }

  Result<std::string> Question(const LogReader& reader) {
    const LogVerdict& verdict = reader.verdict();
    const uint64_t bytes = HF_TRY(BytesBehind(reader));
    std::string question =
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
    if (WentBack()) {
      question += fmt::format(" The checkpoints that are newer than {} are removed.",
                              Printable(target_.location.checkpoint->name));
    }
    return question;
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
    if (!options_.yes && !console_.Confirm(HF_TRY(Question(reader)))) {
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
  CheckpointCheck checkpoints_;
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
                const PreambleOpener& preambles, const CheckpointOpener& checkpoints) {
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
  const auto code = Checker(fs, *std::move(options), console, preambles, checkpoints).Run();
  if (code) return *code;
  const int exit_code = CodeOf(code.error());
  if (json) console.Print(CheckReport::JsonError(path, code.error().message, exit_code));
  console.PrintError(fmt::format("aof-check: {}", Printable(code.error().message)));
  return exit_code;
}

}  // namespace holdfast::aof
