#include "holdfast/glob.h"

#include <cstring>
#include <utility>

namespace holdfast {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// One element of a pattern that stands for exactly one character, tried against `c`.
class Element {
 public:
  Element(std::string_view pattern, size_t at, GlobCase rule)
      : pattern_(pattern), at_(at), fold_(rule == GlobCase::kIgnore) {}

  bool Matches(char c) {
    switch (pattern_[at_]) {
      case '?':
        ++at_;
        return true;
      case '[':
        return MatchesClass(c);
      case '\\':
        if (at_ + 1 < pattern_.size()) ++at_;
        [[fallthrough]];
      default:
        return Same(pattern_[at_++], c);
    }
  }
  // Where the next element begins; valid after Matches.
  size_t end() const { return at_; }

 private:
  bool Same(char a, char b) const { return fold_ ? Lower(a) == Lower(b) : a == b; }

  // Ranges compare as signed characters, as redis-server on x86 does.
  bool InRange(char first, char last, char c) const {
    auto low = static_cast<signed char>(first);
    auto high = static_cast<signed char>(last);
    if (low > high) std::swap(low, high);
    if (fold_) {
      low = static_cast<signed char>(Lower(static_cast<char>(low)));
      high = static_cast<signed char>(Lower(static_cast<char>(high)));
      c = Lower(c);
    }
    const auto value = static_cast<signed char>(c);
    return value >= low && value <= high;
  }

  // A class without its closing bracket ends with the pattern.
  bool MatchesClass(char c) {
    const size_t size = pattern_.size();
    ++at_;
    const bool negated = at_ < size && pattern_[at_] == '^';
    if (negated) ++at_;
    bool found = false;
    while (at_ < size && pattern_[at_] != ']') {
      if (pattern_[at_] == '\\' && at_ + 1 < size) {
        found |= pattern_[at_ + 1] == c;  // an escaped character is compared with its case
        at_ += 2;
      } else if (at_ + 2 < size && pattern_[at_ + 1] == '-') {
        found |= InRange(pattern_[at_], pattern_[at_ + 2], c);
        at_ += 3;
      } else {
        found |= Same(pattern_[at_], c);
        ++at_;
      }
    }
    if (at_ < size) ++at_;
    return found != negated;
  }

  std::string_view pattern_;
  size_t at_;
  bool fold_;
};

size_t SkipStars(std::string_view pattern, size_t at) {
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at;
}

bool IsPlain(char c) { return c != '?' && c != '[' && c != '\\' && c != '*'; }

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, GlobCase rule) {
  if (text.empty()) return pattern.empty();
  constexpr size_t kNone = static_cast<size_t>(-1);
  uint64_t steps_left = kGlobStepLimit + 32 * (uint64_t{pattern.size()} + text.size());
  size_t p = 0;
  size_t t = 0;
  // Only the last star needs to be tried again: the part between two stars is best matched as far
  // left as it can be.
  size_t star_pattern = kNone;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      p = SkipStars(pattern, p);
      if (p == pattern.size()) return true;
      star_pattern = p;
      star_text = t;
    }
    if (p < pattern.size()) {
      Element element(pattern, p, rule);
      const bool matches = element.Matches(text[t]);
      const uint64_t steps = element.end() - p;
      if (steps >= steps_left) return false;
      steps_left -= steps;
      if (matches) {
        p = element.end();
        ++t;
        continue;
      }
    }
    if (star_pattern == kNone) return false;
    p = star_pattern;
    t = ++star_text;
    if (rule == GlobCase::kExact && t < text.size() && IsPlain(pattern[p])) {
      const void* next = std::memchr(text.data() + t, pattern[p], text.size() - t);
      if (next == nullptr) return false;
      t = star_text = static_cast<size_t>(static_cast<const char*>(next) - text.data());
    }
  }
  return SkipStars(pattern, p) == pattern.size();
}

}  // namespace holdfast
