// The bytes of a checkpoint's file HOLDFAST (docs/formats.md, "Checkpoint").
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "aof/crc32c.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "memtable/key.h"
#include "snapshot/byte_coding.h"
#include "snapshot/checkpoint.h"

namespace holdfast::snapshot {
namespace {

constexpr std::string_view kMagic = "HOLDFAST";  // stored on disk: never change
constexpr size_t kCrcBytes = 4;
constexpr size_t kVersionBytes = 4;

bool IsPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name != kCheckpointFile &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

// What both directions hold the metadata to; empty: nothing is wrong.
std::string_view CheckRules(const CheckpointMetadata& metadata) {
  if (metadata.cut_frame == UINT64_MAX) return "a frame that no other can follow";
  if (metadata.cut_ms < 0) return "a time before 1970";
  if (metadata.shards == 0 || metadata.shards > memtable::kSlotCount ||
      (metadata.shards & (metadata.shards - 1)) != 0)
    return "a bad number of shards";
  std::set<SpaceId> spaces;
  for (size_t i = 0; i < metadata.databases.size(); ++i) {
    const CheckpointDatabase& database = metadata.databases[i];
    if (i > 0 && database.database <= metadata.databases[i - 1].database)
      return "databases out of order";
    if (database.space >= metadata.next_space) return "a space that is still to be given out";
    if (!spaces.insert(database.space).second) return "two databases in one space";
    if (database.shards.size() != metadata.shards) return "counts of other shards";
    uint64_t sum = 0;
    for (const CheckpointCounts& counts : database.shards) {
      if (counts.expiring > counts.keys) return "more keys that expire than keys";
      const auto next = CheckedAdd<uint64_t>(sum, counts.keys);
      if (!next) return "more keys than can be counted";
      sum = *next;
    }
  }
  for (size_t i = 0; i < metadata.files.size(); ++i) {
    const std::string& name = metadata.files[i].name;
    if (!IsPlainName(name)) return "a bad file name";
    if (i > 0 && name <= metadata.files[i - 1].name) return "files out of order";
  }
  return {};
}

// Everything behind the version. False: the bytes end too early, or a number is malformed.
class MetadataParser {
 public:
  explicit MetadataParser(std::string_view bytes) : parser_(bytes) {}

  bool Parse(CheckpointMetadata& metadata) {
    std::string_view key;
    uint64_t cut_ms = 0;
    if (!parser_.Fixed(metadata.id) || !parser_.Bytes(key, metadata.hash_key.size()) ||
        !parser_.Varint(metadata.cut_frame) || !parser_.Varint(metadata.term) ||
        !Varint(cut_ms, INT64_MAX) || !Number(metadata.next_space) || !Number(metadata.shards))
      return false;
    std::ranges::copy(key, metadata.hash_key.begin());
    metadata.cut_ms = static_cast<UnixMs>(cut_ms);
    return Databases(metadata) && Files(metadata) && parser_.rest().empty();
  }

 private:
  bool Varint(uint64_t& value, uint64_t most) { return parser_.Varint(value) && value <= most; }
  bool Number(uint32_t& value) {
    uint64_t wide = 0;
    if (!Varint(wide, UINT32_MAX)) return false;
    value = static_cast<uint32_t>(wide);
    return true;
  }
  // Nothing is reserved for what is only claimed.
  bool Databases(CheckpointMetadata& metadata) {
    uint64_t left = 0;
    if (!parser_.Varint(left)) return false;
    for (; left > 0; --left) {
      CheckpointDatabase& database = metadata.databases.emplace_back();
      if (!Number(database.database) || !Number(database.space)) return false;
      for (uint32_t shard = 0; shard < metadata.shards; ++shard) {
        CheckpointCounts counts;
        if (!parser_.Varint(counts.keys) || !parser_.Varint(counts.expiring)) return false;
        database.shards.push_back(counts);
      }
    }
    return true;
  }
  bool Files(CheckpointMetadata& metadata) {
    uint64_t left = 0;
    if (!parser_.Varint(left)) return false;
    for (; left > 0; --left) {
      uint64_t name_bytes = 0;
      std::string_view name;
      uint64_t crc = 0;
      CheckpointFileEntry& entry = metadata.files.emplace_back();
      if (!parser_.Varint(name_bytes) || !parser_.Bytes(name, name_bytes) ||
          !parser_.Varint(entry.bytes) || !parser_.Fixed(crc, kCrcBytes))
        return false;
      entry.name = name;
      entry.crc = static_cast<uint32_t>(crc);
    }
    return true;
  }

  ByteParser parser_;
};

}  // namespace

std::string FormatCheckpoint(const CheckpointMetadata& metadata) {
  HF_CHECK(CheckRules(metadata).empty());
  std::string out(kMagic);
  AppendFixed(out, kCheckpointVersion, kVersionBytes);
  AppendFixed(out, metadata.id);
  out.append(reinterpret_cast<const char*>(metadata.hash_key.data()), metadata.hash_key.size());
  AppendVarint(out, metadata.cut_frame);
  AppendVarint(out, metadata.term);
  AppendVarint(out, static_cast<uint64_t>(metadata.cut_ms));
  AppendVarint(out, metadata.next_space);
  AppendVarint(out, metadata.shards);
  AppendVarint(out, metadata.databases.size());
  for (const CheckpointDatabase& database : metadata.databases) {
    AppendVarint(out, database.database);
    AppendVarint(out, database.space);
    for (const CheckpointCounts& counts : database.shards) {
      AppendVarint(out, counts.keys);
      AppendVarint(out, counts.expiring);
    }
  }
  AppendVarint(out, metadata.files.size());
  for (const CheckpointFileEntry& entry : metadata.files) {
    AppendVarint(out, entry.name.size());
    out += entry.name;
    AppendVarint(out, entry.bytes);
    AppendFixed(out, entry.crc, kCrcBytes);
  }
  AppendFixed(out, aof::Crc32c(0, out), kCrcBytes);
  return out;
}

Result<CheckpointMetadata> ParseCheckpoint(std::string_view bytes, const std::string& path) {
  const auto wrong = [&](std::string_view reason) {
    return MakeError(ErrorCode::kCorruption,
                     fmt::format("checkpoint {}: its file {} {}", path, kCheckpointFile, reason));
  };
  if (bytes.size() < kMagic.size() + kVersionBytes + kCrcBytes) return wrong("is too short");
  if (!bytes.starts_with(kMagic)) return wrong("does not begin as it should");
  // Every version ends with it: a damaged version is not taken for a newer one.
  ByteParser end(bytes.substr(bytes.size() - kCrcBytes));
  uint64_t crc = 0;
  HF_CHECK(end.Fixed(crc, kCrcBytes));
  bytes.remove_suffix(kCrcBytes);
  if (crc != aof::Crc32c(0, bytes)) return wrong("does not match its checksum");
  ByteParser start(bytes.substr(kMagic.size()));
  uint64_t version = 0;
  HF_CHECK(start.Fixed(version, kVersionBytes));
  if (version > kCheckpointVersion) {
    return MakeError(ErrorCode::kUnsupported,
                     fmt::format("checkpoint {}: format version {}; this program reads version {}",
                                 path, version, kCheckpointVersion));
  }
  if (version != kCheckpointVersion) return wrong("has no version");
  CheckpointMetadata metadata;
  if (!MetadataParser(start.rest()).Parse(metadata)) return wrong("has a bad length or number");
  if (const std::string_view reason = CheckRules(metadata); !reason.empty())
    return wrong(fmt::format("has {}", reason));
  return metadata;
}

}  // namespace holdfast::snapshot
