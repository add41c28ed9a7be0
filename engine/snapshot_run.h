// A snapshot beside traffic (DESIGN section 6, steps S0 to S8): the data set as of one cut becomes
// a checkpoint, and the checkpoint with the log since the cut becomes the data set that the
// manifest names, by one rename. It costs what changed since the last one: entries that are clean
// lie in the tier already.
//
//   S0 the next log file            S1 gate: rotate, flip epochs, hold new writes, take the counts
//   S2 walk what is unsaved         S3 wait until it has landed
//   S4 checkpoint; the hold ends    S5 seal it    S6, S7 one manifest switch    S8 remove the old
//
// No fork and no copy of memory; traffic waits for the gate only (microseconds). A snapshot that
// fails or is overtaken by FLUSHALL leaves the old checkpoint and all log files as they were. Owned
// by the StoreLog; runs on its maintenance thread.
#pragma once

#include <atomic>
#include <string>

#include "engine/keyspace/cut_walk.h"
#include "engine/log_rewrite.h"
#include "holdfast/result.h"
#include "snapshot/checkpoint.h"

namespace holdfast {

class ColdTier;

class SnapshotRun final : public BackgroundRewrite, private keyspace::CutSink {
 public:
  SnapshotRun(RewriteEnvironment environment, ColdTier& tier);

  Result<RewriteOutcome> Run() override;
  void Cancel() override { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  void Image(const keyspace::CutImage& image) override;
  void TakeCounts();
  void CorrectCounts();
  Result<RewriteOutcome> Walk(keyspace::CutWalk& walk);
  Status Publish(const std::string& name, const std::string& first_log);
  std::string PathOf(const std::string& name) const;

  const RewriteEnvironment environment_;
  ColdTier& tier_;
  snapshot::CheckpointMetadata metadata_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace holdfast
