// A model of residency, log, snapshots and recovery: the rules R1 to R17 and the steps S0 to S8
// that DESIGN and ARCHITECTURE speak of, small enough to run millions of random steps with a crash
// at any of them. Each rule stands where it is kept, and nearly each can be left out (Bug): a model
// that does not notice proves nothing.
//
// What it stands for: a few keys in two databases and two shards; values that show a lost, doubled
// or reordered change; groups; TTLs; loads that take time; a cold-write queue for each shard;
// eviction; FLUSHDB and SWAPDB; snapshots in their steps, aborted ones too, two of them kept; files
// that lose what no sync covers, directory entries too; crashes, also inside recovery; restores to
// an older time; parallel replay. What it takes for granted: each step is atomic, and RocksDB lands
// writes in order and links all or nothing.
//
// After every step: the view through memory and tier equals a sequential model, clean entries equal
// their cold copies, the counters are right. After recovery: the state is an exact prefix of whole
// groups, and nothing that was acknowledged is gone. A checkpoint equals the state at its cut.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/random.h"

namespace holdfast::model {

// What can be left out or done wrong, and the rule that it breaks.
enum class Bug {
  kNone,
  kAbortWithoutSweep,            // R2
  kWalkSkipsTombstones,          // R3
  kNoHandOver,                   // R4
  kNoHandOverOfTombstone,        // R4
  kColdWritesReordered,          // R5
  kCleanBeforeLanded,            // R6
  kCleanDespiteNewVersion,       // R6
  kEvictedWhileQueued,           // R6
  kNoTombstoneForSpillInFlight,  // R7
  kSpillsPostCutValue,           // R8
  kRangeDeleteDuringSnapshot,    // R9
  kLoadSurvivesBlindWrite,       // R10
  kLoadWithoutIdentity,          // R10
  kLoadByDatabase,               // R10
  kSpacesAsOfPublication,        // R11
  kCountsAsOfPublication,        // R11
  kFlushDropsUnsavedTable,       // R11
  kEpochFlipsAfterLogSwitch,     // S1
  kLinksBeforeAllLanded,         // S3
  kPublishedBeforeSealed,        // S5 before S7
  kPublishedBeforeLogSynced,     // S1, S6
  kRemovedBeforeSync,            // S8
  kKeepsTooLittleLog,            // S8
  kNewFileSyncedFirst,           // R12
  kNoGapCheck,                   // R12
  kNoDirectorySync,              // R12, S0
  kLogCutOnlyLogically,          // R13
  kLaterFilesStay,               // R13
  kLiveTierReused,               // R14
  kTornGroupReplayed,            // R15
  kRenameWithoutBarrier,         // R15
  kReplayExpires,                // R16
  kUnknownNeverCorrected,        // section 4: existence unknown
  kUnknownNotCorrectedInCut,     // section 4: existence unknown
  kCompactionDropsExpired,       // section 4: no compaction filters
  kBugs,
};
std::string_view NameOf(Bug bug);

class SnapshotModel {
 public:
  SnapshotModel(uint64_t seed, Bug bug);
  // Takes steps until something is wrong, `most` at most, then crashes a last time. How many it
  // took.
  int Run(int most);
  // What is wrong; empty: nothing.
  const std::string& violation() const { return violation_; }
  // How often what is worth a test happened.
  using Events = std::map<std::string, uint64_t, std::less<>>;
  const Events& events() const { return events_; }

 private:
  static constexpr int kDatabases = 2;
  static constexpr int kKeys = 3;
  static constexpr int kShards = 2;
  static constexpr int kSpaces = 14;
  static constexpr int kCells = kSpaces * kKeys;
  static constexpr size_t kKeptCheckpoints = 2;

  struct Value {
    uint64_t content = 0;
    int expiry = 0;  // 0: none
    friend bool operator==(const Value&, const Value&) = default;
  };
  using MaybeValue = std::optional<Value>;
  using Cells = std::array<MaybeValue, kCells>;

  // R1. In memory; what is not is absent, or cold.
  struct Entry {
    MaybeValue value;  // none: a tombstone
    bool dirty = true;
    bool epoch = false;
    bool cold = false;  // a cold copy or a queued write may exist
    uint64_t version = 0;
    // It was counted as new without a look at the tier, in this generation.
    std::optional<int> unknown = std::nullopt;
  };
  struct ColdWrite {
    int cell = 0;
    MaybeValue image;  // none: a delete
    uint64_t version = 0;
  };
  struct Load {
    int id = 0;
    int cell = 0;
    int database = 0;
    bool read = false;
    MaybeValue value = std::nullopt;
  };

  enum class Op { kSet, kAppend, kDelete, kExpire, kPersist, kRename, kFlush, kSwap };
  struct Record {
    uint64_t number = 0;
    Op op = Op::kSet;
    int database = 0;
    int key = 0;
    int other = 0;  // of a rename
    uint64_t content = 0;
    int expiry = 0;
    bool ends_group = false;
  };
  struct LogFile {
    int number = 0;
    std::vector<Record> records = {};
    size_t synced = 0;
    bool in_directory = false;             // durably
    std::vector<Record> left_behind = {};  // by a cut that was only a logical one
  };
  using State = std::array<std::array<MaybeValue, kKeys>, kDatabases>;

  // What S1 records, and what the manifest says of a checkpoint.
  struct Cut {
    int checkpoint = 0;
    int first_log = 0;
    uint64_t last = 0;  // the newest record before it
    std::array<int, kDatabases> space_of = {0, 1};
    int next_space = kDatabases;
    std::array<int64_t, kSpaces> keys = {};
  };
  using Manifest = std::vector<Cut>;  // oldest first
  struct Checkpoint {
    int id = 0;
    Cells rows = {};
    bool synced = false;
  };
  // How far the snapshot is.
  enum class Phase { kIdle, kCut, kWalked, kLinked, kSealed, kRenamed };

  // ---- small questions
  int Random(int below) { return static_cast<int>(random_.Below(static_cast<uint64_t>(below))); }
  bool Chance(int percent) { return Random(100) < percent; }
  bool Has(Bug bug) const { return bug_ == bug; }
  static int CellOf(int space, int key) { return space * kKeys + key; }
  int Cell(int database, int key) const { return CellOf(space_of_[database], key); }
  static int ShardOf(int cell) { return cell % kKeys % kShards; }
  static int SpaceOf(int cell) { return cell / kKeys; }
  bool IsAlive(int space) const;
  bool BeforeCheckpoint() const { return phase_ == Phase::kCut || phase_ == Phase::kWalked; }
  bool IsUnsaved(const Entry& entry) const;
  bool IsQueued(int space) const;
  void Saw(std::string_view event);
  void Violate(std::string text);

  // ---- the keyspace
  void BeforeChange(int cell, Entry& entry);
  void Changed(Entry& entry, MaybeValue value);
  void Put(int cell, const Value& value, bool blind);
  void Delete(int cell);
  MaybeValue Get(int cell);
  void Install(int cell, const Value& value);
  void CancelLoad(int cell);
  void Flush(int database);
  void Apply(const Record& record);
  static void Append(MaybeValue& value, uint64_t content);
  static void ApplyToState(State& state, const Record& record);

  // ---- steps of the running store
  void Step();
  void Command();
  void ChangeOneKey(int database, int key);
  void TwoKeys(int database, int key);
  bool Resident(int database, int key);
  void ExpireIfDue(int database, int key);
  void Emit(Record record);
  void EndGroup();
  void Queue(int cell, const Entry& entry);
  void Spill();
  void Land(int shard);
  void LearnExistence(int cell);
  void Evict();
  void ReadLoad();
  void FinishLoad();
  void SyncLog();
  void DropDeadSpaces();

  // ---- steps of a snapshot
  void SnapshotStep();
  void TakeCut();
  void Walk();
  void Link();
  void Publish();
  void RemoveOld(const Manifest& manifest);
  void Abort();

  // ---- crash and recovery
  uint64_t Acknowledged() const;
  void Crash();
  void Recover(uint64_t acknowledged, int depth);
  void RestoreToEarlierTime(std::vector<Record>& records);
  std::vector<Record> ReadLog(const Cut& cut);
  bool CutLog(uint64_t last, uint64_t acknowledged, int depth);
  void OpenFrom(const Cut& cut, const Checkpoint& checkpoint, uint64_t last);
  void Replay(const std::vector<Record>& records);
  void ReplayOne(const Record& record);
  void Check(std::string_view when);

  SeededRandom random_;
  const Bug bug_;
  std::string violation_;
  Events events_;
  std::array<int, 11> weights_ = {};
  bool flush_aborts_ = false;

  // Memory, lost in a crash.
  std::array<std::optional<Entry>, kCells> memory_;
  std::array<int, kCells> queued_ = {};
  std::array<std::deque<ColdWrite>, kShards> queues_;
  std::vector<Load> loads_;
  std::map<int, int> placeholders_;  // cell -> load
  std::array<int, kDatabases> space_of_ = {0, 1};
  int next_space_ = kDatabases;
  std::array<int64_t, kSpaces> keys_ = {};
  std::array<int64_t, kSpaces> cold_only_ = {};
  int generation_ = 0;
  bool epoch_ = false;
  bool flip_late_ = false;
  Phase phase_ = Phase::kIdle;
  Cut cut_;
  int cut_generation_ = -1;
  std::array<bool, kCells> has_image_ = {};  // of the snapshot under way
  bool replaying_ = false;
  int now_ = 1;
  int last_load_ = 0;
  uint64_t last_version_ = 0;

  // The disk.
  Cells tier_ = {};
  std::vector<LogFile> log_;
  std::vector<LogFile> stale_;  // that recovery should have removed
  Manifest manifest_;
  std::optional<Manifest> renamed_;  // and no directory sync yet: either may be found
  std::vector<Checkpoint> checkpoints_;
  int last_checkpoint_ = 0;

  // What should be: the state after each record, and whether a group ends there.
  std::vector<State> history_;
  std::vector<bool> group_ends_;
  std::vector<Record> group_;  // under way
};

}  // namespace holdfast::model
