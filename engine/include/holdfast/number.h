// Numbers as Redis reads and writes them in arguments and values.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast {

// The one canonical decimal form of a 64-bit integer: no '+', no leading zeros, no spaces, no "-0".
// "007" is a string, not a number: nullopt. (Redis: string2ll.)
inline std::optional<int64_t> ParseInteger(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  const size_t first = text[0] == '-' ? 1 : 0;
  if (first == text.size()) return std::nullopt;
  if (text[first] == '0') return text.size() == 1 ? std::optional<int64_t>(0) : std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// How many digits a number has in decimal: 1 for 0.
constexpr size_t DecimalDigits(uint64_t value) {
  size_t digits = 1;
  for (; value >= 10; value /= 10) ++digits;
  return digits;
}

// A decimal integer on the stack: IntegerText(42).view() == "42".
class IntegerText {
 public:
  explicit IntegerText(int64_t value)
      : size_(static_cast<size_t>(std::to_chars(text_, text_ + sizeof(text_), value).ptr - text_)) {
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[21];
  size_t size_;
};

}  // namespace holdfast
