#include "engine/snapshot_run.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "aof/log_recovery.h"
#include "aof/log_writer.h"
#include "aof/manifest.h"
#include "engine/cold_tier.h"
#include "engine/hot_listing.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/log_catalog.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {

using keyspace::CutWalk;
using keyspace::Keyspace;
using keyspace::LockedShards;
using keyspace::Shard;

namespace {

// R8: from the cut to the checkpoint.
class Hold {
 public:
  explicit Hold(ColdTier& tier, Keyspace& keyspace) : tier_(tier), keyspace_(keyspace) {
    tier_.KeepSpaces();
    keyspace_.HoldNewWrites();
  }
  ~Hold() { End(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  void End() {
    if (!std::exchange(held_, false)) return;
    keyspace_.ReleaseNewWrites();
    tier_.LetSpacesGo();
  }

 private:
  ColdTier& tier_;
  Keyspace& keyspace_;
  bool held_ = true;
};

constexpr auto kCongestedPause = std::chrono::milliseconds(1);

}  // namespace

SnapshotRun::SnapshotRun(RewriteEnvironment environment, ColdTier& tier)
    : environment_(std::move(environment)), tier_(tier) {}

std::string SnapshotRun::PathOf(const std::string& name) const {
  return aof::JoinPath(environment_.directory, name);
}

void SnapshotRun::Image(const keyspace::CutImage& image) {
  Keyspace& keyspace = environment_.store->keyspace();
  keyspace.QueueImage(keyspace.Handle(image.database, image.entry.key()), image.entry,
                      image.changes);
}

// Under the gate.
void SnapshotRun::TakeCounts() {
  Keyspace& keyspace = environment_.store->keyspace();
  metadata_.next_space = keyspace.next_space();
  metadata_.shards = static_cast<uint32_t>(keyspace.shards().size());
  for (int database = 0; database < keyspace.databases(); ++database) {
    snapshot::CheckpointDatabase& counted = metadata_.databases.emplace_back();
    counted.database = static_cast<uint32_t>(database);
    counted.space = keyspace.space(database);
    for (Shard& shard : keyspace.shards()) {
      if (database == 0) shard.residency->BeginCut();
      const keyspace::ColdCount& cold = shard.residency->cold(database);
      snapshot::CheckpointCounts count{.keys = cold.keys, .expiring = cold.expiring};
      if (const memtable::Table* table = shard.table(database)) {
        count.keys += table->live();
        count.expiring += table->expiring();
      }
      counted.shards.push_back(count);
    }
  }
}

// All that was there at the cut has landed: what it replaced in the tier is known.
void SnapshotRun::CorrectCounts() {
  for (Shard& shard : environment_.store->keyspace().shards()) {
    shard.lock.Lock();
    const auto corrections = shard.residency->cut_corrections();
    shard.lock.Unlock();
    for (const auto& correction : corrections) {
      const auto counted = std::ranges::find(metadata_.databases, correction.space,
                                             &snapshot::CheckpointDatabase::space);
      if (counted == metadata_.databases.end()) continue;  // of an earlier cut that was given up
      snapshot::CheckpointCounts& count = counted->shards[shard.index];
      HF_CHECK(count.keys >= correction.keys && count.expiring >= correction.expiring);
      count.keys -= correction.keys;
      count.expiring -= correction.expiring;
    }
  }
}

Result<RewriteOutcome> SnapshotRun::Run() {
  Store& store = *environment_.store;
  aof::LogWriter* writer = environment_.writer;
  if (writer != nullptr) HF_TRY_STATUS(writer->PrepareRotation());
  CutWalk walk(store.keyspace(), *this);
  std::optional<Hold> hold;
  {
    LockedShards gate(store.keyspace());
    gate.LockGate();
    if (writer != nullptr) HF_TRY_STATUS(writer->Rotate());
    if (environment_.turns_log_on) store.set_active_log(writer);
    hold.emplace(tier_, store.keyspace());
    TakeCounts();
    walk.Begin(gate);
  }
  aof::RotationPoint point;
  if (writer != nullptr) point = HF_TRY(writer->FinishRotation());
  metadata_.cut_frame = point.last_frame;
  metadata_.cut_ms = store.clock().NowMs();  // no frame before the cut is newer
  if (const RewriteOutcome walked = HF_TRY(Walk(walk)); walked != RewriteOutcome::kDone)
    return walked;
  HF_TRY_STATUS(tier_.WaitUntilLanded());
  CorrectCounts();
  if (const auto damage = tier_.Damage())
    return MakeError(ErrorCode::kCorruption, "the cold tier cannot be trusted: " + *damage);
  const std::string name = environment_.catalog->NextCheckpointName();
  HF_TRY_STATUS(tier_.LinkCheckpoint(PathOf(name)));
  hold->End();
  HF_TRY_STATUS(Publish(name, point.name));
  if (writer != nullptr) writer->SetBase(0, point);
  return RewriteOutcome::kDone;
}

// S5 to S8.
Status SnapshotRun::Publish(const std::string& name, const std::string& first_log) {
  Store& store = *environment_.store;
  FileSystem& files = store.file_system();
  metadata_.id = store.random().NextRandom();
  metadata_.hash_key = environment_.catalog->manifest().hash_key.value();
  if (Status synced = snapshot::SyncCheckpoint(files, PathOf(name)); !synced) {
    tier_.Distrust(synced.error());
    return synced;
  }
  const std::vector<aof::CheckpointEntry> kept = environment_.catalog->manifest().checkpoints;
  HF_TRY_STATUS(store.hot_listing().Put(PathOf(name), kept.empty() ? "" : PathOf(kept.back().name),
                                        environment_.at_stop));
  HF_TRY_STATUS(snapshot::SealCheckpoint(files, PathOf(name), metadata_));
  const auto keep = static_cast<size_t>(store.config().Integer("snapshot-keep"));
  const Superseded old =
      HF_TRY(environment_.catalog->SwitchToCheckpoint(name, metadata_.id, first_log, keep));
  // The switch is durable: what came before is garbage. What cannot be removed now is removed at
  // the next start.
  for (const std::string& file : old.files) static_cast<void>(files.Unlink(PathOf(file)));
  for (const std::string& checkpoint : old.checkpoints)
    static_cast<void>(aof::RemoveCheckpointDirectory(files, PathOf(checkpoint)));
  return {};
}

// Images of the walk wait for room; those of writers do not, so the walk leaves them some.
Result<RewriteOutcome> SnapshotRun::Walk(CutWalk& walk) {
  while (walk.Step()) {
    while (tier_.Congested() && !cancelled_.load(std::memory_order_relaxed)) {
      if (tier_.Failing()) return MakeError(ErrorCode::kIoError, "the cold tier cannot be written");
      std::this_thread::sleep_for(kCongestedPause);
    }
    if (cancelled_.load(std::memory_order_relaxed)) return RewriteOutcome::kCancelled;
  }
  return walk.aborted() ? RewriteOutcome::kFlushed : RewriteOutcome::kDone;
}

}  // namespace holdfast
