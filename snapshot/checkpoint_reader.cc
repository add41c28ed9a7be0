#include "snapshot/checkpoint_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "holdfast/check.h"
#include "snapshot/rocks_database.h"

namespace holdfast::snapshot {
namespace {

using memtable::ValueType;

constexpr uint64_t kRowsBetweenProgress = 4096;
constexpr std::string_view kTableEnd = ".sst";

// As TYPE answers.
std::string_view NameOfType(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return "string";
    case ValueType::kList:
      return "list";
    case ValueType::kSet:
      return "set";
    case ValueType::kSortedSet:
      return "zset";
    case ValueType::kHash:
      return "hash";
    case ValueType::kStream:
      return "stream";
    case ValueType::kModule:
      return "module";
  }
  HF_CHECK(false);
  return "";
}

class NoVisitor final : public aof::CheckpointVisitor {
 public:
  Status Row(const aof::CheckpointRow& row) override {
    static_cast<void>(row);
    return {};
  }
  Status Piece(std::string_view piece) override {
    static_cast<void>(piece);
    return {};
  }
};

uint64_t KeysIn(const CheckpointDatabase& database) {
  uint64_t keys = 0;
  for (const CheckpointCounts& counts : database.shards) keys += counts.keys;
  return keys;
}

}  // namespace

struct CheckpointReader::Rows {
  std::unique_ptr<LiveTier::Database> database;
};

CheckpointReader::CheckpointReader(FileSystem& files, std::string path, CheckpointMetadata metadata)
    : files_(files), path_(std::move(path)), metadata_(std::move(metadata)) {
  for (const CheckpointFileEntry& entry : metadata_.files) {
    if (entry.name.ends_with(kTableEnd)) table_bytes_ += entry.bytes;
  }
}

CheckpointReader::~CheckpointReader() = default;

std::unexpected<Error> CheckpointReader::Wrong(Error error) const {
  // RocksDB's messages name the file already.
  if (!error.message.contains(path_))
    error.message = fmt::format("checkpoint {}: {}", path_, error.message);
  return std::unexpected(std::move(error));
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(FileSystem& files,
                                                                 const std::string& path) {
  CheckpointMetadata metadata = HF_TRY(ReadCheckpoint(files, path));
  return std::unique_ptr<CheckpointReader>(new CheckpointReader(files, path, std::move(metadata)));
}

Result<std::optional<uint64_t>> CheckpointReader::HotKeys() const {
  if (!HasHotList(metadata_)) return std::nullopt;
  return HF_TRY(VerifyHotList(files_, path_, metadata_));
}

uint64_t CheckpointReader::keys() const {
  uint64_t keys = 0;
  for (const CheckpointDatabase& database : metadata_.databases) keys += KeysIn(database);
  return keys;
}

// Tables and rows are half of it each: RocksDB's tables are read twice.
Status CheckpointReader::Read(aof::CheckpointVisitor& visitor, const Progress& progress) {
  if (rows_ == nullptr) {
    auto opened = LiveTier::Database::OpenForReading(path_);
    if (!opened) return Wrong(std::move(opened).error());
    rows_ = std::make_unique<Rows>(*std::move(opened));
  }
  rows_read_ = 0;
  HF_TRY_STATUS(VerifyTables(progress));
  for (const CheckpointDatabase& database : metadata_.databases)
    HF_TRY_STATUS(ReadDatabase(database, visitor, progress));
  return progress(2 * table_bytes_, 2 * table_bytes_);
}

Status CheckpointReader::VerifyTables(const Progress& progress) {
  uint64_t done = 0;
  for (const CheckpointFileEntry& entry : metadata_.files) {
    if (!entry.name.ends_with(kTableEnd)) continue;
    HF_CHECK(done + entry.bytes <= table_bytes_);
    Status verified = rows_->database->VerifyTable(aof::JoinPath(path_, entry.name));
    if (!verified) return Wrong(std::move(verified).error());
    done += entry.bytes;
    HF_TRY_STATUS(progress(done, 2 * table_bytes_));
  }
  return {};
}

Status CheckpointReader::ReadDatabase(const CheckpointDatabase& database,
                                      aof::CheckpointVisitor& visitor, const Progress& progress) {
  const uint64_t all = std::max<uint64_t>(keys(), 1);
  const int slots_per_shard_bits = std::countr_zero(memtable::kSlotCount / metadata_.shards);
  std::vector<CheckpointCounts> found(metadata_.shards);
  const std::string behind = ColdKeyBound(database.space, memtable::kOrderEnd);
  const rocksdb::Slice bound = ToSlice(behind);
  const auto row = rows_->database->Iterate(kRows, &bound);
  std::string last;
  for (row->Seek(ToSlice(ColdKeyBound(database.space, 0))); row->Valid(); row->Next()) {
    const std::string_view bytes = ToView(row->key());
    const auto key = DecodeColdKey(bytes);
    if (!key) return Wrong({ErrorCode::kCorruption, "a cold row under a key that is none"});
    HF_CHECK(key->space == database.space);
    if (!last.empty() && bytes <= last)
      return Wrong({ErrorCode::kCorruption, "its rows are out of order"});
    last = bytes;
    auto decoded = DecodeColdRow(ToView(row->value()));
    Status status = decoded ? ReadRow(database, *key, *decoded, visitor)
                            : Status(std::unexpected(std::move(decoded).error()));
    if (!status && status.error().code != ErrorCode::kCorruption) return status;
    if (!status) {
      status.error().message =
          fmt::format("{} (key of {} bytes, slot {}, database {})", status.error().message,
                      key->name.size(), key->order >> memtable::kStoredHashBits, database.database);
      return Wrong(std::move(status).error());
    }
    CheckpointCounts& counts =
        found[key->order >> memtable::kStoredHashBits >> slots_per_shard_bits];
    ++counts.keys;
    counts.expiring += decoded->header.expiry_ms == memtable::kNoExpiry ? 0 : 1;
    if (++rows_read_ % kRowsBetweenProgress == 0) {
      const double part = static_cast<double>(std::min(rows_read_, all)) / static_cast<double>(all);
      HF_TRY_STATUS(
          progress(table_bytes_ + static_cast<uint64_t>(part * static_cast<double>(table_bytes_)),
                   2 * table_bytes_));
    }
  }
  if (Status read = FromRocks(row->status(), "reading rows"); !read)
    return Wrong(std::move(read).error());
  return CheckCounts(database, found);
}

Status CheckpointReader::ReadRow(const CheckpointDatabase& database, const ColdKey& key,
                                 const ColdRow& row, aof::CheckpointVisitor& visitor) {
  if (memtable::MakeKeyRef(SeedOf(metadata_.hash_key), key.name).order() != key.order)
    return MakeError(ErrorCode::kCorruption, "a cold row that is not in its place");
  const ColdHeader& header = row.header;
  aof::CheckpointRow out{.database = database.database,
                         .key = key.name,
                         .type = NameOfType(header.type),
                         .expiry_ms = std::nullopt,
                         .size = header.size,
                         .payload_bytes = header.payload_bytes};
  if (header.expiry_ms != memtable::kNoExpiry) out.expiry_ms = header.expiry_ms;
  HF_TRY_STATUS(visitor.Row(out));
  if (header.value_id != 0)
    return rows_->database->ReadPieces(
        header, [&](std::string_view piece) { return visitor.Piece(piece); });
  return row.payload.empty() ? Status() : visitor.Piece(row.payload);
}

Status CheckpointReader::CheckCounts(const CheckpointDatabase& database,
                                     const std::vector<CheckpointCounts>& found) const {
  HF_CHECK(found.size() == database.shards.size());
  for (size_t shard = 0; shard < found.size(); ++shard) {
    const CheckpointCounts& wanted = database.shards[shard];
    if (found[shard] == wanted) continue;
    return Wrong({ErrorCode::kCorruption,
                  fmt::format("shard {} of {} of database {} has {} keys, {} of them with a time "
                              "to live, and should have {} and {}",
                              shard, metadata_.shards, database.database, found[shard].keys,
                              found[shard].expiring, wanted.keys, wanted.expiring)});
  }
  return {};
}

Status VerifyCheckpoint(FileSystem& files, const std::string& path,
                        const aof::CheckpointSource::Progress& progress) {
  const auto reader = HF_TRY(CheckpointReader::Open(files, path));
  NoVisitor nobody;
  HF_TRY_STATUS(reader->Read(nobody, progress));
  HF_TRY(reader->HotKeys());
  return {};
}

aof::CheckpointOpener Checkpoints() {
  return [](FileSystem& files,
            const std::string& path) -> Result<std::unique_ptr<aof::CheckpointSource>> {
    return HF_TRY(CheckpointReader::Open(files, path));
  };
}

}  // namespace holdfast::snapshot
