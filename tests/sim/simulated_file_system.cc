#include "tests/sim/simulated_file_system.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <utility>

#include "holdfast/check.h"

namespace holdfast::sim {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPageBytes = 4096;

std::string Normal(std::string_view path) {
  std::string normal;
  for (char c : path) {
    if (c != '/' || !normal.ends_with('/')) normal += c;
  }
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

// "" is the root: the working directory, and "/".
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return "";
  return path.substr(0, slash);
}

std::string AsDirectory(std::string_view path) {
  std::string normal = Normal(path);
  return normal == "." || normal == "/" ? "" : normal;
}

std::unexpected<Error> Fail(ErrorCode code, std::string_view action, std::string_view path,
                            std::string_view why) {
  return MakeError(code, fmt::format("cannot {} {}: {}", action, path, why));
}

void WriteInto(std::string& content, uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

struct SimulatedFileSystem::Inode {
  uint64_t id;
  std::string path;  // where it was opened or created; for messages
  bool directory = false;
  std::string content = {};
};

struct SimulatedFileSystem::Operation {
  enum class Kind {
    kCreate,  // a file or a directory
    kWrite,
    kTruncate,
    kSync,
    kFailedSync,
    kRename,
    kUnlink,
    kSyncDirectory,
  };
  Kind kind;
  uint64_t inode = 0;
  std::string path = {};  // kSyncDirectory: the directory
  std::string to = {};    // kRename
  bool directory = false;
  uint64_t offset = 0;  // kTruncate: the size
  std::string bytes = {};
};

// The durable state of the disk after some operations, and what is on its way there.
class SimulatedFileSystem::Replay {
 public:
  explicit Replay(const std::map<std::string, std::shared_ptr<const Inode>>& base);
  size_t done() const { return done_; }
  void Advance(const std::vector<Operation>& history, size_t count);
  std::unique_ptr<SimulatedFileSystem> Materialise(const PowerCut& cut) const;

 private:
  using Kind = Operation::Kind;
  struct Change {
    const Operation* operation;
    bool synced;  // behind a change whose sync failed it cannot be folded into `durable` yet
    bool doubtful;
  };
  struct FileState {
    std::string durable;
    std::vector<Change> changes;  // kWrite and kTruncate
  };
  struct NameChange {
    Kind kind;
    std::string path;
    std::string to;
    uint64_t inode;
    bool directory;
  };
  struct Name {
    uint64_t inode;
    bool directory;
  };
  using Names = std::map<std::string, Name>;

  static void Apply(const NameChange& change, Names& names);
  static std::string Survivor(const FileState& file, const PowerCut& cut, std::mt19937_64& random);
  static std::string KeepPrefix(const FileState& file, uint64_t limit);
  static std::string KeepUnits(const FileState& file, uint64_t unit, std::mt19937_64& random);
  Names SurvivingNames(const PowerCut& cut, std::mt19937_64& random) const;

  size_t done_ = 0;
  std::map<uint64_t, FileState> files_;
  Names names_;  // durable
  std::vector<NameChange> name_changes_;
};

SimulatedFileSystem::Replay::Replay(
    const std::map<std::string, std::shared_ptr<const Inode>>& base) {
  for (const auto& [path, inode] : base) {
    names_[path] = {inode->id, inode->directory};
    files_[inode->id].durable = inode->content;
  }
}

void SimulatedFileSystem::Replay::Advance(const std::vector<Operation>& history, size_t count) {
  HF_CHECK(done_ <= count && count <= history.size());
  for (; done_ < count; ++done_) {
    const Operation& operation = history[done_];
    FileState& file = files_[operation.inode];
    switch (operation.kind) {
      case Kind::kCreate:
      case Kind::kRename:
      case Kind::kUnlink:
        name_changes_.push_back(
            {operation.kind, operation.path, operation.to, operation.inode, operation.directory});
        break;
      case Kind::kWrite:
      case Kind::kTruncate:
        file.changes.push_back({&operation, false, false});
        break;
      case Kind::kFailedSync:
        for (Change& change : file.changes) change.doubtful |= !change.synced;
        break;
      case Kind::kSync:
        for (Change& change : file.changes) change.synced |= !change.doubtful;
        if (std::ranges::all_of(file.changes, &Change::synced)) {
          file.durable = KeepPrefix(file, UINT64_MAX);
          file.changes.clear();
        }
        break;
      case Kind::kSyncDirectory:
        std::erase_if(name_changes_, [&](const NameChange& change) {
          if (ParentOf(change.path) != operation.path) return false;
          Apply(change, names_);
          return true;
        });
        break;
    }
  }
}

void SimulatedFileSystem::Replay::Apply(const NameChange& change, Names& names) {
  switch (change.kind) {
    case Kind::kCreate:
      names[change.path] = {change.inode, change.directory};
      break;
    case Kind::kUnlink:
      names.erase(change.path);
      break;
    default:
      HF_CHECK(change.kind == Kind::kRename);
      names.erase(change.path);
      names[change.to] = {change.inode, false};
  }
}

// Synced changes all, and of the others as many bytes as `limit` allows.
std::string SimulatedFileSystem::Replay::KeepPrefix(const FileState& file, uint64_t limit) {
  std::string content = file.durable;
  for (const Change& change : file.changes) {
    const Operation& operation = *change.operation;
    if (operation.kind == Kind::kTruncate) {
      if (change.synced || limit > 0) content.resize(operation.offset);
      continue;
    }
    std::string_view bytes = operation.bytes;
    if (!change.synced) {
      bytes = bytes.substr(0, limit);
      limit -= bytes.size();
    }
    if (!bytes.empty()) WriteInto(content, operation.offset, bytes);
  }
  return content;
}

// Every unit (sector or page) of the file is found in any one of the versions it had since it was
// last synced; the file's size is any one that it had.
std::string SimulatedFileSystem::Replay::KeepUnits(const FileState& file, uint64_t unit,
                                                   std::mt19937_64& random) {
  std::map<uint64_t, uint64_t> versions;  // unit -> how many unsynced changes of it are kept
  std::string content = file.durable;
  // Half of the time everything is likely to be kept, else little: both ends matter.
  const uint64_t likely = random() % 2 == 0 ? 7 : 2;
  std::map<uint64_t, bool> cut_off;  // units that keep no further change
  uint64_t largest = content.size();
  for (const Change& change : file.changes) {
    const Operation& operation = *change.operation;
    if (operation.kind == Kind::kTruncate) {
      if (change.synced || random() % 2 == 0) content.resize(operation.offset);
      // A synced size supersedes the ones before it, whatever became of the data.
      largest = change.synced ? operation.offset : std::max(largest, operation.offset);
      continue;
    }
    uint64_t at = operation.offset;
    std::string_view bytes = operation.bytes;
    largest = std::max<uint64_t>(largest, at + bytes.size());
    while (!bytes.empty()) {
      const uint64_t index = at / unit;
      const std::string_view part = bytes.substr(0, unit - at % unit);
      if (!change.synced && !cut_off[index] && random() % 8 >= likely) cut_off[index] = true;
      if (change.synced || !cut_off[index]) WriteInto(content, at, part);
      at += part.size();
      bytes.remove_prefix(part.size());
    }
  }
  // The new size may have reached the disk before the data: zeros then.
  if (content.size() < largest && random() % 2 == 0) content.resize(largest);
  return content;
}

std::string SimulatedFileSystem::Replay::Survivor(const FileState& file, const PowerCut& cut,
                                                  std::mt19937_64& random) {
  switch (cut.data) {
    case PowerCut::Data::kKeepAll:
      return KeepPrefix(file, UINT64_MAX);
    case PowerCut::Data::kDropUnsynced:
      return KeepPrefix(file, 0);
    case PowerCut::Data::kPrefix:
      return KeepPrefix(file, cut.prefix_bytes);
    case PowerCut::Data::kTornSectors: {
      uint64_t unsynced = 0;
      for (const Change& change : file.changes) {
        if (!change.synced) unsynced += change.operation->bytes.size();
      }
      return KeepPrefix(file, random() % (unsynced / kSectorBytes + 1) * kSectorBytes);
    }
    case PowerCut::Data::kRandomSectors:
      return KeepUnits(file, kSectorBytes, random);
    case PowerCut::Data::kRandomPages:
      return KeepUnits(file, kPageBytes, random);
  }
  HF_CHECK(false);
  return {};
}

SimulatedFileSystem::Replay::Names SimulatedFileSystem::Replay::SurvivingNames(
    const PowerCut& cut, std::mt19937_64& random) const {
  Names names = names_;
  std::map<std::string, size_t> keep;  // directory -> how many of its changes
  if (cut.names == PowerCut::Names::kRandomPrefix) {
    for (const NameChange& change : name_changes_) ++keep[ParentOf(change.path)];
    for (auto& [directory, count] : keep) count = random() % (count + 1);
  }
  for (const NameChange& change : name_changes_) {
    bool kept = cut.names == PowerCut::Names::kKeepAll;
    if (cut.names == PowerCut::Names::kRandomSubset) kept = random() % 2 == 0;
    if (cut.names == PowerCut::Names::kRandomPrefix) {
      size_t& left = keep[ParentOf(change.path)];
      kept = left > 0;
      if (kept) --left;
    }
    if (kept) Apply(change, names);
  }
  return names;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::Replay::Materialise(
    const PowerCut& cut) const {
  std::mt19937_64 random(cut.seed);
  auto disk = std::make_unique<SimulatedFileSystem>();
  // In order of path, so that a directory comes before what is in it.
  for (const auto& [path, name] : SurvivingNames(cut, random)) {
    if (!disk->IsDirectoryLocked(ParentOf(path))) continue;  // the directory itself was lost
    const auto file = files_.find(name.inode);
    const bool has_bytes = !name.directory && file != files_.end();
    disk->Put(path, name.directory, has_bytes ? Survivor(file->second, cut, random) : "");
  }
  return disk;
}

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedFileSystem& disk, std::shared_ptr<SimulatedFileSystem::Inode> inode,
                bool writable)
      : disk_(disk), inode_(std::move(inode)), writable_(writable) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> buffer) override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = disk_.Count(kRead, inode_->path)) return std::unexpected(*std::move(error));
    if (offset >= inode_->content.size()) return size_t{0};
    return inode_->content.copy(buffer.data(), buffer.size(), offset);
  }
  Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
    const std::lock_guard lock(disk_.mutex_);
    if (!writable_) return Fail(ErrorCode::kIoError, "write", inode_->path, "opened to read");
    return disk_.Write(*inode_, offset, parts);
  }
  Status Sync() override {
    std::function<void(const std::string&)> hook;
    {
      const std::lock_guard lock(disk_.mutex_);
      hook = disk_.before_sync_;
    }
    if (hook) hook(inode_->path);
    const std::lock_guard lock(disk_.mutex_);
    return disk_.SyncInode(*inode_);
  }
  Status Truncate(uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = disk_.Count(kTruncate, inode_->path)) {
      return std::unexpected(*std::move(error));
    }
    if (!writable_) return Fail(ErrorCode::kIoError, "truncate", inode_->path, "opened to read");
    if (size > kMaxFileBytes) return Fail(ErrorCode::kIoError, "truncate", inode_->path, "too big");
    inode_->content.resize(size);
    disk_.Record({.kind = SimulatedFileSystem::Operation::Kind::kTruncate,
                  .inode = inode_->id,
                  .offset = size});
    return {};
  }
  Result<uint64_t> Size() override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = disk_.Count(kList, inode_->path)) return std::unexpected(*std::move(error));
    return inode_->content.size();
  }

 private:
  SimulatedFileSystem& disk_;
  const std::shared_ptr<SimulatedFileSystem::Inode> inode_;
  const bool writable_;
};

class SimulatedFileLock final : public FileLock {
 public:
  SimulatedFileLock(SimulatedFileSystem& disk, std::string path)
      : disk_(disk), path_(std::move(path)) {}
  ~SimulatedFileLock() override {
    const std::lock_guard lock(disk_.mutex_);
    HF_CHECK(disk_.locks_.erase(path_) == 1);
  }

 private:
  SimulatedFileSystem& disk_;
  const std::string path_;
};

SimulatedFileSystem::SimulatedFileSystem() = default;
SimulatedFileSystem::~SimulatedFileSystem() = default;

// Counts the call; the error if a fault hits it.
std::optional<Error> SimulatedFileSystem::Count(Call call, const std::string& path,
                                                uint32_t* written_256ths) {
  ++call_counts_[call];
  std::optional<Error> raised;
  for (Fault& fault : faults_) {
    if ((fault.calls & call) == 0 || path.find(fault.path_part) == std::string::npos) continue;
    if (fault.nth > 0) --fault.nth;
    if (fault.nth > 0 || raised) continue;
    raised =
        Error{fault.code, fmt::format("cannot use {}: {} (injected)", path,
                                      fault.code == ErrorCode::kNoSpace ? "No space left on device"
                                                                        : "Input/output error")};
    if (written_256ths != nullptr) *written_256ths = fault.written_256ths;
  }
  std::erase_if(faults_, [](const Fault& fault) { return fault.nth == 0 && !fault.for_ever; });
  if (raised) ++faults_raised_;
  return raised;
}

void SimulatedFileSystem::Record(Operation operation) {
  history_.push_back(std::move(operation));
  replay_.reset();  // it points into history_
}

Result<std::shared_ptr<SimulatedFileSystem::Inode>> SimulatedFileSystem::Find(
    const std::string& path) const {
  const auto found = inodes_.find(path);
  if (found == inodes_.end() || found->second->directory) {
    return Fail(ErrorCode::kNotFound, "open", path, "No such file or directory");
  }
  return found->second;
}

bool SimulatedFileSystem::IsDirectoryLocked(const std::string& path) const {
  if (path.empty()) return true;
  const auto found = inodes_.find(path);
  return found != inodes_.end() && found->second->directory;
}

Status SimulatedFileSystem::Write(Inode& inode, uint64_t offset,
                                  std::span<const std::string_view> parts) {
  std::string bytes = {};
  for (std::string_view part : parts) bytes += part;
  uint32_t written_256ths = 0;
  const auto error = Count(kWrite, inode.path, &written_256ths);
  if (error) bytes.resize(bytes.size() * std::min(written_256ths, 256U) / 256);
  if (offset > kMaxFileBytes || bytes.size() > kMaxFileBytes - offset) {
    return Fail(ErrorCode::kIoError, "write", inode.path, "File too large");
  }
  if (!bytes.empty()) {
    WriteInto(inode.content, offset, bytes);
    Record({.kind = Operation::Kind::kWrite,
            .inode = inode.id,
            .offset = offset,
            .bytes = std::move(bytes)});
  }
  if (error) return std::unexpected(*error);
  return {};
}

Status SimulatedFileSystem::SyncInode(Inode& inode) {
  auto error = Count(kSync, inode.path);
  Record(
      {.kind = error ? Operation::Kind::kFailedSync : Operation::Kind::kSync, .inode = inode.id});
  if (error) return std::unexpected(*std::move(error));
  return {};
}

Result<std::unique_ptr<File>> SimulatedFileSystem::Open(const std::string& name, OpenMode mode) {
  HF_CHECK(mode.write || !mode.create);
  HF_CHECK(mode.create || !mode.exclusive);
  const std::string path = Normal(name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kOpen, path)) return std::unexpected(*std::move(error));
  auto found = Find(path);
  if (found && mode.exclusive) return Fail(ErrorCode::kBusy, "create", path, "it exists");
  if (!found) {
    if (!mode.create || inodes_.contains(path)) return std::unexpected(std::move(found).error());
    if (!IsDirectoryLocked(ParentOf(path))) {
      return Fail(ErrorCode::kNotFound, "create", path, "No such file or directory");
    }
    found = std::make_shared<Inode>(Inode{next_inode_++, path, false, {}});
    inodes_[path] = *found;
    Record({.kind = Operation::Kind::kCreate, .inode = (*found)->id, .path = path});
  }
  return std::make_unique<SimulatedFile>(*this, *found, mode.write);
}

Status SimulatedFileSystem::Rename(const std::string& from_name, const std::string& to_name) {
  const std::string from = Normal(from_name);
  const std::string to = Normal(to_name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kRename, from)) return std::unexpected(*std::move(error));
  auto inode = HF_TRY(Find(from));
  HF_CHECK(ParentOf(from) == ParentOf(to));  // a rename between directories is not modelled
  if (from == to) return {};
  inodes_.erase(from);
  inodes_[to] = inode;
  inode->path = to;
  Record({.kind = Operation::Kind::kRename, .inode = inode->id, .path = from, .to = to});
  return {};
}

Status SimulatedFileSystem::Unlink(const std::string& name) {
  const std::string path = Normal(name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kUnlink, path)) return std::unexpected(*std::move(error));
  const auto inode = HF_TRY(Find(path));
  inodes_.erase(path);
  Record({.kind = Operation::Kind::kUnlink, .inode = inode->id, .path = path});
  return {};
}

Status SimulatedFileSystem::RemoveDirectory(const std::string& name) {
  const std::string path = AsDirectory(name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kUnlink, path)) return std::unexpected(*std::move(error));
  if (path.empty() || !inodes_.contains(path))
    return Fail(ErrorCode::kNotFound, "remove", path, "No such file or directory");
  if (!IsDirectoryLocked(path)) return Fail(ErrorCode::kIoError, "remove", path, "Not a directory");
  for (const auto& [entry, ignored] : inodes_) {
    if (ParentOf(entry) == path)
      return Fail(ErrorCode::kIoError, "remove", path, "Directory not empty");
  }
  const uint64_t id = inodes_.at(path)->id;
  inodes_.erase(path);
  Record({.kind = Operation::Kind::kUnlink, .inode = id, .path = path, .directory = true});
  return {};
}

Status SimulatedFileSystem::SyncDirectory(const std::string& directory) {
  const std::string path = AsDirectory(directory);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kSyncDirectory, path)) return std::unexpected(*std::move(error));
  if (!IsDirectoryLocked(path)) {
    return Fail(ErrorCode::kNotFound, "sync", path, "No such file or directory");
  }
  Record({.kind = Operation::Kind::kSyncDirectory, .path = path});
  return {};
}

Status SimulatedFileSystem::CreateDirectory(const std::string& name) {
  const std::string path = AsDirectory(name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kCreateDirectory, path)) return std::unexpected(*std::move(error));
  if (IsDirectoryLocked(path)) return {};
  if (inodes_.contains(path)) return Fail(ErrorCode::kIoError, "create", path, "File exists");
  if (!IsDirectoryLocked(ParentOf(path))) {
    return Fail(ErrorCode::kNotFound, "create", path, "No such file or directory");
  }
  const auto inode = std::make_shared<Inode>(Inode{next_inode_++, path, true, {}});
  inodes_[path] = inode;
  Record({.kind = Operation::Kind::kCreate, .inode = inode->id, .path = path, .directory = true});
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::List(const std::string& directory) {
  const std::string path = AsDirectory(directory);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kList, path)) return std::unexpected(*std::move(error));
  if (!IsDirectoryLocked(path)) {
    return Fail(ErrorCode::kNotFound, "open directory", path, "No such file or directory");
  }
  std::vector<std::string> names;
  for (const auto& [entry, inode] : inodes_) {
    if (ParentOf(entry) == path) names.push_back(entry.substr(entry.rfind('/') + 1));
  }
  return names;
}

Result<bool> SimulatedFileSystem::Exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kList, path)) return std::unexpected(*std::move(error));
  return IsDirectoryLocked(AsDirectory(path)) || inodes_.contains(Normal(path));
}

Result<bool> SimulatedFileSystem::IsDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kList, path)) return std::unexpected(*std::move(error));
  return IsDirectoryLocked(AsDirectory(path));
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::Lock(const std::string& name) {
  const std::string path = Normal(name);
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kLock, path)) return std::unexpected(*std::move(error));
  if (!locks_.insert(path).second) {
    return MakeError(ErrorCode::kBusy, fmt::format("{} is locked", path));
  }
  return std::make_unique<SimulatedFileLock>(*this, path);
}

Result<uint64_t> SimulatedFileSystem::FreeBytes(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (auto error = Count(kList, directory)) return std::unexpected(*std::move(error));
  return free_bytes_;
}

size_t SimulatedFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return history_.size();
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::AfterPowerCut(const PowerCut& cut) const {
  const std::lock_guard lock(mutex_);
  HF_CHECK(cut.operation <= history_.size());
  if (!replay_ || replay_->done() > cut.operation) replay_ = std::make_unique<Replay>(base_);
  replay_->Advance(history_, cut.operation);
  return replay_->Materialise(cut);
}

void SimulatedFileSystem::SetContents(const std::string& name, std::string_view contents) {
  const std::lock_guard lock(mutex_);
  const std::string path = Normal(name);
  std::vector<std::string> missing;
  for (std::string parent = ParentOf(path); !IsDirectoryLocked(parent); parent = ParentOf(parent)) {
    missing.push_back(parent);
  }
  for (; !missing.empty(); missing.pop_back()) Put(missing.back(), true, "");
  Put(path, false, contents);
}

void SimulatedFileSystem::Put(const std::string& path, bool directory, std::string_view contents) {
  auto inode =
      std::make_shared<Inode>(Inode{next_inode_++, path, directory, std::string(contents)});
  inodes_[path] = inode;
  if (history_.empty()) {
    base_[path] = std::make_shared<const Inode>(*inode);
    return;
  }
  const auto record = [&](Operation operation) {
    operation.inode = inode->id;
    Record(std::move(operation));
  };
  record({.kind = Operation::Kind::kCreate, .path = path, .directory = directory});
  if (!directory) {
    record({.kind = Operation::Kind::kWrite, .bytes = inode->content});
    record({.kind = Operation::Kind::kSync});
  }
  record({.kind = Operation::Kind::kSyncDirectory, .path = ParentOf(path)});
}

std::optional<std::string> SimulatedFileSystem::Contents(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto inode = Find(Normal(name));
  if (!inode) return std::nullopt;
  return (*inode)->content;
}

std::vector<std::string> SimulatedFileSystem::Paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : inodes_) {
    if (!inode->directory) paths.push_back(path);
  }
  return paths;
}

void SimulatedFileSystem::FailAt(Fault fault) {
  const std::lock_guard lock(mutex_);
  HF_CHECK(fault.nth > 0);
  faults_.push_back(std::move(fault));
}

void SimulatedFileSystem::ClearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

uint64_t SimulatedFileSystem::CallCount(uint32_t calls) const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [call, count] : call_counts_) {
    if ((call & calls) != 0) sum += count;
  }
  return sum;
}

uint64_t SimulatedFileSystem::FaultsRaised() const {
  const std::lock_guard lock(mutex_);
  return faults_raised_;
}

void SimulatedFileSystem::set_before_sync(std::function<void(const std::string&)> hook) {
  const std::lock_guard lock(mutex_);
  before_sync_ = std::move(hook);
}

void SimulatedFileSystem::set_free_bytes(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  free_bytes_ = bytes;
}

}  // namespace holdfast::sim
