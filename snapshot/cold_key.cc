#include "snapshot/cold_key.h"

#include "holdfast/check.h"

namespace holdfast::snapshot {
namespace {

constexpr int kSpaceBytes = 4;
constexpr int kOrderBytes = 7;
static_assert(kSpaceBytes + kOrderBytes == kColdKeyNameOffset);
static_assert(memtable::kOrderBits <= 8 * kOrderBytes);

void AppendBigEndian(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

uint64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

void AppendColdKey(std::string& out, const ColdKey& key) {
  HF_CHECK(key.order < memtable::kOrderEnd);
  AppendBigEndian(out, key.space, kSpaceBytes);
  AppendBigEndian(out, key.order, kOrderBytes);
  out += key.name;
}

std::string EncodeColdKey(const ColdKey& key) {
  std::string out;
  out.reserve(kColdKeyNameOffset + key.name.size());
  AppendColdKey(out, key);
  return out;
}

std::optional<ColdKey> DecodeColdKey(std::string_view bytes) {
  if (bytes.size() < kColdKeyNameOffset) return std::nullopt;
  ColdKey key;
  key.space = static_cast<SpaceId>(BigEndian(bytes.substr(0, kSpaceBytes)));
  key.order = BigEndian(bytes.substr(kSpaceBytes, kOrderBytes));
  key.name = bytes.substr(kColdKeyNameOffset);
  if (key.order >= memtable::kOrderEnd) return std::nullopt;
  return key;
}

std::string ColdKeyBound(SpaceId space, memtable::KeyOrder order) {
  HF_CHECK(order <= memtable::kOrderEnd);
  std::string out;
  AppendBigEndian(out, space, kSpaceBytes);
  AppendBigEndian(out, order, kOrderBytes);
  return out;
}

}  // namespace holdfast::snapshot
