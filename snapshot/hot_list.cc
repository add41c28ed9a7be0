#include "snapshot/hot_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "aof/crc32c.h"
#include "holdfast/check.h"
#include "snapshot/byte_coding.h"
#include "snapshot/copy_file.h"

namespace holdfast::snapshot {
namespace {

constexpr std::string_view kMagic = "HOT-LIST";  // stored on disk: never change
constexpr size_t kCrcBytes = 4;
constexpr size_t kVersionBytes = 4;
constexpr size_t kHeadBytes = 8 + kVersionBytes + 8 + kCrcBytes;
constexpr size_t kRunHeadBytes = 1 + 4 + 4 + 4;
constexpr size_t kEndBytes = 1 + 8 + kCrcBytes;
constexpr char kEndMark = '\xff';
constexpr size_t kMostKeyBytes = 8 + 1;  // an order has 54 bits
// Of a data set of any size there are far less; a file of malice must not take more memory.
constexpr uint64_t kMostRuns = uint64_t{1} << 20;
constexpr size_t kPieceBytes = size_t{1} << 20;

void AppendCrc(std::string& bytes, uint32_t crc) { AppendFixed(bytes, crc, kCrcBytes); }

// The keys of a run, without its head. The reason of an error lacks file and place.
Status ParseKeys(std::string_view bytes, const HotRun& run, std::vector<HotKey>& keys) {
  ByteParser parser(bytes);
  memtable::KeyOrder order = 0;
  for (uint32_t i = 0; i < run.keys; ++i) {
    uint64_t step = 0;
    uint64_t rank = 0;
    if (!parser.Varint(step) || !parser.Fixed(rank, 1))
      return MakeError(ErrorCode::kCorruption, "a run that ends too early");
    if (step >= memtable::kOrderEnd - order || (i > 0 && step == 0))
      return MakeError(ErrorCode::kCorruption, "keys out of order");
    if (HotClassOf(static_cast<uint8_t>(rank)) != run.hot_class)
      return MakeError(ErrorCode::kCorruption, "a key of another class");
    order += step;
    keys.push_back({order, static_cast<uint8_t>(rank)});
  }
  if (parser.rest().empty()) return {};
  return MakeError(ErrorCode::kCorruption, "a run that is too long");
}

}  // namespace

// ---- writing

HotListWriter::HotListWriter(std::unique_ptr<File> file, UnixMs now_ms) : file_(std::move(file)) {
  HF_CHECK(now_ms >= 0);
  buffer_ = kMagic;
  AppendFixed(buffer_, kHotListVersion, kVersionBytes);
  AppendFixed(buffer_, static_cast<uint64_t>(now_ms));
  AppendCrc(buffer_, crc_ = aof::Crc32c(0, buffer_));
  HF_CHECK(buffer_.size() == kHeadBytes);
}

HotListWriter::~HotListWriter() = default;

Result<std::unique_ptr<HotListWriter>> HotListWriter::Create(FileSystem& files,
                                                             const std::string& path,
                                                             UnixMs now_ms) {
  std::unique_ptr<File> file = HF_TRY(files.Open(path, {.write = true, .create = true}));
  HF_TRY_STATUS(file->Truncate(0));
  return std::unique_ptr<HotListWriter>(new HotListWriter(std::move(file), now_ms));
}

Status HotListWriter::Add(SpaceId space, std::vector<HotKey>& keys) {
  // By class, then by order; of keys that share an order the hottest stays.
  const auto by_order = [](const HotKey& a, const HotKey& b) {
    return a.order != b.order ? a.order < b.order : a.rank > b.rank;
  };
  std::ranges::sort(keys, by_order);
  const auto doubled = std::ranges::unique(keys, {}, &HotKey::order);
  keys.erase(doubled.begin(), doubled.end());
  std::ranges::stable_sort(keys, {}, [](const HotKey& key) { return HotClassOf(key.rank); });
  for (size_t at = 0; at < keys.size() && runs_ < kMostRuns;) {
    const uint32_t hot_class = HotClassOf(keys[at].rank);
    size_t end = at;
    while (end < keys.size() && end - at < kMostKeysOfHotRun &&
           HotClassOf(keys[end].rank) == hot_class)
      ++end;
    HF_TRY_STATUS(AddRun(space, hot_class, &keys[at], end - at));
    at = end;
  }
  return {};
}

Status HotListWriter::AddRun(SpaceId space, uint32_t hot_class, const HotKey* first, size_t count) {
  HF_CHECK(count > 0 && count <= kMostKeysOfHotRun && hot_class < kHotClasses);
  std::string keys;
  memtable::KeyOrder last = 0;
  for (const HotKey& key : std::span(first, count)) {
    HF_CHECK(key.order < memtable::kOrderEnd && (key.order > last || &key == first));
    AppendVarint(keys, key.order - std::exchange(last, key.order));
    keys.push_back(static_cast<char>(key.rank));
  }
  const size_t begin = buffer_.size();
  buffer_.push_back(static_cast<char>(hot_class));
  AppendFixed(buffer_, space, 4);
  AppendFixed(buffer_, count, 4);
  AppendFixed(buffer_, keys.size(), 4);
  buffer_ += keys;
  crc_ = aof::Crc32c(crc_, std::string_view(buffer_).substr(begin));
  AppendCrc(buffer_, crc_);
  keys_ += count;
  ++runs_;
  return buffer_.size() < kPieceBytes ? Status() : Flush();
}

Status HotListWriter::Finish() {
  const size_t begin = buffer_.size();
  buffer_.push_back(kEndMark);
  AppendFixed(buffer_, keys_);
  AppendCrc(buffer_, aof::Crc32c(crc_, std::string_view(buffer_).substr(begin)));
  HF_TRY_STATUS(Flush());
  file_.reset();
  return {};
}

Status HotListWriter::Flush() {
  HF_CHECK(file_ != nullptr);
  const std::string_view part = buffer_;
  HF_TRY_STATUS(file_->WriteAt(written_, {&part, 1}));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

// ---- reading

HotListReader::HotListReader(std::unique_ptr<File> file, std::string path)
    : file_(std::move(file)), path_(std::move(path)) {}
HotListReader::~HotListReader() = default;

std::unexpected<Error> HotListReader::Wrong(std::string_view reason, uint64_t offset) const {
  return MakeError(ErrorCode::kCorruption,
                   fmt::format("hot list {}: {} at offset {}", path_, reason, offset));
}

Result<std::unique_ptr<HotListReader>> HotListReader::Open(FileSystem& files,
                                                           const std::string& path) {
  std::unique_ptr<File> file = HF_TRY(files.Open(path, {}));
  const uint64_t size = HF_TRY(file->Size());
  std::unique_ptr<HotListReader> reader(new HotListReader(std::move(file), path));
  HF_TRY_STATUS(reader->ReadHead(size));
  HF_TRY_STATUS(reader->ReadRuns(size));
  return reader;
}

Status HotListReader::Fetch(uint64_t offset, size_t count, std::string& bytes) {
  bytes.resize(count);
  const size_t read = HF_TRY(file_->ReadAt(offset, bytes));
  if (read != count) return Wrong("the file became shorter", offset + read);
  return {};
}

Status HotListReader::ReadHead(uint64_t size) {
  if (size < kHeadBytes) return Wrong("it is cut off", size);
  std::string bytes;
  HF_TRY_STATUS(Fetch(0, kHeadBytes, bytes));
  if (!bytes.starts_with(kMagic)) return Wrong("no hot list", 0);
  ByteParser parser(std::string_view(bytes).substr(kMagic.size()));
  uint64_t version = 0;
  uint64_t made_ms = 0;
  uint64_t crc = 0;
  HF_CHECK(parser.Fixed(version, kVersionBytes) && parser.Fixed(made_ms) &&
           parser.Fixed(crc, kCrcBytes));
  crc_ = aof::Crc32c(0, std::string_view(bytes).substr(0, kHeadBytes - kCrcBytes));
  if (crc != crc_) return Wrong("the checksum of its head does not match", 0);
  if (version != kHotListVersion) {
    return MakeError(version > kHotListVersion ? ErrorCode::kUnsupported : ErrorCode::kCorruption,
                     fmt::format("hot list {}: format version {}; this program knows version {}",
                                 path_, version, kHotListVersion));
  }
  if (made_ms > INT64_MAX) return Wrong("a time before 1970", 0);
  made_ms_ = static_cast<UnixMs>(made_ms);
  return {};
}

Status HotListReader::ReadRuns(uint64_t size) {
  std::string bytes;
  std::vector<HotKey> keys;
  for (uint64_t at = kHeadBytes;;) {
    const uint64_t left = size - at;
    if (left < kEndBytes) return Wrong("it is cut off", size);
    HF_TRY_STATUS(Fetch(at, kEndBytes, bytes));
    ByteParser parser(std::string_view(bytes).substr(1));
    if (bytes[0] == kEndMark) {
      uint64_t all = 0;
      uint64_t crc = 0;
      HF_CHECK(parser.Fixed(all) && parser.Fixed(crc, kCrcBytes));
      if (crc != aof::Crc32c(crc_, std::string_view(bytes).substr(0, kEndBytes - kCrcBytes)))
        return Wrong("the checksum of its end does not match", at);
      if (all != keys_) return Wrong("another number of keys than it says", at);
      if (left != kEndBytes) return Wrong("something behind its end", at + kEndBytes);
      return {};
    }
    static_assert(kRunHeadBytes <= kEndBytes);
    HotRun run{.offset = at, .hot_class = static_cast<uint8_t>(bytes[0]), .crc_seed = crc_};
    uint64_t space = 0;
    uint64_t count = 0;
    uint64_t length = 0;
    HF_CHECK(parser.Fixed(space, 4) && parser.Fixed(count, 4) && parser.Fixed(length, 4));
    if (run.hot_class >= kHotClasses || count == 0 || count > kMostKeysOfHotRun ||
        length > count * kMostKeyBytes || runs_.size() == kMostRuns)
      return Wrong("a bad run", at);
    if (left < kRunHeadBytes + length + kCrcBytes) return Wrong("it is cut off", size);
    run.space = static_cast<SpaceId>(space);
    run.keys = static_cast<uint32_t>(count);
    run.bytes = static_cast<uint32_t>(length);
    keys.clear();
    HF_TRY_STATUS(Read(run, keys));
    run.first = keys.front().order;
    keys_ += count;
    runs_.push_back(run);
    at += kRunHeadBytes + length + kCrcBytes;
  }
}

Status HotListReader::Read(const HotRun& run, std::vector<HotKey>& keys) {
  const size_t checked = kRunHeadBytes + run.bytes;
  std::string bytes;
  HF_TRY_STATUS(Fetch(run.offset, checked + kCrcBytes, bytes));
  const std::string_view all = bytes;
  crc_ = aof::Crc32c(run.crc_seed, all.substr(0, checked));
  ByteParser parser(all.substr(checked));
  uint64_t crc = 0;
  HF_CHECK(parser.Fixed(crc, kCrcBytes));
  if (crc != crc_) return Wrong("the checksum of a run does not match", run.offset);
  const Status parsed = ParseKeys(all.substr(kRunHeadBytes, run.bytes), run, keys);
  if (!parsed) return Wrong(parsed.error().message, run.offset);
  return {};
}

Status CopyHotList(FileSystem& files, const std::string& from, const std::string& to) {
  HF_TRY(HotListReader::Open(files, from));
  return CopyFile(files, from, to);
}

}  // namespace holdfast::snapshot
