// The model's snapshots, crashes and recovery.
#include <algorithm>
#include <utility>

#include "tests/model/snapshot_model.h"

namespace holdfast::model {

// ---- a snapshot

void SnapshotModel::SnapshotStep() {
  switch (phase_) {
    case Phase::kIdle:
      return TakeCut();
    case Phase::kCut:
      return Walk();
    case Phase::kWalked:
      return Link();
    case Phase::kLinked:  // S5
      checkpoints_.back().synced = !Has(Bug::kPublishedBeforeSealed);
      phase_ = Phase::kSealed;
      return;
    case Phase::kSealed:
      return Publish();
    case Phase::kRenamed:
      if (renamed_) manifest_ = *std::exchange(renamed_, std::nullopt);
      RemoveOld(manifest_);
      Saw("snapshot complete");
      phase_ = Phase::kIdle;
      cut_generation_ = -1;
  }
}

// S0 and S1, in one step.
void SnapshotModel::TakeCut() {
  int number = log_.back().number;
  for (const LogFile& file : stale_) number = std::max(number, file.number);
  cut_ = {.checkpoint = 0,
          .first_log = number + 1,
          .last = history_.size() - 1,
          .space_of = space_of_,
          .next_space = next_space_,
          .keys = keys_};
  log_.push_back({.number = number + 1});
  cut_generation_ = generation_++;
  has_image_.fill(false);
  flip_late_ = Has(Bug::kEpochFlipsAfterLogSwitch);
  if (!flip_late_) epoch_ = !epoch_;
  phase_ = Phase::kCut;
}

// S2, an entry at a time.
void SnapshotModel::Walk() {
  if (std::exchange(flip_late_, false)) {
    epoch_ = !epoch_;
    return;
  }
  const int start = Random(kCells);
  for (int i = 0; i < kCells; ++i) {
    const int cell = (start + i) % kCells;
    auto& slot = memory_[static_cast<size_t>(cell)];
    if (!slot || !IsUnsaved(*slot)) continue;
    slot->epoch = epoch_;
    if (!slot->value) Saw("tombstone walked");
    if (!slot->value && Has(Bug::kWalkSkipsTombstones)) continue;
    if (!IsAlive(SpaceOf(cell))) Saw("table of a dead space walked");
    slot->cold = true;
    Queue(cell, *slot);
    if (Has(Bug::kCleanBeforeLanded) && slot->value) {
      slot->dirty = false;
      queued_[static_cast<size_t>(cell)] = 0;
    }
    return;
  }
  phase_ = Phase::kWalked;
}

// S3 and S4.
void SnapshotModel::Link() {
  const bool landed = std::ranges::all_of(queues_, [](const auto& queue) { return queue.empty(); });
  if (!landed && !Has(Bug::kLinksBeforeAllLanded)) return;
  for (const auto& slot : memory_) {
    if (slot && IsUnsaved(*slot)) Violate("an unsaved entry at S3 (R17)");
    if (slot && slot->unknown && *slot->unknown <= cut_generation_ && bug_ == Bug::kNone)
      Violate("a count of the cut that is still to be corrected");
  }
  cut_.checkpoint = ++last_checkpoint_;
  checkpoints_.push_back({.id = last_checkpoint_, .rows = tier_});
  for (int database = 0; database < kDatabases; ++database) {
    const int space = cut_.space_of[static_cast<size_t>(database)];
    int64_t keys = 0;
    for (int key = 0; key < kKeys; ++key) {
      const MaybeValue& row = tier_[static_cast<size_t>(CellOf(space, key))];
      const State& wanted = history_[cut_.last];
      keys += row ? 1 : 0;
      if (row != wanted[static_cast<size_t>(database)][static_cast<size_t>(key)])
        Violate("the checkpoint is not the state at the cut (R17)");
    }
    if (keys != cut_.keys[static_cast<size_t>(space)])
      Violate("the counts of the cut are not those of the checkpoint");
  }
  phase_ = Phase::kLinked;
}

// S6 and S7: one rename switches checkpoint and log. The log up to the cut is durable as well: what
// leads from a kept checkpoint to this one must have no hole.
void SnapshotModel::Publish() {
  for (LogFile& file : log_) {
    if (file.number < cut_.first_log && !Has(Bug::kPublishedBeforeLogSynced) &&
        (!file.in_directory || file.synced < file.records.size()))
      return;
    if (file.number != cut_.first_log || file.in_directory || Has(Bug::kNoDirectorySync)) continue;
    file.in_directory = true;
    return;
  }
  if (Has(Bug::kSpacesAsOfPublication)) cut_.space_of = space_of_;
  if (Has(Bug::kCountsAsOfPublication)) cut_.keys = keys_;
  renamed_ = manifest_;
  renamed_->push_back(cut_);
  while (renamed_->size() > kKeptCheckpoints) renamed_->erase(renamed_->begin());
  phase_ = Phase::kRenamed;
  if (Has(Bug::kRemovedBeforeSync)) RemoveOld(*renamed_);
}

// S8
void SnapshotModel::RemoveOld(const Manifest& manifest) {
  const Cut& oldest = Has(Bug::kKeepsTooLittleLog) ? manifest.back() : manifest.front();
  std::erase_if(log_, [&](const LogFile& file) { return file.number < oldest.first_log; });
  std::erase_if(checkpoints_, [&](const Checkpoint& checkpoint) {
    return std::ranges::find(manifest, checkpoint.id, &Cut::checkpoint) == manifest.end();
  });
}

// R2: one bit is enough because every dirty entry is swept.
void SnapshotModel::Abort() {
  if (phase_ == Phase::kIdle || phase_ == Phase::kRenamed) return;
  Saw("snapshot aborted");
  if (phase_ == Phase::kLinked || phase_ == Phase::kSealed) checkpoints_.pop_back();
  if (std::exchange(flip_late_, false)) epoch_ = !epoch_;
  phase_ = Phase::kIdle;
  cut_generation_ = -1;
  if (Has(Bug::kAbortWithoutSweep)) return;
  for (auto& slot : memory_) {
    if (slot && slot->dirty) slot->epoch = epoch_;
  }
}

// ---- crash

// The newest record that a client of `appendfsync always` was answered for.
uint64_t SnapshotModel::Acknowledged() const {
  uint64_t acknowledged = manifest_.back().last;
  for (const LogFile& file : log_) {
    const bool newest_first = Has(Bug::kNewFileSyncedFirst) && &file == &log_.back();
    if (file.number < manifest_.back().first_log) continue;
    if (!file.in_directory && !Has(Bug::kNoDirectorySync)) break;
    size_t whole = file.synced;
    while (whole > 0 && !file.records[whole - 1].ends_group) --whole;
    if (whole > 0) acknowledged = std::max(acknowledged, file.records[whole - 1].number);
    if (file.synced < file.records.size() && !newest_first && !Has(Bug::kNewFileSyncedFirst)) break;
  }
  return acknowledged;
}

void SnapshotModel::Crash() {
  static constexpr std::array<std::string_view, 6> kPhases = {
      "crash without a snapshot",
      "crash before the walk is over",
      "crash before the checkpoint",
      "crash before the checkpoint is sealed",
      "crash before the manifest is renamed",
      "crash before the rename is durable"};
  Saw(kPhases.at(static_cast<size_t>(phase_)));
  if (Chance(15)) {  // a clean shutdown is one with nothing to lose
    for (LogFile& file : log_) {
      file.in_directory = true;
      file.synced = file.records.size();
    }
  }
  const uint64_t acknowledged = Acknowledged();
  log_.insert(log_.end(), stale_.begin(), stale_.end());
  stale_.clear();
  if (renamed_ && Chance(50)) manifest_ = *renamed_;
  renamed_.reset();
  std::erase_if(log_, [this](const LogFile& file) { return !file.in_directory && Chance(50); });
  for (LogFile& file : log_) {
    const auto unsynced = static_cast<int>(file.records.size() - file.synced);
    file.records.resize(file.synced + static_cast<size_t>(Random(unsynced + 1)));
    for (size_t i = file.records.size(); i < file.left_behind.size(); ++i)
      file.records.push_back(file.left_behind[i]);
    file.left_behind.clear();
    file.synced = file.records.size();
    file.in_directory = true;
  }
  for (Checkpoint& checkpoint : checkpoints_) {
    for (MaybeValue& row : checkpoint.rows) {
      if (!checkpoint.synced && Chance(40)) row.reset();
    }
    checkpoint.synced = true;
  }
  Recover(acknowledged, 0);
}

// ---- recovery

// The whole groups since a cut: R12, R15.
std::vector<SnapshotModel::Record> SnapshotModel::ReadLog(const Cut& cut) {
  std::vector<Record> records;
  std::vector<Record> group;
  uint64_t expected = cut.last + 1;
  for (const LogFile& file : log_) {
    if (file.number < cut.first_log) continue;
    for (const Record& record : file.records) {
      if (record.number != expected && !Has(Bug::kNoGapCheck)) {
        Saw("gap in the log");
        return records;
      }
      expected = record.number + 1;
      group.push_back(record);
      if (!record.ends_group) continue;
      records.insert(records.end(), group.begin(), group.end());
      group.clear();
    }
  }
  if (!group.empty()) Saw("torn group");
  if (Has(Bug::kTornGroupReplayed)) records.insert(records.end(), group.begin(), group.end());
  return records;
}

void SnapshotModel::Recover(uint64_t acknowledged, int depth) {
  std::ranges::sort(log_, {}, &LogFile::number);
  std::vector<Record> records = ReadLog(manifest_.back());
  if (depth < 3 && Chance(20)) {
    acknowledged = 0;
    RestoreToEarlierTime(records);
  }
  const Cut cut = manifest_.back();
  const uint64_t last = records.empty() ? cut.last : records.back().number;
  if (last < acknowledged) return Violate("an acknowledged change is gone");
  if (last >= history_.size()) return Violate("recovered what never was");
  if (!group_ends_[last]) return Violate("recovered to the middle of a group");
  // Until the log is cut nothing has changed: a crash starts it again.
  if (!CutLog(last, acknowledged, depth)) return;
  const auto checkpoint = std::ranges::find(checkpoints_, cut.checkpoint, &Checkpoint::id);
  if (checkpoint == checkpoints_.end())
    return Violate("the manifest names a checkpoint that is gone");
  for (const Cut& kept : manifest_) {
    if (std::ranges::find(log_, kept.first_log, &LogFile::number) == log_.end())
      return Violate("the first log file of a checkpoint is gone");
  }
  RemoveOld(manifest_);
  OpenFrom(cut, *std::ranges::find(checkpoints_, cut.checkpoint, &Checkpoint::id), last);
  Replay(records);
  Check("after recovery");
}

// As aof-check --truncate-to-timestamp: to any group since the oldest checkpoint that is kept.
void SnapshotModel::RestoreToEarlierTime(std::vector<Record>& records) {
  const auto kept = static_cast<size_t>(Random(static_cast<int>(manifest_.size())));
  Saw(kept + 1 == manifest_.size() ? "restored from the newest checkpoint"
                                   : "restored from an older checkpoint");
  std::vector<Record> all = ReadLog(manifest_[kept]);
  const uint64_t newest = records.empty() ? manifest_.back().last : records.back().number;
  if ((all.empty() ? manifest_[kept].last : all.back().number) < newest)
    return Violate("the log since a kept checkpoint has a hole");
  auto whole = static_cast<size_t>(Random(static_cast<int>(all.size()) + 1));
  while (whole > 0 && !all[whole - 1].ends_group) --whole;
  all.resize(whole);
  records = std::move(all);
  manifest_.resize(kept + 1);
}

// R13: cut, then remove what lies behind, then go on. False: a crash in between; what had to be
// done again has been done.
bool SnapshotModel::CutLog(uint64_t last, uint64_t acknowledged, int depth) {
  const auto crashes = [&] { return depth < 4 && Chance(15); };
  const auto again = [&] {
    Saw("crash in recovery");
    Recover(acknowledged, depth + 1);
    return false;
  };
  if (crashes()) return again();
  size_t kept_files = 0;
  for (size_t i = 0; i < log_.size(); ++i) {
    auto& records = log_[i].records;
    const bool has_some = !records.empty() && records.front().number <= last;
    if (has_some || log_[i].number <= manifest_.back().first_log) kept_files = i + 1;
  }
  for (size_t i = 0; i < kept_files; ++i) {
    LogFile& file = log_[i];
    const auto behind = std::ranges::find_if(
        file.records, [&](const Record& record) { return record.number > last; });
    if (behind == file.records.end()) continue;
    if (Has(Bug::kLogCutOnlyLogically)) file.left_behind = file.records;
    file.records.erase(behind, file.records.end());
    file.synced = file.records.size();
    if (crashes()) return again();
  }
  while (log_.size() > kept_files) {
    if (Has(Bug::kLaterFilesStay)) stale_.push_back(log_.back());
    log_.pop_back();
    if (crashes()) return again();
  }
  return true;
}

// R14: the live tier is made of the checkpoint, never taken over.
void SnapshotModel::OpenFrom(const Cut& cut, const Checkpoint& checkpoint, uint64_t last) {
  if (!Has(Bug::kLiveTierReused)) tier_ = checkpoint.rows;
  memory_.fill(std::nullopt);
  queued_.fill(0);
  for (auto& queue : queues_) queue.clear();
  loads_.clear();
  placeholders_.clear();
  space_of_ = cut.space_of;
  next_space_ = cut.next_space;
  keys_ = cut.keys;
  cold_only_.fill(0);
  for (int cell = 0; cell < kCells; ++cell)
    cold_only_[static_cast<size_t>(SpaceOf(cell))] += tier_[static_cast<size_t>(cell)] ? 1 : 0;
  phase_ = Phase::kIdle;
  cut_generation_ = -1;
  flip_late_ = false;
  epoch_ = Chance(50);
  history_.resize(last + 1);
  group_ends_.resize(last + 1);
  group_.clear();
  if (Chance(50)) now_ += Random(8);
}

// R16: replay may spill and evict; nothing expires in it.
void SnapshotModel::ReplayOne(const Record& record) {
  if (Has(Bug::kReplayExpires) && record.op == Op::kAppend) {
    const int cell = Cell(record.database, record.key);
    const MaybeValue value = Get(cell);
    if (value && value->expiry != 0 && value->expiry <= now_) Delete(cell);
  }
  Apply(record);
  if (Chance(20)) Spill();
  if (Chance(20)) Land(Random(kShards));
  if (Chance(20)) Evict();
}

// R15: a worker for each shard; what concerns both waits for both.
void SnapshotModel::Replay(const std::vector<Record>& records) {
  replaying_ = true;
  const auto for_both = [this](const Record& record) {
    if (record.op == Op::kFlush || record.op == Op::kSwap) return true;
    return record.op == Op::kRename && !Has(Bug::kRenameWithoutBarrier) &&
           record.key % kShards != record.other % kShards;
  };
  std::array<std::deque<size_t>, kShards> work;
  for (size_t i = 0; i < records.size(); ++i) {
    for (int shard = 0; shard < kShards; ++shard) {
      if (for_both(records[i]) || records[i].key % kShards == shard)
        work[static_cast<size_t>(shard)].push_back(i);
    }
  }
  while (!work[0].empty() || !work[1].empty()) {
    auto shard = static_cast<size_t>(Random(kShards));
    if (work[shard].empty()) shard = 1 - shard;
    auto* mine = &work[shard];
    auto* others = &work[1 - shard];
    if (for_both(records[mine->front()])) {
      if (others->front() != mine->front()) {
        std::swap(mine, others);  // behind: it goes on first
      } else {
        others->pop_front();
        Saw("barrier in replay");
      }
    }
    const size_t next = mine->front();
    mine->pop_front();
    ReplayOne(records[next]);
  }
  replaying_ = false;
}

}  // namespace holdfast::model
