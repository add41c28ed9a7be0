// What the tests of the log writer share: a clock that stands still, a manifest that is one file of
// names, and a reader that knows nothing but docs/formats.md.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "aof/crc32c.h"
#include "aof/frame.h"
#include "aof/log_writer.h"
#include "holdfast/clock.h"
#include "holdfast/random.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::aof {

class TestClock final : public Clock {
 public:
  UnixMs NowMs() override { return 1'700'000'000'000 + MonotonicNs() / 1'000'000; }
  int64_t MonotonicNs() override { return now_ns_.load(std::memory_order_relaxed); }
  void AdvanceMs(int64_t ms) { now_ns_.fetch_add(ms * 1'000'000, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_ns_{1'000'000'000};
};

class TestRandom final : public RandomSource {
 public:
  explicit TestRandom(uint64_t seed) : random_(seed) {}
  uint64_t NextRandom() override {
    const std::lock_guard lock(mutex_);
    return random_.Next();
  }

 private:
  std::mutex mutex_;
  SeededRandom random_;
};

inline constexpr char kLogDirectory[] = "/data";
inline constexpr char kManifestPath[] = "/data/manifest";

inline std::string ReadWhole(FileSystem& disk, const std::string& path) {
  auto file = disk.Open(path, {});
  if (!file) return {};
  std::string bytes((*file)->Size().value_or(0), '\0');
  const auto got = (*file)->ReadAt(0, bytes);
  bytes.resize(got.value_or(0));
  return bytes;
}

// One line per listed file. As careful with the disk as a real manifest.
class TestCatalog final : public SegmentCatalog {
 public:
  explicit TestCatalog(FileSystem& disk) : disk_(disk), lines_(ReadWhole(disk, kManifestPath)) {}

  static std::string Name(size_t number) { return "log." + std::to_string(number) + ".incr.aof"; }
  std::string NextName() override { return Name(Count() + 1); }
  Status List(const std::string& name, uint64_t file_id) override {
    EXPECT_EQ(name, NextName());
    const std::string lines = lines_ + name + " " + std::to_string(file_id) + "\n";
    const std::string temporary = std::string(kManifestPath) + ".temp";
    auto file = HF_TRY(disk_.Open(temporary, {.write = true, .create = true}));
    HF_TRY_STATUS(file->Truncate(0));
    const std::string_view parts[] = {lines};
    HF_TRY_STATUS(file->WriteAt(0, parts));
    HF_TRY_STATUS(file->Sync());
    HF_TRY_STATUS(disk_.Rename(temporary, kManifestPath));
    HF_TRY_STATUS(disk_.SyncDirectory(kLogDirectory));
    lines_ = lines;
    return {};
  }
  // The id that the manifest gives for the n-th file, 1 the first; 0: not listed.
  uint64_t IdOf(size_t number) const {
    const size_t at = lines_.find(Name(number) + " ");
    if (at == std::string::npos) return 0;
    return std::stoull(lines_.substr(at + Name(number).size() + 1));
  }
  size_t Count() const {
    return static_cast<size_t>(std::count(lines_.begin(), lines_.end(), '\n'));
  }

 private:
  FileSystem& disk_;
  std::string lines_;
};

// What is in the log, by the rules of docs/formats.md and DESIGN's torn end: listed files, then
// unlisted ones that follow; frames in order of number, a number seen before is skipped; the first
// frame that fails ends it.
struct ReadBack {
  std::string payload;  // of all frames applied
  uint64_t last_frame = 0;
  std::vector<FrameHeader> frames;
  std::string damage;  // not empty: a frame before a later valid `s`, or in a sealed file, fails
};

inline ReadBack ReadLog(FileSystem& disk) {
  ReadBack result;
  const TestCatalog catalog(disk);
  uint64_t torn_at = 0;
  uint64_t known_synced = 0;
  for (size_t n = 1;; ++n) {
    const bool listed = n <= catalog.Count();
    const std::string path = std::string(kLogDirectory) + "/" + TestCatalog::Name(n);
    const std::string bytes = ReadWhole(disk, path);
    if (bytes.empty() && !listed) break;
    const auto file = ParseFileHeader(bytes);
    if (!file) {
      if (listed) result.damage = path + ": " + file.error().message;
      break;
    }
    if (listed && catalog.IdOf(n) != file->header.file_id) {
      result.damage = path + ": not the file that the manifest names";
      break;
    }
    size_t at = file->line_bytes;
    bool torn = false;
    while (at < bytes.size()) {
      const auto frame = ParseFrameHeader(ByteView(bytes).substr(at), file->header.file_id);
      const size_t begin = frame ? at + frame->line_bytes : 0;
      if (!frame || frame->header.bytes > bytes.size() - begin ||
          Crc32c(0, ByteView(bytes).substr(begin, frame->header.bytes)) != frame->header.crc) {
        torn = bytes.find_first_not_of('\0', at) != std::string::npos;
        if (n < catalog.Count()) result.damage = path + ": sealed, but not whole";
        break;
      }
      at = begin + frame->header.bytes;
      known_synced = std::max(known_synced, frame->header.synced);
      if (frame->header.number <= result.last_frame) continue;
      if (frame->header.number != result.last_frame + 1) {
        torn = true;
        break;
      }
      result.last_frame = frame->header.number;
      result.frames.push_back(frame->header);
      result.payload.append(bytes, begin, frame->header.bytes);
    }
    if (torn && torn_at == 0) torn_at = result.last_frame + 1;
    if (torn && n + 1 <= catalog.Count()) result.damage = path + ": torn before a listed file";
  }
  if (torn_at != 0 && known_synced > result.last_frame) result.damage = "a synced frame is gone";
  return result;
}

// Passes everything on to another disk, to be overridden in part.
class DiskWrapper : public FileSystem {
 public:
  explicit DiskWrapper(FileSystem& disk) : disk_(disk) {}
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    auto file = HF_TRY(disk_.Open(path, mode));
    return std::make_unique<WrappedFile>(*this, std::move(file));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  Status Unlink(const std::string& path) override { return disk_.Unlink(path); }
  Status RemoveDirectory(const std::string& path) override { return disk_.RemoveDirectory(path); }
  Status SyncDirectory(const std::string& directory) override {
    return disk_.SyncDirectory(directory);
  }
  Status CreateDirectory(const std::string& path) override { return disk_.CreateDirectory(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return disk_.List(directory);
  }
  Result<bool> Exists(const std::string& path) override { return disk_.Exists(path); }
  Result<bool> IsDirectory(const std::string& path) override { return disk_.IsDirectory(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return disk_.Lock(path);
  }
  Result<uint64_t> FreeBytes(const std::string& path) override { return disk_.FreeBytes(path); }

 protected:
  // Before a write of `file` up to `end`.
  virtual Status BeforeWrite(File& file, uint64_t end) = 0;

 private:
  class WrappedFile final : public File {
   public:
    WrappedFile(DiskWrapper& disk, std::unique_ptr<File> file)
        : disk_(disk), file_(std::move(file)) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> buffer) override {
      return file_->ReadAt(offset, buffer);
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
      uint64_t end = offset;
      for (const std::string_view part : parts) end += part.size();
      HF_TRY_STATUS(disk_.BeforeWrite(*file_, end));
      return file_->WriteAt(offset, parts);
    }
    Status Sync() override { return file_->Sync(); }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    DiskWrapper& disk_;
    std::unique_ptr<File> file_;
  };

  FileSystem& disk_;
};

// A writer on a simulated disk, driven by hand.
class LogHarness {
 public:
  explicit LogHarness(FileSystem& disk, SyncPolicy policy = SyncPolicy::kEverysec,
                      uint64_t ring_bytes = LogRing::kMinBytes)
      : catalog(disk) {
    EXPECT_TRUE(disk.CreateDirectory(kLogDirectory));
    EXPECT_TRUE(disk.SyncDirectory("/"));
    options.environment = {&disk, &clock, &random, &catalog, kLogDirectory, uint64_t{64} << 10};
    options.policy = policy;
    options.ring_bytes = ring_bytes;
    options.background = false;
  }
  Status Open(const LogStart& start = {}) {
    log = HF_TRY(LogWriter::Open(options, start));
    return {};
  }
  LogPosition Append(ByteView record) {
    LogSlot& slot = log->BorrowSlot();
    const LogPosition position = log->Append(slot, record);
    log->ReturnSlot(slot);
    return position;
  }

  TestClock clock;
  TestRandom random{7};
  TestCatalog catalog;
  LogWriterOptions options;
  std::unique_ptr<LogWriter> log;
};

}  // namespace holdfast::aof
