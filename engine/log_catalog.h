// Keeps the manifest of the store's log: which files make it up, in memory and on disk, always
// switched by one atomic rename. Owned by the StoreLog; List comes from the log's sync thread,
// ReplaceBase and SwitchToCheckpoint from the rewrite or snapshot thread. After an error the file
// may say either: the same call is made again before anything is removed.
//
// A log that is turned on while the store runs holds nothing of the data set until its first base
// is complete. Until then what is listed stays in memory (*withheld*): the manifest on the disk
// goes on naming the log from before, and the files of the new one have numbers that do not follow
// it, so that recovery does not take them for a continuation.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aof/manifest.h"
#include "aof/segment_catalog.h"
#include "holdfast/file_system.h"

namespace holdfast {

// What is no longer part of the data set and may be removed: names in the log's directory.
struct Superseded {
  std::vector<std::string> files;
  std::vector<std::string> checkpoints;  // aof::RemoveCheckpointDirectory
};

class LogCatalog final : public aof::SegmentCatalog {
 public:
  LogCatalog(FileSystem& file_system, std::string manifest_path, std::string append_filename,
             aof::Manifest manifest)
      : file_system_(file_system),
        manifest_path_(std::move(manifest_path)),
        append_filename_(std::move(append_filename)),
        manifest_(std::move(manifest)) {}

  std::string NextName() override;
  Status List(const std::string& name, uint64_t file_id) override;

  // Writes the manifest as it is in memory.
  Status Write();
  // Files are about to be listed as a log of the newest checkpoint, which may have been made while
  // there was none: it is said that it has one from now on, as otherwise no start would read it. No
  // file that nobody lists is left.
  Status BeginLog();
  // From now on the next file has the number `first_sequence`, and nothing is written to the disk
  // before ReplaceBase. No name that was given out is still to be listed.
  void Withhold(int64_t first_sequence);
  bool withheld();
  aof::Manifest manifest();
  // The name that the next base will have.
  std::string NextBaseName();
  // The base of a log that has no files yet; no log writer runs.
  Status SetFirstBase(const std::string& name, uint64_t file_id);
  // One rename: `name` is the base, the first incremental file is `first_incremental`. Returns the
  // names that are no longer part of the log and may be removed. After an error the disk's manifest
  // may name the new base all the same, so that name is never given to another file.
  Result<std::vector<std::string>> ReplaceBase(const std::string& name, uint64_t file_id,
                                               const std::string& first_incremental);

  // The newest checkpoint, which from now on stays when it is superseded; none: there is none. One
  // at a time is pinned.
  std::optional<aof::CheckpointEntry> PinNewestCheckpoint();
  void Unpin();
  // The name that the next checkpoint will have.
  std::string NextCheckpointName();
  // One rename: checkpoint `name` with the log from `first_incremental` on (empty: there is no log)
  // is the data set, `keep` checkpoints in all and the log since the oldest of them stay. After an
  // error nothing is to be removed: the disk's manifest may name the new checkpoint all the same,
  // so that name is never given to another.
  Result<Superseded> SwitchToCheckpoint(const std::string& name, uint64_t id,
                                        const std::string& first_incremental, size_t keep);

 private:
  int64_t FollowingSequence() const;
  int64_t NextSequence() const;
  int64_t NextBaseSequence() const;
  int64_t NextCheckpointSequence() const;
  Status Switch(const aof::Manifest& manifest);

  FileSystem& file_system_;
  const std::string manifest_path_;
  const std::string append_filename_;
  std::mutex mutex_;
  aof::Manifest manifest_;
  bool withheld_ = false;
  int64_t least_sequence_ = 0;              // of the next incremental file
  int64_t newest_base_sequence_ = 0;        // tried so far
  int64_t newest_checkpoint_sequence_ = 0;  // as well
  std::string pinned_checkpoint_;           // empty: none
  // Of switches that failed, or pinned when they were superseded; removed after one that works.
  std::vector<std::string> void_bases_;
  std::vector<std::string> void_checkpoints_;
};

}  // namespace holdfast
