// Writes groups as one plain RESP file with SELECTs, which any Redis loads. Owned by whoever
// exports, one thread. The file appears under its name, durable, when Finish succeeds; until then,
// and after an error, there is only <path>.temp, which the destructor removes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aof/log_batch.h"
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
  Status Finish();

 private:
  LogExporter(FileSystem& fs, std::string path, std::unique_ptr<File> file);
  void AddCommand(const LogBatch& batch, const LogCommand& command);
  Status Flush();

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> file_;
  uint64_t written_ = 0;
  std::string pending_;
  uint32_t database_ = 0;
  bool finished_ = false;
};

}  // namespace holdfast::aof
