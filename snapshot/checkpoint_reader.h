// Reads a whole checkpoint where it lies, changing nothing there: verifies every byte of it and
// gives its rows in key order, for aof-check, exports and tests. To serve from a checkpoint, open a
// LiveTier with it.
//
// Owned by one thread. Memory: a table's block, a row or a chunk of a long value, and two counters
// for each database and shard, whatever the size of the checkpoint. Errors: kCorruption and
// kUnsupported name the checkpoint, and the table or the key; kIoError.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aof/checkpoint_source.h"
#include "snapshot/checkpoint.h"
#include "snapshot/cold_row.h"

namespace holdfast::snapshot {

class CheckpointReader final : public aof::CheckpointSource {
 public:
  static Result<std::unique_ptr<CheckpointReader>> Open(FileSystem& files, const std::string& path);
  ~CheckpointReader() override;
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;

  const CheckpointMetadata& metadata() const { return metadata_; }

  uint64_t id() const override { return metadata_.id; }
  const aof::HashKey& hash_key() const override { return metadata_.hash_key; }
  uint64_t cut_frame() const override { return metadata_.cut_frame; }
  UnixMs cut_ms() const override { return metadata_.cut_ms; }
  uint64_t keys() const override;
  Result<std::optional<uint64_t>> HotKeys() const override;
  Status Read(aof::CheckpointVisitor& visitor, const Progress& progress) override;

 private:
  struct Rows;
  CheckpointReader(FileSystem& files, std::string path, CheckpointMetadata metadata);

  Status VerifyTables(const Progress& progress);
  Status ReadDatabase(const CheckpointDatabase& database, aof::CheckpointVisitor& visitor,
                      const Progress& progress);
  Status ReadRow(const CheckpointDatabase& database, const ColdKey& key, const ColdRow& row,
                 aof::CheckpointVisitor& visitor);
  Status CheckCounts(const CheckpointDatabase& database,
                     const std::vector<CheckpointCounts>& found) const;
  std::unexpected<Error> Wrong(Error error) const;

  FileSystem& files_;
  const std::string path_;
  const CheckpointMetadata metadata_;
  uint64_t table_bytes_ = 0;
  uint64_t rows_read_ = 0;
  std::unique_ptr<Rows> rows_;
};

// All of it and its hot list, for nobody to see: the first thing that is wrong.
Status VerifyCheckpoint(FileSystem& files, const std::string& path,
                        const aof::CheckpointSource::Progress& progress);

// What the log's checker opens checkpoints with.
aof::CheckpointOpener Checkpoints();

}  // namespace holdfast::snapshot
