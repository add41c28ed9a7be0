#include "aof/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "holdfast/bytes.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirectoryMode = 0755;
constexpr size_t kPartsPerCall = 64;  // iovecs built on the stack for one pwritev
static_assert(kPartsPerCall <= IOV_MAX);

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    default:
      return ErrorCode::kIoError;
  }
}

std::string ErrnoText(int error) { return std::generic_category().message(error); }

std::unexpected<Error> SystemError(std::string_view action, const std::string& path, int error) {
  HF_CHECK(error != 0);
  return MakeError(CodeOf(error), fmt::format("cannot {} {}: {}", action, path, ErrnoText(error)));
}

std::unexpected<Error> SystemErrorAt(std::string_view action, const std::string& path,
                                     uint64_t offset, int error) {
  HF_CHECK(error != 0);
  return MakeError(CodeOf(error), fmt::format("cannot {} {} at offset {}: {}", action, path, offset,
                                              ErrnoText(error)));
}

// Repeats a call that returns -1 with EINTR.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) { HF_CHECK(fd >= 0); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  // close() after EINTR must not be repeated on Linux; what must be durable was synced before.
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// off_t is signed: an offset that came from a file must not become negative.
bool OffsetFits(uint64_t offset, uint64_t length) {
  const auto end = CheckedAdd(offset, length);
  return end && *end <= static_cast<uint64_t>(INT64_MAX);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> buffer) override {
    if (!OffsetFits(offset, buffer.size())) return SystemErrorAt("read", path_, offset, EOVERFLOW);
    size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t count = Retry([&] {
        return ::pread(fd_.get(), buffer.data() + done, buffer.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0) return SystemErrorAt("read", path_, offset + done, errno);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    HF_CHECK(done <= buffer.size());
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
    while (!parts.empty()) {
      const auto batch = parts.first(std::min(parts.size(), kPartsPerCall));
      offset = HF_TRY(WriteBatch(offset, batch));
      parts = parts.subspan(batch.size());
    }
    return {};
  }

  Status Sync() override {
    if (Retry([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return SystemError("sync", path_, errno);
    }
    return {};
  }

  Status Truncate(uint64_t size) override {
    if (!OffsetFits(size, 0)) return SystemErrorAt("truncate", path_, size, EFBIG);
    if (Retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return SystemErrorAt("truncate", path_, size, errno);
    }
    return {};
  }

  Result<uint64_t> Size() override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return SystemError("stat", path_, errno);
    HF_CHECK(info.st_size >= 0);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  // Writes all the parts (at most kPartsPerCall); the offset after them.
  Result<uint64_t> WriteBatch(uint64_t offset, std::span<const std::string_view> parts) {
    std::array<iovec, kPartsPerCall> vectors;
    HF_CHECK(parts.size() <= vectors.size());
    size_t count = 0;
    for (std::string_view part : parts) {
      if (part.empty()) continue;
      vectors[count++] = {const_cast<char*>(part.data()), part.size()};
    }
    size_t first = 0;
    while (first < count) {
      uint64_t wanted = 0;
      for (size_t i = first; i < count; ++i) wanted += vectors[i].iov_len;
      if (!OffsetFits(offset, wanted)) return SystemErrorAt("write", path_, offset, EFBIG);
      const ssize_t written = Retry([&] {
        return ::pwritev(fd_.get(), vectors.data() + first, static_cast<int>(count - first),
                         static_cast<off_t>(offset));
      });
      if (written < 0) return SystemErrorAt("write", path_, offset, errno);
      // A write of more than nothing that wrote nothing would loop for ever.
      if (written == 0) return SystemErrorAt("write", path_, offset, EIO);
      offset += static_cast<uint64_t>(written);
      first = Advance(vectors, first, count, static_cast<size_t>(written));
    }
    return offset;
  }

  // Takes `written` bytes off the front of vectors[first, count); the new first.
  static size_t Advance(std::array<iovec, kPartsPerCall>& vectors, size_t first, size_t count,
                        size_t written) {
    while (written > 0) {
      HF_CHECK(first < count);
      iovec& vector = vectors[first];
      if (written < vector.iov_len) {
        vector.iov_base = static_cast<char*>(vector.iov_base) + written;
        vector.iov_len -= written;
        break;
      }
      written -= vector.iov_len;
      ++first;
    }
    return first;
  }

  const Descriptor fd_;
  const std::string path_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // closing it ends the lock
};

// ", held by process 123" when the lock file says so.
std::string HolderText(int fd) {
  std::array<char, 32> text;
  const ssize_t count = Retry([&] { return ::pread(fd, text.data(), text.size(), 0); });
  if (count <= 0) return "";
  std::string_view pid(text.data(), static_cast<size_t>(count));
  pid = pid.substr(0, pid.find_first_not_of("0123456789"));
  return pid.empty() ? "" : fmt::format(", held by process {}", pid);
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& path, OpenMode mode) {
  HF_CHECK(mode.write || !mode.create);
  HF_CHECK(mode.create || !mode.exclusive);
  int flags = O_CLOEXEC | (mode.write ? O_RDWR : O_RDONLY);
  if (mode.create) flags |= O_CREAT;
  if (mode.exclusive) flags |= O_EXCL;
  const int fd = Retry([&] { return ::open(path.c_str(), flags, kFileMode); });
  if (fd < 0) {
    const int error = errno;
    if (error == EEXIST) {
      return MakeError(ErrorCode::kBusy, fmt::format("cannot create {}: it exists", path));
    }
    return SystemError("open", path, error);
  }
  return std::make_unique<PosixFile>(Descriptor(fd), path);
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return SystemError("rename", fmt::format("{} to {}", from, to), errno);
  }
  return {};
}

Status PosixFileSystem::Unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return SystemError("remove", path, errno);
  return {};
}

Status PosixFileSystem::RemoveDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return SystemError("remove directory", path, errno);
  return {};
}

Status PosixFileSystem::SyncDirectory(const std::string& directory) {
  const int fd =
      Retry([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return SystemError("open directory", directory, errno);
  const Descriptor descriptor(fd);
  if (Retry([&] { return ::fsync(descriptor.get()); }) != 0) {
    return SystemError("sync directory", directory, errno);
  }
  return {};
}

Status PosixFileSystem::CreateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) return {};
  const int error = errno;
  if (error == EEXIST) {
    if (HF_TRY(IsDirectory(path))) return {};
  }
  return SystemError("create directory", path, error);
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& directory) {
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return SystemError("open directory", directory, errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, &::closedir);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return SystemError("read directory", directory, errno);
  return names;
}

Result<bool> PosixFileSystem::Exists(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return SystemError("stat", path, errno);
}

Result<bool> PosixFileSystem::IsDirectory(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return SystemError("stat", path, errno);
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  const int fd =
      Retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode); });
  if (fd < 0) return SystemError("open lock file", path, errno);
  Descriptor descriptor(fd);
  if (Retry([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) return SystemError("lock", path, error);
    return MakeError(ErrorCode::kBusy, fmt::format("{} is locked{}", path, HolderText(fd)));
  }
  // The process id only serves the message above, so failing to write it (disk full) is no reason
  // to refuse the start: the lock itself is held.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const ssize_t ignored =
        Retry([&] { return ::pwrite(fd, pid.data(), pid.size(), 0); });
  }
  return std::make_unique<PosixFileLock>(std::move(descriptor));
}

Result<uint64_t> PosixFileSystem::FreeBytes(const std::string& directory) {
  struct statvfs info;
  if (Retry([&] { return ::statvfs(directory.c_str(), &info); }) != 0) {
    return SystemError("stat file system of", directory, errno);
  }
  const auto bytes = CheckedMul<uint64_t>(info.f_bavail, info.f_frsize);
  return bytes.value_or(UINT64_MAX);
}

}  // namespace holdfast::aof
