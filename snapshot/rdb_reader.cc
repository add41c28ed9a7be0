#include "snapshot/rdb_reader.h"

#include <fmt/core.h>

#include <string_view>

#include "aof/check_report.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::snapshot {
namespace {

using memtable::RdbType;

// Stored on disk: never renumber. What stands where a value's type may stand.
enum RdbOpcode : uint8_t {
  kSlotImport = 243,  // Valkey's
  kSlotInfo = 244,
  kFunction2 = 245,
  kFunctionPreGa = 246,
  kModuleAux = 247,
  kIdle = 248,
  kFrequency = 249,
  kAux = 250,
  kResizeDb = 251,
  kExpireTimeMs = 252,
  kExpireTime = 253,
  kSelectDb = 254,
  kEnd = 255,
};

constexpr size_t kHeaderBytes = 9;
constexpr std::string_view kMagic = "REDIS";  // and a version of four digits
constexpr std::string_view kValkeyMagic = "VALKEY";
constexpr int kFirstVersionWithChecksum = 5;
constexpr size_t kShownBytes = 64;  // of a name, in a message

std::unexpected<Error> Corrupt(std::string what) {
  return MakeError(ErrorCode::kCorruption, std::move(what));
}
std::unexpected<Error> Unsupported(std::string what) {
  return MakeError(ErrorCode::kUnsupported, std::move(what));
}

std::string Shown(std::string_view name) {
  const bool whole = name.size() <= kShownBytes;
  return fmt::format("'{}'{}", aof::Printable(name.substr(0, kShownBytes)), whole ? "" : "...");
}

// Nine characters of six bits each, then ten bits of version.
std::string ModuleName(uint64_t id) {
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string name;
  for (int shift = 58; shift >= 10; shift -= 6) name += kCharacters[id >> shift & 63];
  return name;
}

// "#!lua name=mylib ..." begins a library; of a pre-release form there is only a name before it.
std::string LibraryName(std::string_view code) {
  constexpr std::string_view kNameIs = "name=";
  const std::string_view first_line = code.substr(0, code.find('\n'));
  const size_t at = first_line.find(kNameIs);
  if (!code.starts_with("#!") || at == std::string_view::npos) return Shown(first_line);
  const std::string_view name = first_line.substr(at + kNameIs.size());
  return Shown(name.substr(0, name.find_first_of(" \r")));
}

}  // namespace

Result<std::unique_ptr<RdbReader>> RdbReader::Open(File& file, uint64_t size,
                                                   uint64_t piece_bytes) {
  HF_CHECK(piece_bytes > 0);
  std::unique_ptr<RdbReader> reader(new RdbReader(file, size, piece_bytes));
  HF_TRY_STATUS(reader->ReadHeader());
  return reader;
}

Status RdbReader::ReadHeader() {
  std::string header;
  for (size_t i = 0; i < kHeaderBytes; ++i) header += static_cast<char>(HF_TRY(in_.GetByte()));
  of_valkey_ = header.starts_with(kValkeyMagic);
  const std::string_view magic = of_valkey_ ? kValkeyMagic : kMagic;
  if (!header.starts_with(magic)) return Corrupt("it does not begin with REDIS or VALKEY");
  for (const char digit : header.substr(magic.size())) {
    if (digit < '0' || digit > '9')
      return Corrupt(fmt::format("{} is not followed by a version", magic));
    version_ = version_ * 10 + (digit - '0');
  }
  HF_CHECK(version_ >= 0 && version_ <= 9999);
  return CheckVersion();
}

Status RdbReader::CheckVersion() const {
  const int newest = of_valkey_ ? kValkeyRdbVersion : kRdbVersionMax;
  const int oldest = of_valkey_ ? kValkeyRdbVersion : 1;
  const char* owner = of_valkey_ ? "Valkey's " : "";
  if (version_ < oldest)
    return Corrupt(fmt::format("there is no {}RDB version {}", owner, version_));
  if (version_ <= newest) return {};
  return Unsupported(fmt::format("{}RDB version {} is newer than {}", owner, version_, newest));
}

// Valkey gave one number another meaning.
std::string_view RdbReader::TypeName(uint8_t type) const {
  const bool differs = of_valkey_ && type == static_cast<uint8_t>(RdbType::kHashFieldTtlsPreGa);
  return memtable::RdbTypeName(differs ? static_cast<uint8_t>(RdbType::kHashFieldTtls) : type);
}

Result<bool> RdbReader::Next(RdbEntry& entry) {
  HF_CHECK(!ended_);
  while (true) {
    // A key begins with its expiry time.
    if (expiry_ms_ == memtable::kNoExpiry) offset_ = position();
    const uint8_t opcode = HF_TRY(in_.GetByte());
    const bool is_key = HF_TRY(ReadItem(opcode, entry));
    HF_CHECK(ended_ || position() > offset_);
    if (is_key) return true;
    if (ended_) return false;
  }
}

// True: `entry` is filled.
Result<bool> RdbReader::ReadItem(uint8_t opcode, RdbEntry& entry) {
  switch (opcode) {
    case kExpireTime: {
      const auto seconds = static_cast<int32_t>(HF_TRY(in_.GetLittleEndian(sizeof(int32_t))));
      expiry_ms_ = int64_t{seconds} * 1000;
      return false;
    }
    case kExpireTimeMs:
      expiry_ms_ = static_cast<int64_t>(HF_TRY(in_.GetLittleEndian(sizeof(int64_t))));
      return false;
    case kFrequency:  // what an eviction policy knew about the key
      HF_TRY(in_.GetByte());
      return false;
    case kIdle:
      HF_TRY(in_.GetLength());
      return false;
    case kSelectDb:
      HF_TRY_STATUS(ReadDatabase());
      return false;
    case kSlotInfo:  // slot, keys in it, keys with a TTL: hints
      HF_TRY(in_.GetLength());
      [[fallthrough]];
    case kResizeDb:  // keys, keys with a TTL: hints
      HF_TRY(in_.GetLength());
      HF_TRY(in_.GetLength());
      return false;
    case kAux:
      HF_TRY_STATUS(ReadAux());
      return false;
    case kFunctionPreGa:
    case kFunction2:
      HF_TRY_STATUS(RefuseFunctions());
      return false;
    case kModuleAux:
      HF_TRY_STATUS(RefuseModule());
      return false;
    case kEnd:
      HF_TRY_STATUS(ReadEnd());
      return false;
    case kSlotImport:
      if (of_valkey_) return Unsupported("it is of a cluster's node that was importing slots");
      [[fallthrough]];
    default:
      HF_TRY_STATUS(ReadKey(opcode, entry));
      return true;
  }
}

Status RdbReader::ReadKey(uint8_t type, RdbEntry& entry) {
  const std::string_view type_name = TypeName(type);
  if (type_name.empty())
    return Corrupt(fmt::format("byte {} at offset {} begins nothing", type, position() - 1));
  HF_TRY_STATUS(in_.GetString(entry.key));
  if (type != static_cast<uint8_t>(RdbType::kString)) {
    return Unsupported(fmt::format("the key {} of database {} is a {}, which is not supported yet",
                                   Shown(entry.key), database_, type_name));
  }
  HF_TRY_STATUS(in_.GetString(entry.value));
  entry.database = database_;
  entry.expiry_ms = std::exchange(expiry_ms_, memtable::kNoExpiry);
  return {};
}

Status RdbReader::ReadDatabase() {
  const uint64_t database = HF_TRY(in_.GetLength());
  if (database > INT32_MAX) return Corrupt(fmt::format("there is no database {}", database));
  database_ = static_cast<uint32_t>(database);
  return {};
}

// Remarks; a reader skips those that it does not know.
Status RdbReader::ReadAux() {
  const std::string name = HF_TRY(in_.GetString());
  const std::string value = HF_TRY(in_.GetString());
  if (name == "aof-base" || name == "aof-preamble") log_base_ = value == "1";
  if (name == "ctime") {
    const auto ms = CheckedMul<int64_t>(ParseInteger(value).value_or(0), 1000);
    if (ms && *ms > 0) written_ms_ = *ms;
  }
  return {};
}

// Whoever calls them would miss them: not dropped in silence.
Status RdbReader::RefuseFunctions() {
  const std::string code = HF_TRY(in_.GetString());
  return Unsupported(fmt::format(
      "it holds the function library {}; functions are not supported yet (FUNCTION DELETE it in "
      "Redis, then save again)",
      LibraryName(code)));
}

Status RdbReader::RefuseModule() {
  const uint64_t id = HF_TRY(in_.GetLength());
  return Unsupported(fmt::format("it holds data of the module type {}; modules are not supported",
                                 ModuleName(id)));
}

Status RdbReader::ReadEnd() {
  if (version_ >= kFirstVersionWithChecksum) {
    const uint64_t found = source_.ChecksumBefore(in_.rest());
    const uint64_t written = HF_TRY(in_.GetLittleEndian(sizeof(uint64_t)));
    has_checksum_ = written != 0;
    if (has_checksum_ && written != found) {
      return Corrupt(
          fmt::format("the checksum of the file is {:016x}, it says {:016x}", found, written));
    }
  }
  offset_ = position();
  ended_ = true;
  return {};
}

}  // namespace holdfast::snapshot
