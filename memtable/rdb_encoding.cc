#include "memtable/rdb_encoding.h"

#include <liblzf/lzf.h>

#include <iterator>
#include <limits>

#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::memtable {
namespace {

// Stored on disk: never renumber.
constexpr uint8_t kLength14 = 0x40;  // in the top two bits, over the 6 upper bits of the length
constexpr uint8_t kLength32 = 0x80;
constexpr uint8_t kLength64 = 0x81;
constexpr uint8_t kSpecialForm = 0xc0;  // in the top two bits, over the form's number
constexpr uint8_t kFormInteger8 = 0;
constexpr uint8_t kFormInteger16 = 1;
constexpr uint8_t kFormInteger32 = 2;
constexpr uint8_t kFormCompressed = 3;

constexpr size_t kIntegerTextLimit = 11;  // "-2147483648"
constexpr size_t kCompressFrom = 21;
// LZF writes at most 264 bytes for 3 that it reads.
constexpr uint64_t kLzfMaxExpansion = 88;

// By RdbType.
constexpr std::string_view kTypeNames[] = {"string",
                                           "list",
                                           "set",
                                           "sorted set",
                                           "hash",
                                           "sorted set (binary scores)",
                                           "module (pre-release form)",
                                           "module",
                                           "",
                                           "hash (zipmap)",
                                           "list (ziplist)",
                                           "set (intset)",
                                           "sorted set (ziplist)",
                                           "hash (ziplist)",
                                           "list (quicklist of ziplists)",
                                           "stream",
                                           "hash (listpack)",
                                           "sorted set (listpack)",
                                           "list (quicklist)",
                                           "stream (second form)",
                                           "set (listpack)",
                                           "stream (third form)",
                                           "hash (field TTLs, pre-release form)",
                                           "hash (listpack, field TTLs, pre-release form)",
                                           "hash (field TTLs)",
                                           "hash (listpack, field TTLs)"};
static_assert(std::size(kTypeNames) == static_cast<size_t>(RdbType::kHashListpackFieldTtls) + 1);

template <typename T>
bool Fits(int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

std::unexpected<Error> Corrupt(const char* what) { return MakeError(ErrorCode::kCorruption, what); }

}  // namespace

std::string_view RdbTypeName(uint8_t type) {
  return type < std::size(kTypeNames) ? kTypeNames[type] : std::string_view();
}

void RdbEncoder::PutLength(uint64_t length) {
  int bytes_left = 0;
  if (length < (1 << 6)) {
    PutByte(static_cast<uint8_t>(length));
  } else if (length < (1 << 14)) {
    PutByte(static_cast<uint8_t>(kLength14 | (length >> 8)));
    bytes_left = 1;
  } else if (length <= UINT32_MAX) {
    PutByte(kLength32);
    bytes_left = 4;
  } else {
    PutByte(kLength64);
    bytes_left = 8;
  }
  while (bytes_left-- > 0) PutByte(static_cast<uint8_t>(length >> (8 * bytes_left)));
}

void RdbEncoder::PutString(std::string_view bytes, bool compress) {
  if (bytes.size() <= kIntegerTextLimit && PutInteger(bytes)) return;
  if (compress && bytes.size() >= kCompressFrom && PutCompressed(bytes)) return;
  PutLength(bytes.size());
  out_.append(bytes);
}

bool RdbEncoder::PutInteger(std::string_view bytes) {
  const auto integer = ParseInteger(bytes);
  if (!integer || !Fits<int32_t>(*integer)) return false;
  const int size = Fits<int8_t>(*integer) ? 1 : Fits<int16_t>(*integer) ? 2 : 4;
  const uint8_t form = size == 1 ? kFormInteger8 : size == 2 ? kFormInteger16 : kFormInteger32;
  PutByte(kSpecialForm | form);
  for (int i = 0; i < size; ++i) PutByte(static_cast<uint8_t>(*integer >> (8 * i)));
  return true;
}

bool RdbEncoder::PutCompressed(std::string_view bytes) {
  if (bytes.size() > UINT32_MAX) return false;
  const auto size = static_cast<unsigned>(bytes.size());
  // Redis's bound: less than four bytes saved is not worth it.
  std::string compressed(size - 4, '\0');
  const unsigned written = lzf_compress(bytes.data(), size, compressed.data(), size - 4);
  if (written == 0) return false;
  HF_CHECK(written <= compressed.size());
  PutByte(kSpecialForm | kFormCompressed);
  PutLength(written);
  PutLength(size);
  out_.append(compressed, 0, written);
  return true;
}

Result<std::string_view> RdbDecoder::Take(uint64_t size) {
  if (size > in_.size()) [[unlikely]] {
    if (source_ == nullptr) return Corrupt("a length goes past the end of the payload");
    in_ = HF_TRY(source_->More(in_, size));
    HF_CHECK(in_.size() >= size);
  }
  const std::string_view taken = in_.substr(0, size);
  in_.remove_prefix(size);
  return taken;
}

Result<uint8_t> RdbDecoder::GetByte() { return static_cast<uint8_t>(HF_TRY(Take(1)).front()); }

Result<uint64_t> RdbDecoder::GetBytesBigEndian(size_t count) {
  HF_CHECK(count <= sizeof(uint64_t));
  uint64_t value = 0;
  for (const char byte : HF_TRY(Take(count))) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

Result<RdbDecoder::LengthOrForm> RdbDecoder::GetLengthOrForm() {
  const uint8_t first = HF_TRY(GetByte());
  const uint8_t low = first & 0x3f;
  switch (first & 0xc0) {
    case 0:
      return LengthOrForm{false, low};
    case kLength14:
      return LengthOrForm{false, uint64_t{low} << 8 | HF_TRY(GetByte())};
    case kSpecialForm:
      return LengthOrForm{true, low};
    default:
      if (first == kLength32) return LengthOrForm{false, HF_TRY(GetBytesBigEndian(4))};
      if (first == kLength64) return LengthOrForm{false, HF_TRY(GetBytesBigEndian(8))};
      return Corrupt("an unknown form of a length");
  }
}

Result<uint64_t> RdbDecoder::GetLength() {
  const LengthOrForm length = HF_TRY(GetLengthOrForm());
  if (length.special) return Corrupt("a string form where a length must stand");
  return length.value;
}

Result<uint64_t> RdbDecoder::GetLittleEndian(size_t bytes) {
  HF_CHECK(bytes <= sizeof(uint64_t));
  const std::string_view text = HF_TRY(Take(bytes));
  uint64_t value = 0;
  for (size_t i = bytes; i > 0; --i) value = value << 8 | static_cast<uint8_t>(text[i - 1]);
  return value;
}

Result<std::string> RdbDecoder::GetString() {
  std::string bytes;
  HF_TRY_STATUS(GetString(bytes));
  return bytes;
}

Status RdbDecoder::GetString(std::string& out) {
  const LengthOrForm length = HF_TRY(GetLengthOrForm());
  if (!length.special) return GetRaw(length.value, out);
  switch (length.value) {
    case kFormInteger8:
      return GetInteger(1, out);
    case kFormInteger16:
      return GetInteger(2, out);
    case kFormInteger32:
      return GetInteger(4, out);
    case kFormCompressed:
      return GetCompressed(out);
    default:
      return Corrupt("an unknown form of a string");
  }
}

Status RdbDecoder::GetRaw(uint64_t length, std::string& out) {
  if (source_ != nullptr && length > in_.size() && length >= kLongString) {
    in_ = HF_TRY(source_->Fill(in_, length, out));
    HF_CHECK(out.size() == length);
    return {};
  }
  out.assign(HF_TRY(Take(length)));
  return {};
}

Status RdbDecoder::GetInteger(size_t bytes, std::string& out) {
  const uint64_t value = HF_TRY(GetLittleEndian(bytes));
  const size_t unused_bits = 64 - 8 * bytes;
  const auto integer = static_cast<int64_t>(value << unused_bits) >> unused_bits;
  out.assign(IntegerText(integer).view());
  return {};
}

Status RdbDecoder::GetCompressed(std::string& out) {
  const uint64_t compressed_size = HF_TRY(GetLength());
  const uint64_t size = HF_TRY(GetLength());
  const std::string_view compressed = HF_TRY(Take(compressed_size));
  if (compressed.empty() || compressed.size() > UINT32_MAX || size > UINT32_MAX ||
      size > compressed.size() * kLzfMaxExpansion) {
    return Corrupt("impossible lengths of a compressed string");
  }
  out.resize(size);
  const unsigned written =
      lzf_decompress(compressed.data(), static_cast<unsigned>(compressed.size()), out.data(),
                     static_cast<unsigned>(out.size()));
  if (written == 0 || written != size) return Corrupt("a compressed string is damaged");
  return {};
}

}  // namespace holdfast::memtable
