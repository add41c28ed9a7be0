// RocksDB as the live tier uses it: its options, its column families, its errors as ours. Private
// to snapshot/.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/result.h"
#include "snapshot/live_tier.h"
#include "snapshot/low_priority.h"

namespace holdfast::snapshot {

// Stored on disk: never renumber, never rename (kFamilyNames).
enum Family : size_t { kRows, kChunks, kExpiries, kReferences, kFamilies };
inline constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "chunks", "expiries",
                                                                    "references"};

Status FromRocks(const rocksdb::Status& status, std::string_view doing);

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// 8 bytes, big-endian.
std::string BigEndianKey(uint64_t value, std::string_view rest = {});
uint64_t FromBigEndian(std::string_view bytes);

struct LiveTier::Database {
  // Whether the files of `directory` are there or not is the caller's matter.
  static Result<std::unique_ptr<Database>> Open(const LiveTierOptions& options);
  // Nothing in the directory is changed; nothing may be written. For looking at each row once:
  // without filters, with little in memory.
  static Result<std::unique_ptr<Database>> OpenForReading(const std::string& directory);
  ~Database();

  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[which]; }
  std::unique_ptr<rocksdb::Iterator> Iterate(Family which, const rocksdb::Slice* end) const;
  // The chunks of a long value. kCorruption if they are not those that its header speaks of.
  using TakePiece = std::function<Status(std::string_view piece)>;
  Status ReadPieces(const ColdHeader& header, const TakePiece& take) const;
  // Every block of one table.
  Status VerifyTable(const std::string& path) const;

  Status Opened(const rocksdb::Status& status, rocksdb::DB* opened,
                const std::vector<rocksdb::ColumnFamilyHandle*>& handles);
  std::vector<rocksdb::ColumnFamilyDescriptor> Descriptors() const;

  void SetCompactionRate(uint64_t bytes_per_s) const;

  uint64_t NewestFiles() const;  // of rows, not compacted yet

  std::string directory;
  rocksdb::ReadOptions read;
  std::unique_ptr<rocksdb::Env> env;
  rocksdb::Options options;
  rocksdb::Options landing;  // of the files that land
  std::shared_ptr<rocksdb::Statistics> statistics;
  std::unique_ptr<LowPriorityThread> writer;  // of the files that land
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  std::atomic<uint64_t> next_value_id{1};
  std::atomic<uint64_t> next_file{1};
  std::atomic<bool> cancelled{false};  // Compact is to end
  // Held while files are taken in: readers see a landing family by family, so whoever concludes
  // from one family what another does not have must not look in between.
  std::mutex landing_mutex;
};

}  // namespace holdfast::snapshot
