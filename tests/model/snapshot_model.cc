// The running store: commands, residency, the cold-write queues.
#include "tests/model/snapshot_model.h"

#include <algorithm>
#include <utility>

namespace holdfast::model {

std::string_view NameOf(Bug bug) {
  static constexpr std::array<std::string_view, static_cast<size_t>(Bug::kBugs)> kNames = {
      "none",
      "an aborted snapshot does not sweep the epochs",
      "the walk skips tombstones",
      "a writer does not hand over the old image",
      "a writer over a tombstone does not hand it over",
      "cold writes of a key land in any order",
      "the walk marks clean before the write landed",
      "a landed write marks clean although the entry has changed",
      "an entry is evicted while a write of it is queued",
      "DEL leaves no tombstone for a spill in flight",
      "a value from behind the cut is spilled before the checkpoint",
      "a dead space is removed from the tier during a snapshot",
      "a blind write does not cancel the load in flight",
      "a load installs without looking whether it is the one that is waited for",
      "a load is installed where its database is now",
      "the checkpoint names the spaces of when it was published",
      "the checkpoint has the counts of when it was published",
      "FLUSHDB drops what is unsaved",
      "the epoch flips after the log has switched",
      "the checkpoint is linked before all images landed",
      "the manifest names a checkpoint that is not synced",
      "the manifest names a checkpoint before the log up to its cut is synced",
      "old files go before the directory of the manifest is synced",
      "the log since an older kept checkpoint is removed",
      "a new log file is synced before the old one",
      "recovery reads on behind a gap",
      "records of a file whose directory entry is not synced are acknowledged",
      "what recovery cuts off stays in the file",
      "files behind the cut stay",
      "recovery goes on with the live tier of before",
      "a torn group is replayed",
      "RENAME over two shards is replayed without a barrier",
      "replay expires keys by the clock",
      "a blind write of a key that was there is counted for ever",
      "a correction of the counts does not reach the cut",
      "a compaction filter drops expired rows",
  };
  return kNames.at(static_cast<size_t>(bug));
}

SnapshotModel::SnapshotModel(uint64_t seed, Bug bug) : random_(seed), bug_(bug) {
  history_.push_back({});
  group_ends_.push_back(true);
  log_.push_back({.number = 0, .in_directory = true});
  checkpoints_.push_back({.id = 0, .synced = true});
  manifest_.push_back({});
  flush_aborts_ = Chance(30);
  const int finish_loads = Chance(30) ? 1 : 6 + Random(10);
  // In the order of Step.
  weights_ = {25 + Random(40),    Random(25),   10 + Random(25), Random(25),
              6 + Random(10),     finish_loads, Random(10),      10 + Random(50),
              Chance(20) ? 1 : 0, Random(4),    1 + Random(4)};
}

bool SnapshotModel::IsAlive(int space) const { return std::ranges::count(space_of_, space) > 0; }

// R3
bool SnapshotModel::IsUnsaved(const Entry& entry) const {
  return BeforeCheckpoint() && entry.dirty && entry.epoch != epoch_;
}

bool SnapshotModel::IsQueued(int space) const {
  for (int key = 0; key < kKeys; ++key) {
    if (queued_[static_cast<size_t>(CellOf(space, key))] > 0) return true;
  }
  return false;
}

void SnapshotModel::Saw(std::string_view event) {
  const auto found = events_.find(event);
  if (found != events_.end()) {
    ++found->second;
  } else {
    events_.emplace(event, 1);
  }
}

void SnapshotModel::Violate(std::string text) {
  if (violation_.empty()) violation_ = std::move(text);
}

// ---- the keyspace

// R4. Clean, cold and absent keys need nothing: the tier has what they were at the cut.
void SnapshotModel::BeforeChange(int cell, Entry& entry) {
  if (!IsUnsaved(entry) || Has(Bug::kNoHandOver)) return;
  if (Has(Bug::kNoHandOverOfTombstone) && !entry.value) return;
  Saw(entry.value ? "value handed over" : "tombstone handed over");
  Queue(cell, entry);
  entry.cold = true;
}

void SnapshotModel::Changed(Entry& entry, MaybeValue value) {
  entry.value = value;
  entry.dirty = true;
  entry.epoch = epoch_;
  entry.version = ++last_version_;
}

// `blind`: nobody has looked whether the key is there.
void SnapshotModel::Put(int cell, const Value& value, bool blind) {
  auto& slot = memory_[static_cast<size_t>(cell)];
  auto& keys = keys_[static_cast<size_t>(SpaceOf(cell))];
  if (slot) {
    BeforeChange(cell, *slot);
    if (!slot->value) ++keys;
  } else {
    slot = Entry{};
    ++keys;
    // The filter says for sure that some keys are absent.
    const bool unknown = blind && (tier_[static_cast<size_t>(cell)] || Chance(50));
    slot->cold = unknown;
    if (unknown) slot->unknown = generation_;
    CancelLoad(cell);
  }
  Changed(*slot, value);
}

void SnapshotModel::Delete(int cell) {
  auto& slot = memory_[static_cast<size_t>(cell)];
  const auto space = static_cast<size_t>(SpaceOf(cell));
  if (slot) {
    if (!slot->value) return;
    BeforeChange(cell, *slot);
  } else {
    if (!tier_[static_cast<size_t>(cell)]) return;
    Saw("cold key deleted");
    slot = Entry{};
    slot->cold = true;
    --cold_only_[space];
    CancelLoad(cell);
  }
  --keys_[space];
  // R7
  const bool needs_tombstone = Has(Bug::kNoTombstoneForSpillInFlight)
                                   ? tier_[static_cast<size_t>(cell)].has_value()
                                   : slot->cold;
  if (needs_tombstone) {
    Changed(*slot, std::nullopt);
  } else {
    slot.reset();
  }
}

SnapshotModel::MaybeValue SnapshotModel::Get(int cell) {
  if (const auto& slot = memory_[static_cast<size_t>(cell)]) return slot->value;
  const MaybeValue& row = tier_[static_cast<size_t>(cell)];
  if (!row) return std::nullopt;
  if (!replaying_) Violate("the model reads a cold key without a load");
  Install(cell, *row);
  return row;
}

void SnapshotModel::Install(int cell, const Value& value) {
  memory_[static_cast<size_t>(cell)] = Entry{
      .value = value, .dirty = false, .epoch = epoch_, .cold = true, .version = ++last_version_};
  --cold_only_[static_cast<size_t>(SpaceOf(cell))];
}

// R10
void SnapshotModel::CancelLoad(int cell) {
  if (Has(Bug::kLoadSurvivesBlindWrite)) return;
  if (placeholders_.erase(cell) > 0) Saw("load cancelled by a blind write");
}

// R11
void SnapshotModel::Flush(int database) {
  const int old = space_of_[static_cast<size_t>(database)];
  if (BeforeCheckpoint()) Saw("FLUSHDB during a snapshot");
  space_of_[static_cast<size_t>(database)] = next_space_++;
  if (flush_aborts_) Abort();
  const bool drop = (flush_aborts_ && phase_ == Phase::kIdle) || Has(Bug::kFlushDropsUnsavedTable);
  for (int key = 0; key < kKeys && drop; ++key) {
    const auto cell = static_cast<size_t>(CellOf(old, key));
    if (queued_[cell] == 0) memory_[cell].reset();
  }
}

void SnapshotModel::Append(MaybeValue& value, uint64_t content) {
  if (!value) value = Value{.content = 7};
  value->content = value->content * 1'000'003 + content;
}

void SnapshotModel::ApplyToState(State& state, const Record& record) {
  auto& keys = state[static_cast<size_t>(record.database)];
  MaybeValue& value = keys[static_cast<size_t>(record.key)];
  switch (record.op) {
    case Op::kSet:
      value = Value{record.content, record.expiry};
      return;
    case Op::kAppend:
      return Append(value, record.content);
    case Op::kDelete:
      return value.reset();
    case Op::kExpire:
    case Op::kPersist:
      if (value) value->expiry = record.expiry;
      return;
    case Op::kRename:
      keys[static_cast<size_t>(record.other)] = std::exchange(value, std::nullopt);
      return;
    case Op::kFlush:
      return keys.fill(std::nullopt);
    case Op::kSwap:
      return std::swap(state[0], state[1]);
  }
}

void SnapshotModel::Apply(const Record& record) {
  const int cell = Cell(record.database, record.key);
  switch (record.op) {
    case Op::kSet:
      return Put(cell, {record.content, record.expiry}, true);
    case Op::kAppend: {
      MaybeValue value = Get(cell);
      Append(value, record.content);
      return Put(cell, *value, false);
    }
    case Op::kDelete:
      return Delete(cell);
    case Op::kExpire:
    case Op::kPersist:
      if (const MaybeValue value = Get(cell)) Put(cell, {value->content, record.expiry}, false);
      return;
    case Op::kRename: {
      const MaybeValue value = Get(cell);
      Delete(cell);
      const int other = Cell(record.database, record.other);
      if (!value) return Delete(other);
      return Put(other, *value, true);
    }
    case Op::kFlush:
      return Flush(record.database);
    case Op::kSwap:
      if (BeforeCheckpoint()) Saw("SWAPDB during a snapshot");
      return std::swap(space_of_[0], space_of_[1]);
  }
}

// ---- commands

// Otherwise it asks for a load, and the command comes again.
bool SnapshotModel::Resident(int database, int key) {
  const int cell = Cell(database, key);
  if (memory_[static_cast<size_t>(cell)] || !tier_[static_cast<size_t>(cell)]) return true;
  if (!placeholders_.contains(cell)) {
    loads_.push_back({.id = ++last_load_, .cell = cell, .database = database});
    placeholders_[cell] = last_load_;
  }
  return false;
}

void SnapshotModel::Emit(Record record) {
  record.number = history_.size();
  Apply(record);
  State state = history_.back();
  ApplyToState(state, record);
  history_.push_back(state);
  group_ends_.push_back(false);
  group_.push_back(record);
}

void SnapshotModel::EndGroup() {
  if (group_.empty()) return;
  group_.back().ends_group = true;
  group_ends_.back() = true;
  auto& records = log_.back().records;
  records.insert(records.end(), group_.begin(), group_.end());
  group_.clear();
}

// A writer that meets an expired key logs its DEL first, in a group of its own.
void SnapshotModel::ExpireIfDue(int database, int key) {
  const MaybeValue& value =
      history_.back()[static_cast<size_t>(database)][static_cast<size_t>(key)];
  if (!value || value->expiry == 0 || value->expiry > now_) return;
  if (!memory_[static_cast<size_t>(Cell(database, key))]) Saw("cold key expired");
  Emit({.op = Op::kDelete, .database = database, .key = key});
  EndGroup();
}

void SnapshotModel::Command() {
  const int choice = Random(100);
  const int database = Chance(75) ? 0 : 1;
  const int key = Random(kKeys);
  if (choice < 60) {
    ChangeOneKey(database, key);
  } else if (choice < 84) {
    TwoKeys(database, key);
  } else if (choice < 88) {
    if (next_space_ < kSpaces - 1) Emit({.op = Op::kFlush, .database = database});
  } else if (choice < 91) {
    Emit({.op = Op::kSwap});
  } else if (choice < 95) {
    ExpireIfDue(database, key);
  } else {
    ++now_;
  }
  EndGroup();
}

void SnapshotModel::ChangeOneKey(int database, int key) {
  const uint64_t content = 1 + static_cast<uint64_t>(Random(100'000));
  const bool is_there =
      history_.back()[static_cast<size_t>(database)][static_cast<size_t>(key)].has_value();
  Record record{.database = database, .key = key, .content = content};
  switch (Random(5)) {
    case 0:
      record.op = Op::kSet;
      if (Chance(30)) record.expiry = now_ + 1 + Random(6);
      ExpireIfDue(database, key);
      return Emit(record);
    case 1:
      record.op = Op::kDelete;
      if (is_there) Emit(record);
      return;
    case 2:
      record.op = Chance(70) ? Op::kExpire : Op::kPersist;
      if (record.op == Op::kExpire) record.expiry = now_ + 1 + Random(6);
      break;
    default:
      record.op = Op::kAppend;
  }
  if (!Resident(database, key)) return;
  ExpireIfDue(database, key);
  Emit(record);
}

// RENAME, or a transaction.
void SnapshotModel::TwoKeys(int database, int key) {
  const int other = (key + 1 + Random(kKeys - 1)) % kKeys;
  const bool first = Resident(database, key);
  if (!Resident(database, other) || !first) return;
  ExpireIfDue(database, key);
  ExpireIfDue(database, other);
  if (Chance(50)) {
    const auto& keys = history_.back()[static_cast<size_t>(database)];
    if (!keys[static_cast<size_t>(key)]) return;
    return Emit({.op = Op::kRename, .database = database, .key = key, .other = other});
  }
  const auto content = static_cast<uint64_t>(Random(100'000));
  Emit({.op = Op::kAppend, .database = database, .key = key, .content = content});
  if (Chance(30)) Emit({.op = Op::kDelete, .database = database, .key = key});
  Emit({.op = Op::kAppend, .database = database, .key = other, .content = content + 1});
}

// ---- residency

// R5: one ordered queue for each shard.
void SnapshotModel::Queue(int cell, const Entry& entry) {
  const auto index = static_cast<size_t>(cell);
  if (BeforeCheckpoint() && std::exchange(has_image_[index], true))
    Violate("a second image of a key in one snapshot (R4)");
  queues_[static_cast<size_t>(ShardOf(cell))].push_back({cell, entry.value, entry.version});
  ++queued_[index];
}

void SnapshotModel::Spill() {
  const int start = Random(kCells);
  for (int i = 0; i < kCells; ++i) {
    const int cell = (start + i) % kCells;
    auto& slot = memory_[static_cast<size_t>(cell)];
    if (!slot || !slot->dirty || !IsAlive(SpaceOf(cell))) continue;
    // R8: until the checkpoint is linked the tier gets images as of the cut only. Taking an unsaved
    // entry is its visit.
    const bool unsaved = IsUnsaved(*slot);
    if (BeforeCheckpoint() && !unsaved) {
      Saw("spill held back");
      if (!Has(Bug::kSpillsPostCutValue)) return;
      has_image_[static_cast<size_t>(cell)] = false;
    }
    if (unsaved) {
      Saw("unsaved entry spilled");
      slot->epoch = epoch_;
    }
    slot->cold = true;
    return Queue(cell, *slot);
  }
}

// Just before the first cold write of a key that was written blindly.
void SnapshotModel::LearnExistence(int cell) {
  auto& slot = memory_[static_cast<size_t>(cell)];
  if (!slot || !slot->unknown) return;
  const int generation = *std::exchange(slot->unknown, std::nullopt);
  if (!tier_[static_cast<size_t>(cell)]) return;
  Saw("count corrected");
  const auto space = static_cast<size_t>(SpaceOf(cell));
  --cold_only_[space];
  if (Has(Bug::kUnknownNeverCorrected)) return;
  --keys_[space];
  if (generation > cut_generation_ || Has(Bug::kUnknownNotCorrectedInCut)) return;
  Saw("count of a cut corrected");
  --cut_.keys[space];
}

// R6
void SnapshotModel::Land(int shard) {
  auto& queue = queues_[static_cast<size_t>(shard)];
  if (queue.empty()) return;
  const int at = Has(Bug::kColdWritesReordered) ? Random(static_cast<int>(queue.size())) : 0;
  const ColdWrite write = queue[static_cast<size_t>(at)];
  queue.erase(queue.begin() + at);
  const auto cell = static_cast<size_t>(write.cell);
  LearnExistence(write.cell);
  tier_[cell] = write.image;
  --queued_[cell];
  auto& slot = memory_[cell];
  if (!slot) return;
  if (slot->version == write.version || Has(Bug::kCleanDespiteNewVersion)) slot->dirty = false;
  // R7
  if (!slot->value && !slot->dirty && queued_[cell] == 0) slot.reset();
}

void SnapshotModel::Evict() {
  const int start = Random(kCells);
  for (int i = 0; i < kCells; ++i) {
    const auto cell = static_cast<size_t>((start + i) % kCells);
    auto& slot = memory_[cell];
    if (!slot || !slot->value || !IsAlive(SpaceOf(static_cast<int>(cell)))) continue;
    const bool early = Has(Bug::kEvictedWhileQueued) && queued_[cell] > 0;
    if (!early && (slot->dirty || queued_[cell] > 0)) continue;
    slot.reset();
    ++cold_only_[static_cast<size_t>(SpaceOf(static_cast<int>(cell)))];
    return;
  }
}

void SnapshotModel::ReadLoad() {
  if (loads_.empty()) return;
  Load& load = loads_[static_cast<size_t>(Random(static_cast<int>(loads_.size())))];
  if (load.read) return;
  load.read = true;
  load.value = tier_[static_cast<size_t>(load.cell)];
}

// R10: only if it is still waited for, the space lives and the key is absent.
void SnapshotModel::FinishLoad() {
  if (loads_.empty()) return;
  const int at = Random(static_cast<int>(loads_.size()));
  const Load load = loads_[static_cast<size_t>(at)];
  if (!load.read) return;
  loads_.erase(loads_.begin() + at);
  int cell = load.cell;
  const auto waiting = placeholders_.find(cell);
  if (waiting == placeholders_.end()) return Saw("late load dropped");
  if (waiting->second != load.id && !Has(Bug::kLoadWithoutIdentity))
    return Saw("load of an earlier wait dropped");
  placeholders_.erase(waiting);
  if (Has(Bug::kLoadByDatabase))
    cell = Cell(load.database, cell % kKeys);
  else if (!IsAlive(SpaceOf(cell)))
    return Saw("load of a dead space dropped");
  if (memory_[static_cast<size_t>(cell)]) {
    // With the rules a change of the key has removed the placeholder.
    if (bug_ == Bug::kNone) Violate("a load finished whose key is in memory");
    return;
  }
  if (BeforeCheckpoint()) Saw("load finished during a snapshot");
  if (!load.value) return Violate("a load found nothing");
  Install(cell, *load.value);
}

// R12: in the order of the files; a name counts when its directory is synced.
void SnapshotModel::SyncLog() {
  if (Has(Bug::kNewFileSyncedFirst) && Chance(50)) {
    log_.back().in_directory = true;
    log_.back().synced = log_.back().records.size();
    return;
  }
  for (LogFile& file : log_) {
    if (!file.in_directory && !Has(Bug::kNoDirectorySync)) {
      file.in_directory = true;
      return;
    }
    if (file.synced < file.records.size()) {
      file.synced = file.records.size();
      return;
    }
  }
}

// R9
void SnapshotModel::DropDeadSpaces() {
  if (BeforeCheckpoint() && !Has(Bug::kRangeDeleteDuringSnapshot)) return;
  for (int space = 0; space < next_space_; ++space) {
    if (IsAlive(space) || IsQueued(space)) continue;
    for (int key = 0; key < kKeys; ++key) {
      const auto cell = static_cast<size_t>(CellOf(space, key));
      memory_[cell].reset();
      tier_[cell].reset();
    }
  }
}

// ---- a run

void SnapshotModel::Step() {
  int total = 0;
  for (const int weight : weights_) total += weight;
  int choice = Random(total);
  size_t step = 0;
  while (choice >= weights_[step]) choice -= weights_[step++];
  switch (step) {
    case 0:
      Command();
      break;
    case 1:
      Spill();
      break;
    case 2:
      Land(Random(kShards));
      break;
    case 3:
      Evict();
      break;
    case 4:
      ReadLoad();
      break;
    case 5:
      FinishLoad();
      break;
    case 6:
      SyncLog();
      break;
    case 7:
      SnapshotStep();
      break;
    case 8:
      Abort();
      break;
    case 9:
      DropDeadSpaces();
      break;
    default:
      Crash();
  }
  if (Has(Bug::kCompactionDropsExpired) && Chance(5)) {
    for (MaybeValue& row : tier_) {
      if (row && row->expiry != 0 && row->expiry <= now_) row.reset();
    }
  }
  Check("while running");
}

int SnapshotModel::Run(int most) {
  int steps = 0;
  while (steps < most && violation_.empty()) {
    Step();
    ++steps;
  }
  if (violation_.empty()) Crash();
  return steps;
}

// What must hold after every step.
void SnapshotModel::Check(std::string_view when) {
  const auto wrong = [&](std::string_view what) {
    Violate(std::string(what) + " " + std::string(when));
  };
  for (int database = 0; database < kDatabases; ++database) {
    const int space = space_of_[static_cast<size_t>(database)];
    int64_t keys = 0;
    int64_t cold_only = 0;
    int64_t to_correct = 0;
    for (int key = 0; key < kKeys; ++key) {
      const auto cell = static_cast<size_t>(CellOf(space, key));
      const auto& slot = memory_[cell];
      const MaybeValue& row = tier_[cell];
      const MaybeValue& wanted =
          history_.back()[static_cast<size_t>(database)][static_cast<size_t>(key)];
      if ((slot ? slot->value : row) != wanted) wrong("the view is not the model's");
      if (slot && !slot->dirty && slot->value && slot->value != row)
        wrong("a clean entry is not its cold copy (R17)");
      keys += wanted ? 1 : 0;
      cold_only += !slot && row ? 1 : 0;
      to_correct += slot && slot->unknown && row ? 1 : 0;
    }
    if (keys_[static_cast<size_t>(space)] != keys + to_correct) wrong("DBSIZE is wrong");
    if (cold_only_[static_cast<size_t>(space)] != cold_only + to_correct)
      wrong("the number of cold-only keys is wrong");
  }
}

}  // namespace holdfast::model
