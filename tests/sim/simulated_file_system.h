// A disk in memory that a test owns: it can fail the n-th call, and it can show what would be found
// after the power went off at any recorded operation.
//
//   SimulatedFileSystem disk;
//   RunWorkload(disk);
//   for (size_t n = 0; n <= disk.operations(); ++n) {
//     auto after = disk.AfterPowerCut({.operation = n, .data = PowerCut::Data::kDropUnsynced});
//     Recover(*after);
//   }
//
// What it promises is what Linux promises, and no more: data is durable after File::Sync, a name
// after SyncDirectory of its directory; everything else may or may not be there, sector by sector.
// Data whose Sync failed may never become durable, even if a later Sync works (Linux marks such
// pages clean); Read still gives it until the power goes off.
//
// Owned by the test; must outlive the files opened from it. Any thread may call it; every operation
// is one step. Absent from the model: file sizes of 1 GiB and more (an error).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/file_system.h"

namespace holdfast::sim {

// The kinds of calls, for faults: combine with |.
enum Call : uint32_t {
  kOpen = 1,
  kRead = 2,
  kWrite = 4,
  kSync = 8,
  kTruncate = 16,
  kRename = 32,
  kUnlink = 64,  // RemoveDirectory as well
  kSyncDirectory = 128,
  kCreateDirectory = 256,
  kList = 512,  // List, Exists, IsDirectory, Size, FreeBytes
  kLock = 1024,
  kAllCalls = 2047,
  kChanges =
      kOpen | kWrite | kSync | kTruncate | kRename | kUnlink | kSyncDirectory | kCreateDirectory,
};

// The n-th call from now (1: the next) of the given kinds fails; with `for_ever`, all after it too.
struct Fault {
  uint32_t calls = kAllCalls;
  uint64_t nth = 1;
  bool for_ever = false;
  ErrorCode code = ErrorCode::kIoError;  // or kNoSpace
  // A failing WriteAt writes this share of its bytes first: 0 none, 256 all.
  uint32_t written_256ths = 0;
  std::string path_part = {};  // only calls on paths that contain it; empty: all
};

struct PowerCut {
  // How many recorded operations were done when the power went off.
  size_t operation = 0;
  enum class Data {
    kKeepAll,        // as if only the process had been killed
    kDropUnsynced,   // exactly what was synced
    kPrefix,         // of each file's unsynced bytes the first `prefix_bytes`
    kTornSectors,    // like kPrefix, at a random sector of 512 bytes
    kRandomSectors,  // each sector of 512 bytes on its own: any of its versions
    kRandomPages,    // the same for pages of 4,096 bytes
  };
  Data data = Data::kDropUnsynced;
  uint64_t prefix_bytes = 0;
  enum class Names {
    kKeepAll,
    kDropUnsynced,
    kRandomPrefix,  // of the changes in each directory, in order
    kRandomSubset,
  };
  Names names = Names::kKeepAll;
  uint64_t seed = 1;
};

class SimulatedFileSystem final : public FileSystem {
 public:
  SimulatedFileSystem();
  ~SimulatedFileSystem() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  Status CreateDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Result<bool> Exists(const std::string& path) override;
  Result<bool> IsDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& directory) override;

  // Recorded operations so far: every successful change and sync, and every failed sync.
  size_t operations() const;
  // A disk with no history that holds what the power cut left. Cuts in ascending order are cheap.
  std::unique_ptr<SimulatedFileSystem> AfterPowerCut(const PowerCut& cut) const;

  void FailAt(Fault fault);
  void ClearFaults();
  // Calls of these kinds so far.
  uint64_t CallCount(uint32_t calls = kAllCalls) const;
  uint64_t FaultsRaised() const;

  // Runs before each Sync, outside the disk's lock: a test can delay a sync or block it.
  void set_before_sync(std::function<void(const std::string& path)> hook);
  void set_free_bytes(uint64_t bytes);

  // Puts a file (and its directories) there, durably. Before the first operation it is what the
  // disk held from the start, later it is recorded as operations.
  void SetContents(const std::string& path, std::string_view contents);
  // Inspection; never fails.
  std::optional<std::string> Contents(const std::string& path) const;
  std::vector<std::string> Paths() const;  // of all files, sorted

 private:
  friend class SimulatedFile;
  friend class SimulatedFileLock;
  struct Inode;
  struct Operation;
  class Replay;

  std::optional<Error> Count(Call call, const std::string& path,
                             uint32_t* written_256ths = nullptr);
  Result<std::shared_ptr<Inode>> Find(const std::string& path) const;
  bool IsDirectoryLocked(const std::string& path) const;
  void Record(Operation operation);
  void Put(const std::string& path, bool directory, std::string_view contents);
  Status Write(Inode& inode, uint64_t offset, std::span<const std::string_view> parts);
  Status SyncInode(Inode& inode);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Inode>> inodes_;  // by path
  std::set<std::string> locks_;
  std::map<std::string, std::shared_ptr<const Inode>> base_;  // what was there at first
  std::vector<Operation> history_;
  uint64_t next_inode_ = 1;
  std::vector<Fault> faults_;
  std::map<uint32_t, uint64_t> call_counts_;
  uint64_t faults_raised_ = 0;
  uint64_t free_bytes_ = uint64_t{1} << 40;
  std::function<void(const std::string&)> before_sync_;
  mutable std::unique_ptr<Replay> replay_;  // of the last power cut, to go on from
};

}  // namespace holdfast::sim
