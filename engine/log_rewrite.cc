#include "engine/log_rewrite.h"

#include "aof/log_writer.h"
#include "aof/manifest.h"
#include "engine/log_catalog.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {

using keyspace::CutWalk;
using keyspace::LockedShards;

LogRewrite::LogRewrite(RewriteEnvironment environment, std::atomic<bool>& congested)
    : environment_(std::move(environment)),
      base_(environment_.store->file_system(), environment_.store->clock(),
            environment_.store->random().NextRandom(), congested) {}

std::string LogRewrite::PathOf(const std::string& name) const {
  return aof::JoinPath(environment_.directory, name);
}

void LogRewrite::Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

Result<RewriteOutcome> LogRewrite::Run() {
  Store& store = *environment_.store;
  FileSystem& files = store.file_system();
  const std::string temporary = PathOf("temp-" + environment_.append_filename + ".rewrite");
  HF_TRY_STATUS(base_.Create(temporary));
  HF_TRY_STATUS(environment_.writer->PrepareRotation());
  CutWalk walk(store.keyspace(), base_);
  {
    LockedShards gate(store.keyspace());
    gate.LockGate();
    HF_TRY_STATUS(environment_.writer->Rotate());
    if (environment_.turns_log_on) store.set_active_log(environment_.writer);
    walk.Begin(gate);
  }
  const aof::RotationPoint point = HF_TRY(environment_.writer->FinishRotation());
  if (const RewriteOutcome walked = HF_TRY(Walk(walk)); walked != RewriteOutcome::kDone)
    return walked;
  HF_TRY_STATUS(base_.Finish(point.last_frame));
  const std::string name = environment_.catalog->NextBaseName();
  HF_TRY_STATUS(files.Rename(temporary, PathOf(name)));
  HF_TRY_STATUS(files.SyncDirectory(environment_.directory));
  const auto superseded =
      HF_TRY(environment_.catalog->ReplaceBase(name, base_.file_id(), point.name));
  environment_.writer->SetBase(base_.bytes(), point);
  // The switch is durable: what came before is garbage. What cannot be removed now is removed at
  // the next start.
  for (const std::string& old : superseded) static_cast<void>(files.Unlink(PathOf(old)));
  return RewriteOutcome::kDone;
}

Result<RewriteOutcome> LogRewrite::Walk(CutWalk& walk) {
  while (walk.Step()) {
    if (cancelled_.load(std::memory_order_relaxed)) return RewriteOutcome::kCancelled;
    HF_TRY_STATUS(base_.Drain(false));
  }
  return walk.aborted() ? RewriteOutcome::kFlushed : RewriteOutcome::kDone;
}

}  // namespace holdfast
