// The FileSystem of the machine: system calls, nothing buffered. aof/posix_file_system.cc is the
// only file of Holdfast that calls open, pwritev, fdatasync, rename, unlink and friends.
//
// Owner: main() or whoever opens a Db; no state, so one may serve many stores. Any thread may call
// it. A call interrupted by a signal is repeated, a short write is continued. Every error names the
// path, the offset where there is one, and errno's text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "holdfast/file_system.h"

namespace holdfast::aof {

class PosixFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  Status CreateDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Result<bool> Exists(const std::string& path) override;
  Result<bool> IsDirectory(const std::string& path) override;
  // flock on `path`, which keeps the holder's process id for the message of the next one. The file
  // stays behind: removing it would let two processes lock two different files of that name.
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& directory) override;
};

}  // namespace holdfast::aof
