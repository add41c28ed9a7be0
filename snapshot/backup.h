// A checkpoint taken along: a data directory of its own that holds one checkpoint and no log, so
// that a store opens it as it would open its own.
//
// The target is new or empty, or an earlier backup of the same data set, which stays what it is
// until the new one is whole: as in a store, one rename of the manifest switches. A new one is made
// beside the target, as <target>.unfinished, and renamed. Files are hard links where the file
// system allows it, to the store's or to those of the earlier backup, as nothing in a checkpoint
// ever changes; else copies. All of it is synced, and read through and verified, before it counts.
//
// Two steps, so that a target that will not do is refused before a checkpoint is made for it:
// BeginBackup looks at the target, makes and locks the directory to work in, then Take fills it.
// Owned by whoever backs up; one thread, one Backup per target at a time (a lock file sees to it,
// which a store that runs on the target holds as well). Without a Take that succeeded the target is
// what it was; what was made is removed, as far as the disk lets. kInvalidArgument: the target is
// something else; kBusy: it is in use; kCorruption: the checkpoint is damaged, and is not taken
// along; kUnavailable: cancelled.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "aof/manifest.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"

namespace holdfast::snapshot {

struct BackupSource {
  aof::HashKey hash_key = {};
  // As the store that is to open it has them.
  std::string append_dirname;
  std::string append_filename;
  std::string lock_name;
};

class Backup {
 public:
  virtual ~Backup() = default;
  // Once. `checkpoint`, a path, must stay meanwhile. Looks at `cancelled` every now and then, until
  // the rename.
  virtual Status Take(const std::string& checkpoint, uint64_t id,
                      const std::atomic<bool>& cancelled) = 0;
};

// `files` outlives it.
Result<std::unique_ptr<Backup>> BeginBackup(FileSystem& files, const BackupSource& source,
                                            const std::string& target);

}  // namespace holdfast::snapshot
