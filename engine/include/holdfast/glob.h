// Redis's glob patterns: * ? [abc] [^a-z] \x, as KEYS, SCAN MATCH, CONFIG GET and PSUBSCRIBE read
// them. Pure and iterative: any thread, no allocation, never fails. The work is bounded by
// kGlobStepLimit plus a small multiple of both lengths; a pattern that would need more (an attack:
// a*a*a*b against a huge run of a) does not match.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

enum class GlobCase { kExact, kIgnore };

inline constexpr uint64_t kGlobStepLimit = uint64_t{1} << 26;

// As in Redis, an empty text matches only the empty pattern (not even "*").
bool GlobMatch(std::string_view pattern, std::string_view text, GlobCase rule = GlobCase::kExact);

// Whether the pattern has a character that is special, so that a plain look-up will not do. (CONFIG
// GET's rule: a backslash alone does not make a pattern.)
inline bool HasGlobCharacter(std::string_view pattern) {
  return pattern.find_first_of("[*?") != std::string_view::npos;
}

}  // namespace holdfast
