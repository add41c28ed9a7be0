// Numbers as rows and metadata hold them: of fixed size little-endian, or 7 bits a byte. Plain
// functions and values; any thread. Nothing is read behind the end of the bytes given.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::snapshot {

// 7 bits a byte, low ones first; the high bit says that more follow.
inline void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

inline void AppendFixed(std::string& out, uint64_t value, size_t bytes = sizeof(uint64_t)) {
  for (; bytes > 0; --bytes, value >>= 8) out.push_back(static_cast<char>(value));
}

// Takes numbers off the front of bytes. False: they are not there, or not written the one way that
// there is; what it would have given is undefined then.
class ByteParser {
 public:
  explicit ByteParser(std::string_view rest) : rest_(rest) {}

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      const uint64_t bits = byte & 0x7f;
      if (shift == 63 && bits > 1) return false;
      value |= bits << shift;
      if (byte < 0x80) return byte != 0 || shift == 0;  // one way only to write a number
    }
    return false;
  }
  bool Fixed(uint64_t& value, size_t bytes = sizeof(uint64_t)) {
    if (rest_.size() < bytes) return false;
    value = 0;
    for (size_t i = bytes; i > 0; --i) value = value << 8 | static_cast<uint8_t>(rest_[i - 1]);
    rest_.remove_prefix(bytes);
    return true;
  }
  bool Bytes(std::string_view& bytes, uint64_t count) {
    if (rest_.size() < count) return false;
    bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace holdfast::snapshot
