// RDB files by hand: items in Redis's form, then the end with its checksum.
//
//   RdbText().Select(3).ExpireMs(5000).String("key", "value").End()
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "memtable/payload.h"
#include "memtable/rdb_encoding.h"

namespace holdfast::snapshot {

inline std::string LittleEndian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

class RdbText {
 public:
  explicit RdbText(std::string_view version = "0010", std::string_view magic = "REDIS")
      : text_(magic) {
    text_ += version;
  }

  RdbText& Bytes(std::string_view bytes) {
    text_ += bytes;
    return *this;
  }
  RdbText& Byte(int byte) {
    text_.push_back(static_cast<char>(byte));
    return *this;
  }
  RdbText& Length(uint64_t length) {
    memtable::RdbEncoder(text_).PutLength(length);
    return *this;
  }
  RdbText& Text(std::string_view text, bool compress = true) {
    memtable::RdbEncoder(text_).PutString(text, compress);
    return *this;
  }
  RdbText& Aux(std::string_view name, std::string_view value) {
    return Byte(250).Text(name).Text(value);
  }
  RdbText& Select(uint64_t database) { return Byte(254).Length(database); }
  RdbText& ExpireMs(int64_t ms) {
    return Byte(252).Bytes(LittleEndian(static_cast<uint64_t>(ms), 8));
  }
  RdbText& ExpireSeconds(int32_t seconds) {
    return Byte(253).Bytes(LittleEndian(static_cast<uint32_t>(seconds), 4));
  }
  RdbText& String(std::string_view key, std::string_view value, bool compress = true) {
    return Byte(0).Text(key, compress).Text(value, compress);
  }
  size_t size() const { return text_.size(); }
  // The whole file.
  std::string End() const {
    const std::string text = text_ + '\xff';
    return text + LittleEndian(memtable::Crc64(0, text), 8);
  }
  // With a checksum of one's own, or none.
  std::string End(std::string_view checksum) const {
    return text_ + '\xff' + std::string(checksum);
  }

 private:
  std::string text_;
};

}  // namespace holdfast::snapshot
