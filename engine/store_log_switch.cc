// CONFIG SET appendonly at run time.
//
// Off: under the gate changes stop being logged; what was logged is written and synced, and the
// files are left as a clean stop leaves them. On: a rewrite, at whose cut logging begins. The new
// log takes the old one's place in the manifest when its base is complete, not before: a crash
// until then brings back what the old one holds.
//
// A command inside EXEC holds locks, so it only says what is wanted; the maintenance thread does
// it.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "aof/log_recovery.h"
#include "aof/log_writer.h"
#include "engine/log_catalog.h"
#include "engine/log_rewrite.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "holdfast/check.h"

namespace holdfast {
namespace {

aof::HashKey KeyOf(const memtable::HashSeed& seed) {
  aof::HashKey key;
  std::memcpy(key.data(), &seed.k0, sizeof(seed.k0));
  std::memcpy(key.data() + sizeof(seed.k0), &seed.k1, sizeof(seed.k1));
  return key;
}

}  // namespace

// One call at a time: the configuration sees to that.
Status StoreLog::SetLogEnabled(bool enabled) {
  std::unique_lock lock(mutex_);
  if (enabled && writer_ == nullptr) {
    if (Status opened = OpenLateLogAlone(lock); !opened) {
      return MakeError(opened.error().code,
                       fmt::format("Unable to turn on AOF: {}", opened.error().message));
    }
  }
  if (log_wanted_ == enabled) return {};
  log_wanted_ = enabled;
  rewrite_wanted_ = false;
  failed_rewrites_ = 0;
  retry_pause_ns_ = 0;
  if (!enabled && rewrite_ != nullptr) rewrite_->Cancel();
  wake_.notify_all();
  return {};
}

// The catalog is made anew, and its files are not yet those of a data set: nobody may use it
// meanwhile. It cannot be waited for, as the caller may hold locks that a snapshot waits for.
Status StoreLog::OpenLateLogAlone(std::unique_lock<std::mutex>& lock) {
  HF_CHECK(lock.owns_lock());
  const std::unique_lock backup(backup_mutex_, std::try_to_lock);
  if (!backup || busy_)
    return MakeError(ErrorCode::kBusy, "a snapshot or a backup is in progress, try again later");
  opening_ = true;
  lock.unlock();
  Status opened = OpenLateLog();
  lock.lock();
  opening_ = false;
  return opened;
}

// The store was started without a log.
Status StoreLog::OpenLateLog() {
  if (store_.in_memory())
    return MakeError(ErrorCode::kUnsupported, "the store was opened without a data directory");
  if (directory_lock_ == nullptr) HF_TRY_STATUS(LockDirectory());
  if (Status created = CreateLateLog(); !created) {
    if (store_.cold_tier() == nullptr) directory_lock_.reset();
    return created;
  }
  if (!maintenance_.joinable()) StartMaintenance();
  return {};
}

// A log that lies there is of another data set. It stays until the new one is complete.
Status StoreLog::CreateLateLog() {
  HF_TRY_STATUS(ReadLocation());
  // Log files without a manifest would not be opened again.
  if (!location_->has_manifest) HF_TRY_STATUS(catalog_->Write());
  aof::Manifest manifest = location_->manifest;
  manifest.hash_key = KeyOf(seed_);
  MakeCatalog(std::move(manifest));
  catalog_->Withhold(HF_TRY(SequenceApart()));
  return OpenWriter({});
}

// The number of an incremental file that does not follow any that is there.
Result<int64_t> StoreLog::SequenceApart() const {
  const int64_t newest = HF_TRY(aof::NewestSequence(store_.file_system(), LogDirectory(),
                                                    store_.config().Text("appendfilename")));
  const aof::Manifest manifest = catalog_->manifest();
  const int64_t listed = manifest.incremental.empty() ? 0 : manifest.incremental.back().sequence;
  return std::max(newest, listed) + 2;
}

// True while the log is to hold the data set and does not yet.
bool StoreLog::OwesBase() const {
  return log_wanted_ && (store_.active_log() == nullptr || catalog_->withheld());
}

// The log is to be on and is not: what is made next is what it follows.
bool StoreLog::TurnsOn() const { return log_wanted_ && store_.active_log() == nullptr; }

Result<RewriteOutcome> StoreLog::RunRewrite(BackgroundRewrite& rewrite, bool turns_on) {
  if (!turns_on) return rewrite.Run();
  HF_TRY_STATUS(writer_->Wake([this]() -> Status {
    catalog_->Withhold(HF_TRY(SequenceApart()));
    return {};
  }));
  Result<RewriteOutcome> ended = rewrite.Run();
  if (store_.active_log() == nullptr) static_cast<void>(writer_->Rest());
  return ended;
}

void StoreLog::TurnOff() {
  {
    keyspace::LockedShards gate(store_.keyspace());
    gate.LockGate();
    store_.set_active_log(nullptr);
  }
  const Status rested = writer_->Rest();
  if (rested) return store_.Report(LogLevel::kNotice, "The append only file is off");
  store_.Report(LogLevel::kWarning,
                fmt::format("The append only file is off; its end is not written yet: {}",
                            rested.error().message));
}

}  // namespace holdfast
