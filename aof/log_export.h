// Writes groups as one plain RESP file with SELECTs, which any Redis loads. Owned by whoever
// exports, one thread. The file appears under its name, durable, when Finish succeeds; until then,
// and after an error, there is only <path>.temp, which the destructor removes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aof/log_batch.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

class LogExporter {
 public:
  // kBusy if `path` exists.
  static Result<std::unique_ptr<LogExporter>> Create(FileSystem& fs, const std::string& path);
  ~LogExporter();
  LogExporter(const LogExporter&) = delete;
  LogExporter& operator=(const LogExporter&) = delete;

  Status Add(const LogBatch& batch);
  // A string of `bytes` bytes, which come in pieces then, before anything else is added.
  Status AddString(uint32_t database, std::string_view key, uint64_t bytes,
                   std::optional<UnixMs> expiry_ms);
  Status AddPiece(std::string_view piece);
  Status Finish();

 private:
  LogExporter(FileSystem& fs, std::string path, std::unique_ptr<File> file);
  void Select(uint32_t database);
  void EndString();
  void AddCommand(const LogBatch& batch, const LogCommand& command);
  Status Flush();

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> file_;
  uint64_t written_ = 0;
  std::string pending_;
  uint32_t database_ = 0;
  uint64_t string_bytes_left_ = 0;
  std::optional<UnixMs> string_expiry_ms_;
  bool finished_ = false;
};

}  // namespace holdfast::aof
