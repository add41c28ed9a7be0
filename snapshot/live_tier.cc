#include "snapshot/live_tier.h"

#include <fmt/core.h>
#include <rocksdb/env.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/utilities/checkpoint.h>

#include "holdfast/check.h"
#include "snapshot/rocks_database.h"

namespace holdfast::snapshot {
namespace {

// Each file is one more filter for every look to ask; compaction starts far below.
constexpr uint64_t kMostNewestFiles = 24;
// No value is so long; what says so is not believed.
constexpr uint64_t kMostPayloadBytes = uint64_t{8} << 30;

std::string Within(const std::string& directory, const std::string& name) {
  return fmt::format("{}/{}", directory, name);
}

Status RemoveFiles(rocksdb::Env& env, const std::string& directory) {
  std::vector<std::string> names;
  HF_TRY_STATUS(
      FromRocks(env.GetChildren(directory, &names), fmt::format("listing {}", directory)));
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = Within(directory, name);
    HF_TRY_STATUS(FromRocks(env.DeleteFile(path), fmt::format("removing {}", path)));
  }
  return {};
}

Status CopyFile(rocksdb::Env& env, const std::string& from, const std::string& to) {
  std::string contents;
  HF_TRY_STATUS(
      FromRocks(rocksdb::ReadFileToString(&env, from, &contents), fmt::format("reading {}", from)));
  return FromRocks(rocksdb::WriteStringToFile(&env, contents, to), fmt::format("writing {}", to));
}

// Tables are never changed in place, so a link is as good as a copy. The rest RocksDB goes on in.
Status TakeOver(rocksdb::Env& env, const std::string& checkpoint, const std::string& directory) {
  std::vector<std::string> names;
  HF_TRY_STATUS(
      FromRocks(env.GetChildren(checkpoint, &names), fmt::format("listing {}", checkpoint)));
  for (const std::string& name : names) {
    const std::string from = Within(checkpoint, name);
    const std::string to = Within(directory, name);
    if (name.ends_with(".sst")) {
      const rocksdb::Status linked = env.LinkFile(from, to);
      if (linked.ok()) continue;
      HF_TRY_STATUS(FromRocks(linked, fmt::format("linking {}", from)));
    }
    if (name == "CURRENT" || name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-"))
      HF_TRY_STATUS(CopyFile(env, from, to));
  }
  return {};
}

Error At(Error error, const ColdKey& key) {
  error.message = fmt::format("{} (key of {} bytes, slot {}, space {})", error.message,
                              key.name.size(), key.order >> memtable::kStoredHashBits, key.space);
  return error;
}

Result<ColdKey> KeyOf(std::string_view bytes) {
  if (const auto key = DecodeColdKey(bytes)) return *key;
  return MakeError(ErrorCode::kCorruption, "a cold row under a key that is none");
}

}  // namespace

LiveTier::LiveTier(std::unique_ptr<Database> database) : database_(std::move(database)) {}
LiveTier::~LiveTier() = default;

Result<std::unique_ptr<LiveTier>> LiveTier::Open(const LiveTierOptions& options) {
  HF_CHECK(!options.directory.empty() && options.directory != options.checkpoint);
  rocksdb::Env& env = *rocksdb::Env::Default();
  HF_TRY_STATUS(FromRocks(env.CreateDirIfMissing(options.directory),
                          fmt::format("making {}", options.directory)));
  HF_TRY_STATUS(RemoveFiles(env, options.directory));
  if (!options.checkpoint.empty())
    HF_TRY_STATUS(TakeOver(env, options.checkpoint, options.directory));
  std::unique_ptr<Database> database = HF_TRY(Database::Open(options));
  return std::unique_ptr<LiveTier>(new LiveTier(std::move(database)));
}

Result<std::vector<std::optional<ColdValue>>> LiveTier::Read(std::span<const ColdKey> keys,
                                                             ReadDepth depth) {
  std::vector<std::string> names;
  std::vector<rocksdb::Slice> slices;
  for (const ColdKey& key : keys) names.push_back(EncodeColdKey(key));
  for (const std::string& name : names) slices.push_back(ToSlice(name));
  std::vector<rocksdb::PinnableSlice> rows(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  if (keys.size() == 1) {
    // Cheaper by half than a list of one.
    statuses[0] = database_->db->Get({}, database_->family(kRows), slices[0], rows.data());
  } else {
    database_->db->MultiGet({}, database_->family(kRows), keys.size(), slices.data(), rows.data(),
                            statuses.data());
  }
  std::vector<std::optional<ColdValue>> values(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    HF_CHECK(!statuses[i].IsIncomplete() && !values[i]);
    if (statuses[i].IsNotFound()) continue;
    HF_TRY_STATUS(FromRocks(statuses[i], "reading a cold key"));
    const auto row = DecodeColdRow(ToView(rows[i]));
    if (!row) return std::unexpected(At(row.error(), keys[i]));
    ColdValue& value = values[i].emplace();
    value.header = row->header;
    if (depth == ReadDepth::kHeader) continue;
    value.payload = row->payload;
    if (depth == ReadDepth::kRow || value.header.value_id == 0) continue;
    values[i] = HF_TRY(ReadLong(keys[i], row->header));
  }
  return values;
}

// A row may go, and then its chunks, while they are read: only a row that still names them makes
// that an error.
Result<std::optional<ColdValue>> LiveTier::ReadLong(const ColdKey& key, const ColdHeader& header) {
  for (ColdHeader named = header;;) {
    auto block = ReadValue(named);
    if (block) return ColdValue{.header = named, .payload = {}, .block = *std::move(block)};
    if (block.error().code != ErrorCode::kCorruption)
      return std::unexpected(At(std::move(block).error(), key));
    std::optional<ColdValue> now = HF_TRY(Read({&key, 1}, ReadDepth::kRow))[0];
    if (!now || now->header.value_id == 0) return now;
    if (now->header.value_id == named.value_id)
      return std::unexpected(At(std::move(block).error(), key));
    named = now->header;
  }
}

// Straight into the block that memory will hold: a long value is never there twice.
Result<BlockRef> LiveTier::ReadValue(const ColdHeader& header) {
  if (header.payload_bytes > kMostPayloadBytes)
    return MakeError(ErrorCode::kCorruption,
                     fmt::format("a cold value of {} bytes", header.payload_bytes));
  BlockRef block = BlockRef::Adopt(CountedBlock::Create(header.payload_bytes));
  uint64_t& size = block->size;
  HF_TRY_STATUS(database_->ReadPieces(header, [&](std::string_view piece) -> Status {
    HF_CHECK(size + piece.size() <= block->capacity);
    piece.copy(block->data() + size, piece.size());
    size += piece.size();
    return {};
  }));
  return block;
}

bool LiveTier::Congested() const { return database_->NewestFiles() > kMostNewestFiles; }

Result<memtable::KeyOrder> LiveTier::List(SpaceId space, memtable::KeyOrder from,
                                          memtable::KeyOrder end, size_t enough,
                                          const TakeRow& take) {
  HF_CHECK(from <= end && end <= memtable::kOrderEnd);
  const std::string behind = ColdKeyBound(space, end);
  const rocksdb::Slice bound = ToSlice(behind);
  const auto row = database_->Iterate(kRows, &bound);
  memtable::KeyOrder last = from;
  size_t taken = 0;
  for (row->Seek(ToSlice(ColdKeyBound(space, from))); row->Valid(); row->Next()) {
    const ColdKey key = HF_TRY(KeyOf(ToView(row->key())));
    HF_CHECK(key.space == space && key.order >= last && key.order < end);
    if (taken >= enough && key.order != last) return key.order;
    const auto decoded = DecodeColdRow(ToView(row->value()));
    if (!decoded) return std::unexpected(At(decoded.error(), key));
    take(key, decoded->header);
    last = key.order;
    ++taken;
  }
  HF_TRY_STATUS(FromRocks(row->status(), "listing cold keys"));
  return end;
}

Result<std::vector<LiveTier::ExpiryHint>> LiveTier::DueHints(UnixMs now_ms, size_t at_most) {
  HF_CHECK(now_ms >= 0);
  const std::string behind = BigEndianKey(static_cast<uint64_t>(now_ms) + 1);
  const rocksdb::Slice bound = ToSlice(behind);
  const auto row = database_->Iterate(kExpiries, &bound);
  std::vector<ExpiryHint> hints;
  for (row->SeekToFirst(); row->Valid() && hints.size() < at_most; row->Next()) {
    const std::string_view key = ToView(row->key());
    if (key.size() < sizeof(uint64_t)) return MakeError(ErrorCode::kCorruption, "a short expiry");
    HF_CHECK(FromBigEndian(key) <= static_cast<uint64_t>(now_ms));
    hints.push_back(
        {static_cast<UnixMs>(FromBigEndian(key)), std::string(key.substr(sizeof(uint64_t)))});
  }
  HF_TRY_STATUS(FromRocks(row->status(), "looking for cold keys that expire"));
  return hints;
}

// The hints of one value, oldest name first; whether one of them is right.
Result<bool> LiveTier::Named(uint64_t value_id, std::vector<std::string>& references) {
  HF_CHECK(value_id != 0 && references.empty());
  const std::string behind = BigEndianKey(value_id + 1);
  const rocksdb::Slice bound = ToSlice(behind);
  const auto row = database_->Iterate(kReferences, &bound);
  for (row->Seek(ToSlice(BigEndianKey(value_id))); row->Valid(); row->Next()) {
    references.emplace_back(ToView(row->key()));
    const ColdKey key = HF_TRY(KeyOf(ToView(row->key()).substr(sizeof(uint64_t))));
    const auto named = HF_TRY(Read({&key, 1}, ReadDepth::kHeader));
    if (named[0] && named[0]->header.value_id == value_id) return true;
  }
  HF_TRY_STATUS(FromRocks(row->status(), "looking for the keys of a long value"));
  return false;
}

Status LiveTier::Checkpoint(const std::string& path) {
  // Then the call is links, and does not wait for a flush.
  uint64_t in_memory = 0;
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    HF_CHECK(
        database_->db->GetIntProperty(family, "rocksdb.num-entries-active-mem-table", &in_memory) &&
        in_memory == 0);
  }
  rocksdb::Checkpoint* made = nullptr;
  HF_TRY_STATUS(FromRocks(rocksdb::Checkpoint::Create(database_->db.get(), &made), "a checkpoint"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  return FromRocks(checkpoint->CreateCheckpoint(path), fmt::format("a checkpoint in {}", path));
}

Status LiveTier::Compact() {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.canceled = &database_->cancelled;
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    HF_TRY_STATUS(FromRocks(database_->db->CompactRange(options, family, nullptr, nullptr),
                            "compacting the live tier"));
  }
  return {};
}

void LiveTier::Cancel() { database_->cancelled.store(true); }

void LiveTier::SetCompactionRate(uint64_t bytes_per_s) {
  database_->SetCompactionRate(bytes_per_s);
}

Status LiveTier::VerifyChecksums() {
  return FromRocks(database_->db->VerifyChecksum(), "verifying the live tier");
}

LiveTierFigures LiveTier::Figures() const {
  LiveTierFigures figures;
  for (rocksdb::ColumnFamilyHandle* family : database_->families) {
    const auto property = [&](const char* name) {
      uint64_t value = 0;
      database_->db->GetIntProperty(family, name, &value);
      return value;
    };
    figures.memory_bytes += property("rocksdb.estimate-table-readers-mem");
    figures.memory_bytes += property("rocksdb.cur-size-all-mem-tables");
    figures.disk_bytes += property("rocksdb.live-sst-files-size");
  }
  figures.newest_files = database_->NewestFiles();
  figures.compacted_bytes = static_cast<uint64_t>(
      database_->options.rate_limiter->GetTotalBytesThrough(rocksdb::Env::IO_TOTAL));
  const rocksdb::Statistics& statistics = *database_->statistics;
  figures.filter_stops = statistics.getTickerCount(rocksdb::BLOOM_FILTER_USEFUL);
  figures.filter_passes = statistics.getTickerCount(rocksdb::BLOOM_FILTER_FULL_POSITIVE);
  figures.filter_true_passes = statistics.getTickerCount(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE);
  return figures;
}

}  // namespace holdfast::snapshot
