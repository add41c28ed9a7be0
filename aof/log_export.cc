#include "aof/log_export.h"

#include <fmt/core.h>

#include "aof/manifest.h"
#include "aof/request_parser.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

constexpr size_t kFlushBytes = size_t{1} << 20;

std::string TemporaryPath(const std::string& path) { return path + ".temp"; }

void Append(std::string& out, std::initializer_list<std::string_view> args) {
  AppendRequest(out, {args.begin(), args.size()});
}

}  // namespace

Result<std::unique_ptr<LogExporter>> LogExporter::Create(FileSystem& fs, const std::string& path) {
  if (HF_TRY(fs.Exists(path))) {
    return MakeError(ErrorCode::kBusy, fmt::format("{} exists already", path));
  }
  auto file = HF_TRY(fs.Open(TemporaryPath(path), {.write = true, .create = true}));
  HF_TRY_STATUS(file->Truncate(0));
  return std::unique_ptr<LogExporter>(new LogExporter(fs, path, std::move(file)));
}

LogExporter::LogExporter(FileSystem& fs, std::string path, std::unique_ptr<File> file)
    : fs_(fs), path_(std::move(path)), file_(std::move(file)) {}

LogExporter::~LogExporter() {
  if (!finished_) static_cast<void>(fs_.Unlink(TemporaryPath(path_)));
}

Status LogExporter::Add(const LogBatch& batch) {
  HF_CHECK(!finished_);
  for (const LogGroup& group : batch.groups) {
    const bool transaction = group.command_count > 1;
    if (transaction) Append(pending_, {"MULTI"});
    for (const LogCommand& command : batch.Commands(group)) AddCommand(batch, command);
    if (transaction) Append(pending_, {"EXEC"});
    if (pending_.size() >= kFlushBytes) HF_TRY_STATUS(Flush());
  }
  return {};
}

void LogExporter::AddCommand(const LogBatch& batch, const LogCommand& command) {
  if (command.database != database_) {
    Append(pending_, {"SELECT", IntegerText(command.database).view()});
    database_ = command.database;
  }
  AppendRequest(pending_, batch.Args(command));
}

Status LogExporter::Flush() {
  const std::string_view part = pending_;
  HF_TRY_STATUS(file_->WriteAt(written_, {&part, 1}));
  written_ += pending_.size();
  pending_.clear();
  return {};
}

Status LogExporter::Finish() {
  HF_CHECK(!finished_);
  HF_TRY_STATUS(Flush());
  HF_TRY_STATUS(file_->Sync());
  HF_TRY_STATUS(fs_.Rename(TemporaryPath(path_), path_));
  finished_ = true;
  return fs_.SyncDirectory(DirectoryOf(path_));
}

}  // namespace holdfast::aof
