// What the writer asks of whoever keeps the manifest: a name for the next log file, and to make a
// file part of the log.
#pragma once

#include <cstdint>
#include <string>

#include "holdfast/result.h"

namespace holdfast::aof {

// Owner: whoever opens a LogWriter; must outlive it. Called by one thread at a time (the sync
// thread, or a thread inside LogWriter::Open or PrepareRotation), never under a lock of the store.
class SegmentCatalog {
 public:
  virtual ~SegmentCatalog() = default;
  // The name, without directory, of the incremental file that follows the newest listed one. The
  // same until that name is listed.
  virtual std::string NextName() = 0;
  // Makes `name`, the last NextName(), the newest file of the log: manifest written, renamed, its
  // directory synced. The file exists and is synced; `file_id` is the one in its header. After an
  // error it may be durable or not; the writer calls again with the same name and id, and does not
  // replace the file before that worked.
  virtual Status List(const std::string& name, uint64_t file_id) = 0;
};

}  // namespace holdfast::aof
