// Makes a checkpoint of given contents, for tests that need one which no server would leave:
//
//   checkpoint_maker DIRECTORY < TEXT
//
// First line: id, hash key (32 hex digits), cut frame, cut time in unix ms. Then a line for each
// key: database, key in hex, value in hex or "-", expiry in unix ms or "-". The databases get
// spaces in descending order. Exit code 1 with the reason if that is no such text.
#include <fmt/core.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "aof/posix_file_system.h"
#include "snapshot/checkpoint.h"
#include "snapshot/live_tier.h"

namespace {

using namespace holdfast;            // NOLINT(google-build-using-namespace)
using namespace holdfast::snapshot;  // NOLINT(google-build-using-namespace)

constexpr SpaceId kSpaces = 1000;
constexpr uint32_t kShards = 64;
constexpr size_t kRowsLanded = 150;  // at a time: a few tables, which overlap

struct Row {
  uint32_t database = 0;
  std::string key;
  std::string value;
  UnixMs expiry_ms = memtable::kNoExpiry;
};

std::string FromHex(const std::string& hex) {
  std::string bytes;
  if (hex == "-") return bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::optional<Row> ReadRow(std::istream& in) {
  Row row;
  std::string key;
  std::string value;
  std::string expiry;
  if (!(in >> row.database >> key >> value >> expiry) || row.database >= kSpaces)
    return std::nullopt;
  row.key = FromHex(key);
  row.value = FromHex(value);
  if (expiry != "-") row.expiry_ms = std::stoll(expiry);
  return row;
}

Status Land(LiveTier& tier, const CheckpointMetadata& metadata, const std::vector<Row>& rows) {
  std::vector<ColdWrite> writes;
  for (const Row& row : rows) {
    ColdWrite& write = writes.emplace_back();
    const auto order = memtable::MakeKeyRef(SeedOf(metadata.hash_key), row.key).order();
    write.key = {kSpaces - 1 - row.database, order, row.key};
    write.header = {.expiry_ms = row.expiry_ms, .size = row.value.size()};
    write.payload = row.value;
  }
  return tier.Land(writes);
}

Status Make(std::istream& in, const std::string& path) {
  CheckpointMetadata metadata{
      .next_space = kSpaces, .shards = kShards, .databases = {}, .files = {}};
  std::string hash_key;
  if (!(in >> metadata.id >> hash_key >> metadata.cut_frame >> metadata.cut_ms))
    return MakeError(ErrorCode::kInvalidArgument, "no first line");
  const std::string key = FromHex(hash_key);
  if (key.size() != metadata.hash_key.size())
    return MakeError(ErrorCode::kInvalidArgument, "no hash key");
  key.copy(reinterpret_cast<char*>(metadata.hash_key.data()), key.size());
  const std::string scratch = path + ".tier";
  const auto tier = HF_TRY(LiveTier::Open({.directory = scratch, .checkpoint = {}}));
  std::map<uint32_t, std::vector<CheckpointCounts>> counts;
  while (true) {
    std::vector<Row> rows;
    while (rows.size() < kRowsLanded) {
      auto row = ReadRow(in);
      if (!row) break;
      auto& shards = counts.try_emplace(row->database, kShards).first->second;
      CheckpointCounts& of = shards[memtable::SlotOf(row->key) / (memtable::kSlotCount / kShards)];
      ++of.keys;
      of.expiring += row->expiry_ms == memtable::kNoExpiry ? 0 : 1;
      rows.push_back(*std::move(row));
    }
    if (rows.empty()) break;
    HF_TRY_STATUS(Land(*tier, metadata, rows));
  }
  for (auto& [database, shards] : counts)
    metadata.databases.push_back({database, kSpaces - 1 - database, std::move(shards)});
  aof::PosixFileSystem files;
  HF_TRY_STATUS(LinkCheckpoint(*tier, files, path));
  return SealCheckpoint(files, path, metadata);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string path = argv[1];
  const Status made = Make(std::cin, path);
  std::filesystem::remove_all(path + ".tier");
  if (made) return 0;
  fmt::print(stderr, "{}\n", made.error().message);
  return 1;
}
