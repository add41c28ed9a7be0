#include "aof/segment.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kZeroBytes = size_t{64} << 10;
constexpr std::array<char, kZeroBytes> kZeros{};

}  // namespace

Segment::Segment(std::unique_ptr<File> file, uint64_t file_id, uint64_t size)
    : file_(std::move(file)), file_id_(file_id), end_(size), filled_(size) {}

Result<std::shared_ptr<Segment>> Segment::Create(FileSystem& file_system, const std::string& path,
                                                 uint64_t file_id) {
  auto file = HF_TRY(file_system.Open(path, {.write = true, .create = true}));
  if (HF_TRY(file->Size()) != 0) HF_TRY_STATUS(file->Truncate(0));
  const AnnotationLine line = FormatFileHeader({.file_id = file_id});
  const std::string_view parts[] = {line.view()};
  HF_TRY_STATUS(file->WriteAt(0, parts));
  return std::make_shared<Segment>(std::move(file), file_id, line.size);
}

Result<std::shared_ptr<Segment>> Segment::Continue(FileSystem& file_system, const std::string& path,
                                                   uint64_t file_id, uint64_t size) {
  auto file = HF_TRY(file_system.Open(path, {.write = true}));
  const uint64_t actual = HF_TRY(file->Size());
  if (actual != size) {
    return MakeError(ErrorCode::kInvalidArgument, path + ": is " + std::to_string(actual) +
                                                      " bytes long, recovery left " +
                                                      std::to_string(size));
  }
  return std::make_shared<Segment>(std::move(file), file_id, size);
}

Status Segment::WriteFrame(const FrameHeader& header, std::span<std::string_view> parts) {
  HF_CHECK(!sealed_.load(std::memory_order_acquire));
  HF_CHECK(!parts.empty() && parts.front().empty());
  const AnnotationLine line = FormatFrameHeader(header, file_id_);
  parts.front() = line.view();
  const uint64_t begin = end_.load(std::memory_order_relaxed);
  const uint64_t end = begin + line.size + header.bytes;
  Status status;
  if (end <= filled_.load(std::memory_order_acquire)) {
    status = file_->WriteAt(begin, parts);
  } else {
    // The fill thread is behind (or could not fill): keep its zeros out of the frame.
    const std::lock_guard lock(fill_mutex_);
    status = file_->WriteAt(begin, parts);
    const uint64_t filled = filled_.load(std::memory_order_relaxed);
    if (status) filled_.store(std::max(filled, end), std::memory_order_release);
  }
  parts.front() = {};
  if (status) end_.store(end, std::memory_order_release);
  return status;
}

uint64_t Segment::FilledAhead() const {
  const uint64_t end = end_.load(std::memory_order_acquire);
  const uint64_t filled = filled_.load(std::memory_order_acquire);
  return filled > end ? filled - end : 0;
}

Result<bool> Segment::FillAhead(uint64_t wanted, uint64_t piece, bool& sync_failed) {
  HF_CHECK(piece >= kPageBytes);
  sync_failed = false;
  {
    const std::lock_guard lock(fill_mutex_);
    if (sealed_.load(std::memory_order_acquire) || FilledAhead() >= wanted) return false;
    const uint64_t begin = filled_.load(std::memory_order_relaxed);
    const uint64_t end = (begin + piece) / kPageBytes * kPageBytes;  // whole pages from then on
    // One call each: the kernel lets no frame be written beside one.
    for (uint64_t at = begin; at < end;) {
      const std::string_view parts[] = {{kZeros.data(), std::min<uint64_t>(kZeroBytes, end - at)}};
      HF_TRY_STATUS(file_->WriteAt(at, parts));
      at += parts[0].size();
      filled_.store(at, std::memory_order_release);
    }
  }
  // Synced here, in small pieces: otherwise the next sync of a frame would pay for all the zeros.
  if (auto status = file_->Sync(); !status) {
    sync_failed = true;
    return std::unexpected(std::move(status).error());
  }
  return true;
}

Status Segment::Seal(uint64_t size) {
  HF_CHECK(size <= end_.load(std::memory_order_acquire));
  const std::lock_guard lock(fill_mutex_);
  sealed_.store(true, std::memory_order_release);
  HF_TRY_STATUS(file_->Truncate(size));
  return file_->Sync();
}

Result<uint64_t> Segment::Close(const FrameHeader& closing) {
  HF_CHECK(closing.bytes == 0 && closing.crc == 0 && closing.synced + 1 == closing.number);
  const std::lock_guard lock(fill_mutex_);
  sealed_.store(true, std::memory_order_release);
  const uint64_t end = end_.load(std::memory_order_acquire);
  const AnnotationLine line = FormatFrameHeader(closing, file_id_);
  const std::string_view part = line.view();
  Status written = file_->WriteAt(end, {&part, 1});
  const uint64_t size = written ? end + line.size : end;
  HF_TRY_STATUS(file_->Truncate(size));
  HF_TRY_STATUS(file_->Sync());
  if (!written) return std::unexpected(std::move(written).error());
  end_.store(size, std::memory_order_release);
  return size;
}

Status Segment::CutZeros() {
  const std::lock_guard lock(fill_mutex_);
  sealed_.store(true, std::memory_order_release);
  const uint64_t end = end_.load(std::memory_order_acquire);
  HF_TRY_STATUS(file_->Truncate(end));
  filled_.store(end, std::memory_order_release);
  return {};
}

}  // namespace holdfast::aof
