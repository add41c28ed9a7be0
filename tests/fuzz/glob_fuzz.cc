// The glob matcher against a matcher of another build: the pattern becomes a list of byte sets, and
// a table of (element, position) says what matches. First byte: bit 0 the case rule, the others the
// length of the pattern.
// Files under test: engine/config/glob.cc
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "holdfast/check.h"
#include "holdfast/glob.h"

namespace {

using ByteSet = std::bitset<256>;

unsigned char Byte(char c) { return static_cast<unsigned char>(c); }
// Redis compares ranges as signed characters.
int Signed(int byte) { return byte < 128 ? byte : byte - 256; }
unsigned char Fold(int byte) {
  return static_cast<unsigned char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}

// Every byte whose folded form is that of `c`, or `c` alone.
void Add(ByteSet& set, char c, bool fold) {
  for (int byte = 0; byte < 256; ++byte) {
    if (byte == Byte(c) || (fold && Fold(byte) == Fold(Byte(c)))) set.set(byte);
  }
}

void AddRange(ByteSet& set, char first, char last, bool fold) {
  int low = Signed(Byte(first));
  int high = Signed(Byte(last));
  if (low > high) std::swap(low, high);
  const auto folded = [&](int value) {
    return fold && value >= 'A' && value <= 'Z' ? value + 32 : value;
  };
  for (int byte = 0; byte < 256; ++byte) {
    const int value = folded(Signed(byte));
    if (value >= folded(low) && value <= folded(high)) set.set(byte);
  }
}

// The set of a class that begins after its bracket; moves `at` past it.
ByteSet ReadClass(std::string_view pattern, size_t& at, bool fold) {
  const std::string_view rest = pattern.substr(at);
  const bool negated = rest.starts_with('^');
  if (negated) ++at;
  ByteSet set;
  while (at < pattern.size() && pattern[at] != ']') {
    const size_t left = pattern.size() - at;
    if (left >= 2 && pattern[at] == '\\') {
      set.set(Byte(pattern[at + 1]));
      at += 2;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      AddRange(set, pattern[at], pattern[at + 2], fold);
      at += 3;
    } else {
      Add(set, pattern[at++], fold);
    }
  }
  if (at < pattern.size()) ++at;
  return negated ? ~set : set;
}

// nullopt stands for a star.
std::vector<std::optional<ByteSet>> Elements(std::string_view pattern, bool fold) {
  std::vector<std::optional<ByteSet>> elements;
  for (size_t at = 0; at < pattern.size();) {
    const char c = pattern[at++];
    ByteSet set;
    if (c == '*') {
      elements.emplace_back(std::nullopt);
      continue;
    }
    if (c == '?') {
      set.set();
    } else if (c == '[') {
      set = ReadClass(pattern, at, fold);
    } else if (c == '\\' && at < pattern.size()) {
      Add(set, pattern[at++], fold);
    } else {
      Add(set, c, fold);
    }
    elements.emplace_back(set);
  }
  return elements;
}

bool ReferenceMatch(std::string_view pattern, std::string_view text, bool fold) {
  if (text.empty()) return pattern.empty();
  std::vector<bool> reach(text.size() + 1);  // which prefixes of the text are matched so far
  reach[0] = true;
  for (const auto& element : Elements(pattern, fold)) {
    std::vector<bool> next(text.size() + 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (!element) {
        next[i] = reach[i] || (i > 0 && next[i - 1]);
      } else if (i > 0) {
        next[i] = reach[i - 1] && element->test(Byte(text[i - 1]));
      }
    }
    reach = std::move(next);
  }
  return reach[text.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool fold = (data[0] & 1) != 0;
  const size_t pattern_size = std::min<size_t>(data[0] >> 1, size - 1);
  const std::string_view pattern = input.substr(1, pattern_size);
  const std::string_view text = input.substr(1 + pattern_size);
  const bool matches = holdfast::GlobMatch(
      pattern, text, fold ? holdfast::GlobCase::kIgnore : holdfast::GlobCase::kExact);
  HF_CHECK(matches == ReferenceMatch(pattern, text, fold));
  return 0;
}
