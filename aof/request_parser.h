// RESP requests: an incremental parser, and the encoder. The server's connections, embedded tools
// and the log reader all parse with it; it accepts and refuses exactly what redis-server 7.0 does,
// with the same error texts.
//
// A parser belongs to one stream of bytes and to one thread at a time. The caller keeps the bytes:
//
//   switch (parser.Parse(pending, request)) {
//     case RequestParser::Outcome::kComplete:    // request.args, views into `pending`
//     case RequestParser::Outcome::kIncomplete:  // read more after `pending`, call again
//     case RequestParser::Outcome::kError:       // parser.error(); close the stream
//   }
//   pending.remove_prefix(parser.consumed());
//
// Bytes of an incomplete request may move between calls: what was parsed is kept as offsets and
// never scanned again. Lengths that a peer declares reserve no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::aof {

struct RequestLimits {
  uint64_t max_bulk_bytes = 512ULL << 20;  // proto-max-bulk-len
  uint64_t max_args = INT32_MAX;           // redis-server 7.0's; the query buffer limit comes first
  size_t max_line_bytes = 64 << 10;        // an inline request, or a length before its CR
  // Off until a client that must log in has done so: then at most 10 arguments of 16 KiB. The
  // caller must not parse ahead of a command that may log in.
  bool logged_in = true;
  // For files, where anything but the canonical form is damage: no inline requests, no empty ones,
  // CR LF where CR LF belongs.
  bool strict = false;
};

// A parsed request. `args` point into the parser's input; arguments of an inline request that were
// quoted with escapes point into `unquoted`. May be moved, not copied.
struct Request {
  Request() = default;
  Request(Request&&) = default;
  Request& operator=(Request&&) = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  std::vector<std::string_view> args;
  std::vector<char> unquoted;
};

class RequestParser {
 public:
  enum class Outcome { kComplete, kIncomplete, kError };

  explicit RequestParser(RequestLimits limits = {}) : limits_(limits) {}

  // `input` starts where the last call's consumed() ended. kComplete gives one request with at
  // least one argument; requests without any (empty lines, *0, *-1) are skipped, as Redis does.
  // After kError every call gives that error again.
  Outcome Parse(std::string_view input, Request& request);

  // Bytes at the front of the last input that are done with.
  size_t consumed() const { return consumed_; }
  // After kIncomplete: how many bytes are still missing at least.
  size_t bytes_missing() const { return bytes_missing_; }
  // After kError: "Protocol error: ...", to be sent behind "ERR ". May hold any byte of the input.
  const std::string& error() const { return error_; }
  // Takes effect from the next request on.
  void set_limits(RequestLimits limits) { limits_ = limits; }
  const RequestLimits& limits() const { return limits_; }
  // True between requests: nothing of the next one has been taken in.
  bool idle() const { return position_ == 0 && args_left_ == 0 && error_.empty(); }

 private:
  struct Extent {
    size_t offset;  // from the start of the request
    size_t size;
  };
  enum class Step { kContinue, kRequest, kWait, kFail };

  Outcome Resume(std::string_view input, Request& request);
  Step ParseStart(std::string_view rest, Request& request);
  Step ParseArrayHeader(std::string_view rest);
  Step ParseBulks(std::string_view rest);
  Step ParseBulkHeader(std::string_view rest);
  Step ParseInline(std::string_view rest, Request& request);
  Step FindLineEnd(std::string_view rest, char terminator, const char* too_long, size_t* end);
  Step Fail(std::string text);
  void ForgetRequest();

  static constexpr uint64_t kNoBulk = UINT64_MAX;

  RequestLimits limits_;
  size_t consumed_ = 0;
  size_t bytes_missing_ = 0;
  // The request under way; offsets count from its first byte.
  size_t position_ = 0;            // first byte not parsed
  size_t scanned_ = 0;             // no line end before this
  uint64_t args_left_ = 0;         // 0: no array header yet
  uint64_t bulk_bytes_ = kNoBulk;  // of the argument whose header was read
  std::vector<Extent> extents_;    // arguments already complete
  std::string error_;
};

// Appends the arguments of the whole request at the front of `input` to `args` and returns its
// size. 0, with any number of arguments appended, if there is no such request there or it is an
// unusual one: RequestParser then tells which. For readers that take requests in bulk.
size_t AppendWholeRequest(std::string_view input, const RequestLimits& limits,
                          std::vector<std::string_view>& args);

// Splits one line as Redis splits inline requests and lines of its conf file: blanks separate,
// "double quotes" with \n \r \t \b \a \xHH escapes, 'single quotes' with \' only. Appends views
// into `line` or into request.unquoted. False: quotes are not balanced.
bool SplitQuoted(std::string_view line, Request& request);

// Appends the request in RESP: *<n> CR LF, then $<bytes> CR LF <argument> CR LF for each.
void AppendRequest(std::string& out, std::span<const std::string_view> args);

// The same for writers that make the room themselves: the bytes it takes, and the writing, which
// returns the end.
size_t RequestBytes(std::span<const std::string_view> args);
char* WriteRequest(char* out, std::span<const std::string_view> args);

}  // namespace holdfast::aof
