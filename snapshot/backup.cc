#include "snapshot/backup.h"

#include <fmt/core.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "aof/log_recovery.h"
#include "holdfast/check.h"
#include "snapshot/checkpoint.h"
#include "snapshot/checkpoint_reader.h"
#include "snapshot/copy_file.h"

namespace holdfast::snapshot {
namespace {

using aof::JoinPath;

// Whatever stands in the way of a link (another file system, one that has none), a copy will do.
bool Link(const std::string& from, const std::string& to) {
  return rocksdb::Env::Default()->LinkFile(from, to).ok();
}

// The directory that becomes the backup, or holds the one before.
class BackupDirectory {
 public:
  BackupDirectory(FileSystem& files, BackupSource source, std::string directory)
      : files_(files),
        source_(std::move(source)),
        directory_(std::move(directory)),
        logs_(JoinPath(directory_, source_.append_dirname)),
        manifest_path_(JoinPath(logs_, aof::ManifestFileName(source_.append_filename))) {}

  Status Lock() {
    lock_ = HF_TRY(files_.Lock(JoinPath(directory_, source_.lock_name)));
    return {};
  }

  // kInvalidArgument unless there is an earlier backup, of this data set.
  Status ReadEarlier() {
    const auto refuse = [this](std::string_view what) -> Status {
      return MakeError(ErrorCode::kInvalidArgument,
                       fmt::format("{} is {}: nothing is touched", directory_, what));
    };
    auto manifest = aof::ReadManifest(files_, manifest_path_);
    if (!manifest && manifest.error().code == ErrorCode::kNotFound)
      return refuse("neither empty nor a backup");
    earlier_ = HF_TRY(std::move(manifest));
    if (earlier_->hash_key != source_.hash_key) return refuse("no backup of this data set");
    if (earlier_->base || !earlier_->incremental.empty() || earlier_->checkpoints.empty())
      return refuse("a data directory that was written on, not a backup");
    return {};
  }

  // What a crash left, which may be removed: nothing that anybody could open, or not of other data.
  Status CheckLeftover() {
    if (!HF_TRY(files_.Exists(manifest_path_))) return {};
    Status ours = ReadEarlier();
    earlier_.reset();
    return ours;
  }

  // True: it has this very checkpoint already.
  bool Has(uint64_t id) const { return earlier_ && earlier_->checkpoints.back().id == id; }

  // Makes the place for a checkpoint, which shows that there can be one.
  Status Begin() {
    HF_CHECK(lock_ != nullptr && path_.empty());
    HF_CHECK(!earlier_ || !earlier_->checkpoints.empty());
    sequence_ = earlier_ ? earlier_->checkpoints.back().sequence + 1 : 1;
    path_ = JoinPath(logs_, aof::CheckpointName(source_.append_filename, sequence_));
    HF_TRY_STATUS(files_.CreateDirectory(logs_));
    HF_TRY_STATUS(aof::RemoveCheckpointDirectory(files_, path_));
    return files_.CreateDirectory(path_);
  }

  Status Fill(const std::string& checkpoint, uint64_t id, const std::atomic<bool>& cancelled) {
    HF_CHECK(!path_.empty() && !Has(id));
    const auto go_on = [&cancelled](uint64_t, uint64_t) -> Status {
      if (!cancelled.load(std::memory_order_relaxed)) return {};
      return MakeError(ErrorCode::kUnavailable, "cancelled: the backup was not finished");
    };
    HF_TRY_STATUS(TakeFiles(checkpoint, id, cancelled));
    for (const std::string& made : {path_, logs_, directory_})
      HF_TRY_STATUS(files_.SyncDirectory(made));
    HF_TRY_STATUS(VerifyCheckpoint(files_, path_, go_on));
    HF_TRY_STATUS(go_on(0, 0));
    aof::Manifest manifest;
    manifest.hash_key = source_.hash_key;
    manifest.checkpoints.push_back({.name = aof::CheckpointName(source_.append_filename, sequence_),
                                    .sequence = sequence_,
                                    .id = id});
    return aof::WriteManifest(files_, manifest_path_, manifest);
  }

  // All but what Begin made: also what a switch left behind that failed when it was done.
  void RemoveEarlier() {
    HF_CHECK(!path_.empty());
    const auto names = files_.List(logs_);
    if (!names) return;
    for (const std::string& name : *names) {
      const std::string path = JoinPath(logs_, name);
      const bool checkpoint =
          name.starts_with(source_.append_filename) && name.ends_with(".checkpoint");
      if (checkpoint && path != path_)
        static_cast<void>(aof::RemoveCheckpointDirectory(files_, path));
    }
  }

  // What Begin made, if the manifest does not name it: after an error of Fill's switch it may.
  void RemoveUnlisted() {
    if (path_.empty()) return;
    const auto manifest = aof::ReadManifest(files_, manifest_path_);
    if (!manifest && manifest.error().code != ErrorCode::kNotFound) return;
    const auto is_named = [this](const aof::CheckpointEntry& entry) {
      return JoinPath(logs_, entry.name) == path_;
    };
    if (manifest && std::ranges::any_of(manifest->checkpoints, is_named)) return;
    static_cast<void>(aof::RemoveCheckpointDirectory(files_, path_));
  }

  // All that a backup consists of, and nothing else: a directory with something else in it stays.
  Status RemoveAll() {
    if (HF_TRY(files_.Exists(logs_))) {
      for (const std::string& name : HF_TRY(files_.List(logs_))) {
        const std::string path = JoinPath(logs_, name);
        if (!name.starts_with(source_.append_filename) && !name.starts_with("temp-")) continue;
        HF_TRY_STATUS(HF_TRY(files_.IsDirectory(path))
                          ? aof::RemoveCheckpointDirectory(files_, path)
                          : files_.Unlink(path));
      }
      HF_TRY_STATUS(files_.RemoveDirectory(logs_));
    }
    const std::string lock = JoinPath(directory_, source_.lock_name);
    if (HF_TRY(files_.Exists(lock))) HF_TRY_STATUS(files_.Unlink(lock));
    return files_.RemoveDirectory(directory_);
  }

 private:
  Status TakeFiles(const std::string& checkpoint, uint64_t id, const std::atomic<bool>& cancelled) {
    const CheckpointMetadata metadata = HF_TRY(ReadCheckpoint(files_, checkpoint));
    if (metadata.id != id || metadata.hash_key != source_.hash_key)
      return MakeError(ErrorCode::kCorruption, fmt::format("{} is another checkpoint", checkpoint));
    std::optional<CheckpointMetadata> before;
    std::string before_path;
    if (earlier_) {
      before_path = JoinPath(logs_, earlier_->checkpoints.back().name);
      // A damaged one is no reason not to make a new one.
      if (auto read = ReadCheckpoint(files_, before_path)) before = *std::move(read);
    }
    for (const CheckpointFileEntry& entry : metadata.files) {
      const std::string from = JoinPath(checkpoint, entry.name);
      const std::string to = JoinPath(path_, entry.name);
      if (Link(from, to)) continue;
      const bool there = before && std::ranges::find(before->files, entry) != before->files.end();
      if (there && Link(JoinPath(before_path, entry.name), to)) continue;
      HF_TRY_STATUS(CopyFile(files_, from, to, &cancelled));
    }
    return CopyFile(files_, JoinPath(checkpoint, aof::kCheckpointFile),
                    JoinPath(path_, aof::kCheckpointFile));
  }

  FileSystem& files_;
  const BackupSource source_;
  const std::string directory_;
  const std::string logs_;
  const std::string manifest_path_;
  int64_t sequence_ = 0;
  std::string path_;  // of the checkpoint that is made
  std::optional<aof::Manifest> earlier_;
  std::unique_ptr<FileLock> lock_;
};

// Of an earlier backup.
class Renewal final : public Backup {
 public:
  Renewal(FileSystem& files, const BackupSource& source, const std::string& target)
      : directory_(files, source, target) {}
  ~Renewal() override { directory_.RemoveUnlisted(); }

  Status Begin() {
    // First: a lock file is not to appear in a directory that is somebody else's.
    HF_TRY_STATUS(directory_.ReadEarlier());
    HF_TRY_STATUS(directory_.Lock());
    HF_TRY_STATUS(directory_.ReadEarlier());
    return directory_.Begin();
  }
  Status Take(const std::string& checkpoint, uint64_t id,
              const std::atomic<bool>& cancelled) override {
    if (directory_.Has(id)) return {};
    HF_TRY_STATUS(directory_.Fill(checkpoint, id, cancelled));
    directory_.RemoveEarlier();
    return {};
  }

 private:
  BackupDirectory directory_;
};

class NewBackup final : public Backup {
 public:
  NewBackup(FileSystem& files, const BackupSource& source, std::string target)
      : files_(files),
        target_(std::move(target)),
        work_(target_ + ".unfinished"),
        directory_(files, source, work_) {}
  ~NewBackup() override {
    if (made_) static_cast<void>(directory_.RemoveAll());
  }

  Status Begin() {
    if (HF_TRY(files_.Exists(work_))) {
      HF_TRY_STATUS(directory_.CheckLeftover());
      HF_TRY_STATUS(directory_.Lock());  // of no backup that is under way
      HF_TRY_STATUS(directory_.RemoveAll());
    }
    HF_TRY_STATUS(files_.CreateDirectory(work_));
    Status locked = directory_.Lock();
    made_ = locked || locked.error().code != ErrorCode::kBusy;  // else somebody was faster
    HF_TRY_STATUS(locked);
    return directory_.Begin();
  }
  Status Take(const std::string& checkpoint, uint64_t id,
              const std::atomic<bool>& cancelled) override {
    HF_CHECK(made_);
    HF_TRY_STATUS(directory_.Fill(checkpoint, id, cancelled));
    // An empty directory that lies there gives way.
    HF_TRY_STATUS(files_.Rename(work_, target_));
    made_ = false;
    return files_.SyncDirectory(aof::DirectoryOf(target_));
  }

 private:
  FileSystem& files_;
  const std::string target_;
  const std::string work_;
  BackupDirectory directory_;
  bool made_ = false;  // it is ours to remove
};

template <typename Kind>
Result<std::unique_ptr<Backup>> Begin(FileSystem& files, const BackupSource& source,
                                      const std::string& target) {
  auto backup = std::make_unique<Kind>(files, source, target);
  HF_TRY_STATUS(backup->Begin());
  return backup;
}

}  // namespace

Result<std::unique_ptr<Backup>> BeginBackup(FileSystem& files, const BackupSource& source,
                                            const std::string& target) {
  HF_CHECK(!target.empty() && !target.ends_with('/'));
  if (!HF_TRY(files.Exists(target))) return Begin<NewBackup>(files, source, target);
  if (!HF_TRY(files.IsDirectory(target)))
    return MakeError(ErrorCode::kInvalidArgument, target + " is not a directory");
  if (HF_TRY(files.List(target)).empty()) return Begin<NewBackup>(files, source, target);
  return Begin<Renewal>(files, source, target);
}

}  // namespace holdfast::snapshot
