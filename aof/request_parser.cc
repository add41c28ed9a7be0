#include "aof/request_parser.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

constexpr uint64_t kMaxArgsBeforeLogin = 10;
constexpr uint64_t kMaxBulkBytesBeforeLogin = 16384;
constexpr uint64_t kMaxArgsAtOnce = 1024;  // more go through the resumable path
constexpr size_t kKeptExtents = 1024;      // a huge request's memory is given back after it
constexpr std::ptrdiff_t kLongestFastLength = 9;

// Reads "<digits> CR <any byte>" in canonical form. The place after it, or null if it is anything
// else (longer, incomplete, wrong): the careful path then says what.
inline const char* ReadLength(const char* at, const char* end, uint64_t& value) {
  if (end - at < 3) return nullptr;
  unsigned digit = static_cast<unsigned char>(*at) - unsigned{'0'};
  if (digit > 9) return nullptr;
  if (digit == 0 && at[1] != '\r') return nullptr;
  uint64_t sum = digit;
  const char* const last = at + std::min(end - at - 2, kLongestFastLength);
  for (++at; at <= last; ++at) {
    if (*at == '\r') {
      value = sum;
      return at + 2;
    }
    digit = static_cast<unsigned char>(*at) - unsigned{'0'};
    if (digit > 9) return nullptr;
    sum = sum * 10 + digit;
  }
  return nullptr;
}

inline bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Walks one argument of a quoted line.
class QuotedArgument {
 public:
  QuotedArgument(std::string_view line, size_t start) : line_(line), at_(start) {}

  // Appends the argument's bytes to `out`. False: unbalanced quotes.
  bool Read(std::vector<char>& out) {
    while (at_ < line_.size()) {
      const char c = line_[at_];
      // Redis takes other white space (\v, \f) as part of an argument, though it skips it before.
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return true;
      ++at_;
      if (c == '"' || c == '\'') {
        if (!(c == '"' ? ReadDouble(out) : ReadSingle(out))) return false;
        return at_ == line_.size() || IsBlank(line_[at_]);
      }
      out.push_back(c);
    }
    return true;
  }
  size_t end() const { return at_; }

 private:
  bool ReadDouble(std::vector<char>& out) {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return true;
      if (c != '\\' || at_ == line_.size()) {
        out.push_back(c);
        continue;
      }
      out.push_back(ReadEscape());
    }
    return false;
  }

  char ReadEscape() {
    HF_DCHECK(at_ < line_.size());
    const char c = line_[at_++];
    if (c == 'x' && line_.size() - at_ >= 2) {
      const int high = HexDigit(line_[at_]);
      const int low = HexDigit(line_[at_ + 1]);
      if (high >= 0 && low >= 0) {
        at_ += 2;
        return static_cast<char>(high * 16 + low);
      }
    }
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'b':
        return '\b';
      case 'a':
        return '\a';
      default:
        return c;
    }
  }

  bool ReadSingle(std::vector<char>& out) {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '\'') return true;
      if (c == '\\' && at_ < line_.size() && line_[at_] == '\'') {
        out.push_back('\'');
        ++at_;
        continue;
      }
      out.push_back(c);
    }
    return false;
  }

  std::string_view line_;
  size_t at_;
};

}  // namespace

bool SplitQuoted(std::string_view line, Request& request) {
  // Room for all of it now: views into `unquoted` must not move.
  request.unquoted.clear();
  request.unquoted.reserve(line.size());
  const char* const base = request.unquoted.data();
  size_t at = 0;
  while (true) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    if (at == line.size()) break;
    const size_t plain_end = line.find_first_of(" \n\r\t\"'", at);
    const bool plain =
        plain_end == std::string_view::npos || (line[plain_end] != '"' && line[plain_end] != '\'');
    if (plain) {
      const size_t end = std::min(plain_end, line.size());
      request.args.push_back(line.substr(at, end - at));
      at = end;
      continue;
    }
    const size_t start = request.unquoted.size();
    QuotedArgument argument(line, at);
    if (!argument.Read(request.unquoted)) return false;
    request.args.emplace_back(base + start, request.unquoted.size() - start);
    at = argument.end();
  }
  HF_CHECK(request.unquoted.data() == base);
  return true;
}

namespace {

// Few and wide stores: a record of byte stores fills the processor's store buffer, behind stores
// that wait for memory (measured: 0.17 us of a logged SET).

char* WriteDecimal(char* out, size_t value) {
  if (value < 10) [[likely]] {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  return std::to_chars(out, out + std::numeric_limits<size_t>::digits10 + 1, value).ptr;
}

// The end of what comes before, and the length of an argument: CR LF $ <length> CR LF. May write 8
// bytes, which the argument and its own CR LF overwrite.
char* WriteBulkHeader(char* out, size_t length) {
  const auto digit = [](size_t value, int at) { return uint64_t{'0' + value} << (8 * at); };
  constexpr uint64_t kStart = '\r' | uint64_t{'\n'} << 8 | uint64_t{'$'} << 16;
  constexpr uint64_t kEnd = '\r' | uint64_t{'\n'} << 8;
  static_assert(std::endian::native == std::endian::little);
  uint64_t header;
  size_t bytes;
  if (length < 10) {
    header = kStart | digit(length, 3) | kEnd << 32;
    bytes = 6;
  } else if (length < 100) {
    header = kStart | digit(length / 10, 3) | digit(length % 10, 4) | kEnd << 40;
    bytes = 7;
  } else {
    std::memcpy(out, &kStart, 3);
    out = WriteDecimal(out + 3, length);
    std::memcpy(out, &kEnd, 2);
    return out + 2;
  }
  std::memcpy(out, &header, sizeof(header));
  return out + bytes;
}

// Short ones as two overlapping halves, without a call.
char* WriteBytes(char* out, std::string_view bytes) {
  const size_t size = bytes.size();
  const auto halves = [&]<typename Half>(Half) {
    Half first;
    Half second;
    std::memcpy(&first, bytes.data(), sizeof(Half));
    std::memcpy(&second, bytes.data() + size - sizeof(Half), sizeof(Half));
    std::memcpy(out, &first, sizeof(Half));
    std::memcpy(out + size - sizeof(Half), &second, sizeof(Half));
  };
  using Sixteen = std::array<uint64_t, 2>;
  if (size > 32 || size < 4) {
    bytes.copy(out, size);
  } else if (size >= 16) {
    halves(Sixteen{});
  } else if (size >= 8) {
    halves(uint64_t{});
  } else {
    halves(uint32_t{});
  }
  return out + size;
}

}  // namespace

size_t RequestBytes(std::span<const std::string_view> args) {
  constexpr size_t kMarks = 3;  // '*' or '$', CR, LF
  size_t bytes = kMarks + DecimalDigits(args.size());
  for (const std::string_view arg : args) {
    bytes += kMarks + DecimalDigits(arg.size()) + arg.size() + 2;
  }
  return bytes;
}

char* WriteRequest(char* out, std::span<const std::string_view> args) {
  HF_CHECK(!args.empty());
  *out++ = '*';
  out = WriteDecimal(out, args.size());
  for (const std::string_view arg : args) {
    out = WriteBulkHeader(out, arg.size());
    out = WriteBytes(out, arg);
  }
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

void AppendRequest(std::string& out, std::span<const std::string_view> args) {
  const size_t before = out.size();
  const size_t bytes = RequestBytes(args);
  out.resize(before + bytes);
  const char* end = WriteRequest(out.data() + before, args);
  HF_CHECK(end == out.data() + out.size());
}

// The common case of Parse.
size_t AppendWholeRequest(std::string_view input, const RequestLimits& limits,
                          std::vector<std::string_view>& args) {
  const char* at = input.data();
  const char* const end = at + input.size();
  if (at == end || *at != '*' || !limits.logged_in) return 0;
  uint64_t count = 0;
  at = ReadLength(at + 1, end, count);
  if (at == nullptr || count == 0 || count > std::min(kMaxArgsAtOnce, limits.max_args)) return 0;
  const bool strict = limits.strict;
  if (strict && at[-1] != '\n') return 0;
  const size_t first = args.size();
  args.resize(first + count);
  std::string_view* const last = args.data() + first + count;
  for (std::string_view* arg = args.data() + first; arg != last; ++arg) {
    if (at == end || *at != '$') return 0;
    uint64_t size = 0;
    at = ReadLength(at + 1, end, size);
    if (at == nullptr || size > limits.max_bulk_bytes) return 0;
    if (static_cast<uint64_t>(end - at) < size + 2) return 0;
    if (strict && at[-1] != '\n') return 0;
    *arg = std::string_view(at, size);
    at += size + 2;
    if (strict && (at[-2] != '\r' || at[-1] != '\n')) return 0;
  }
  HF_DCHECK(at <= end);
  return static_cast<size_t>(at - input.data());
}

RequestParser::Outcome RequestParser::Parse(std::string_view input, Request& request) {
  if (idle()) [[likely]] {
    request.args.clear();
    if (const size_t size = AppendWholeRequest(input, limits_, request.args); size > 0) [[likely]] {
      consumed_ = size;
      scanned_ = 0;  // an earlier input may have ended inside this request's first line
      return Outcome::kComplete;
    }
  }
  return Resume(input, request);
}

RequestParser::Outcome RequestParser::Resume(std::string_view input, Request& request) {
  consumed_ = 0;
  bytes_missing_ = 0;
  if (!error_.empty()) return Outcome::kError;
  request.args.clear();
  HF_CHECK(position_ <= input.size());
  while (true) {
    const std::string_view rest = input.substr(consumed_);
    Step step = args_left_ == 0 ? ParseStart(rest, request) : Step::kContinue;
    if (step == Step::kContinue && args_left_ > 0) {
      step = ParseBulks(rest);
      if (step == Step::kRequest) {
        for (const Extent& extent : extents_) {
          request.args.push_back(rest.substr(extent.offset, extent.size));
        }
      }
    }
    if (step == Step::kFail) return Outcome::kError;
    if (step == Step::kWait) {
      bytes_missing_ = std::max<size_t>(bytes_missing_, 1);
      return Outcome::kIncomplete;
    }
    consumed_ += position_;
    ForgetRequest();
    HF_CHECK(consumed_ <= input.size());
    if (step == Step::kRequest) return Outcome::kComplete;
    // kContinue here is a request without arguments: skipped.
  }
}

RequestParser::Step RequestParser::ParseStart(std::string_view rest, Request& request) {
  HF_CHECK(position_ == 0 && extents_.empty());
  if (rest.empty()) return Step::kWait;
  if (rest[0] == '*') return ParseArrayHeader(rest);
  if (limits_.strict) return Fail("expected '*' at the start of a command");
  return ParseInline(rest, request);
}

// kContinue with args_left_ set, or with none: a request without arguments.
RequestParser::Step RequestParser::ParseArrayHeader(std::string_view rest) {
  size_t end = 0;
  if (const Step step = FindLineEnd(rest, '\r', "too big mbulk count string", &end);
      step != Step::kContinue) {
    return step;
  }
  const std::string_view text = rest.substr(1, end - 1);
  const auto count = ParseInteger(text);
  if (!count || (*count > 0 && static_cast<uint64_t>(*count) > limits_.max_args) ||
      (limits_.strict && (*count <= 0 || rest[end + 1] != '\n'))) {
    return Fail("invalid multibulk length");
  }
  if (!limits_.logged_in && *count > static_cast<int64_t>(kMaxArgsBeforeLogin)) {
    return Fail("unauthenticated multibulk length");
  }
  position_ = scanned_ = end + 2;
  args_left_ = *count > 0 ? static_cast<uint64_t>(*count) : 0;
  return Step::kContinue;
}

RequestParser::Step RequestParser::ParseBulks(std::string_view rest) {
  while (args_left_ > 0) {
    if (bulk_bytes_ == kNoBulk) {
      if (const Step step = ParseBulkHeader(rest); step != Step::kContinue) return step;
    }
    const auto needed = CheckedAdd<uint64_t>(bulk_bytes_, 2);
    HF_CHECK(needed.has_value());
    const uint64_t present = rest.size() - position_;
    if (present < *needed) {
      bytes_missing_ = *needed - present;
      return Step::kWait;
    }
    const size_t end = position_ + bulk_bytes_;
    if (limits_.strict && rest.substr(end, 2) != "\r\n") {
      return Fail("no CR LF at the end of an argument");
    }
    extents_.push_back({position_, bulk_bytes_});
    position_ = scanned_ = end + 2;
    bulk_bytes_ = kNoBulk;
    --args_left_;
  }
  return Step::kRequest;
}

RequestParser::Step RequestParser::ParseBulkHeader(std::string_view rest) {
  size_t end = 0;
  if (const Step step = FindLineEnd(rest, '\r', "too big bulk count string", &end);
      step != Step::kContinue) {
    return step;
  }
  if (rest[position_] != '$') {
    std::string text = "expected '$', got ' '";
    text[text.size() - 2] = rest[position_];
    return Fail(std::move(text));
  }
  const auto size = ParseInteger(rest.substr(position_ + 1, end - position_ - 1));
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_.max_bulk_bytes ||
      (limits_.strict && rest[end + 1] != '\n')) {
    return Fail("invalid bulk length");
  }
  if (!limits_.logged_in && *size > static_cast<int64_t>(kMaxBulkBytesBeforeLogin)) {
    return Fail("unauthenticated bulk length");
  }
  bulk_bytes_ = static_cast<uint64_t>(*size);
  position_ = scanned_ = end + 2;
  return Step::kContinue;
}

RequestParser::Step RequestParser::ParseInline(std::string_view rest, Request& request) {
  size_t end = 0;
  if (const Step step = FindLineEnd(rest, '\n', "too big inline request", &end);
      step != Step::kContinue) {
    return step;
  }
  std::string_view line = rest.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!SplitQuoted(line, request)) return Fail("unbalanced quotes in request");
  position_ = end + 1;
  return request.args.empty() ? Step::kContinue : Step::kRequest;
}

// Finds `terminator` at or after position_; a CR only with the byte that follows it. The limit
// counts as if bytes came one at a time, so the outcome does not depend on how they were split.
RequestParser::Step RequestParser::FindLineEnd(std::string_view rest, char terminator,
                                               const char* too_long, size_t* end) {
  HF_CHECK(scanned_ >= position_ && scanned_ <= rest.size());
  const size_t longest = position_ + limits_.max_line_bytes + 1;
  const size_t stop = std::min(rest.size(), longest);
  const void* found =
      stop > scanned_ ? std::memchr(rest.data() + scanned_, terminator, stop - scanned_) : nullptr;
  if (found == nullptr) {
    scanned_ = std::max(scanned_, stop);
    return rest.size() >= longest ? Fail(too_long) : Step::kWait;
  }
  *end = static_cast<size_t>(static_cast<const char*>(found) - rest.data());
  scanned_ = *end;
  if (terminator == '\r' && *end + 1 == rest.size()) return Step::kWait;
  return Step::kContinue;
}

RequestParser::Step RequestParser::Fail(std::string text) {
  error_ = "Protocol error: " + std::move(text);
  return Step::kFail;
}

void RequestParser::ForgetRequest() {
  position_ = 0;
  scanned_ = 0;
  args_left_ = 0;
  bulk_bytes_ = kNoBulk;
  extents_.clear();
  if (extents_.capacity() > kKeptExtents) extents_.shrink_to_fit();
}

}  // namespace holdfast::aof
