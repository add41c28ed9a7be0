// The StoreLog of a store with a cold tier: what it rewrites is a checkpoint, by request, by the
// rules of `save`, by growth of the log and at a clean stop, with a log or without one.
#include <fmt/core.h>

#include <algorithm>

#include "aof/log_recovery.h"
#include "aof/log_writer.h"
#include "engine/cold_tier.h"
#include "engine/config/value_text.h"
#include "engine/hot_listing.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/log_catalog.h"
#include "engine/log_rewrite.h"
#include "engine/snapshot_run.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "holdfast/check.h"

namespace holdfast {
namespace {

constexpr char kTierName[] = "live-tier";
constexpr uint64_t kUntouchedLogBytes = 256;  // its header and an empty frame or two
constexpr int64_t kMsPerSecond = 1000;
constexpr char kClosing[] = "ERR the store is closing";

}  // namespace

bool StoreLog::WantsTier() const {
  return !store_.in_memory() && store_.config().Enum<config::EvictionAction>("eviction-action") ==
                                    config::EvictionAction::kSpill;
}

std::vector<std::string> StoreLog::DataDirectories() const {
  return {LogDirectory(), aof::JoinPath(store_.config().Text("dir"), kTierName)};
}

// What lies in the directory from an earlier life is thrown away: the checkpoint and the log say
// what is true (R14).
Result<std::unique_ptr<ColdTier>> StoreLog::OpenTier() {
  if (!WantsTier() && !recovery_point_) return nullptr;
  HF_CHECK(directory_lock_ != nullptr);
  std::unique_ptr<ColdTier> tier = HF_TRY(ColdTier::Open(
      store_, {.directory = aof::JoinPath(store_.config().Text("dir"), kTierName),
               .checkpoint = recovery_point_ ? recovery_point_->checkpoint : std::string()}));
  store_.keyspace().AttachColdStore(*tier);
  if (recovery_point_) {
    HF_TRY_STATUS(RestoreCounts(recovery_point_->metadata));
    HF_TRY_STATUS(tier->ForgetDeadSpaces());
  }
  tier->SetCompactionRate(store_.config().Integer("compaction-rate-limit"));
  tier->Start();
  return tier;
}

// Every key of the checkpoint is cold.
Status StoreLog::RestoreCounts(const snapshot::CheckpointMetadata& metadata) {
  keyspace::Keyspace& keyspace = store_.keyspace();
  if (metadata.shards != keyspace.shards().size())
    return MakeError(
        ErrorCode::kUnsupported,
        fmt::format("{} counts the keys of {} shards, the store has {}",
                    recovery_point_->checkpoint, metadata.shards, keyspace.shards().size()));
  for (const snapshot::CheckpointDatabase& database : metadata.databases) {
    const bool in_use = std::ranges::any_of(
        database.shards, [](const snapshot::CheckpointCounts& count) { return count.keys > 0; });
    if (database.database >= static_cast<uint32_t>(keyspace.databases())) {
      if (!in_use) continue;
      return MakeError(
          ErrorCode::kUnsupported,
          fmt::format("{} holds keys of database {}, the store has {}: raise "
                      "'databases'",
                      recovery_point_->checkpoint, database.database, keyspace.databases()));
    }
    std::vector<keyspace::ColdCount> counts;
    for (const snapshot::CheckpointCounts& count : database.shards)
      counts.push_back({.keys = count.keys, .expiring = count.expiring});
    keyspace.RestoreCold(static_cast<int>(database.database), database.space, counts);
  }
  keyspace.set_next_space(metadata.next_space);
  return {};
}

std::string StoreLog::HotList() const {
  if (!recovery_point_ || !snapshot::HasHotList(recovery_point_->metadata)) return "";
  return snapshot::HotListPath(recovery_point_->checkpoint);
}

// Of what is replayed.
uint64_t StoreLog::FirstFrame() const { return recovery_point_ ? recovery_point_->first_frame : 1; }

// With a tier, the checkpoint is what the log follows.
std::unique_ptr<BackgroundRewrite> StoreLog::MakeRewrite(bool turns_on) {
  const bool logs = turns_on || store_.active_log() != nullptr;
  RewriteEnvironment environment{.store = &store_,
                                 .writer = logs ? writer_.get() : nullptr,
                                 .catalog = catalog_.get(),
                                 .directory = LogDirectory(),
                                 .append_filename = store_.config().Text("appendfilename"),
                                 .turns_log_on = turns_on,
                                 .at_stop = tried_at_stop_};
  if (ColdTier* tier = store_.cold_tier())
    return std::make_unique<SnapshotRun>(std::move(environment), *tier);
  HF_CHECK(logs);
  return std::make_unique<LogRewrite>(std::move(environment), congested_);
}

std::string_view StoreLog::RewriteName() const {
  return store_.cold_tier() != nullptr ? "Background saving" : "Background AOF rewrite";
}

// Without a log a clean stop keeps what is to be kept: nothing if there are no rules for it either.
bool StoreLog::SavesAtStop() const {
  if (store_.cold_tier() == nullptr || saves_at_stop_ == SaveAtStop::kNo) return false;
  if (store_.active_log() != nullptr || saves_at_stop_ == SaveAtStop::kYes) return true;
  return !store_.config().SavePoints().empty();
}

// A clean stop leaves nothing to replay.
bool StoreLog::OwesSnapshot() const {
  if (!SavesAtStop()) return false;
  if (store_.active_log() != nullptr) return writer_->Stats().current_bytes > kUntouchedLogBytes;
  return store_.statistics().Sum().changes > changes_at_save_;
}

// And says what was hot.
bool StoreLog::OwesHotList() const { return SavesAtStop() && store_.hot_listing().Outdated(); }

// Under the mutex.
bool StoreLog::SaveDue() const {
  if (store_.cold_tier() == nullptr) return false;
  if (save_wanted_) return true;
  const auto changes = static_cast<int64_t>(store_.statistics().Sum().changes - changes_at_save_);
  if (changes <= 0) return false;
  if (failed_rewrites_ > 0 && store_.clock().MonotonicNs() < retry_at_ns_) return false;
  const int64_t elapsed_s = (store_.clock().NowMs() - last_save_ms_) / kMsPerSecond;
  const auto rules = store_.config().SavePoints();
  return std::ranges::any_of(rules, [&](const config::SavePoint& rule) {
    return changes >= rule.changes && elapsed_s > rule.seconds;
  });
}

// Redis's answers; what it does in a child process is one thing here, by whichever name it was
// asked for.
Result<std::string> StoreLog::StartSave(bool schedule) {
  if (store_.cold_tier() == nullptr)
    return MakeError(ErrorCode::kUnsupported,
                     "ERR there are no snapshots without a cold tier (eviction-action spill)");
  if (store_.loading()) return MakeError(ErrorCode::kUnavailable, commands::kLoadingText);
  const std::lock_guard lock(mutex_);
  if (rewrite_ != nullptr || save_wanted_ || rewrite_wanted_) {
    if (!schedule) return MakeError(ErrorCode::kBusy, "ERR Background save already in progress");
    save_wanted_ = true;
    return "Background saving scheduled";
  }
  save_wanted_ = true;
  wake_.notify_all();
  return "Background saving started";
}

// One that FLUSHALL overtakes begins again: that one is waited for as well.
Status StoreLog::Save() {
  std::unique_lock lock(mutex_);
  const uint64_t saves = saves_;
  const uint64_t tried = rewrites_;
  lock.unlock();
  HF_TRY(StartSave(false));
  lock.lock();
  wake_.wait(lock, [&] {
    const bool goes_on = rewrite_ != nullptr || save_wanted_ || rewrite_wanted_;
    return stop_ || closing_ || saves_ > saves || (rewrites_ > tried && !goes_on);
  });
  if (saves_ > saves) return {};
  if (closing_) return MakeError(ErrorCode::kUnavailable, kClosing);
  return MakeError(ErrorCode::kIoError, "ERR the snapshot failed: see the server's log");
}

// A snapshot that runs has its cut behind it: it is waited for, and another one made.
Status StoreLog::SaveAfterOthers() {
  while (true) {
    Status saved = Save();
    if (saved || saved.error().code != ErrorCode::kBusy) return saved;
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return stop_ || closing_ || (rewrite_ == nullptr && !save_wanted_ && !rewrite_wanted_);
    });
    if (stop_ || closing_) return MakeError(ErrorCode::kUnavailable, kClosing);
  }
}

Status StoreLog::SpillAll() {
  if (store_.cold_tier() == nullptr)
    return MakeError(ErrorCode::kUnsupported, "ERR there is no cold tier");
  return store_.cold_tier()->SpillAll();
}

}  // namespace holdfast
