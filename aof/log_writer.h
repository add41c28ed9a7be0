// The append-only log, write side: group commit from memory to disk. docs/durability.md says what
// it promises.
//
// A mutation, on any thread:
//   before its locks   if (!log.Admits()) -> wait or refuse, by AdmissionState
//   under its locks    position = log.Append(slot, record);  the shards keep it as their newest
//   at the turn's end  log.FlushTurn(), or RequestFlush(): each thread that appended must
//   before it replies  log.covered() >= the newest position of the shards it touched; else Park
//
// Owner: the composition root; until `appendonly yes` there is none. Errors never surface in these
// calls: the log turns to kRefused, keeps every byte, repairs itself and admits again.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "aof/group_wait.h"
#include "aof/log_files.h"
#include "aof/log_ring.h"
#include "aof/wakeup.h"
#include "aof/watermark.h"
#include "holdfast/result.h"

namespace holdfast::aof {

// appendfsync.
enum class SyncPolicy { kNo, kEverysec, kAlways };

enum class AdmissionState {
  kOpen,
  kWait,     // the disk is behind: soon open again, AwaitAdmission tells
  kRefused,  // writing fails: answer with RefusalReason
};

struct LogWriterOptions {
  LogEnvironment environment;
  SyncPolicy policy = SyncPolicy::kEverysec;
  // Admission closes at three quarters of it.
  uint64_t ring_bytes = uint64_t{64} << 20;
  uint64_t base_bytes = 0;  // of the base file, for INFO
  // False: no threads. The caller runs SyncTurn and FillTurn, as a test does that owns the time.
  bool background = true;
};

// For INFO.
struct LogStats {
  uint64_t current_bytes = 0;   // aof_current_size
  uint64_t base_bytes = 0;      // aof_base_size
  uint64_t pending_bytes = 0;   // appended, not written (aof_buffer_length)
  uint64_t retained_bytes = 0;  // appended, not synced
  uint64_t frames = 0;
  uint64_t syncs = 0;
  uint64_t delayed_syncs = 0;  // aof_delayed_fsync: times that writers had to wait for a sync
  uint64_t errors = 0;
  uint64_t recoveries = 0;    // failures that were repaired
  bool last_write_ok = true;  // aof_last_write_status
  std::string last_error;
};

class LogWriter {
 public:
  static Result<std::unique_ptr<LogWriter>> Open(LogWriterOptions options, const LogStart& start);
  // Close was called, or the process does not care.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  // Nobody appends any more. Writes and syncs everything, then a closing frame, which says so, and
  // cuts the zeros off, so that Redis loads the files as they are. On an error the files are as a
  // crash would leave them, or only the closing frame is missing.
  Status Close();

  // ---- admission. One relaxed read; asked before taking locks.
  bool Admits() const { return admission_.load(std::memory_order_relaxed) == 0; }
  // For commands that free space (DEL, UNLINK, FLUSH): goes on while the disk is full, as long as
  // the reserve lasts.
  bool AdmitsFreeing() const {
    return (admission_.load(std::memory_order_relaxed) & ~kDiskLow) == 0;
  }
  AdmissionState Admission(bool frees) const;
  // Redis's error for a write that is refused: "MISCONF Errors writing to the AOF file: ...".
  std::string RefusalReason() const;
  // OnLogProgress comes when admission opens. Look again after this call, before waiting.
  void AwaitAdmission(WatermarkListener& listener) { watermark_.AwaitAdmission(listener); }
  // For callers without a loop. Ok: admitted; else kUnavailable with RefusalReason.
  Status WaitForAdmission(bool frees);

  // ---- appending
  LogSlot& BorrowSlot() { return ring_.BorrowSlot(); }
  void ReturnSlot(LogSlot& slot) { ring_.ReturnSlot(slot); }
  // One whole group in RESP, at least 3 bytes; the caller holds the locks of its keys. Never waits,
  // never fails. Returns the position behind it.
  LogPosition Append(LogSlot& slot, ByteView record) { return Checked(ring_.Append(slot, record)); }
  LogPosition AppendRequest(LogSlot& slot, std::span<const std::string_view> args) {
    return Checked(ring_.AppendRequest(slot, args));
  }
  LogPosition Append(LogSlot& slot, std::span<const LogPart> record) {
    return Checked(ring_.Append(slot, record));
  }
  // What the log holds in memory: its ring, how much of that was ever written to, and values by
  // reference.
  uint64_t ring_bytes() const { return ring_.capacity(); }
  uint64_t touched_bytes() const { return std::min(ring_.tail(), ring_.capacity()); }
  uint64_t referenced_bytes() const { return ring_.ReferencedBytes(); }
  // Of the newest record appended by anyone.
  LogPosition tail() const { return ring_.tail(); }

  // ---- flushing
  // By an I/O thread at the end of a turn: writes what is complete, its own appends included,
  // unless another thread is at it or there is much of it: then that one, or the writer thread
  // does.
  void FlushTurn();
  // By threads without a turn: the writer thread will flush.
  void RequestFlush() { writer_wakeup_.Notify(); }

  // ---- who waits for what
  LogPosition written() const { return files_.written(); }
  LogPosition synced() const { return files_.synced(); }
  // What replies may show: synced() with kAlways, otherwise written(). Never moves back.
  LogPosition covered() const { return watermark_.Get(); }
  void AddListener(WatermarkListener& listener) { watermark_.Add(listener); }
  void RemoveListener(WatermarkListener& listener) { watermark_.Remove(listener); }
  // See Watermark::Park.
  bool Park(WatermarkListener& listener, LogPosition position) {
    return watermark_.Park(listener, position);
  }
  // Flushes, then blocks until covered. kUnavailable: the log was closed before.
  Status WaitFor(LogPosition position);

  // ---- rotation, for a cut: PrepareRotation, then Rotate under the gate, then FinishRotation
  Status PrepareRotation() { return files_.PrepareRotation(); }
  Status Rotate();
  // Blocks until the old file is durable to its end and the new one listed. An error: the log
  // failed meanwhile, the cut is void.
  Result<RotationPoint> FinishRotation();
  // Any thread, before Close: FinishRotation waits no longer, as the disk may be dead for good.
  void AbandonRotations();
  // A rewrite is complete: a base of that size replaces what lies before `point`.
  void SetBase(uint64_t base_bytes, const RotationPoint& point);

  // ---- turned off and on again
  // Nobody appends any more. Waits until everything is synced and the newest file is cut to its
  // size, as Close leaves it, or until that fails (the error; it is tried on in the background).
  // Either way who waits for the log waits no longer.
  Status Rest();
  // Before the rotation with which appending begins again. See LogFiles::Wake.
  Status Wake(const std::function<Status()>& prepare) { return files_.Wake(prepare); }

  // ---- run time
  void SetPolicy(SyncPolicy policy);
  SyncPolicy policy() const { return policy_.load(std::memory_order_relaxed); }
  void set_term(uint64_t term) { files_.set_term(term); }
  LogStats Stats() const;

  // ---- what the background threads do, once. For tests that run without them.
  void WriterTurn();
  void SyncTurn();
  void FillTurn();

 private:
  // Bits of admission_. More than one may be set.
  static constexpr uint32_t kFull = 1;     // the backlog is at its bound
  static constexpr uint32_t kStale = 2;    // the oldest byte not synced is over 2 s old
  static constexpr uint32_t kDiskLow = 4;  // filling ahead failed, less than the reserve is left
  static constexpr uint32_t kFailing = 8;  // a write or sync failed
  static constexpr uint32_t kClosed = 16;

  explicit LogWriter(LogWriterOptions options);
  void Start();
  void Stop();
  Status CloseFiles();
  LogPosition Checked(LogPosition position) {
    if (position >= ring_.full_at()) [[unlikely]]
      CloseAdmission();
    return position;
  }
  void CloseAdmission();
  void FlushLoop(bool may_hand_over);
  bool Flush();
  uint64_t PendingBytes() const;
  void UpdateCovered();
  void NotifyProgress();
  void UpdateAdmission();
  bool Stale() const;
  bool HalfFull() const { return ring_.RetainedBytes() > ring_.bound() / 2; }
  bool SyncDue() const;
  void AwaitGroup();
  void SyncGroup();
  void SettleToRest();
  void TryRecover();
  std::chrono::nanoseconds SyncTimeout() const;
  int64_t Now() const { return options_.environment.clock->MonotonicNs(); }
  void RunWriter();
  void RunSync();
  void RunFill();

  const LogWriterOptions options_;
  LogRing ring_;
  LogFiles files_;
  Watermark watermark_;

  std::atomic<uint32_t> admission_{0};
  std::atomic<SyncPolicy> policy_;
  std::atomic<uint64_t> base_bytes_;
  std::atomic<uint64_t> delayed_syncs_{0};

  // Of the sync thread.
  int64_t last_sync_ns_ = 0;
  SyncedGroup last_group_;
  uint64_t synced_frames_ = 0;
  int64_t next_try_ns_ = 0;
  int64_t backoff_ns_ = 0;

  std::mutex progress_mutex_;  // admission and rotation, for those who block on them
  std::condition_variable progress_;

  std::atomic<bool> rotations_abandoned_{false};
  std::atomic<bool> stopping_{false};
  Wakeup writer_wakeup_;
  Wakeup sync_wakeup_;
  Wakeup fill_wakeup_;
  std::thread writer_thread_;
  std::thread sync_thread_;
  std::thread fill_thread_;
  bool closed_ = false;
};

}  // namespace holdfast::aof
