// The StoreLog's running life: rewriting by request or growth, figures, reload.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "aof/log_recovery.h"
#include "aof/log_writer.h"
#include "engine/cold_dropper.h"
#include "engine/cold_tier.h"
#include "engine/log_catalog.h"
#include "engine/log_rewrite.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

constexpr auto kLookPause = std::chrono::milliseconds(100);
constexpr int64_t kMsPerSecond = 1000;
// After a rewrite that failed the next one for growth comes later and later.
constexpr int64_t kFirstRetryPauseNs = int64_t{60} * 1'000'000'000;
constexpr int64_t kOwedRetryPauseNs = 100'000'000;
constexpr uint64_t kLogsPartOfDisk = 8;  // of max-disk: the log needs room before it is cut short

}  // namespace

bool StoreLog::GrownEnough() const {
  const auto percentage =
      static_cast<uint64_t>(store_.config().Integer("auto-aof-rewrite-percentage"));
  const auto least = static_cast<uint64_t>(store_.config().Integer("auto-aof-rewrite-min-size"));
  if (percentage == 0) return false;
  const aof::LogStats stats = writer_->Stats();
  if (stats.current_bytes < least) return false;
  const uint64_t base = std::max<uint64_t>(stats.base_bytes, 1);
  return stats.current_bytes >= base && (stats.current_bytes - base) * 100 / base >= percentage;
}

// Under the mutex.
bool StoreLog::RewriteDue() const {
  if (rewrite_wanted_) return true;
  if (failed_rewrites_ > 0 && store_.clock().MonotonicNs() < retry_at_ns_) return false;
  return OwesBase() || GrownEnough();
}

// Under the mutex. Waits for a task for a while.
StoreLog::Task StoreLog::NextTask(std::unique_lock<std::mutex>& lock) {
  const auto urgent = [this] {
    const bool switched = log_wanted_ != (store_.active_log() != nullptr);
    if (opening_) return false;
    return stop_ || rewrite_wanted_ || save_wanted_ || (switched && failed_rewrites_ == 0);
  };
  wake_.wait_for(lock, kLookPause, urgent);
  if (opening_) return Task::kNone;
  if (stop_) {
    const bool owes = OwesBase() || OwesSnapshot() || OwesHotList();
    return owes && !std::exchange(tried_at_stop_, true) ? Task::kRewrite : Task::kStop;
  }
  if (!log_wanted_ && store_.active_log() != nullptr) return Task::kTurnOff;
  if (log_wanted_ && RewriteDue()) return Task::kRewrite;
  return SaveDue() ? Task::kRewrite : Task::kNone;
}

void StoreLog::StartMaintenance() {
  maintenance_ = std::thread([this] { RunMaintenance(); });
}

void StoreLog::RunMaintenance() {
  NameThisThread("maintenance");
  while (true) {
    std::unique_lock lock(mutex_);
    const Task task = NextTask(lock);
    busy_ = task == Task::kRewrite;
    lock.unlock();
    switch (task) {
      case Task::kNone:
        break;
      case Task::kRewrite:
        RewriteOnce();
        break;
      case Task::kTurnOff:
        TurnOff();
        break;
      case Task::kStop:
        return;
    }
  }
}

// What the snapshot before this one holds goes when this one is made, and so does the log until
// then: only what the tier alone takes, compacted, may be too much, and is what deletes can lessen.
void StoreLog::ReclaimSpace() {
  ColdTier* tier = store_.cold_tier();
  if (tier == nullptr || !store_.disk_guard().full()) return;
  const auto stop = [this] {
    const std::lock_guard lock(mutex_);
    return stop_;
  };
  Status reclaimed = stop() ? Status{} : tier->ReclaimSpace();
  if (reclaimed && store_.disk_guard().Drops() && !stop()) reclaimed = DropColdest(*tier, stop);
  if (reclaimed) return;
  store_.Report(LogLevel::kWarning,
                fmt::format("No room was made in the cold tier: {}", reclaimed.error().message));
}

Status StoreLog::DropColdest(ColdTier& tier, const std::function<bool()>& stop) {
  const auto limit = static_cast<uint64_t>(store_.config().Integer("max-disk"));
  const std::vector<std::string> directories = DataDirectories();
  const auto bytes = BytesOnDisk(std::span(directories).last(1));
  const uint64_t room = limit - limit / kLogsPartOfDisk;
  if (limit == 0 || !bytes || *bytes <= room) return {};
  const ColdDrops dropped = HF_TRY(ColdDropper(store_).Drop(*bytes - room, stop));
  store_.Report(LogLevel::kNotice, fmt::format("max-disk: {} cold keys of {} bytes were deleted",
                                               dropped.keys, dropped.bytes));
  return tier.ReclaimSpace();
}

void StoreLog::RewriteOnce() {
  const bool turns_on = TurnsOn();
  const uint64_t changes = store_.statistics().Sum().changes;
  const std::unique_ptr<BackgroundRewrite> rewrite = MakeRewrite(turns_on);
  {
    const std::lock_guard lock(mutex_);
    rewrite_wanted_ = false;
    save_wanted_ = false;
    rewrite_ = rewrite.get();
    rewrite_started_ms_ = store_.clock().NowMs();
  }
  store_.Report(LogLevel::kNotice, fmt::format("{} started", RewriteName()));
  ReclaimSpace();
  const Result<RewriteOutcome> ended = RunRewrite(*rewrite, turns_on);
  congested_.store(false, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  busy_ = false;
  rewrite_ = nullptr;
  NoteRewrite(ended);
  snapshots_fail_.store(failed_rewrites_ > 0 && store_.cold_tier() != nullptr,
                        std::memory_order_relaxed);
  store_.disk_guard().Follow();
  if (ended && *ended == RewriteOutcome::kDone) changes_at_save_ = changes;
  wake_.notify_all();  // SAVE
}

// Under the mutex.
void StoreLog::NoteRewrite(const Result<RewriteOutcome>& ended) {
  last_rewrite_seconds_ = (store_.clock().NowMs() - rewrite_started_ms_) / kMsPerSecond;
  ++rewrites_;
  if (!ended) {
    ++failed_rewrites_;
    const int64_t first_ns = OwesBase() ? kOwedRetryPauseNs : kFirstRetryPauseNs;
    retry_pause_ns_ = std::clamp(2 * retry_pause_ns_, first_ns, 60 * first_ns);
    retry_at_ns_ = store_.clock().MonotonicNs() + retry_pause_ns_;
    store_.Report(LogLevel::kWarning,
                  fmt::format("{} failed: {}", RewriteName(), ended.error().message));
    return;
  }
  switch (*ended) {
    case RewriteOutcome::kDone:
      ++saves_;
      failed_rewrites_ = 0;
      retry_pause_ns_ = 0;
      last_save_ms_ = store_.clock().NowMs();
      store_.Report(LogLevel::kNotice, fmt::format("{} finished successfully", RewriteName()));
      return;
    case RewriteOutcome::kFlushed:
      (log_wanted_ ? rewrite_wanted_ : save_wanted_) = true;
      store_.Report(LogLevel::kNotice,
                    fmt::format("{} starts again: the data set was flushed", RewriteName()));
      return;
    case RewriteOutcome::kCancelled:
      store_.Report(LogLevel::kNotice, fmt::format("{} cancelled", RewriteName()));
      return;
  }
}

Result<std::string> StoreLog::StartRewrite() {
  if (store_.active_log() == nullptr)
    return MakeError(ErrorCode::kUnavailable, "ERR Can't rewrite the append only file: it is off");
  const std::lock_guard lock(mutex_);
  if (rewrite_ != nullptr || rewrite_wanted_)
    return MakeError(ErrorCode::kBusy,
                     "ERR Background append only file rewriting already in progress");
  rewrite_wanted_ = true;
  wake_.notify_all();
  return "Background append only file rewriting started";
}

commands::LogFigures StoreLog::Log() const {
  commands::LogFigures figures;
  if (const aof::LogWriter* writer = store_.log_writer()) {
    const aof::LogStats stats = writer->Stats();
    figures.last_write_ok = stats.last_write_ok;
    figures.current_bytes = stats.current_bytes;
    figures.base_bytes = stats.base_bytes;
    figures.pending_bytes = stats.pending_bytes;
    figures.unsynced_bytes = stats.retained_bytes;
    figures.delayed_syncs = stats.delayed_syncs;
    figures.syncs = stats.syncs;
  }
  figures.snapshots = store_.cold_tier() != nullptr;
  figures.disk_bytes = store_.disk_guard().bytes();
  figures.disk_full = store_.disk_guard().full();
  const uint64_t changes = store_.statistics().Sum().changes;
  const std::lock_guard lock(mutex_);
  figures.changes_since_save = changes - std::min(changes, changes_at_save_);
  figures.enabled = log_wanted_;
  figures.save_scheduled = save_wanted_;
  figures.rewrite_in_progress = rewrite_ != nullptr;
  figures.rewrite_scheduled = rewrite_ == nullptr && (rewrite_wanted_ || OwesBase());
  figures.last_rewrite_seconds = last_rewrite_seconds_;
  if (rewrite_ != nullptr)
    figures.current_rewrite_seconds = (store_.clock().NowMs() - rewrite_started_ms_) / kMsPerSecond;
  figures.failed_rewrites = failed_rewrites_;
  figures.rewrites = rewrites_;
  return figures;
}

commands::LoadFigures StoreLog::Load() const {
  return {.loading = store_.loading(),
          .started_ms = load_started_ms_.load(std::memory_order_relaxed),
          .total_bytes = load_total_bytes_.load(std::memory_order_relaxed),
          .loaded_bytes = progress_.bytes.load(std::memory_order_relaxed),
          .loaded_keys = progress_.commands.load(std::memory_order_relaxed),
          .rdb_keys = rdb_counts_.loaded.load(std::memory_order_relaxed),
          .rdb_keys_expired = rdb_counts_.expired.load(std::memory_order_relaxed)};
}

void StoreLog::LogPolicyChanged() {
  if (aof::LogWriter* writer = store_.log_writer()) writer->SetPolicy(Policy());
}

// With a tier a start reads nothing ahead, and what a checkpoint names are the tier's own files.
Status StoreLog::Reload(bool save) {
  if (store_.loading()) return MakeError(ErrorCode::kUnavailable, commands::kLoadingText);
  if (store_.cold_tier() == nullptr) return ReloadLog();
  if (save) HF_TRY_STATUS(SaveAfterOthers());
  return SpillAll();
}

// Under the gate everything logged so far is written, the keyspace emptied and read back.
Status StoreLog::ReloadLog() {
  if (store_.active_log() == nullptr || catalog_->withheld())
    return MakeError(ErrorCode::kUnavailable, "ERR there is no log to load from");
  FileSystem& files = store_.file_system();
  keyspace::LockedShards gate(store_.keyspace());
  gate.LockGate();
  HF_TRY_STATUS(writer_->WaitFor(writer_->tail()));
  const aof::LogLocation location = HF_TRY(aof::LocateLog(files, store_.config().Text("dir"),
                                                          store_.config().Text("appenddirname"),
                                                          store_.config().Text("appendfilename")));
  for (int i = 0; i < store_.keyspace().databases(); ++i) store_.keyspace().Flush(gate, i, false);
  aof::LogReader reader(files, location.sources, {.open_preamble = snapshot::RdbPreambles()});
  HF_TRY_STATUS(ReplayLogUnderGate(store_, reader));
  if (reader.verdict().kind == aof::LogVerdict::Kind::kSound) return {};
  return MakeError(ErrorCode::kCorruption, reader.verdict().Text());
}

bool StoreLog::RequestShutdown(const commands::ShutdownRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    if (request.save) saves_at_stop_ = SaveAtStop::kYes;
    if (request.nosave) saves_at_stop_ = SaveAtStop::kNo;
  }
  return shutdown_ && shutdown_(request);
}

}  // namespace holdfast
