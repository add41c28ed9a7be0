#include "holdfast/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

struct Case {
  std::string pattern;
  std::string text;
  bool matches;
};

// Each line was asked of redis-server 7.0.15 (KEYS); tests/compat/glob_test.py asks it again, with
// random patterns too.
const Case kCases[] = {
    {"*", "a", true},
    {"*", "", false},
    {"", "", true},
    {"", "a", false},
    {"a*", "a", true},
    {"a**", "a", true},
    {"*a", "ba", true},
    {"*a", "ab", false},
    {"?", "a", true},
    {"?", "", false},
    {"??", "a", false},
    {"a*b*c", "aXbYc", true},
    {"a*b*c", "aXbYcd", false},
    {"[abc]", "b", true},
    {"[^abc]", "b", false},
    {"[^abc]", "d", true},
    {"[a-c]", "b", true},
    {"[c-a]", "b", true},
    {"[a-]", "-", false},
    {"[a-]", "a", true},
    {"[]", "]", false},
    {"[", "[", false},
    {"[^", "x", true},
    {"[abc", "b", true},
    {"[a-", "-", true},
    {"[\\]]", "]", true},
    {"[\\", "\\", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\", "\\", true},
    {"a\\", "a\\", true},
    {"\\a", "a", true},
    {"*[ab]", "xxb", true},
    {"*?c", "abc", true},
    {"*?c", "c", false},
    {"a[b-d]*", "acxyz", true},
    {"*ab*ab", "abab", true},
    {"*ab*ab", "ab", false},
    {std::string("a\0*", 3), std::string("a\0b", 3), true},
};

TEST(Glob, MatchesAsRedisDoes) {
  for (const Case& c : kCases) {
    EXPECT_EQ(GlobMatch(c.pattern, c.text), c.matches) << c.pattern << " against " << c.text;
  }
}

TEST(Glob, CaseIsIgnoredOnlyWhenAsked) {
  EXPECT_FALSE(GlobMatch("MAX*", "maxmemory"));
  EXPECT_TRUE(GlobMatch("MAX*", "maxmemory", GlobCase::kIgnore));
  EXPECT_TRUE(GlobMatch("[A-M]axmemory", "maxmemory", GlobCase::kIgnore));
  EXPECT_TRUE(GlobMatch("*MEM[^x]ry", "maxmemory", GlobCase::kIgnore));
  // Redis compares an escaped character of a class with its case even then.
  EXPECT_FALSE(GlobMatch("[\\M]axmemory", "maxmemory", GlobCase::kIgnore));
}

TEST(Glob, RangesCompareSignedBytes) {
  EXPECT_TRUE(GlobMatch("[\x80-\x7f]", "a"));
  EXPECT_FALSE(GlobMatch("[\x01-\x7f]", "\x80"));
}

// Without a bound on the work each of these runs for years, or overflows the stack.
TEST(Glob, HostilePatternsEnd) {
  std::string stars;
  for (int i = 0; i < 200000; ++i) stars += "*a";
  EXPECT_FALSE(GlobMatch(stars + "b", std::string(1000, 'a')));
  EXPECT_TRUE(GlobMatch(stars, std::string(400000, 'a')));
  const std::string long_run(2000000, 'a');
  EXPECT_FALSE(GlobMatch("*" + std::string(1000000, 'a') + "b", long_run));
}

TEST(Glob, LongHonestTextsMatch) {
  std::string text;
  text.resize(50000000, 'x');
  text += "needle";
  EXPECT_TRUE(GlobMatch("*needle", text));
  EXPECT_TRUE(GlobMatch("*n??dl[a-f]", text));
  EXPECT_FALSE(GlobMatch("*needles", text));
}

TEST(Glob, SpecialCharactersMakeAPattern) {
  EXPECT_FALSE(HasGlobCharacter("maxmemory"));
  EXPECT_FALSE(HasGlobCharacter("max\\memory"));
  for (const char* pattern : {"a*", "?", "[a]"}) EXPECT_TRUE(HasGlobCharacter(pattern));
}

}  // namespace
}  // namespace holdfast
