// Rewriting the log beside traffic (BGREWRITEAOF, log growth): a cut, a walk, one manifest switch.
//
//   prepare the next file | gate: rotate, flip epochs | the old file becomes durable
//   walk: write the keyspace as of the cut into a temporary base | end, sync, rename
//   one manifest switch: base and first incremental file | remove what came before
//
// No fork and no copy of memory; traffic waits for the gate only (microseconds). A rewrite that
// fails or is overtaken by FLUSHALL leaves the old base and all incremental files as they were.
// Owned by the StoreLog; runs on its maintenance thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/base_writer.h"
#include "holdfast/result.h"

namespace holdfast {

namespace aof {
class LogWriter;
}

class LogCatalog;
class Store;

struct RewriteEnvironment {
  Store* store = nullptr;
  aof::LogWriter* writer = nullptr;
  LogCatalog* catalog = nullptr;
  std::string directory;
  std::string append_filename;
  bool turns_log_on = false;  // the log was off: from the cut on changes are logged
  bool at_stop = false;       // of the store
};

// How a rewrite without an error ended.
enum class RewriteOutcome {
  kDone,
  kFlushed,    // a FLUSH made the walk pointless: start again, it will be short
  kCancelled,  // by Cancel
};

// What takes the place of the log so far: a rewrite of it, or a snapshot (snapshot_run.h).
class BackgroundRewrite {
 public:
  virtual ~BackgroundRewrite() = default;
  // Start to end. After an error, as after kFlushed and kCancelled, what is on the disk is what it
  // was.
  virtual Result<RewriteOutcome> Run() = 0;
  // Any thread: makes Run stop at its next step.
  virtual void Cancel() = 0;
};

class LogRewrite final : public BackgroundRewrite {
 public:
  // `congested` is set while writers should be held back.
  LogRewrite(RewriteEnvironment environment, std::atomic<bool>& congested);

  Result<RewriteOutcome> Run() override;
  void Cancel() override;
  uint64_t base_bytes() const { return base_.bytes(); }

 private:
  Result<RewriteOutcome> Walk(keyspace::CutWalk& walk);
  std::string PathOf(const std::string& name) const;

  const RewriteEnvironment environment_;
  BaseWriter base_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace holdfast
