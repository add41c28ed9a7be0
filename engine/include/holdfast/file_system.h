// Everything Holdfast asks of a disk, so that a test can own the disk: count calls, fail the n-th,
// cut the power and keep only what was synced. The posix implementation is
// aof/posix_file_system.h; no other code calls open, write, fsync or rename.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/result.h"

namespace holdfast {

// An open file. One owner; calls on one File may come from several threads only where said.
// Errors: kIoError or kNoSpace with the path, the offset and errno's text.
class File {
 public:
  virtual ~File() = default;
  // Reads up to buffer.size() bytes at `offset`; fewer only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<char> buffer) = 0;
  // Writes all the parts, one after the other, from `offset` on (one pwritev where possible). On
  // an error an unknown part of them may have been written.
  virtual Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) = 0;
  // fdatasync. May run on another thread beside WriteAt. After an error nothing written since the
  // last successful Sync can be trusted: Linux drops such pages.
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() = 0;
};

// Held until destroyed; the lock of a data directory.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct OpenMode {
  bool write = false;
  bool create = false;     // create if missing (needs write)
  bool exclusive = false;  // with create: fail with kBusy if it exists
};

// Owned by whoever opens a Db; must outlive it. Any thread may call it.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // kNotFound if it does not exist and create is off.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // kNotFound if absent.
  virtual Status Unlink(const std::string& path) = 0;
  // An empty one; kNotFound if absent.
  virtual Status RemoveDirectory(const std::string& path) = 0;
  // Makes creations, renames and removals in `directory` durable.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // Existing is fine; parents are not created.
  virtual Status CreateDirectory(const std::string& path) = 0;
  // Names (no path) of all entries except . and .., unsorted.
  virtual Result<std::vector<std::string>> List(const std::string& directory) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Result<bool> IsDirectory(const std::string& path) = 0;
  // kBusy, naming the holder where known, if another process holds it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  virtual Result<uint64_t> FreeBytes(const std::string& directory) = 0;
};

}  // namespace holdfast
