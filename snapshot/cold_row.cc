#include "snapshot/cold_row.h"

#include <fmt/core.h>

#include "holdfast/check.h"
#include "snapshot/byte_coding.h"

namespace holdfast::snapshot {
namespace {

using memtable::ValueType;

// Stored on disk: never renumber.
enum class ColdType : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,
  kHash = 4,
  kStream = 5,
  kModule = 6,
};

// Stored on disk: never renumber.
enum RowFlag : uint8_t {
  kHasExpiry = 1,
  kHasValueId = 2,
  kRawString = 4,
  kInteger = 8,
  kAllRowFlags = 15,
};

constexpr size_t kFixedBytes = 4;  // version, type, flags, rank

ColdType StoredType(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return ColdType::kString;
    case ValueType::kList:
      return ColdType::kList;
    case ValueType::kSet:
      return ColdType::kSet;
    case ValueType::kSortedSet:
      return ColdType::kSortedSet;
    case ValueType::kHash:
      return ColdType::kHash;
    case ValueType::kStream:
      return ColdType::kStream;
    case ValueType::kModule:
      return ColdType::kModule;
  }
  HF_CHECK(false);
  return ColdType::kString;
}

Result<ValueType> TypeOfStored(uint8_t stored) {
  switch (static_cast<ColdType>(stored)) {
    case ColdType::kString:
      return ValueType::kString;
    case ColdType::kList:
      return ValueType::kList;
    case ColdType::kSet:
      return ValueType::kSet;
    case ColdType::kSortedSet:
      return ValueType::kSortedSet;
    case ColdType::kHash:
      return ValueType::kHash;
    case ColdType::kStream:
      return ValueType::kStream;
    case ColdType::kModule:
      return ValueType::kModule;
  }
  return MakeError(ErrorCode::kCorruption, fmt::format("a cold row of unknown type {}", stored));
}

std::unexpected<Error> Broken(std::string_view what) {
  return MakeError(ErrorCode::kCorruption, fmt::format("a cold row with {}", what));
}

Status CheckSizes(const ColdRow& row) {
  const ColdHeader& header = row.header;
  if (header.value_id != 0 && !row.payload.empty())
    return Broken("a value both in it and elsewhere");
  if (header.value_id == 0 && header.payload_bytes != row.payload.size())
    return Broken("a value of another length");
  if (header.value_id != 0 && header.payload_bytes <= kInlineBytes)
    return Broken("a short value elsewhere");
  if (header.value_id == 0 && header.payload_bytes > kInlineBytes) return Broken("a long value");
  if (header.type == ValueType::kString && header.size != header.payload_bytes)
    return Broken("two lengths of a string");
  return {};
}

}  // namespace

void AppendColdRow(std::string& out, const ColdHeader& header, std::string_view payload) {
  HF_CHECK(CheckSizes({header, payload}));
  HF_CHECK(header.expiry_ms == memtable::kNoExpiry || header.expiry_ms >= 0);
  const bool expires = header.expiry_ms != memtable::kNoExpiry;
  uint8_t flags = 0;
  if (expires) flags |= kHasExpiry;
  if (header.value_id != 0) flags |= kHasValueId;
  if (header.raw_string) flags |= kRawString;
  if (header.integer) flags |= kInteger;
  out.push_back(static_cast<char>(kColdRowVersion));
  out.push_back(static_cast<char>(StoredType(header.type)));
  out.push_back(static_cast<char>(flags));
  out.push_back(static_cast<char>(header.rank));
  if (expires) AppendFixed(out, static_cast<uint64_t>(header.expiry_ms));
  if (header.value_id != 0) AppendFixed(out, header.value_id);
  AppendVarint(out, header.size);
  AppendVarint(out, header.payload_bytes);
  out += payload;
}

Result<ColdRow> DecodeColdRow(std::string_view bytes) {
  if (bytes.size() < kFixedBytes) return Broken("too few bytes");
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version > kColdRowVersion)
    return MakeError(ErrorCode::kUnsupported, fmt::format("a cold row of version {}", version));
  if (version != kColdRowVersion) return Broken("no version");
  ColdRow row;
  ColdHeader& header = row.header;
  header.type = HF_TRY(TypeOfStored(static_cast<uint8_t>(bytes[1])));
  const auto flags = static_cast<uint8_t>(bytes[2]);
  if ((flags & ~kAllRowFlags) != 0) return Broken("unknown flags");
  header.raw_string = (flags & kRawString) != 0;
  header.integer = (flags & kInteger) != 0;
  header.rank = static_cast<uint8_t>(bytes[3]);
  ByteParser parser(bytes.substr(kFixedBytes));
  uint64_t expiry_ms = 0;
  if ((flags & kHasExpiry) != 0) {
    if (!parser.Fixed(expiry_ms) || expiry_ms > INT64_MAX) return Broken("no time to live");
    header.expiry_ms = static_cast<UnixMs>(expiry_ms);
  }
  if ((flags & kHasValueId) != 0) {
    if (!parser.Fixed(header.value_id) || header.value_id == 0) return Broken("no value id");
  }
  if (!parser.Varint(header.size) || !parser.Varint(header.payload_bytes))
    return Broken("no length");
  row.payload = parser.rest();
  HF_TRY_STATUS(CheckSizes(row));
  return row;
}

}  // namespace holdfast::snapshot
