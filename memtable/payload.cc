#include "memtable/payload.h"

#include <isa-l/crc64.h>

#include "holdfast/check.h"
#include "memtable/rdb_encoding.h"

namespace holdfast::memtable {
namespace {

constexpr size_t kVersionBytes = 2;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kFooterBytes = kVersionBytes + kChecksumBytes;

void PutLittleEndian(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t GetLittleEndian(std::string_view bytes) {
  HF_CHECK(bytes.size() <= sizeof(uint64_t));
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

std::unexpected<Error> BadFormat(std::string why) {
  return MakeError(ErrorCode::kInvalidArgument, std::move(why));
}

// Why the payload's first byte, which is no type that can be read, is refused.
std::unexpected<Error> RefuseType(uint8_t type) {
  const std::string_view name = RdbTypeName(type);
  if (name.empty()) return BadFormat("unknown value type " + std::to_string(type));
  return MakeError(ErrorCode::kUnsupported,
                   "values of type " + std::string(name) + " are not supported");
}

Status CheckFooter(std::string_view payload) {
  if (payload.size() < kFooterBytes) {
    return MakeError(ErrorCode::kCorruption, "payload shorter than its footer");
  }
  const size_t covered = payload.size() - kChecksumBytes;
  const uint64_t version = GetLittleEndian(payload.substr(covered - kVersionBytes, kVersionBytes));
  if (version > kPayloadVersionMax) {
    return MakeError(ErrorCode::kCorruption, "payload version " + std::to_string(version) +
                                                 " is newer than " +
                                                 std::to_string(kPayloadVersionMax));
  }
  if (Crc64(0, payload.substr(0, covered)) != GetLittleEndian(payload.substr(covered))) {
    return MakeError(ErrorCode::kCorruption, "payload checksum is wrong");
  }
  return {};
}

}  // namespace

uint64_t Crc64(uint64_t crc, std::string_view bytes) {
  // ISA-L inverts before and after, Redis does not.
  return ~crc64_jones_refl(~crc, reinterpret_cast<const unsigned char*>(bytes.data()),
                           bytes.size());
}

std::string EncodeStringPayload(std::string_view bytes, bool compress) {
  std::string payload;
  RdbEncoder encoder(payload);
  encoder.PutByte(static_cast<uint8_t>(RdbType::kString));
  encoder.PutString(bytes, compress);
  PutLittleEndian(payload, kPayloadVersion, kVersionBytes);
  PutLittleEndian(payload, Crc64(0, payload), kChecksumBytes);
  return payload;
}

std::string EncodePayload(const Entry& entry, bool compress) {
  HF_CHECK(entry.type() == ValueType::kString);
  Entry::Scratch scratch;
  return EncodeStringPayload(entry.StringBytes(scratch), compress);
}

Result<DecodedValue> DecodePayload(std::string_view payload) {
  HF_TRY_STATUS(CheckFooter(payload));
  // As in Redis, a value whose length says so reaches into the footer.
  RdbDecoder decoder(payload);
  const auto type = decoder.GetByte();
  if (!type) return BadFormat("payload without a value");
  if (*type != static_cast<uint8_t>(RdbType::kString)) return RefuseType(*type);
  auto bytes = decoder.GetString();
  if (!bytes) return BadFormat(std::move(bytes).error().message);
  return DecodedValue{ValueType::kString, *std::move(bytes)};
}

}  // namespace holdfast::memtable
