// One log file that is being written: its header, its frames, the zeros ahead of them.
//
// Owner: LogFiles (shared with a sync or fill under way). WriteFrame: the holder of the flush lock.
// FillAhead: the fill thread. Sync, Seal, Close: the sync thread. Each may run beside the others.
// After an error of WriteFrame or Sync the end of the file is unknown: only Seal makes it known
// again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "aof/frame.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

class Segment {
 public:
  // A new file with its header line, not synced. What an earlier crash left under that name goes.
  static Result<std::shared_ptr<Segment>> Create(FileSystem& file_system, const std::string& path,
                                                 uint64_t file_id);
  // Goes on at the end of a recovered file, which must be exactly `size` long.
  static Result<std::shared_ptr<Segment>> Continue(FileSystem& file_system, const std::string& path,
                                                   uint64_t file_id, uint64_t size);
  // Use Create or Continue.
  Segment(std::unique_ptr<File> file, uint64_t file_id, uint64_t size);
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // `parts` is one empty part, where the header line goes, and then the header.bytes bytes of
  // payload. Moves end() only when everything was written.
  Status WriteFrame(const FrameHeader& header, std::span<std::string_view> parts);
  Status Sync() { return file_->Sync(); }
  // Writes about `piece` more zeros and syncs them. False: FilledAhead() is `wanted` or more
  // already. `sync_failed` tells a failed sync (frames may be lost too) from a full disk.
  Result<bool> FillAhead(uint64_t wanted, uint64_t piece, bool& sync_failed);
  // Cuts the file to `size` (frames behind it and zeros go) and syncs it. Nothing can be written
  // to the segment afterwards. May be repeated after an error, with the same size.
  Status Seal(uint64_t size);
  // Writes a closing frame behind the last frame, cuts the file behind it and syncs it; the frames
  // before are synced already. The size of the file then. Without the closing frame if that cannot
  // be written, which is the error. Nothing can be written to the segment afterwards. May be
  // repeated after an error.
  Result<uint64_t> Close(const FrameHeader& closing);
  // Gives the zeros beyond end() back to the file system; the segment can only be sealed then.
  Status CutZeros();

  // Behind the last whole frame.
  uint64_t end() const { return end_.load(std::memory_order_acquire); }
  uint64_t FilledAhead() const;
  uint64_t file_id() const { return file_id_; }
  bool sealed() const { return sealed_.load(std::memory_order_acquire); }

 private:
  const std::unique_ptr<File> file_;
  const uint64_t file_id_;
  std::atomic<uint64_t> end_;
  std::atomic<uint64_t> filled_;  // zeros or frames up to here
  // Held while zeros are written and while filled_ or the size of the file changes. A frame that
  // ends before filled_ needs no mutex: zeros are only written from filled_ on.
  std::mutex fill_mutex_;
  std::atomic<bool> sealed_{false};
};

}  // namespace holdfast::aof
