#include "server/session/resp_reply.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "holdfast/number.h"

namespace holdfast::server {
namespace {

constexpr std::string_view kEnd = "\r\n";

// Redis 7: "%.17g", with inf and nan spelled out.
std::string DoubleText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[64];
  const int length = std::snprintf(text, sizeof(text), "%.17g", value);
  return {text, static_cast<size_t>(length)};
}

}  // namespace

void RespReply::Number(char kind, int64_t value) {
  queue_.CloseLongText();
  char text[24];
  text[0] = kind;
  char* end = std::to_chars(text + 1, text + sizeof(text) - 2, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_.append(text, static_cast<size_t>(end - text));
}

void RespReply::SimpleString(std::string_view text) {
  out_ += '+';
  out_ += text;
  out_ += kEnd;
}

// A reply's bytes may come from a client: a line break in an error would let it forge replies.
void RespReply::WriteError(std::string_view text) {
  constexpr std::string_view kBreaks = "\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBreaks), text.size()));
  text = text.substr(0, text.find_last_not_of(kBreaks) + 1);
  out_ += '-';
  const size_t start = out_.size();
  out_ += text;
  for (size_t i = start; i < out_.size(); ++i) {
    if (out_[i] == '\r' || out_[i] == '\n') out_[i] = ' ';
  }
  out_ += kEnd;
}

void RespReply::BulkString(std::string_view bytes) {
  Header('$', bytes.size());
  out_ += bytes;
  out_ += kEnd;
}

void RespReply::BulkBlock(BlockRef block, std::string_view bytes) {
  Header('$', bytes.size());
  queue_.AppendBlock(std::move(block), bytes);
  out_ += kEnd;
}

void RespReply::Map(size_t pairs) {
  if (Resp3()) return Header('%', pairs);
  Header('*', 2 * pairs);
}

void RespReply::Double(double value) {
  const std::string text = DoubleText(value);
  if (!Resp3()) return BulkString(text);
  out_ += ',';
  out_ += text;
  out_ += kEnd;
}

void RespReply::Boolean(bool value) {
  if (Resp3()) {
    out_ += value ? "#t\r\n" : "#f\r\n";
  } else {
    out_ += value ? ":1\r\n" : ":0\r\n";
  }
}

void RespReply::BigNumber(std::string_view digits) {
  if (!Resp3()) return BulkString(digits);
  out_ += '(';
  out_ += digits;
  out_ += kEnd;
}

void RespReply::Verbatim(std::string_view format, std::string_view text) {
  if (!Resp3()) return BulkString(text);
  Header('=', format.size() + 1 + text.size());
  out_ += format;
  out_ += ':';
  out_ += text;
  out_ += kEnd;
}

}  // namespace holdfast::server
