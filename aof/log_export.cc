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
  HF_CHECK(!finished_ && string_bytes_left_ == 0);
  for (const LogGroup& group : batch.groups) {
    const bool transaction = group.command_count > 1;
    if (transaction) Append(pending_, {"MULTI"});
    for (const LogCommand& command : batch.Commands(group)) AddCommand(batch, command);
    if (transaction) Append(pending_, {"EXEC"});
    if (pending_.size() >= kFlushBytes) HF_TRY_STATUS(Flush());
  }
  return {};
}

// SET key value [PXAT ms]
Status LogExporter::AddString(uint32_t database, std::string_view key, uint64_t bytes,
                              std::optional<UnixMs> expiry_ms) {
  HF_CHECK(!finished_ && string_bytes_left_ == 0);
  Select(database);
  pending_ += fmt::format("*{}\r\n$3\r\nSET\r\n${}\r\n", expiry_ms ? 5 : 3, key.size());
  pending_ += key;
  pending_ += fmt::format("\r\n${}\r\n", bytes);
  string_bytes_left_ = bytes;
  string_expiry_ms_ = expiry_ms;
  if (bytes == 0) EndString();
  return pending_.size() >= kFlushBytes ? Flush() : Status();
}

Status LogExporter::AddPiece(std::string_view piece) {
  HF_CHECK(!piece.empty() && piece.size() <= string_bytes_left_);
  pending_ += piece;
  string_bytes_left_ -= piece.size();
  if (string_bytes_left_ == 0) EndString();
  return pending_.size() >= kFlushBytes ? Flush() : Status();
}

void LogExporter::EndString() {
  HF_CHECK(string_bytes_left_ == 0);
  pending_ += "\r\n";
  if (!string_expiry_ms_) return;
  const IntegerText expiry(*string_expiry_ms_);
  pending_ += fmt::format("$4\r\nPXAT\r\n${}\r\n{}\r\n", expiry.view().size(), expiry.view());
}

void LogExporter::Select(uint32_t database) {
  if (database == database_) return;
  Append(pending_, {"SELECT", IntegerText(database).view()});
  database_ = database;
}

void LogExporter::AddCommand(const LogBatch& batch, const LogCommand& command) {
  Select(command.database);
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
  HF_CHECK(!finished_ && string_bytes_left_ == 0);
  HF_TRY_STATUS(Flush());
  HF_TRY_STATUS(file_->Sync());
  HF_TRY_STATUS(fs_.Rename(TemporaryPath(path_), path_));
  finished_ = true;
  return fs_.SyncDirectory(DirectoryOf(path_));
}

}  // namespace holdfast::aof
