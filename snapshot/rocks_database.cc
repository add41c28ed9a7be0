#include "snapshot/rocks_database.h"

#include <fmt/core.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "holdfast/check.h"
#include "snapshot/unsynced_files.h"

namespace holdfast::snapshot {
namespace {

// A look for an absent key asks the filter of each sorted run it might be in: those that compaction
// leaves (kMostRuns), and while rows land faster than it goes up to 24 new files. Together they may
// let 1.5% through (DESIGN section 4); with so many bits one lets 0.05% through. Ribbon filters are
// a third smaller, but take 60 MB more while three compactions build theirs.
constexpr double kFilterBits = 17;
constexpr int kMostRuns = 10;
// Most of what a read costs is to decompress a block: 14.5 us with blocks of 8 KiB, 11.8 with these
// (JSON rows of 200 bytes, which take 7% more disk so).
constexpr size_t kBlockBytes = size_t{4} << 10;
constexpr uint64_t kFileBytes = uint64_t{32} << 20;
// Stale rows may take so much disk, in parts of that of those that count, and as much of the
// filters' memory. Less would mean to write all rows again more often.
constexpr unsigned kStalePercent = 150;
constexpr int kValueIdBytes = 8;
constexpr size_t kReadingAheadBytes = size_t{2} << 20;
constexpr int kReadingOpenFiles = 128;

int64_t RateLimit(uint64_t bytes_per_s) {
  constexpr uint64_t kNoLimit = uint64_t{1} << 40;
  return static_cast<int64_t>(bytes_per_s == 0 ? kNoLimit : std::min(bytes_per_s, kNoLimit));
}

rocksdb::Options MakeOptions(const LiveTierOptions& options,
                             const std::shared_ptr<rocksdb::Statistics>& statistics) {
  rocksdb::BlockBasedTableOptions table;
  // What is read again and again is in memory as a key: blocks are left to the page cache.
  table.no_block_cache = true;
  table.block_size = kBlockBytes;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
  // Filters and indexes stay in memory with their open files, never in competition with blocks.
  table.cache_index_and_filter_blocks = false;
  rocksdb::Options made;
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  made.create_if_missing = true;
  made.create_missing_column_families = true;
  made.max_open_files = -1;
  made.max_background_jobs = options.background_jobs;
  // Rows land in files that span all keys, so levels would write each row again and again: three
  // times as often as runs that are merged when there are as many of one size.
  made.compaction_style = rocksdb::kCompactionStyleUniversal;
  made.compaction_options_universal.max_size_amplification_percent = kStalePercent;
  made.level0_file_num_compaction_trigger = kMostRuns;
  made.target_file_size_base = kFileBytes;
  made.compression = rocksdb::kLZ4Compression;
  made.bottommost_compression = rocksdb::kZSTD;
  made.bottommost_compression_opts.enabled = true;
  // No dictionary: Debian's RocksDB digests it for every block anew, which takes a read 5 us, and
  // it saves nothing (the same JSON rows: 56 MB with one of 16 KiB a file, 52 MB without).
  made.bottommost_compression_opts.level = 1;
  made.bytes_per_sync = uint64_t{1} << 20;   // begun early, what a checkpoint syncs is soon done
  made.write_buffer_size = size_t{1} << 20;  // nothing is ever written to one
  made.statistics = statistics;
  made.info_log = LogOfNothing();
  made.rate_limiter.reset(rocksdb::NewGenericRateLimiter(RateLimit(0)));
  made.listeners.push_back(LowersCompactions());
  made.max_manifest_file_size = uint64_t{16} << 20;
  return made;
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  ErrorCode code = ErrorCode::kIoError;
  if (status.IsCorruption()) code = ErrorCode::kCorruption;
  if (status.IsNoSpace()) code = ErrorCode::kNoSpace;
  return MakeError(code, fmt::format("{}: {}", doing, status.ToString()));
}

std::string BigEndianKey(uint64_t value, std::string_view rest) {
  std::string out;
  out.reserve(sizeof(value) + rest.size());
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  out += rest;
  return out;
}

uint64_t FromBigEndian(std::string_view bytes) {
  HF_CHECK(bytes.size() >= kValueIdBytes);
  uint64_t value = 0;
  for (const char byte : bytes.substr(0, kValueIdBytes))
    value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

void LiveTier::Database::SetCompactionRate(uint64_t bytes_per_s) const {
  options.rate_limiter->SetBytesPerSecond(RateLimit(bytes_per_s));
}

Status LiveTier::Database::VerifyTable(const std::string& path) const {
  rocksdb::SstFileReader table(options);
  HF_TRY_STATUS(FromRocks(table.Open(path), path));
  return FromRocks(table.VerifyChecksum(), path);
}

std::vector<rocksdb::ColumnFamilyDescriptor> LiveTier::Database::Descriptors() const {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const char* name : kFamilyNames) descriptors.emplace_back(name, options);
  return descriptors;
}

// RocksDB names its manifest when it cannot open one of the tables that this lists.
Status LiveTier::Database::Opened(const rocksdb::Status& status, rocksdb::DB* opened,
                                  const std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  std::vector<std::string> names;
  if (status.IsCorruption())
    HF_TRY_STATUS(FromRocks(options.env->GetChildren(directory, &names), directory));
  for (const std::string& name : names) {
    if (name.ends_with(".sst")) HF_TRY_STATUS(VerifyTable(fmt::format("{}/{}", directory, name)));
  }
  HF_TRY_STATUS(FromRocks(status, fmt::format("opening the live tier in {}", directory)));
  HF_CHECK(opened != nullptr && handles.size() == kFamilies);
  for (size_t i = 0; i < kFamilies; ++i) HF_CHECK(handles[i]->GetName() == kFamilyNames[i]);
  db.reset(opened);
  std::copy(handles.begin(), handles.end(), families.begin());
  return {};
}

Result<std::unique_ptr<LiveTier::Database>> LiveTier::Database::Open(
    const LiveTierOptions& options) {
  auto database = std::make_unique<Database>();
  database->directory = options.directory;
  database->statistics = rocksdb::CreateDBStatistics();
  database->statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  database->env = UnsyncedEnv();
  database->writer = std::make_unique<LowPriorityThread>();
  database->options = MakeOptions(options, database->statistics);
  database->options.env = database->env.get();
  // A file that lands is soon compacted: zstd would be most of its cost.
  database->landing = database->options;
  database->landing.bottommost_compression = rocksdb::kDisableCompressionOption;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(database->options, options.directory,
                                                   database->Descriptors(), &handles, &opened);
  HF_TRY_STATUS(database->Opened(status, opened, handles));
  for (const Family family : {kChunks, kReferences}) {
    const auto newest = database->Iterate(family, nullptr);
    newest->SeekToLast();
    HF_TRY_STATUS(FromRocks(newest->status(), "looking for the newest long value"));
    if (!newest->Valid()) continue;
    const uint64_t next = FromBigEndian(ToView(newest->key())) + 1;
    database->next_value_id = std::max(database->next_value_id.load(), next);
  }
  return database;
}

Result<std::unique_ptr<LiveTier::Database>> LiveTier::Database::OpenForReading(
    const std::string& directory) {
  auto database = std::make_unique<Database>();
  database->directory = directory;
  database->options = MakeOptions(LiveTierOptions(), nullptr);
  auto* table = database->options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  HF_CHECK(table != nullptr);
  table->filter_policy.reset();
  database->options.create_if_missing = false;
  database->options.create_missing_column_families = false;
  database->options.max_open_files = kReadingOpenFiles;
  database->read.fill_cache = false;
  database->read.readahead_size = kReadingAheadBytes;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(
      database->options, directory, database->Descriptors(), &handles, &opened);
  HF_TRY_STATUS(database->Opened(status, opened, handles));
  return database;
}

LiveTier::Database::~Database() {
  if (db == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : families) db->DestroyColumnFamilyHandle(handle);
  static_cast<void>(db->Close());
}

std::unique_ptr<rocksdb::Iterator> LiveTier::Database::Iterate(Family which,
                                                               const rocksdb::Slice* end) const {
  rocksdb::ReadOptions bounded = read;
  bounded.iterate_upper_bound = end;
  return std::unique_ptr<rocksdb::Iterator>(db->NewIterator(bounded, family(which)));
}

Status LiveTier::Database::ReadPieces(const ColdHeader& header, const TakePiece& take) const {
  HF_CHECK(header.value_id != 0 && header.payload_bytes > kInlineBytes);
  const std::string end = BigEndianKey(header.value_id + 1);
  const rocksdb::Slice bound = ToSlice(end);
  const auto chunk = Iterate(kChunks, &bound);
  uint64_t size = 0;
  for (chunk->Seek(ToSlice(BigEndianKey(header.value_id))); chunk->Valid(); chunk->Next()) {
    const std::string_view bytes = ToView(chunk->value());
    const bool in_order =
        ToView(chunk->key()) == BigEndianKey(header.value_id, BigEndianKey(size / kChunkBytes));
    const uint64_t wanted = std::min<uint64_t>(kChunkBytes, header.payload_bytes - size);
    if (!in_order || bytes.size() != wanted || wanted == 0) break;
    HF_TRY_STATUS(take(bytes));
    size += bytes.size();
  }
  HF_TRY_STATUS(FromRocks(chunk->status(), "reading a long cold value"));
  if (size == header.payload_bytes && !chunk->Valid()) return {};
  return MakeError(ErrorCode::kCorruption,
                   fmt::format("the long cold value {} is not the {} bytes that it should be",
                               header.value_id, header.payload_bytes));
}

// RocksDB has this figure as text only.
uint64_t LiveTier::Database::NewestFiles() const {
  std::string text;
  HF_CHECK(db->GetProperty(family(kRows), "rocksdb.num-files-at-level0", &text));
  uint64_t files = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), files);
  HF_CHECK(parsed.ec == std::errc{});
  return files;
}

}  // namespace holdfast::snapshot
