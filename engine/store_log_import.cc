// The StoreLog's first data: read from what a Redis left, kept in a form of our own: as a base, or
// with a tier, to which it moves as far as memory is short, as a checkpoint.
#include <fmt/core.h>

#include "aof/log_recovery.h"
#include "engine/base_writer.h"
#include "engine/initial_data.h"
#include "engine/log_catalog.h"
#include "engine/log_rewrite.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "holdfast/check.h"
#include "snapshot/rdb_preamble.h"

namespace holdfast {
namespace {

constexpr char kNotFinished[] = "cancelled: the import was not finished";

}  // namespace

// A manifest without files is no data set yet: what an import leaves that a crash cut short.
Status StoreLog::LookForInitialData() {
  // The current directory is nothing to such a store.
  if (store_.in_memory() && store_.config().Text("import").empty()) return {};
  const bool has_log =
      location_ != nullptr && (location_->checkpoint || !location_->sources.empty());
  auto found = HF_TRY(FindInitialData(store_.file_system(), store_.config(), has_log));
  if (found) initial_ = std::make_unique<InitialData>(*std::move(found));
  const std::string dump =
      aof::JoinPath(store_.config().Text("dir"), store_.config().Text("dbfilename"));
  if (has_log && dump.back() != '/' && HF_TRY(store_.file_system().Exists(dump)))
    store_.Report(LogLevel::kNotice, fmt::format("{} is not read: the log is the data set", dump));
  return {};
}

// Into memory and the tier, from files that are not ours and are not touched.
Status StoreLog::LoadInitialData() {
  store_.Report(LogLevel::kNotice, fmt::format("Loading the initial data from {}", initial_->path));
  const int64_t started_ns = store_.clock().MonotonicNs();
  aof::LogReader reader(
      store_.file_system(), initial_->sources,
      {.open_preamble = snapshot::RdbPreambles(
           {.drop_expired_at_ms = store_.clock().NowMs(), .counts = &rdb_counts_})});
  HF_TRY_STATUS(
      ReplayLog(store_, reader, {.workers = store_.replay_workers(), .progress = &progress_}));
  HF_TRY_STATUS(JudgeVerdict(reader, "; what follows is left out"));
  WarnAboutClock();
  store_.Report(LogLevel::kNotice,
                fmt::format("Loaded {} keys from {} in {:.3f} seconds ({} more had expired)",
                            KeyCount(), initial_->path,
                            static_cast<double>(store_.clock().MonotonicNs() - started_ns) / 1e9,
                            rdb_counts_.expired.load(std::memory_order_relaxed)));
  return {};
}

uint64_t StoreLog::KeyCount() {
  keyspace::LockedShards locks(store_.keyspace());
  uint64_t keys = 0;
  for (int i = 0; i < store_.keyspace().databases(); ++i) {
    const auto exact = store_.keyspace().SettleSize(locks, i);
    keys += exact ? exact->keys : store_.keyspace().SizeOf(locks, i).keys;
  }
  return keys;
}

Status StoreLog::Import(aof::LogEnd& end) {
  importing_ = true;
  Status imported = LoadInitialData();
  if (imported && catalog_ != nullptr) imported = KeepInitialData(end);
  importing_ = false;
  initial_.reset();
  return imported;
}

// As what our own log follows.
Status StoreLog::KeepInitialData(aof::LogEnd& end) {
  // First: a base without a manifest would be taken for the rest of a lost log.
  HF_TRY_STATUS(catalog_->Write());
  HF_CHECK(end.next_frame == 1 && !end.source);
  const bool spilled = store_.cold_tier() != nullptr;
  const std::string name = HF_TRY(spilled ? KeepAsCheckpoint() : KeepAsBase(end));
  // Done once: neither CONFIG REWRITE nor a conf file shall ask for it again.
  const std::string nothing[] = {""};
  HF_CHECK(store_.config().SetAtStart("import", nothing));
  store_.Report(LogLevel::kNotice,
                fmt::format("{} is written; {} is not needed any more", name, initial_->path));
  return {};
}

// The tier may hold most of it already.
Result<std::string> StoreLog::KeepAsCheckpoint() {
  const std::unique_ptr<BackgroundRewrite> snapshot = MakeRewrite(false);
  {
    const std::lock_guard lock(mutex_);
    rewrite_ = snapshot.get();
    rewrite_started_ms_ = store_.clock().NowMs();
    if (progress_.cancelled.load(std::memory_order_relaxed)) snapshot->Cancel();
  }
  const Result<RewriteOutcome> ended = snapshot->Run();
  {
    const std::lock_guard lock(mutex_);
    rewrite_ = nullptr;
  }
  switch (HF_TRY(ended)) {
    case RewriteOutcome::kDone:
      return catalog_->manifest().checkpoints.back().name;
    case RewriteOutcome::kCancelled:
      return MakeError(ErrorCode::kUnavailable, kNotFinished);
    case RewriteOutcome::kFlushed:  // by nobody: the store still loads
      break;
  }
  HF_CHECK(false);
}

Result<std::string> StoreLog::KeepAsBase(aof::LogEnd& end) {
  FileSystem& files = store_.file_system();
  const std::string directory = LogDirectory();
  BaseWriter base(files, store_.clock(), store_.random().NextRandom(), congested_);
  const std::string temporary =
      aof::JoinPath(directory, "temp-" + store_.config().Text("appendfilename") + ".import");
  HF_TRY_STATUS(base.Create(temporary));
  HF_TRY_STATUS(WriteAll(base));
  HF_TRY_STATUS(base.Finish(0));
  std::string name = catalog_->NextBaseName();
  HF_TRY_STATUS(files.Rename(temporary, aof::JoinPath(directory, name)));
  HF_TRY_STATUS(files.SyncDirectory(directory));
  HF_TRY_STATUS(catalog_->SetFirstBase(name, base.file_id()));
  end.log_bytes = base.bytes();
  return name;
}

void StoreLog::CancelRecovery() {
  progress_.cancelled.store(true, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (rewrite_ != nullptr && Importing()) rewrite_->Cancel();
}

// Nobody changes the keyspace: the store still loads.
Status StoreLog::WriteAll(BaseWriter& base) {
  keyspace::CutWalk walk(store_.keyspace(), base);
  {
    keyspace::LockedShards gate(store_.keyspace());
    gate.LockGate();
    walk.Begin(gate);
  }
  while (walk.Step()) {
    if (progress_.cancelled.load(std::memory_order_relaxed))
      return MakeError(ErrorCode::kUnavailable, kNotFinished);
    HF_TRY_STATUS(base.Drain(false));
  }
  HF_CHECK(!walk.aborted());
  return {};
}

}  // namespace holdfast
