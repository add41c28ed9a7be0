// A checkpoint: the data set as of one cut of the log, in a directory of its own that nothing
// changes. RocksDB's files as LiveTier::Checkpoint links them, and one file of ours, HOLDFAST, that
// says what RocksDB does not know: which cut, which spaces, how many keys, and which files belong
// to it (docs/formats.md, "Checkpoint"). The manifest (aof/manifest.h) names a checkpoint when it
// is whole and durable, never before.
//
// Snapshots (DESIGN section 6) make one in two steps: LinkCheckpoint is S4, SealCheckpoint S5.
// Between the two others may put files of theirs beside RocksDB's; sealing lists them as well.
//
// Plain functions; any thread, one per directory. They read and write the disk: never under a
// shard's lock or on an I/O thread. Errors: kCorruption and kUnsupported name the file and the
// reason, kIoError and kNoSpace the call. After an error of the first two the directory holds
// nothing of worth: LinkCheckpoint begins by removing it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aof/manifest.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"
#include "memtable/key.h"
#include "snapshot/cold_key.h"

namespace holdfast::aof {
struct LogLocation;
}

namespace holdfast::snapshot {

class LiveTier;

inline constexpr uint32_t kCheckpointVersion = 1;  // stored on disk: never renumber
using aof::kCheckpointFile;

inline constexpr uint64_t kTableEndBytes = 4096;  // stored on disk: never change

// Keys of one logical database in one shard at the cut.
struct CheckpointCounts {
  uint64_t keys = 0;
  uint64_t expiring = 0;  // of these, with a time to live
  friend bool operator==(const CheckpointCounts&, const CheckpointCounts&) = default;
};

struct CheckpointDatabase {
  uint32_t database = 0;
  SpaceId space = 0;
  std::vector<CheckpointCounts> shards;  // CheckpointMetadata::shards of them
  friend bool operator==(const CheckpointDatabase&, const CheckpointDatabase&) = default;
};

struct CheckpointFileEntry {
  std::string name;
  uint64_t bytes = 0;
  // Of its content; of a table of its last kTableEndBytes only: the blocks before have checksums of
  // their own, the end has bytes that RocksDB does not cover.
  uint32_t crc = 0;
  friend bool operator==(const CheckpointFileEntry&, const CheckpointFileEntry&) = default;
};

struct CheckpointMetadata {
  uint64_t id = 0;             // random; the manifest names it
  aof::HashKey hash_key = {};  // of the data set: the order of the keys depends on it
  uint64_t cut_frame = 0;      // the newest frame of the log that it holds; 0: none
  uint64_t term = 0;           // of that frame
  // Not before the time of any frame that it holds: whoever wants the data set as of this time or a
  // later one may begin here.
  UnixMs cut_ms = 0;
  SpaceId next_space = 0;  // greater than every space ever used
  uint32_t shards =
      1;  // a power of two, at most memtable::kSlotCount: shard = slot / (slots / shards)
  // Ascending; those without a space of their own have no keys. No two have the same space.
  std::vector<CheckpointDatabase> databases;
  std::vector<CheckpointFileEntry> files;  // ascending names; SealCheckpoint fills them in
  friend bool operator==(const CheckpointMetadata&, const CheckpointMetadata&) = default;
};

memtable::HashSeed SeedOf(const aof::HashKey& key);

// The bytes of the file HOLDFAST. The metadata must keep the rules above.
std::string FormatCheckpoint(const CheckpointMetadata& metadata);
// Trusts no byte. `path` is only for messages.
Result<CheckpointMetadata> ParseCheckpoint(std::string_view bytes, const std::string& path);

// Removes what an earlier attempt left in `path` and links everything that is in the tier there.
Status LinkCheckpoint(LiveTier& tier, FileSystem& files, const std::string& path);
// Makes the tables that were linked durable. After an error they must not be trusted, nor linked
// again: a later sync of the same file may say that all is well and be wrong.
Status SyncCheckpoint(FileSystem& files, const std::string& path);
// Writes the metadata, with the list of all files that lie there now, and makes all of it durable:
// files, directory, parent.
Status SealCheckpoint(FileSystem& files, const std::string& path, CheckpointMetadata metadata);

// The metadata, checked against its checksum, and that every file of the list is there with its
// size and checksum. Blocks of tables are not read, nor is the hot list: it is a hint, and what is
// wrong with it takes nothing from the data set.
Result<CheckpointMetadata> ReadCheckpoint(FileSystem& files, const std::string& path);

bool HasHotList(const CheckpointMetadata& metadata);
std::string HotListPath(const std::string& checkpoint);
// All of the hot list that the metadata lists. Returns the number of its keys.
Result<uint64_t> VerifyHotList(FileSystem& files, const std::string& path,
                               const CheckpointMetadata& metadata);

// Where a start begins, by the log's manifest.
struct RecoveryPoint {
  std::string checkpoint;  // its path: LiveTierOptions::checkpoint
  CheckpointMetadata metadata;
  // LogReadOptions::first_frame of a reader of the location's sources. A cut switches files, so an
  // earlier frame in them is damage.
  uint64_t first_frame = 1;
};
// Null: the location has no checkpoint, its sources are the data set. A newest checkpoint that is
// not what the manifest names is an error; there is no going back to an older one by itself.
Result<std::optional<RecoveryPoint>> FindRecoveryPoint(FileSystem& files,
                                                       const aof::LogLocation& location);

}  // namespace holdfast::snapshot
