#include "aof/checkpoint_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "aof/log_reader.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr size_t kBiggestKeys = 10;
constexpr size_t kMostKeyBytes = 256;  // of a big key's name, as it is shown

class NoVisitor final : public CheckpointVisitor {
 public:
  Status Row(const CheckpointRow& row) override {
    HF_CHECK(!row.type.empty());
    return {};
  }
  Status Piece(std::string_view piece) override {
    HF_CHECK(!piece.empty());
    return {};
  }
};

bool IsBigger(const RowStatistics::BigKey& a, const RowStatistics::BigKey& b) {
  if (a.bytes != b.bytes) return a.bytes > b.bytes;
  return std::tie(a.database, a.key) < std::tie(b.database, b.key);
}

// Where the entry stands among the manifest's.
size_t IndexOf(const LogLocation& location) {
  HF_CHECK(location.checkpoint && location.has_manifest);
  const auto& all = location.manifest.checkpoints;
  const auto found = std::ranges::find(all, *location.checkpoint);
  HF_CHECK(found != all.end());
  return static_cast<size_t>(found - all.begin());
}

// "a.aof" of "a.aof.manifest"; files that no manifest lists are found with it.
std::string AppendFilenameOf(const std::string& manifest_path) {
  constexpr std::string_view kEnd = ".manifest";
  const std::string name = manifest_path.substr(manifest_path.rfind('/') + 1);
  return name.ends_with(kEnd) ? name.substr(0, name.size() - kEnd.size()) : "";
}

Status BeginAt(FileSystem& files, size_t index, LogLocation& location) {
  location.checkpoint = location.manifest.checkpoints.at(index);
  location.sources =
      HF_TRY(SourcesOf(files, location.manifest, location.directory,
                       AppendFilenameOf(location.manifest_path), &*location.checkpoint));
  return {};
}

}  // namespace

// ---- what is in one

Status RowStatistics::Row(const CheckpointRow& row) {
  OfType& type = types_[std::string(row.type)];
  ++type.keys;
  type.expiring += row.expiry_ms ? 1 : 0;
  type.key_bytes += row.key.size();
  type.value_bytes += row.payload_bytes;
  ++keys_by_database_[row.database];
  const uint64_t bytes = row.key.size() + row.payload_bytes;
  if (biggest_.size() == kBiggestKeys && bytes <= biggest_.front().bytes) return {};
  biggest_.push_back(
      {bytes, row.database, std::string(row.key.substr(0, kMostKeyBytes)), std::string(row.type)});
  std::ranges::push_heap(biggest_, IsBigger);
  if (biggest_.size() <= kBiggestKeys) return {};
  std::ranges::pop_heap(biggest_, IsBigger);
  biggest_.pop_back();
  return {};
}

Status RowStatistics::Piece(std::string_view piece) {
  HF_CHECK(!piece.empty() && !types_.empty());
  return {};
}

std::vector<RowStatistics::BigKey> RowStatistics::Biggest() const {
  std::vector<BigKey> sorted = biggest_;
  std::ranges::sort(sorted, IsBigger);
  return sorted;
}

// ---- which one counts

CheckpointCheck::CheckpointCheck(FileSystem& files, const CheckpointOpener& opener,
                                 CheckpointSource::Progress progress)
    : files_(files), opener_(opener), progress_(std::move(progress)) {}

Result<std::unique_ptr<CheckpointSource>> CheckpointCheck::Open(const std::string& path) {
  if (!opener_) {
    return MakeError(ErrorCode::kUnsupported,
                     fmt::format("{} is a checkpoint, which cannot be read here", path));
  }
  return opener_(files_, path);
}

Result<std::unique_ptr<CheckpointSource>> CheckpointCheck::OpenListed(
    const LogLocation& location, const CheckpointEntry& entry) {
  const std::string path = JoinPath(location.directory, entry.name);
  auto source = HF_TRY(Open(path));
  if (source->id() != entry.id) {
    return MakeError(ErrorCode::kCorruption,
                     fmt::format("checkpoint {}: it is {:016x}, the manifest names {:016x}", path,
                                 source->id(), entry.id));
  }
  if (location.manifest.hash_key == source->hash_key()) return source;
  return MakeError(
      ErrorCode::kCorruption,
      fmt::format("checkpoint {}: it belongs to another data set than the manifest", path));
}

Status CheckpointCheck::GoBackTo(UnixMs until_ms, LogLocation& location) {
  size_t index = IndexOf(location);
  UnixMs cut_ms = 0;
  while (true) {
    const CheckpointEntry& entry = location.manifest.checkpoints[index];
    cut_ms = HF_TRY(OpenListed(location, entry))->cut_ms();
    if (cut_ms <= until_ms || index == 0) break;
    --index;
  }
  const CheckpointEntry& chosen = location.manifest.checkpoints[index];
  if (cut_ms > until_ms) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("that time lies before the oldest checkpoint, {}, which was made "
                                 "at unix time {}: nothing was changed",
                                 chosen.name, cut_ms / 1000));
  }
  if (index + 1 < location.manifest.checkpoints.size() && !chosen.log_sequence) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("no log was kept after the checkpoint {}: open that one by itself "
                                 "instead; nothing was changed",
                                 chosen.name));
  }
  return BeginAt(files_, index, location);
}

Result<bool> CheckpointCheck::GoBack(LogLocation& location) {
  const size_t index = IndexOf(location);
  if (index == 0 || !location.manifest.checkpoints[index - 1].log_sequence) return false;
  HF_TRY_STATUS(BeginAt(files_, index - 1, location));
  return true;
}

// ---- whether they are sound

Result<CheckedCheckpoint> CheckpointCheck::Describe(const std::string& path,
                                                    const CheckpointSource& source) {
  CheckedCheckpoint checked{.path = path,
                            .id = source.id(),
                            .cut_frame = source.cut_frame(),
                            .cut_ms = source.cut_ms(),
                            .keys = source.keys(),
                            .hot_keys = {},
                            .damaged_hint = {}};
  if (auto hot_keys = source.HotKeys()) {
    checked.hot_keys = *hot_keys;
  } else if (hot_keys.error().code == ErrorCode::kIoError) {
    return std::unexpected(std::move(hot_keys).error());
  } else {
    checked.damaged_hint = std::move(hot_keys).error().message;
  }
  return checked;
}

bool CheckpointCheck::HintsDamaged() const {
  return std::ranges::any_of(
      checked_, [](const CheckedCheckpoint& checked) { return !checked.damaged_hint.empty(); });
}

Status CheckpointCheck::Read(const LogLocation& location, CheckpointVisitor& visitor) {
  HF_CHECK(checked_.empty() && location.checkpoint);
  const auto source = HF_TRY(OpenListed(location, *location.checkpoint));
  HF_TRY_STATUS(source->Read(visitor, progress_));
  checked_.push_back(
      HF_TRY(Describe(JoinPath(location.directory, location.checkpoint->name), *source)));
  return {};
}

Status CheckpointCheck::ReadAlone(const std::string& path, CheckpointVisitor& visitor) {
  HF_CHECK(checked_.empty());
  const auto source = HF_TRY(Open(path));
  HF_TRY_STATUS(source->Read(visitor, progress_));
  checked_.push_back(HF_TRY(Describe(path, *source)));
  return {};
}

Status CheckpointCheck::ReadOlder(const LogLocation& location) {
  HF_CHECK(checked_.size() == 1);
  const CheckpointEntry* newer = &*location.checkpoint;
  for (size_t index = IndexOf(location); index > 0; --index) {
    const CheckpointEntry& older = location.manifest.checkpoints[index - 1];
    const auto source = HF_TRY(OpenListed(location, older));
    NoVisitor nobody;
    HF_TRY_STATUS(source->Read(nobody, progress_));
    if (older.log_sequence) {
      HF_TRY_STATUS(ReadLogBetween(location, older, *newer, source->cut_frame() + 1,
                                   checked_.front().cut_frame));
    }
    checked_.insert(checked_.begin(),
                    HF_TRY(Describe(JoinPath(location.directory, older.name), *source)));
    newer = &older;
  }
  return {};
}

// All of it was on the disk before the newer one was made: whatever is wrong is damage.
Status CheckpointCheck::ReadLogBetween(const LogLocation& location, const CheckpointEntry& older,
                                       const CheckpointEntry& newer, uint64_t first_frame,
                                       uint64_t last_frame) {
  const std::vector<LogFileEntry>& files = location.manifest.incremental;
  const size_t begin = location.manifest.FirstLogOf(older);
  const size_t end = location.manifest.FirstLogOf(newer);
  HF_CHECK(begin <= end && end <= files.size());
  std::vector<LogSource> sources;
  for (size_t i = begin; i < end; ++i)
    sources.push_back({JoinPath(location.directory, files[i].name), false, true, files[i].id});
  LogReader reader(files_, std::move(sources), {.first_frame = first_frame});
  LogBatch batch;
  while (HF_TRY(reader.Next(batch))) HF_CHECK(!batch.groups.empty());
  if (reader.verdict().kind != LogVerdict::Kind::kSound)
    return MakeError(ErrorCode::kCorruption, reader.verdict().Text());
  if (reader.next_frame() == last_frame + 1) return {};
  return MakeError(ErrorCode::kCorruption,
                   fmt::format("the log between the checkpoints {} and {} ends with frame {}, and "
                               "not with frame {}",
                               older.name, newer.name, reader.next_frame() - 1, last_frame));
}

}  // namespace holdfast::aof
