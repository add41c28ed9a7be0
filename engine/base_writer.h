// Writes a base file: the keyspace as of a cut, as framed RESP commands that redis-server loads too
// (docs/formats.md). Images come from the walk and from writers under shard locks; they are encoded
// into a buffer there, and the rewriting thread writes the buffer out. Who reads the file holds one
// frame in memory at a time, so a frame ends with the first entry that fills it. Owned by a
// LogRewrite.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/keyspace/cut_walk.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/memory.h"
#include "holdfast/result.h"

namespace holdfast {

class BaseWriter final : public keyspace::CutSink {
 public:
  // `congested` is set while writers should be held back: images come faster than the disk takes
  // them.
  BaseWriter(FileSystem& file_system, Clock& clock, uint64_t file_id, std::atomic<bool>& congested)
      : file_system_(file_system), clock_(clock), file_id_(file_id), congested_(congested) {}

  Status Create(const std::string& path);
  // Any thread, under a shard's lock: encodes, or shares a long value's block.
  void Image(const keyspace::CutImage& image) override;
  // The rewriting thread: writes what has gathered if it is much (or `all`).
  Status Drain(bool all);
  // Ends the file with the cut's frame number and syncs it.
  Status Finish(uint64_t cut_frame);

  uint64_t bytes() const { return offset_; }
  uint64_t file_id() const { return file_id_; }

  // A frame is at most so long, and one entry.
  static constexpr uint64_t kFrameBytes = uint64_t{1} << 20;
  // With more than this in memory it is congested.
  static constexpr uint64_t kMaxBuffered = uint64_t{64} << 20;

 private:
  // Bytes, or a block that is shared with the keyspace.
  struct Piece {
    std::string bytes;
    BlockRef block;
  };
  struct Buffer {
    std::vector<Piece> pieces;
    std::vector<size_t> frame_ends;  // how many pieces come before each
    uint64_t size = 0;
    uint64_t in_ended_frames = 0;  // of `size`
    int database = 0;
  };
  std::string& Tail();
  void Select(int database);
  void EndFrame();
  void CountBuffered(uint64_t added, uint64_t taken);
  Status WriteFrame(std::span<const Piece> pieces);

  FileSystem& file_system_;
  Clock& clock_;
  const uint64_t file_id_;
  std::atomic<bool>& congested_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
  uint64_t next_frame_ = 1;
  std::mutex mutex_;  // guards the rest
  Buffer buffer_;
  uint64_t buffered_ = 0;  // what is being written out included
};

}  // namespace holdfast
