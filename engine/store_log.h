// The durable side of a store: its directory and lock, recovery, the log writer, rewriting, turning
// the log off and on. Owned by the Store; implements what commands may ask of persistence. Any
// thread, except where said.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/commands/persistence.h"
#include "engine/replay.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"
#include "memtable/key.h"
#include "snapshot/checkpoint.h"
#include "snapshot/rdb_preamble.h"

namespace holdfast {

namespace aof {
class LogReader;
class LogWriter;
enum class SyncPolicy;
struct LogEnd;
struct LogLocation;
struct Manifest;
}  // namespace aof

class BackgroundRewrite;
class BaseWriter;
class ColdTier;
struct InitialData;
class LogCatalog;
class Store;
enum class RewriteOutcome;

class StoreLog final : public commands::Persistence {
 public:
  explicit StoreLog(Store& store);
  ~StoreLog() override;

  // Opening, in this order, by one thread, before anything else runs. OpenDirectory locks the data
  // directory and returns the data set's hash seed (a fresh one without a directory).
  Result<memtable::HashSeed> OpenDirectory();
  // Once there is a keyspace: the tier of a store that has one, as of the newest checkpoint; null:
  // it has none.
  Result<std::unique_ptr<ColdTier>> OpenTier();
  Status Recover();
  // Of the checkpoint with which the store began; empty: there is none.
  std::string HotList() const;
  // Any thread: a Recover under way returns kUnavailable, if it still reads.
  void CancelRecovery();
  // The store closes: who waits for a snapshot, or copies a backup, is to give up soon. Any thread.
  void LetWaitersGo();
  // Nobody appends any more. Ends the rewrite, writes and syncs everything.
  Status Close();

  // What is replayed is not our own, and can be read again.
  bool Importing() const { return importing_.load(std::memory_order_relaxed); }
  // The last snapshot failed.
  bool SnapshotsFail() const { return snapshots_fail_.load(std::memory_order_relaxed); }
  // Where the data lies: the log with the checkpoints, the live tier.
  std::vector<std::string> DataDirectories() const;
  // True if the rewrite under way cannot keep up: writers wait before their locks.
  bool Congested() const { return congested_.load(std::memory_order_relaxed); }
  // Called, by whichever thread asks, when SHUTDOWN wants the process to end. Set before serving.
  using ShutdownHandler = std::function<bool(const commands::ShutdownRequest&)>;
  void set_shutdown_handler(ShutdownHandler handler) { shutdown_ = std::move(handler); }

  commands::LogFigures Log() const override;
  commands::LoadFigures Load() const override;
  UnixMs LastSaveMs() const override { return last_save_ms_.load(std::memory_order_relaxed); }
  Result<std::string> StartRewrite() override;
  Result<std::string> StartSave(bool schedule) override;
  Status Save() override;
  Status BackUp(std::string_view directory) override;
  Status SetLogEnabled(bool enabled) override;
  void LogPolicyChanged() override;
  Status Reload(bool save) override;
  Status SpillAll() override;
  bool RequestShutdown(const commands::ShutdownRequest& request) override;
  bool AbortShutdown() override { return false; }

 private:
  static constexpr char kLockName[] = "holdfast.lock";  // in the data directory
  aof::SyncPolicy Policy() const;
  Status LockDirectory();
  void MakeCatalog(aof::Manifest manifest);
  Status ReadLocation();
  Status AdoptSingleFile();
  uint64_t LogBytes() const;
  Status ReplayAndCut(aof::LogEnd& end);
  uint64_t FirstFrame() const;
  Status RestoreCounts(const snapshot::CheckpointMetadata& metadata);
  Status JudgeVerdict(const aof::LogReader& reader, std::string_view torn_end);
  Status LookForInitialData();
  Status LoadInitialData();
  Status Import(aof::LogEnd& end);
  Status KeepInitialData(aof::LogEnd& end);
  Result<std::string> KeepAsCheckpoint();
  Result<std::string> KeepAsBase(aof::LogEnd& end);
  Status WriteAll(BaseWriter& base);
  uint64_t KeyCount();
  void WarnAboutClock();
  Status OpenWriter(const aof::LogEnd& end);
  void StartMaintenance();
  // Of the maintenance thread.
  enum class Task { kNone, kRewrite, kTurnOff, kStop };
  void RunMaintenance();
  Task NextTask(std::unique_lock<std::mutex>& lock);
  bool RewriteDue() const;
  bool OwesBase() const;
  void RewriteOnce();
  void ReclaimSpace();
  Status DropColdest(ColdTier& tier, const std::function<bool()>& stop);
  Result<RewriteOutcome> RunRewrite(BackgroundRewrite& rewrite, bool turns_on);
  std::unique_ptr<BackgroundRewrite> MakeRewrite(bool turns_on);
  bool SavesAtStop() const;
  bool OwesSnapshot() const;
  bool OwesHotList() const;
  bool SaveDue() const;
  Status SaveAfterOthers();
  Status BackUpTo(const std::string& directory);
  Status ReloadLog();
  bool WantsTier() const;
  bool TurnsOn() const;
  std::string_view RewriteName() const;
  Result<int64_t> SequenceApart() const;
  void NoteRewrite(const Result<RewriteOutcome>& ended);
  bool GrownEnough() const;
  void TurnOff();
  Status OpenLateLogAlone(std::unique_lock<std::mutex>& lock);
  Status OpenLateLog();
  Status CreateLateLog();
  std::string LogDirectory() const;

  Store& store_;
  memtable::HashSeed seed_;
  std::unique_ptr<FileLock> directory_lock_;
  std::unique_ptr<aof::LogLocation> location_;
  std::unique_ptr<LogCatalog> catalog_;
  std::unique_ptr<InitialData> initial_;                   // null: the log is the data
  std::optional<snapshot::RecoveryPoint> recovery_point_;  // null: there is no checkpoint
  std::unique_ptr<aof::LogWriter> writer_;
  ShutdownHandler shutdown_;
  std::atomic<UnixMs> last_save_ms_{0};

  ReplayProgress progress_;
  snapshot::RdbCounts rdb_counts_;
  std::atomic<UnixMs> load_started_ms_{0};
  std::atomic<uint64_t> load_total_bytes_{0};
  std::atomic<bool> importing_{false};

  std::mutex backup_mutex_;  // one at a time
  std::thread maintenance_;
  mutable std::mutex mutex_;  // guards the block below
  std::condition_variable wake_;
  std::atomic<bool> closing_{false};  // set under it
  bool busy_ = false;                 // the maintenance thread rewrites, or makes a snapshot
  bool opening_ = false;              // a log is being opened: it may do neither
  bool stop_ = false;
  bool tried_at_stop_ = false;  // to complete the log, or to leave nothing to replay
  bool log_wanted_ = false;     // what appendonly says; the log follows
  bool rewrite_wanted_ = false;
  bool save_wanted_ = false;
  enum class SaveAtStop { kByRules, kYes, kNo };
  SaveAtStop saves_at_stop_ = SaveAtStop::kByRules;
  uint64_t changes_at_save_ = 0;
  uint64_t saves_ = 0;                    // rewrites and snapshots that were completed
  BackgroundRewrite* rewrite_ = nullptr;  // while one runs
  UnixMs rewrite_started_ms_ = 0;
  int64_t last_rewrite_seconds_ = -1;
  uint64_t failed_rewrites_ = 0;  // since the last that succeeded
  int64_t retry_pause_ns_ = 0;    // of rewrites for growth, after failures
  int64_t retry_at_ns_ = 0;
  uint64_t rewrites_ = 0;
  std::atomic<bool> congested_{false};
  std::atomic<bool> snapshots_fail_{false};
};

}  // namespace holdfast
