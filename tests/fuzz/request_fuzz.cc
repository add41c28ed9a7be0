// Fuzzes the RESP request parser: whatever the bytes are, parsing them whole and one byte at a time
// gives the same requests or the same error, and a parsed request survives being encoded again.
// Files under test: aof/request_parser.cc
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aof/request_parser.h"
#include "holdfast/check.h"

namespace {

using holdfast::aof::Request;
using holdfast::aof::RequestLimits;
using holdfast::aof::RequestParser;
using Outcome = RequestParser::Outcome;

struct Parsed {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  bool operator==(const Parsed&) const = default;
};

// Hands the parser `chunk` bytes more each time it asks.
Parsed ParseAll(std::string_view bytes, const RequestLimits& limits, size_t chunk) {
  Parsed parsed;
  RequestParser parser(limits);
  size_t done = 0;
  size_t given = 0;
  while (true) {
    Request request;
    const Outcome outcome = parser.Parse(bytes.substr(done, given - done), request);
    HF_CHECK(parser.consumed() <= given - done);
    done += parser.consumed();
    if (outcome == Outcome::kError) {
      HF_CHECK(!parser.error().empty());
      parsed.error = parser.error();
      return parsed;
    }
    if (outcome == Outcome::kComplete) {
      HF_CHECK(!request.args.empty());
      parsed.requests.emplace_back(request.args.begin(), request.args.end());
    } else if (given == bytes.size()) {
      HF_CHECK(parser.bytes_missing() > 0);
      return parsed;
    } else {
      given = std::min(bytes.size(), given + chunk);
    }
  }
}

void CheckEncoding(const std::vector<std::string>& args) {
  const std::vector<std::string_view> views(args.begin(), args.end());
  std::string encoded;
  holdfast::aof::AppendRequest(encoded, views);
  RequestLimits strict;
  strict.strict = true;
  const Parsed again = ParseAll(encoded, strict, encoded.size());
  HF_CHECK(again.error.empty() && again.requests.size() == 1 && again.requests[0] == args);
}

}  // namespace

// The first byte chooses the limits.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  RequestLimits limits;
  limits.strict = (data[0] & 1) != 0;
  limits.logged_in = (data[0] & 2) == 0;
  if ((data[0] & 4) != 0) limits.max_bulk_bytes = 16;
  if ((data[0] & 8) != 0) limits.max_line_bytes = 16;
  if ((data[0] & 16) != 0) limits.max_args = 4;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Parsed whole = ParseAll(bytes, limits, bytes.size());
  HF_CHECK(ParseAll(bytes, limits, 1) == whole);
  for (const auto& args : whole.requests) CheckEncoding(args);
  return 0;
}
