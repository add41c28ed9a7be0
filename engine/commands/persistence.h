// What commands ask of the log and the life of the store; the engine implements it. A store without
// a log answers "not enabled" where Redis would. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/clock.h"
#include "holdfast/result.h"

namespace holdfast::commands {

// The figures of INFO persistence.
struct LogFigures {
  bool enabled = false;
  bool rewrite_in_progress = false;
  bool rewrite_scheduled = false;
  int64_t last_rewrite_seconds = -1;
  int64_t current_rewrite_seconds = -1;
  uint64_t failed_rewrites = 0;  // since the last that succeeded
  bool last_write_ok = true;
  uint64_t current_bytes = 0;
  uint64_t base_bytes = 0;      // at the last rewrite or start
  uint64_t pending_bytes = 0;   // reserved, not yet written
  uint64_t unsynced_bytes = 0;  // written, not yet synced
  uint64_t delayed_syncs = 0;
  uint64_t syncs = 0;
  uint64_t rewrites = 0;
  uint64_t changes_since_save = 0;
  bool save_scheduled = false;
  uint64_t disk_bytes = 0;  // of the log, the checkpoints and the tier, when last looked at
  bool disk_full = false;   // more than max-disk
  bool snapshots = false;   // rewrites are snapshots: the figures of both are the same
};

// What a command is told that cannot run before the log is read.
inline constexpr char kLoadingText[] = "LOADING Redis is loading the dataset in memory";

struct LoadFigures {
  bool loading = false;
  UnixMs started_ms = 0;
  uint64_t total_bytes = 0;
  uint64_t loaded_bytes = 0;
  uint64_t loaded_keys = 0;
  uint64_t rdb_keys = 0;          // of those, from an RDB file
  uint64_t rdb_keys_expired = 0;  // left out
};

struct ShutdownRequest {
  bool save = false;
  bool nosave = false;
  bool now = false;
  bool force = false;
};

class Persistence {
 public:
  virtual ~Persistence() = default;
  virtual LogFigures Log() const = 0;
  virtual LoadFigures Load() const = 0;
  virtual UnixMs LastSaveMs() const = 0;
  // BGREWRITEAOF: what to answer ("Background append only file rewriting started"), or the error.
  virtual Result<std::string> StartRewrite() = 0;
  // BGSAVE: the same.
  virtual Result<std::string> StartSave(bool schedule) = 0;
  // SAVE: the same, and waits for its end. The caller holds no locks.
  virtual Status Save() = 0;
  // BACKUP TO: a snapshot, then a copy of its checkpoint as a data directory of its own. Waits for
  // all of it; the caller holds no locks. The error's message is the reply.
  virtual Status BackUp(std::string_view directory) = 0;
  // CONFIG SET appendonly, at run time.
  virtual Status SetLogEnabled(bool enabled) = 0;
  // CONFIG SET appendfsync.
  virtual void LogPolicyChanged() = 0;
  // DEBUG RELOAD and LOADAOF: empties memory, so that everything comes from the disk: from the log,
  // or with a tier, of which a checkpoint is made first if `save`, from there. Takes the gate
  // itself, or waits: the caller holds no locks.
  virtual Status Reload(bool save) = 0;
  // DEBUG SPILL: moves every key to the tier, whatever memory there is. The caller holds no locks.
  virtual Status SpillAll() = 0;
  // Asks whoever runs the store to stop. False if no one listens (embedded).
  virtual bool RequestShutdown(const ShutdownRequest& request) = 0;
  virtual bool AbortShutdown() = 0;
};

}  // namespace holdfast::commands
