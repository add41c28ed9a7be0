// RESTORE's payload: as it comes, and with a right footer put on, so that the bytes behind the
// checksum are reached. What decodes must survive a round trip, and so must the input's first bytes
// as a length.
// Files under test: memtable/payload.cc memtable/rdb_encoding.cc
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/check.h"
#include "memtable/payload.h"
#include "memtable/rdb_encoding.h"

namespace {

void Check(std::string_view payload) {
  using holdfast::memtable::DecodePayload;
  const auto value = DecodePayload(payload);
  if (!value) {
    HF_CHECK(!value.error().message.empty());
    return;
  }
  for (const bool compress : {true, false}) {
    const auto again =
        DecodePayload(holdfast::memtable::EncodeStringPayload(value->bytes, compress));
    HF_CHECK(again.has_value() && again->bytes == value->bytes);
  }
}

void CheckLength(std::string_view input) {
  uint64_t length = 0;
  for (const char byte : input.substr(0, sizeof(length))) {
    length = length << 8 | static_cast<uint8_t>(byte);
  }
  std::string encoded;
  holdfast::memtable::RdbEncoder(encoded).PutLength(length);
  holdfast::memtable::RdbDecoder decoder(encoded);
  HF_CHECK(decoder.GetLength() == length && decoder.left() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Check(input);
  CheckLength(input);
  std::string footed(input);
  const char version = size == 0 ? 0 : static_cast<char>(data[size - 1] % 14);
  footed += {version, '\0'};
  const uint64_t crc = holdfast::memtable::Crc64(0, footed);
  for (int i = 0; i < 8; ++i) footed.push_back(static_cast<char>(crc >> (8 * i)));
  Check(footed);
  return 0;
}
