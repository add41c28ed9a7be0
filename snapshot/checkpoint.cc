#include "snapshot/checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "aof/crc32c.h"
#include "aof/log_recovery.h"
#include "holdfast/check.h"
#include "snapshot/hot_list.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

constexpr uint64_t kMostMetadataBytes = uint64_t{256} << 20;
constexpr size_t kPieceBytes = size_t{1} << 20;

std::unexpected<Error> Damaged(const std::string& path, std::string_view reason) {
  return MakeError(ErrorCode::kCorruption, fmt::format("checkpoint {}: {}", path, reason));
}

bool IsTable(std::string_view name) { return name.ends_with(".sst"); }

Result<uint32_t> ChecksumOf(File& file, const CheckpointFileEntry& entry) {
  uint64_t at = IsTable(entry.name) ? entry.bytes - std::min(entry.bytes, kTableEndBytes) : 0;
  std::string buffer(std::min<uint64_t>(kPieceBytes, entry.bytes - at), '\0');
  uint32_t crc = 0;
  while (at < entry.bytes) {
    const auto room = std::span(buffer).first(std::min(buffer.size(), entry.bytes - at));
    const size_t count = HF_TRY(file.ReadAt(at, room));
    if (count == 0)
      return MakeError(ErrorCode::kIoError, fmt::format("{} became shorter", entry.name));
    crc = aof::Crc32c(crc, std::string_view(buffer).substr(0, count));
    at += count;
  }
  return crc;
}

// What lies in the directory, but for the metadata; everything is on the disk.
Result<std::vector<CheckpointFileEntry>> SyncFiles(FileSystem& files, const std::string& path) {
  std::vector<CheckpointFileEntry> entries;
  for (std::string& name : HF_TRY(files.List(path))) {
    if (name == kCheckpointFile) continue;
    const auto file = HF_TRY(files.Open(aof::JoinPath(path, name), {}));
    HF_TRY_STATUS(file->Sync());
    CheckpointFileEntry& entry = entries.emplace_back();
    entry.name = std::move(name);
    entry.bytes = HF_TRY(file->Size());
    entry.crc = HF_TRY(ChecksumOf(*file, entry));
  }
  std::ranges::sort(entries, {}, &CheckpointFileEntry::name);
  return entries;
}

Status CheckFile(FileSystem& files, const std::string& path, const CheckpointFileEntry& entry) {
  auto opened = files.Open(aof::JoinPath(path, entry.name), {});
  if (!opened && opened.error().code == ErrorCode::kNotFound)
    return Damaged(path, fmt::format("its file {} is missing", entry.name));
  const auto file = HF_TRY(std::move(opened));
  const uint64_t bytes = HF_TRY(file->Size());
  if (bytes != entry.bytes) {
    return Damaged(
        path, fmt::format("its file {} has {} bytes and not {}", entry.name, bytes, entry.bytes));
  }
  if (HF_TRY(ChecksumOf(*file, entry)) == entry.crc) return {};
  return Damaged(path, fmt::format("the checksum of its file {} does not match", entry.name));
}

}  // namespace

memtable::HashSeed SeedOf(const aof::HashKey& key) {
  memtable::HashSeed seed;
  static_assert(sizeof(seed.k0) + sizeof(seed.k1) == std::tuple_size_v<aof::HashKey>);
  std::memcpy(&seed.k0, key.data(), sizeof(seed.k0));
  std::memcpy(&seed.k1, key.data() + sizeof(seed.k0), sizeof(seed.k1));
  return seed;
}

Status LinkCheckpoint(LiveTier& tier, FileSystem& files, const std::string& path) {
  HF_TRY_STATUS(aof::RemoveCheckpointDirectory(files, path + ".tmp"));
  HF_TRY_STATUS(aof::RemoveCheckpointDirectory(files, path));
  return tier.Checkpoint(path);
}

Status SyncCheckpoint(FileSystem& files, const std::string& path) {
  HF_TRY(SyncFiles(files, path));
  return {};
}

Status SealCheckpoint(FileSystem& files, const std::string& path, CheckpointMetadata metadata) {
  metadata.files = HF_TRY(SyncFiles(files, path));
  HF_CHECK(!metadata.files.empty());  // RocksDB's were linked
  const std::string bytes = FormatCheckpoint(metadata);
  // What cannot be read back must never be taken for a checkpoint.
  HF_CHECK(ParseCheckpoint(bytes, path) == metadata);
  const std::string name = aof::JoinPath(path, kCheckpointFile);
  const auto file = HF_TRY(files.Open(name, {.write = true, .create = true}));
  HF_TRY_STATUS(file->Truncate(0));
  const std::string_view part = bytes;
  HF_TRY_STATUS(file->WriteAt(0, {&part, 1}));
  HF_TRY_STATUS(file->Sync());
  HF_TRY_STATUS(files.SyncDirectory(path));
  return files.SyncDirectory(aof::DirectoryOf(path));
}

Result<CheckpointMetadata> ReadCheckpoint(FileSystem& files, const std::string& path) {
  auto opened = files.Open(aof::JoinPath(path, kCheckpointFile), {});
  if (!opened && opened.error().code == ErrorCode::kNotFound)
    return Damaged(path, fmt::format("its file {} is missing", kCheckpointFile));
  const auto file = HF_TRY(std::move(opened));
  const uint64_t size = HF_TRY(file->Size());
  if (size > kMostMetadataBytes)
    return Damaged(path, fmt::format("its file {} is too long", kCheckpointFile));
  std::string bytes(size, '\0');
  bytes.resize(HF_TRY(file->ReadAt(0, bytes)));
  CheckpointMetadata metadata = HF_TRY(ParseCheckpoint(bytes, path));
  for (const CheckpointFileEntry& entry : metadata.files) {
    if (entry.name != kHotListFile) HF_TRY_STATUS(CheckFile(files, path, entry));
  }
  return metadata;
}

bool HasHotList(const CheckpointMetadata& metadata) {
  return std::ranges::find(metadata.files, kHotListFile, &CheckpointFileEntry::name) !=
         metadata.files.end();
}

std::string HotListPath(const std::string& checkpoint) {
  return aof::JoinPath(checkpoint, kHotListFile);
}

Result<uint64_t> VerifyHotList(FileSystem& files, const std::string& path,
                               const CheckpointMetadata& metadata) {
  const auto entry = std::ranges::find(metadata.files, kHotListFile, &CheckpointFileEntry::name);
  HF_CHECK(entry != metadata.files.end());
  HF_TRY_STATUS(CheckFile(files, path, *entry));
  return HF_TRY(HotListReader::Open(files, HotListPath(path)))->keys();
}

Result<std::optional<RecoveryPoint>> FindRecoveryPoint(FileSystem& files,
                                                       const aof::LogLocation& location) {
  if (!location.checkpoint) return std::nullopt;
  HF_CHECK(location.has_manifest && location.manifest.hash_key);
  const aof::CheckpointEntry& named = *location.checkpoint;
  RecoveryPoint point;
  point.checkpoint = aof::JoinPath(location.directory, named.name);
  point.metadata = HF_TRY(ReadCheckpoint(files, point.checkpoint));
  if (point.metadata.id != named.id) {
    return Damaged(point.checkpoint, fmt::format("it is {:016x}, the manifest names {:016x}",
                                                 point.metadata.id, named.id));
  }
  if (point.metadata.hash_key != *location.manifest.hash_key)
    return Damaged(point.checkpoint, "it belongs to another data set than the manifest");
  point.first_frame = point.metadata.cut_frame + 1;
  return point;
}

}  // namespace holdfast::snapshot
