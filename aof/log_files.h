// The files behind the ring: frames are written to the newest segment, synced, rotated, and written
// again to a new segment after a failure. No threads, no policy: LogWriter decides when.
//
// Owner: LogWriter. Three roles, each one thread at a time:
//   flush role  the holder of flush_lock(): Flush
//   sync role   the sync thread: Sync, Recover, Close
//   fill role   the fill thread: Fill
// PrepareRotation and Rotate may come from any thread. Everything else is atomic reads.
//
// On an error of any role the log is *failing*: nothing more is written until Recover succeeds.
// Nothing is lost meanwhile: the ring keeps every byte that no sync covers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aof/log_ring.h"
#include "aof/segment.h"
#include "aof/segment_catalog.h"
#include "aof/wakeup.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/random.h"

namespace holdfast::aof {

// What the log stands on; all of it outlives the writer.
struct LogEnvironment {
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;  // for the ids of files
  SegmentCatalog* catalog = nullptr;
  std::string directory;  // exists
  // Filled ahead beyond what the ring can hold: DEL, UNLINK and FLUSH may use it on a full disk.
  uint64_t reserve_bytes = uint64_t{4} << 20;
};

// Where recovery ended.
struct LogStart {
  // The newest listed file if it is one of ours and to be continued; empty: a new file is made.
  std::string name;
  uint64_t file_id = 0;
  uint64_t size = 0;        // of that file, cut and synced by recovery
  bool closed = false;      // it ends with a closing frame
  uint64_t next_frame = 1;  // number of the next frame
  uint64_t term = 0;
  uint64_t log_bytes = 0;  // all files of the log, base included: for INFO
};

// What a rotation decided: everything before it lies in older files, everything after it in `name`
// and later ones.
struct RotationPoint {
  std::string name;         // the first file after the cut; durable and listed
  uint64_t last_frame = 0;  // the last frame before the cut
  LogPosition position = 0;
  uint64_t log_bytes = 0;  // LogFiles::log_bytes() at the cut
};

class LogFiles {
 public:
  LogFiles(LogEnvironment environment, LogRing& ring);
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  Status Open(const LogStart& start);

  FlushLock& flush_lock() { return flush_lock_; }
  // Flush role. Writes what is complete, one frame per file. True if written() moved.
  Result<bool> Flush();

  // Sync role. Syncs what is written; finishes a rotation.
  Status Sync();
  // Sync role, while failing(). Seals the oldest unsynced file at its last synced frame and writes
  // everything since to a new one. Changes nothing but files on an error; call it again.
  Status Recover();
  // Sync role, last call, when everything is synced: writes a closing frame and cuts the zeros off,
  // so that Redis loads the file as it is. May be repeated after an error.
  Status Close();
  // The same while the log is resting, as soon as everything is synced. May be repeated.
  Status Rest();

  // Fill role. One piece; true if more is wanted.
  Result<bool> Fill();

  // Makes the next file ready. Blocks on the disk.
  Status PrepareRotation();
  // Under the gate, after PrepareRotation: no record is being appended. No I/O, no waiting.
  // kUnavailable if the prepared file was lost to a failure meanwhile.
  Status Rotate();
  // Any thread. While resting nothing is appended; what goes on afterwards does so in a new file:
  // Wake, PrepareRotation, Rotate.
  void StartResting();
  // `prepare` runs while nobody names or lists files, and if everything is synced: there is nothing
  // that a failure could make it write again. kUnavailable otherwise; or what `prepare` returns.
  Status Wake(const std::function<Status()>& prepare);
  bool resting() const { return resting_.load(std::memory_order_acquire); }
  // What Rest is to bring about.
  bool AtRest() const;
  // The outcome of the last Rotate once it is known (kUnavailable: the log failed before the new
  // file was durable; the cut must be given up). Handed out once.
  std::optional<Result<RotationPoint>> TakeRotation();
  bool RotationPending() const { return rotation_pending_.load(std::memory_order_acquire); }

  LogPosition written() const { return written_.load(std::memory_order_seq_cst); }
  LogPosition synced() const { return synced_.load(std::memory_order_seq_cst); }
  bool failing() const { return failing_.load(std::memory_order_acquire); }
  // Zeros could not be written, and less than the reserve is left.
  bool disk_low() const { return disk_low_.load(std::memory_order_acquire); }
  Error last_error() const;
  // When the oldest byte that no sync covers was about to be written; 0: there is none.
  int64_t OldestUnsyncedNs() const;
  // Less is filled ahead than it should be: the fill thread has work.
  bool WantsFill() const { return wants_fill_.load(std::memory_order_relaxed); }
  uint64_t log_bytes() const { return log_bytes_.load(std::memory_order_relaxed); }
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  uint64_t frames() const { return frame_count_.load(std::memory_order_relaxed); }
  uint64_t recoveries() const { return recoveries_.load(std::memory_order_relaxed); }
  void set_term(uint64_t term) { term_.store(term, std::memory_order_relaxed); }
  // A new base replaces what lies before `point`.
  void SetBase(uint64_t base_bytes, const RotationPoint& point);

 private:
  // Frames keep number and boundaries when they are written again, so that a reader that finds one
  // in two files can tell (docs/formats.md).
  struct Frame {
    uint64_t number;
    LogPosition begin;
    LogPosition end;
  };
  // How far a segment is written.
  struct SyncMark {
    std::shared_ptr<Segment> segment;
    uint64_t size = 0;   // behind its last whole frame
    uint64_t frame = 0;  // the newest frame, in it or before it
    LogPosition position = 0;
  };
  static constexpr LogPosition kNever = UINT64_MAX;
  enum class Rotation { kIdle, kPrepared, kRequested, kSealing };

  Status CloseNewest();
  void DropPrepared();
  std::string PathOf(const std::string& name) const;
  std::string TemporaryPath(const std::string& name) const;
  Result<std::shared_ptr<Segment>> CreateSegment(const std::string& path);
  Status WriteFrame(LogPosition end);
  Status WriteTo(Segment& segment, const Frame& frame, uint64_t synced_frame);
  void SwitchSegment();
  Status FinishSealing(const SyncMark& old);
  void CommitSync(const SyncMark& mark);
  void AbortRotation();
  Result<std::shared_ptr<Segment>> WriteAgain(const std::string& name);
  bool CutMakesRoom();
  Status ListRotated();
  Status ListRepaired();
  Status Repair();
  void Adopt();
  std::unexpected<Error> Fail(Error error, bool frames_lost);

  const LogEnvironment environment_;
  LogRing& ring_;
  const uint64_t fill_reserve_;  // filled space that retained bytes, DEL and FLUSH can count on
  const uint64_t fill_margin_;   // filling stops at so much more
  const uint64_t fill_piece_;

  // Held over slow work on the name of the next file: Recover, PrepareRotation, Close. Taken first;
  // then flush_lock_, then state_mutex_.
  std::mutex files_mutex_;

  FlushLock flush_lock_;  // the flush role; guards the next three
  uint64_t next_frame_ = 1;
  uint64_t closed_frame_ = 0;  // the newest closing frame; 0: none yet
  std::vector<std::string_view> parts_;

  // Of the sync role. Once listing a file was tried, the manifest may name it: the file stays, and
  // listing it is tried again before anything else.
  bool listing_rotated_ = false;
  struct Repaired {
    std::shared_ptr<Segment> segment;  // null: none
    std::string name;
    uint64_t cut_bytes = 0;  // that the older files lost
    bool listing = false;
  };
  Repaired repaired_;

  // Guards the block below. Held for moments only, never over I/O.
  mutable std::mutex state_mutex_;
  SyncMark newest_;   // the segment in use, and how far it is written
  SyncMark sealing_;  // the one before, rotated away, not yet known to be durable to its end
  std::string name_;  // of newest_.segment
  std::shared_ptr<Segment> next_;  // prepared
  std::string next_name_;
  uint64_t synced_size_ = 0;  // of the oldest file not sealed: behind its last synced frame
  uint64_t synced_frame_ = 0;
  std::deque<Frame> frames_;  // not synced; the last one may be not, or half, written
  bool frames_lost_ = false;  // while failing: not only the manifest could not be written
  Rotation rotation_ = Rotation::kIdle;
  RotationPoint point_;
  std::optional<Result<RotationPoint>> rotation_result_;
  Error last_error_{ErrorCode::kIoError, ""};

  std::atomic<LogPosition> rotate_at_{kNever};
  std::atomic<bool> rotation_pending_{false};
  std::atomic<LogPosition> written_{0};
  std::atomic<LogPosition> synced_{0};
  std::atomic<bool> failing_{false};
  std::atomic<bool> resting_{false};  // changes under files_mutex_
  std::atomic<bool> disk_low_{false};
  std::atomic<bool> wants_fill_{true};
  std::atomic<uint64_t> term_{0};
  std::atomic<int64_t> unsynced_since_ns_{0};
  std::atomic<int64_t> syncing_since_ns_{0};
  std::atomic<uint64_t> log_bytes_{0};
  std::atomic<uint64_t> syncs_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<uint64_t> frame_count_{0};
  std::atomic<uint64_t> recoveries_{0};
};

}  // namespace holdfast::aof
