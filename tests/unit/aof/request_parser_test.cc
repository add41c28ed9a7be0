// What redis-server 7.0.15 answers to each of these bytes was recorded from the real one; here the
// parser must come to the same requests and errors, however the bytes are split.
#include "aof/request_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

namespace holdfast::aof {
namespace {

using Outcome = RequestParser::Outcome;
using Args = std::vector<std::string>;

struct Parsed {
  std::vector<Args> requests;
  std::string error;  // empty: none
  size_t left = 0;    // bytes of an incomplete request

  bool operator==(const Parsed&) const = default;
};

// Feeds `input` in pieces whose lengths `next_piece` gives, in a buffer that moves at each piece.
template <typename NextPiece>
Parsed ParsePieces(const std::string& input, RequestLimits limits, NextPiece next_piece) {
  Parsed parsed;
  RequestParser parser(limits);
  std::string pending;
  size_t fed = 0;
  while (true) {
    Request request;
    const std::string moved = pending;
    const Outcome outcome = parser.Parse(moved, request);
    if (outcome == Outcome::kError) {
      parsed.error = parser.error();
      EXPECT_EQ(parser.Parse(moved, request), Outcome::kError);
      return parsed;
    }
    if (outcome == Outcome::kComplete) {
      EXPECT_FALSE(request.args.empty());
      parsed.requests.emplace_back(request.args.begin(), request.args.end());
      EXPECT_TRUE(parser.idle());
    }
    pending.erase(0, parser.consumed());
    if (outcome == Outcome::kComplete) continue;
    EXPECT_GE(parser.bytes_missing(), 1U);
    if (fed == input.size()) break;
    const size_t piece = std::min(next_piece(), input.size() - fed);
    pending.append(input, fed, piece);
    fed += piece;
  }
  parsed.left = pending.size();
  return parsed;
}

Parsed ParseAtOnce(const std::string& input, RequestLimits limits = {}) {
  return ParsePieces(input, limits, [&] { return input.size(); });
}

// At once, byte by byte, and in random pieces: all must agree.
Parsed ParseEveryWay(const std::string& input, RequestLimits limits = {}) {
  const Parsed whole = ParseAtOnce(input, limits);
  EXPECT_EQ(ParsePieces(input, limits, [] { return size_t{1}; }), whole) << input.substr(0, 60);
  std::mt19937 random(42);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(ParsePieces(input, limits, [&] { return 1 + random() % 40; }), whole);
  }
  return whole;
}

std::string ErrorOf(const std::string& input, RequestLimits limits = {}) {
  return ParseEveryWay(input, limits).error;
}

TEST(RequestParserTest, ArraysOfBulkStrings) {
  const Parsed parsed = ParseEveryWay(
      "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n*2\r\n$4\r\nECHO\r\n$4\r\na\r\n$"
      "\r\n");
  EXPECT_EQ(parsed.requests, (std::vector<Args>{{"PING"}, {"SET", "a", ""}, {"ECHO", "a\r\n$"}}));
  EXPECT_EQ(parsed.left, 0U);
  EXPECT_EQ(parsed.error, "");
}

TEST(RequestParserTest, RequestsWithoutArgumentsAreSkipped) {
  for (const char* nothing : {"*0\r\n", "*-1\r\n", "*-5\r\n", "*-9223372036854775808\r\n", "\r\n",
                              "\n", "   \r\n", "\t\v\f\r\n"}) {
    const Parsed parsed = ParseEveryWay(std::string(nothing) + "PING\r\n" + nothing);
    EXPECT_EQ(parsed.requests, std::vector<Args>{{"PING"}}) << nothing;
    EXPECT_EQ(parsed.left, 0U);
  }
}

TEST(RequestParserTest, LineFeedsAreNotChecked) {
  EXPECT_EQ(ParseEveryWay("*1\rX$4\rXPINGab*1\r\n$4\r\nPING\r\n").requests,
            (std::vector<Args>{{"PING"}, {"PING"}}));
  EXPECT_EQ(ParseEveryWay("*1\n$4\nPING\n").left, 11U);
}

TEST(RequestParserTest, Errors) {
  const std::string mbulk = "Protocol error: invalid multibulk length";
  for (const char* input :
       {"*abc\r\n", "*01\r\n", "*+1\r\n", "* 1\r\n", "*1 \r\n", "*\r\n", "*-0\r\n",
        "*9223372036854775808\r\n", "*2147483648\r\n", "*1\n$4\nPING\r\n"}) {
    EXPECT_EQ(ErrorOf(input), mbulk) << input;
  }
  EXPECT_EQ(ErrorOf("*2147483647\r\n"), "");
  const std::string bulk = "Protocol error: invalid bulk length";
  for (const char* input :
       {"*1\r\n$abc\r\n", "*1\r\n$-1\r\n", "*1\r\n$-2\r\n", "*1\r\n$536870913\r\n",
        "*1\r\n$04\r\nPING\r\n", "*1\r\n$\r\n", "*1\r\n$9223372036854775808\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$-1\r\n"}) {
    EXPECT_EQ(ErrorOf(input), bulk) << input;
  }
  EXPECT_EQ(ErrorOf("*1\r\n$536870912\r\n"), "");
  EXPECT_EQ(ErrorOf("*1\r\n:x\r\n"), "Protocol error: expected '$', got ':'");
  EXPECT_EQ(ErrorOf("*1\r\n\r\n"), "Protocol error: expected '$', got '\r'");
  EXPECT_EQ(ErrorOf("*1\r\n\xff\r\n"), "Protocol error: expected '$', got '\xff'");
  EXPECT_EQ(ErrorOf("*1\r\nPING\r\n"), "Protocol error: expected '$', got 'P'");
  EXPECT_EQ(ErrorOf("*1\r\n:x"), "");  // Redis, too, waits for the end of the line first
}

TEST(RequestParserTest, LinesWithoutEnd) {
  const std::string digits(65535, '1');
  EXPECT_EQ(ErrorOf("*" + digits), "");
  EXPECT_EQ(ErrorOf("*1" + digits), "Protocol error: too big mbulk count string");
  EXPECT_EQ(ErrorOf("*1\r\n$" + digits), "");
  EXPECT_EQ(ErrorOf("*1\r\n$1" + digits), "Protocol error: too big bulk count string");
  EXPECT_EQ(ErrorOf("a" + digits), "");
  EXPECT_EQ(ErrorOf("ab" + digits), "Protocol error: too big inline request");
  EXPECT_EQ(ParseAtOnce("a" + digits + "\n").requests.size(), 1U);
  EXPECT_EQ(ErrorOf("*" + std::string(65531, '0') + "1\r\n"),
            "Protocol error: invalid multibulk length");
}

TEST(RequestParserTest, InlineQuoting) {
  const auto args = [](const std::string& line) {
    const Parsed parsed = ParseEveryWay(line + "\r\n");
    EXPECT_EQ(parsed.error, "") << line;
    return parsed.requests.empty() ? Args{} : parsed.requests.at(0);
  };
  EXPECT_EQ(args("  ECHO   hi   "), (Args{"ECHO", "hi"}));
  EXPECT_EQ(args("ECHO \"\\x41\\n\\t\\q\\\"\""), (Args{"ECHO", "A\n\tq\""}));
  EXPECT_EQ(args("ECHO 'a\\'b\\n'"), (Args{"ECHO", "a'b\\n"}));
  EXPECT_EQ(args("ECHO a\"b\""), (Args{"ECHO", "ab"}));
  EXPECT_EQ(args("ECHO \"\" '' \"\\x4g\\xZZ\""), (Args{"ECHO", "", "", "x4gxZZ"}));
  EXPECT_EQ(args("ECHO a\vb\fc"), (Args{"ECHO", "a\vb\fc"}));
  EXPECT_EQ(args("ECHO\ta\rb"), (Args{"ECHO", "a", "b"}));
  EXPECT_EQ(args("ECHO hi\r"), (Args{"ECHO", "hi"}));
  EXPECT_EQ(args("ECHO \"hi\"\r"), (Args{"ECHO", "hi"}));
  EXPECT_EQ(args("ECHO \"hi\"\vx"), (Args{"ECHO", "hi", "x"}));
  EXPECT_EQ(args("ECHO \xff\""
                 "\\b\\a\\r\\\\\""),
            (Args{"ECHO", "\xff\b\a\r\\"}));
  EXPECT_EQ(ParseEveryWay("PING\n").requests, std::vector<Args>{{"PING"}});
  for (const char* line : {"ECHO \"a", "ECHO \"a\"b", "ECHO 'a", "ECHO 'a'b", "ECHO \"a\\",
                           "ECHO '", "ECHO \"\\x4\"b", "ECHO a\"b\"c", "\""}) {
    EXPECT_EQ(ErrorOf(std::string(line) + "\r\n"), "Protocol error: unbalanced quotes in request")
        << line;
  }
  EXPECT_EQ(ErrorOf("ECHO \"a"), "");
}

TEST(RequestParserTest, LimitsBeforeLogin) {
  const RequestLimits limits{.logged_in = false};
  EXPECT_EQ(ErrorOf("*10\r\n", limits), "");
  EXPECT_EQ(ErrorOf("*11\r\n", limits), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(ErrorOf("*1048577\r\n", limits), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(ErrorOf("*1\r\n$16384\r\n", limits), "");
  EXPECT_EQ(ErrorOf("*1\r\n$16385\r\n", limits), "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(ErrorOf("*1\r\n$536870913\r\n", limits), "Protocol error: invalid bulk length");
  EXPECT_EQ(ErrorOf("*1\r\n$-1\r\n", limits), "Protocol error: invalid bulk length");
  EXPECT_EQ(ParseEveryWay("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", limits).requests,
            (std::vector<Args>{{"AUTH", "x"}}));
}

TEST(RequestParserTest, LimitsCanBeLowered) {
  EXPECT_EQ(ErrorOf("*1\r\n$5\r\nabcde\r\n", {.max_bulk_bytes = 4}),
            "Protocol error: invalid bulk length");
  EXPECT_EQ(ErrorOf("*3\r\n", {.max_args = 2}), "Protocol error: invalid multibulk length");
  EXPECT_EQ(ErrorOf("abcdef", {.max_line_bytes = 5}), "Protocol error: too big inline request");
}

TEST(RequestParserTest, StrictTakesOnlyTheCanonicalForm) {
  const RequestLimits strict{.strict = true};
  EXPECT_EQ(ParseEveryWay("*1\r\n$4\r\nPING\r\n", strict).requests, std::vector<Args>{{"PING"}});
  for (const char* input :
       {"PING\r\n", "\r\n", "*0\r\n", "*-1\r\n", "*1\rX$4\r\nPING\r\n", "*1\r\n$4\rXPING\r\n",
        "*1\r\n$4\r\nPINGab", "*1\r\n$4\r\nPING\rX", "*1\r\n$4\r\nPINGX\n"}) {
    EXPECT_NE(ErrorOf(input, strict), "") << input;
  }
}

TEST(RequestParserTest, TellsHowMuchIsMissing) {
  RequestParser parser;
  Request request;
  ASSERT_EQ(parser.Parse("*2\r\n$4\r\nECHO\r\n$1000\r\nabc", request), Outcome::kIncomplete);
  EXPECT_EQ(parser.bytes_missing(), 999U);
  EXPECT_EQ(parser.consumed(), 0U);
  EXPECT_FALSE(parser.idle());
  ASSERT_EQ(parser.Parse("*2\r\n$4\r\nECHO\r\n$1000\r\nabc" + std::string(999, 'x'), request),
            Outcome::kComplete);
  EXPECT_EQ(request.args[1].size(), 1000U);
}

TEST(RequestParserTest, ManyArgumentsInSmallPieces) {
  Args expected;
  std::string input;
  for (int i = 0; i < 5000; ++i) expected.push_back(std::string(i % 50, 'x'));
  const std::vector<std::string_view> views(expected.begin(), expected.end());
  AppendRequest(input, views);
  EXPECT_EQ(ParseEveryWay(input).requests, std::vector<Args>{expected});
}

// A piece may end one request, and begin the next with less of it than was seen of the first.
TEST(RequestParserTest, EveryWayToCutIntoThree) {
  const std::string input = "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\nGET a\r\n*1\r\n";
  const Parsed whole = ParseAtOnce(input);
  ASSERT_EQ(whole.requests.size(), 3U);
  for (size_t first = 1; first < input.size(); ++first) {
    for (size_t second = 1; first + second < input.size(); ++second) {
      const size_t pieces[] = {first, second, input.size()};
      size_t next = 0;
      EXPECT_EQ(ParsePieces(input, {}, [&] { return pieces[next++]; }), whole)
          << first << " " << second;
    }
  }
}

TEST(RequestParserTest, RandomRequestsSurviveTheTrip) {
  std::mt19937 random(7);
  std::string input;
  std::vector<Args> expected;
  for (int i = 0; i < 300; ++i) {
    Args args;
    for (size_t n = 1 + random() % 5; n > 0; --n) {
      std::string arg(random() % 100, ' ');
      for (char& c : arg) c = static_cast<char>(random());
      args.push_back(std::move(arg));
    }
    const std::vector<std::string_view> views(args.begin(), args.end());
    AppendRequest(input, views);
    expected.push_back(std::move(args));
  }
  const Parsed parsed = ParseEveryWay(input);
  EXPECT_EQ(parsed.requests, expected);
  EXPECT_EQ(parsed.left, 0U);
}

std::string PlainlyWritten(std::span<const std::string_view> args) {
  std::string text = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string_view arg : args) {
    text += "$" + std::to_string(arg.size()) + "\r\n" + std::string(arg) + "\r\n";
  }
  return text;
}

// The writer stores whole words: never one byte past the request's end.
TEST(RequestWriter, EveryLengthAndNothingBehindTheEnd) {
  const std::string bytes(100'001, 'b');
  for (size_t length = 0; length <= bytes.size(); length += length < 1100 ? 1 : 9890) {
    for (const size_t count : {1, 2, 3, 9, 10, 11}) {
      const std::vector<std::string_view> args(count, std::string_view(bytes).substr(0, length));
      const std::string expected = PlainlyWritten(args);
      ASSERT_EQ(RequestBytes(args), expected.size());
      std::string written(expected.size() + 16, '~');
      ASSERT_EQ(WriteRequest(written.data(), args), written.data() + expected.size());
      ASSERT_EQ(written, expected + std::string(16, '~'));
      std::string appended = "before";
      AppendRequest(appended, args);
      ASSERT_EQ(appended, "before" + expected);
    }
  }
}

TEST(RequestParserTest, MovedRequestsKeepTheirArguments) {
  std::vector<Request> requests;
  RequestParser parser;
  std::string_view rest = "ECHO \"a\\n\"\r\nECHO 'b\\''\r\n*1\r\n$1\r\nc\r\n";
  while (!rest.empty()) {
    Request request;
    ASSERT_EQ(parser.Parse(rest, request), Outcome::kComplete);
    rest.remove_prefix(parser.consumed());
    requests.push_back(std::move(request));
  }
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].args[1], "a\n");
  EXPECT_EQ(requests[1].args[1], "b'");
  EXPECT_EQ(requests[2].args[0], "c");
}

}  // namespace
}  // namespace holdfast::aof
