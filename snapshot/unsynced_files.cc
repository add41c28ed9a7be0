#include "snapshot/unsynced_files.h"

#include <rocksdb/file_system.h>

#include <cstdarg>
#include <utility>

namespace holdfast::snapshot {
namespace {

// An error that is not said to be worth a retry stops RocksDB for good: it never compacts again,
// and takes nothing more in. A disk that refuses may work again, and nothing depends on the file.
rocksdb::IOStatus WorthARetry(rocksdb::IOStatus status) {
  if (!status.ok()) status.SetRetryable(true);
  return status;
}

class UnsyncedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    return WorthARetry(FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& verification,
                           rocksdb::IODebugContext* context) override {
    return WorthARetry(FSWritableFileOwnerWrapper::Append(data, options, verification, context));
  }
  rocksdb::IOStatus Flush(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    return WorthARetry(FSWritableFileOwnerWrapper::Flush(options, context));
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    return WorthARetry(FSWritableFileOwnerWrapper::Close(options, context));
  }
  rocksdb::IOStatus RangeSync(uint64_t offset, uint64_t bytes, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* context) override {
    return WorthARetry(FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context));
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
};

class UnsyncedDirectory : public rocksdb::FSDirectoryWrapper {
 public:
  using FSDirectoryWrapper::FSDirectoryWrapper;
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                        const rocksdb::DirFsyncOptions&) override {
    return rocksdb::IOStatus::OK();
  }
};

class UnsyncedFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "holdfast::UnsyncedFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus made = target()->NewWritableFile(path, options, file, context);
    if (made.ok()) *file = std::make_unique<UnsyncedFile>(std::move(*file));
    return WorthARetry(std::move(made));
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus made = target()->ReopenWritableFile(path, options, file, context);
    if (made.ok()) *file = std::make_unique<UnsyncedFile>(std::move(*file));
    return WorthARetry(std::move(made));
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus made = target()->NewDirectory(path, options, directory, context);
    if (made.ok()) *directory = std::make_unique<UnsyncedDirectory>(std::move(*directory));
    return WorthARetry(std::move(made));
  }
};

class NoLog : public rocksdb::Logger {
 public:
  using Logger::Logger;
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

std::shared_ptr<rocksdb::Logger> LogOfNothing() {
  return std::make_shared<NoLog>(rocksdb::InfoLogLevel::FATAL_LEVEL);
}

std::unique_ptr<rocksdb::Env> UnsyncedEnv() {
  return rocksdb::NewCompositeEnv(
      std::make_shared<UnsyncedFileSystem>(rocksdb::FileSystem::Default()));
}

}  // namespace holdfast::snapshot
