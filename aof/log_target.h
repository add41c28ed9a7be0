// What a person means by a path: the log of a data directory, of a log directory or of a manifest;
// or one file, a log file or an RDB file, or one checkpoint, by itself. Plain function; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "aof/log_recovery.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

struct LogTarget {
  LogLocation location;
  uint64_t first_frame = 1;  // of a file by itself: what came before it is not known
  std::string checkpoint;    // path of a checkpoint by itself; nothing else then
};

// Errors: kNotFound, kInvalidArgument (more than one log there), what ReadManifest gives.
Result<LogTarget> FindLog(FileSystem& fs, const std::string& path);

}  // namespace holdfast::aof
