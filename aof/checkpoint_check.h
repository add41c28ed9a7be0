// The part of aof-check that deals with checkpoints: which one the log goes on from, whether each
// of them is sound and the log leads from one to the next, what is in the one that counts. Owned by
// the checker, one thread. Errors: kCorruption with directory and reason, kUnsupported, kIoError.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aof/checkpoint_source.h"
#include "aof/log_recovery.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

// What is in a checkpoint, by type, and its biggest keys.
class RowStatistics final : public CheckpointVisitor {
 public:
  struct OfType {
    uint64_t keys = 0;
    uint64_t expiring = 0;  // of these, with a time to live
    uint64_t key_bytes = 0;
    uint64_t value_bytes = 0;
  };
  struct BigKey {
    uint64_t bytes = 0;  // key and value
    uint32_t database = 0;
    std::string key;
    std::string type;
  };

  Status Row(const CheckpointRow& row) override;
  Status Piece(std::string_view piece) override;

  const std::map<std::string, OfType, std::less<>>& types() const { return types_; }
  const std::map<uint32_t, uint64_t>& keys_by_database() const { return keys_by_database_; }
  std::vector<BigKey> Biggest() const;  // the biggest first

 private:
  std::map<std::string, OfType, std::less<>> types_;
  std::map<uint32_t, uint64_t> keys_by_database_;
  std::vector<BigKey> biggest_;  // a heap, the smallest on top
};

struct CheckedCheckpoint {
  std::string path;
  uint64_t id = 0;
  uint64_t cut_frame = 0;
  UnixMs cut_ms = 0;
  uint64_t keys = 0;
  std::optional<uint64_t> hot_keys;  // null: it has no hot list
  std::string damaged_hint;          // what is wrong with it; empty: nothing
};

class CheckpointCheck {
 public:
  // Without an opener a checkpoint is kUnsupported.
  CheckpointCheck(FileSystem& files, const CheckpointOpener& opener,
                  CheckpointSource::Progress progress);

  // Makes `location` begin at the newest checkpoint whose cut is not after `until_ms`.
  // kInvalidArgument if there is none, or no log that leads on from it.
  Status GoBackTo(UnixMs until_ms, LogLocation& location);
  // The same with the one before the location's. False: there is none that the log leads on from.
  Result<bool> GoBack(LogLocation& location);

  // Reads the location's checkpoint; its rows go to `visitor`.
  Status Read(const LogLocation& location, CheckpointVisitor& visitor);
  // One by itself.
  Status ReadAlone(const std::string& path, CheckpointVisitor& visitor);
  // Those before it, and the log from each to the next.
  Status ReadOlder(const LogLocation& location);

  // The one that was read last of Read, and those of ReadOlder before it.
  const std::vector<CheckedCheckpoint>& checked() const { return checked_; }
  // All is well with the data set, but not with a hint beside it.
  bool HintsDamaged() const;
  // Of the frame behind the cut of the location's.
  uint64_t first_frame() const { return checked_.empty() ? 1 : checked_.back().cut_frame + 1; }

 private:
  Result<std::unique_ptr<CheckpointSource>> Open(const std::string& path);
  Result<std::unique_ptr<CheckpointSource>> OpenListed(const LogLocation& location,
                                                       const CheckpointEntry& entry);
  Status ReadLogBetween(const LogLocation& location, const CheckpointEntry& older,
                        const CheckpointEntry& newer, uint64_t first_frame, uint64_t last_frame);
  static Result<CheckedCheckpoint> Describe(const std::string& path,
                                            const CheckpointSource& source);

  FileSystem& files_;
  const CheckpointOpener& opener_;
  const CheckpointSource::Progress progress_;
  std::vector<CheckedCheckpoint> checked_;
};

}  // namespace holdfast::aof
