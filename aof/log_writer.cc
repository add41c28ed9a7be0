#include "aof/log_writer.h"

#include <algorithm>
#include <utility>

#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast::aof {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kSyncIntervalNs = 1'000 * kNsPerMs;  // everysec
constexpr int64_t kStaleNs = 2'000 * kNsPerMs;
constexpr int64_t kMinBackoffNs = 100 * kNsPerMs;
constexpr int64_t kMaxBackoffNs = 2'000 * kNsPerMs;
constexpr int kCloseAttempts = 3;
constexpr std::chrono::milliseconds kWriterInterval{250};
constexpr std::chrono::milliseconds kFillRetryInterval{500};  // while the disk is full
constexpr std::chrono::seconds kFillIdleInterval{10};
// More pending than this is the writer thread's work: an I/O thread has clients to serve.
constexpr uint64_t kHandOverBytes = uint64_t{256} << 10;

}  // namespace

LogWriter::LogWriter(LogWriterOptions options)
    : options_(std::move(options)),
      ring_(options_.ring_bytes),
      files_(options_.environment, ring_),
      policy_(options_.policy),
      base_bytes_(options_.base_bytes) {}

Result<std::unique_ptr<LogWriter>> LogWriter::Open(LogWriterOptions options,
                                                   const LogStart& start) {
  const LogEnvironment& environment = options.environment;
  HF_CHECK(environment.file_system != nullptr && environment.clock != nullptr);
  HF_CHECK(environment.random != nullptr && environment.catalog != nullptr);
  std::unique_ptr<LogWriter> writer(new LogWriter(std::move(options)));
  HF_TRY_STATUS(writer->files_.Open(start));
  writer->last_sync_ns_ = writer->Now();
  if (writer->options_.background) writer->Start();
  return writer;
}

LogWriter::~LogWriter() {
  Stop();
  watermark_.Close();
}

void LogWriter::Start() {
  writer_thread_ = std::thread([this] { RunWriter(); });
  sync_thread_ = std::thread([this] { RunSync(); });
  fill_thread_ = std::thread([this] { RunFill(); });
}

void LogWriter::Stop() {
  stopping_.store(true, std::memory_order_release);
  writer_wakeup_.Notify();
  sync_wakeup_.Notify();
  fill_wakeup_.Notify();
  for (std::thread* thread : {&writer_thread_, &sync_thread_, &fill_thread_}) {
    if (thread->joinable()) thread->join();
  }
}

Status LogWriter::Close() {
  HF_CHECK(!closed_);
  closed_ = true;
  Stop();
  admission_.fetch_or(kClosed, std::memory_order_relaxed);
  Status status = CloseFiles();
  for (int i = 1; i < kCloseAttempts && !status; ++i) status = CloseFiles();
  UpdateCovered();
  NotifyProgress();
  watermark_.Close();
  return status;
}

Status LogWriter::CloseFiles() {
  FlushLoop(false);
  if (files_.failing()) HF_TRY_STATUS(files_.Recover());
  FlushLoop(false);
  HF_TRY_STATUS(files_.Sync());
  HF_CHECK(files_.synced() == ring_.tail());
  return files_.Close();
}

// ---- admission

// The sync thread opens it again. It is told even if it just looked: what it saw may be older than
// what made this thread come here.
void LogWriter::CloseAdmission() {
  admission_.fetch_or(kFull, std::memory_order_relaxed);
  sync_wakeup_.Notify();
}

AdmissionState LogWriter::Admission(bool frees) const {
  const uint32_t bits = admission_.load(std::memory_order_acquire);
  if ((bits & (kFailing | kClosed)) != 0) return AdmissionState::kRefused;
  if ((bits & kDiskLow) != 0 && !frees) return AdmissionState::kRefused;
  return (bits & (kFull | kStale)) != 0 ? AdmissionState::kWait : AdmissionState::kOpen;
}

std::string LogWriter::RefusalReason() const {
  return "MISCONF Errors writing to the AOF file: " + files_.last_error().message;
}

Status LogWriter::WaitForAdmission(bool frees) {
  std::unique_lock lock(progress_mutex_);
  progress_.wait(lock, [&] { return Admission(frees) != AdmissionState::kWait; });
  if (Admission(frees) == AdmissionState::kOpen) return {};
  return MakeError(ErrorCode::kUnavailable, RefusalReason());
}

bool LogWriter::Stale() const {
  const int64_t oldest = files_.OldestUnsyncedNs();
  return policy() != SyncPolicy::kNo && oldest != 0 && Now() - oldest > kStaleNs;
}

// Brings the bits in line with what is so. Any thread, after it saw something change.
void LogWriter::UpdateAdmission() {
  {
    const std::lock_guard lock(progress_mutex_);
    const uint32_t before = admission_.load(std::memory_order_acquire);
    uint32_t bits = before & kClosed;
    if (files_.failing()) bits |= kFailing;
    if (files_.disk_low()) bits |= kDiskLow;
    if (Stale()) bits |= kStale;
    // Opens with some room, so that it does not close again at once.
    if ((before & kFull) != 0 && ring_.RetainedBytes() > ring_.bound() / 4 * 3) bits |= kFull;
    if (bits == before) return;
    if ((bits & ~before & kStale) != 0) delayed_syncs_.fetch_add(1, std::memory_order_relaxed);
    admission_.fetch_or(bits, std::memory_order_acq_rel);
    admission_.fetch_and(~(before & ~bits), std::memory_order_acq_rel);
  }
  progress_.notify_all();
  watermark_.NotifyAdmission();
}

// Passing through the mutex makes sure that who waits either sees the change or is waiting.
void LogWriter::NotifyProgress() {
  {
    const std::lock_guard lock(progress_mutex_);
  }
  progress_.notify_all();
}

// ---- flushing

uint64_t LogWriter::PendingBytes() const {
  const LogPosition written = files_.written();  // first: the tail is never below it
  return ring_.tail() - written;
}

void LogWriter::FlushTurn() {
  const uint64_t pending = PendingBytes();
  if (pending == 0 || files_.failing()) return;
  if (pending > kHandOverBytes) {
    RequestFlush();
    return;
  }
  FlushLoop(true);
}

// Returns when everything complete is written, or another thread will see to it.
void LogWriter::FlushLoop(bool may_hand_over) {
  FlushLock& lock = files_.flush_lock();
  if (!lock.TryLock()) {
    lock.SetWanted();
    if (!lock.TryLock()) return;  // the holder looks at `wanted` when it has let go
  }
  for (;;) {
    lock.ClearWanted();
    const bool moved = Flush();
    lock.Unlock();
    if (moved) UpdateCovered();
    if (!lock.Wanted()) return;
    if (may_hand_over && PendingBytes() > kHandOverBytes) {
      RequestFlush();
      return;
    }
    if (!lock.TryLock()) return;
  }
}

// Under the flush lock. True if written() moved.
bool LogWriter::Flush() {
  const auto moved = files_.Flush();
  if (!moved) {
    UpdateAdmission();
    sync_wakeup_.Notify();
    return true;  // the part before the failure may have been written
  }
  if (files_.RotationPending()) sync_wakeup_.Notify();
  if (!*moved) return false;
  if (policy() == SyncPolicy::kAlways || HalfFull()) sync_wakeup_.Notify();
  if (files_.WantsFill()) fill_wakeup_.Notify();
  return true;
}

void LogWriter::UpdateCovered() {
  watermark_.Raise(policy() == SyncPolicy::kAlways ? files_.synced() : files_.written());
}

void LogWriter::SetPolicy(SyncPolicy policy) {
  policy_.store(policy, std::memory_order_relaxed);
  UpdateCovered();
  sync_wakeup_.Notify();
}

Status LogWriter::WaitFor(LogPosition position) {
  FlushLoop(false);
  if (covered() >= position) return {};
  if (!options_.background) SyncTurn();
  if (options_.background ? watermark_.Wait(position) : covered() >= position) return {};
  return MakeError(ErrorCode::kUnavailable, "the log was closed before this write was saved");
}

// ---- rotation

Status LogWriter::Rotate() {
  HF_TRY_STATUS(files_.Rotate());
  sync_wakeup_.Notify();
  return {};
}

Result<RotationPoint> LogWriter::FinishRotation() {
  std::optional<Result<RotationPoint>> outcome;
  if (!options_.background) {
    SyncTurn();
    outcome = files_.TakeRotation();
    if (outcome) return *std::move(outcome);
    return MakeError(ErrorCode::kUnavailable, "the log is failing");
  }
  std::unique_lock lock(progress_mutex_);
  progress_.wait(lock, [&] {
    outcome = files_.TakeRotation();
    return outcome.has_value() || rotations_abandoned_.load(std::memory_order_acquire) ||
           stopping_.load(std::memory_order_acquire);
  });
  if (!outcome) return MakeError(ErrorCode::kUnavailable, "the log was closed");
  return *std::move(outcome);
}

void LogWriter::AbandonRotations() {
  rotations_abandoned_.store(true, std::memory_order_release);
  NotifyProgress();
}

// ---- off and on

Status LogWriter::Rest() {
  files_.StartResting();
  if (options_.background) {
    sync_wakeup_.Notify();
    std::unique_lock lock(progress_mutex_);
    progress_.wait(lock, [this] {
      return files_.AtRest() || files_.failing() || stopping_.load(std::memory_order_acquire);
    });
  } else {
    SyncTurn();
  }
  watermark_.Raise(ring_.tail());
  if (files_.AtRest()) return {};
  return std::unexpected(files_.last_error());
}

void LogWriter::SettleToRest() {
  FlushLoop(false);
  if (files_.written() != files_.synced()) SyncGroup();
  if (!files_.failing()) static_cast<void>(files_.Rest());
  // Repaired in the next turn; or another thread is still writing the last bytes.
  if (!files_.AtRest()) sync_wakeup_.Notify();
  NotifyProgress();
}

void LogWriter::SetBase(uint64_t base_bytes, const RotationPoint& point) {
  base_bytes_.store(base_bytes, std::memory_order_relaxed);
  files_.SetBase(base_bytes, point);
}

LogStats LogWriter::Stats() const {
  LogStats stats;
  stats.current_bytes = files_.log_bytes();
  stats.base_bytes = base_bytes_.load(std::memory_order_relaxed);
  stats.pending_bytes = PendingBytes();
  stats.retained_bytes = ring_.RetainedBytes();
  stats.frames = files_.frames();
  stats.syncs = files_.syncs();
  stats.delayed_syncs = delayed_syncs_.load(std::memory_order_relaxed);
  stats.errors = files_.errors();
  stats.recoveries = files_.recoveries();
  // Who is told so finds the next write refused.
  stats.last_write_ok = (admission_.load(std::memory_order_acquire) & (kFailing | kDiskLow)) == 0;
  stats.last_error = files_.last_error().message;
  return stats;
}

// ---- background

void LogWriter::WriterTurn() {
  FlushLoop(false);
  if (Stale() != ((admission_.load(std::memory_order_relaxed) & kStale) != 0)) UpdateAdmission();
}

bool LogWriter::SyncDue() const {
  if (files_.RotationPending()) return true;
  if (files_.written() == files_.synced()) return false;
  if (HalfFull() || policy() == SyncPolicy::kAlways) return true;
  return policy() == SyncPolicy::kEverysec && Now() - last_sync_ns_ >= kSyncIntervalNs;
}

void LogWriter::SyncTurn() {
  if (files_.failing()) {
    TryRecover();
  } else if (SyncDue()) {
    if (files_.RotationPending()) FlushLoop(false);  // up to the cut, and over to the new file
    SyncGroup();
    NotifyProgress();  // a rotation may have ended, also one that began since
  }
  if (files_.resting() && !files_.AtRest() && !files_.failing()) SettleToRest();
  UpdateAdmission();
}

void LogWriter::AwaitGroup() {
  if (policy() != SyncPolicy::kAlways || files_.failing()) return;
  GroupWait wait(last_group_);
  const int64_t start = Now();
  while (!files_.RotationPending() &&
         wait.GoesOn(files_.written() - files_.synced(), Now() - start)) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(wait.step_ns()));
  }
}

void LogWriter::SyncGroup() {
  const LogPosition synced = files_.synced();
  const uint64_t frames = files_.frames();
  last_sync_ns_ = Now();
  const Status status = files_.Sync();
  last_group_ = {.bytes = files_.synced() - synced,
                 .frames = frames - synced_frames_,
                 .sync_ns = Now() - last_sync_ns_};
  synced_frames_ = frames;
  UpdateCovered();
  if (!status) sync_wakeup_.Notify();  // repaired in the next turn
}

void LogWriter::TryRecover() {
  if (Now() < next_try_ns_) return;
  const Status status = files_.Recover();
  backoff_ns_ = status ? kMinBackoffNs : std::clamp(backoff_ns_ * 2, kMinBackoffNs, kMaxBackoffNs);
  next_try_ns_ = Now() + backoff_ns_;
  if (status) {
    UpdateCovered();
    fill_wakeup_.Notify();
  }
  FlushLoop(false);  // whoever was turned away while Recover held the lock
  NotifyProgress();  // a rotation may have been given up
}

std::chrono::nanoseconds LogWriter::SyncTimeout() const {
  int64_t timeout = kSyncIntervalNs;
  if (files_.failing()) {
    timeout = next_try_ns_ - Now();
  } else if (policy() == SyncPolicy::kEverysec) {
    timeout = last_sync_ns_ + kSyncIntervalNs - Now();
    if (files_.written() == files_.synced()) timeout = kSyncIntervalNs;
  }
  return std::chrono::nanoseconds(std::clamp(timeout, kNsPerMs, kSyncIntervalNs));
}

void LogWriter::FillTurn() {
  const bool low = files_.disk_low();
  const auto more = files_.Fill();
  if (more && *more) fill_wakeup_.Notify();
  if (files_.failing()) sync_wakeup_.Notify();
  if (!more || files_.disk_low() != low) UpdateAdmission();
}

void LogWriter::RunWriter() {
  NameThisThread("log-write");
  while (!stopping_.load(std::memory_order_acquire)) {
    writer_wakeup_.Wait(kWriterInterval);
    WriterTurn();
  }
}

void LogWriter::RunSync() {
  NameThisThread("log-sync");
  while (!stopping_.load(std::memory_order_acquire)) {
    sync_wakeup_.Wait(SyncTimeout());
    AwaitGroup();
    SyncTurn();
  }
}

void LogWriter::RunFill() {
  NameThisThread("log-fill");
  while (!stopping_.load(std::memory_order_acquire)) {
    FillTurn();
    fill_wakeup_.Wait(files_.disk_low() ? std::chrono::nanoseconds(kFillRetryInterval)
                                        : std::chrono::nanoseconds(kFillIdleInterval));
  }
}

}  // namespace holdfast::aof
