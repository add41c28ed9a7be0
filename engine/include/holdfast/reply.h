// Where a command's reply goes. A handler describes its reply once, in RESP3's terms; a sink turns
// it into RESP2 bytes, RESP3 bytes or typed values (Reply below).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/memory.h"

namespace holdfast {

// One reply at a time per sink; an aggregate is announced with its length, then its elements
// follow. Owned by the caller of Db::Execute, used only by the thread inside that call.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void SimpleString(std::string_view text) = 0;  // no CR or LF inside
  // `text` begins with the error code: "ERR no such key". CR and LF are replaced by spaces.
  void Error(std::string_view text) {
    ++errors_;
    const size_t length = std::min(text.find(' '), std::min(text.size(), sizeof(code_)));
    code_length_ = text.copy(code_, length);
    WriteError(text);
  }
  virtual void Integer(int64_t value) = 0;
  virtual void BulkString(std::string_view bytes) = 0;
  // The same for `bytes` that lie in `block`: a sink may keep the reference instead of copying.
  virtual void BulkBlock(BlockRef block, std::string_view bytes) {
    BulkString(bytes);
    block.Reset();
  }
  virtual void Null() = 0;       // RESP2: null bulk string
  virtual void NullArray() = 0;  // RESP2: null array; RESP3: null
  virtual void Array(size_t length) = 0;
  virtual void Map(size_t pairs) = 0;                   // RESP2: an array of 2 * pairs
  virtual void Set(size_t length) = 0;                  // RESP2: an array
  virtual void Push(size_t length) = 0;                 // RESP2: an array
  virtual void Double(double value) = 0;                // RESP2: a bulk string
  virtual void Boolean(bool value) = 0;                 // RESP2: 1 or 0
  virtual void BigNumber(std::string_view digits) = 0;  // RESP2: bulk string
  virtual void Verbatim(std::string_view format,
                        std::string_view text) = 0;  // format: "txt", "mkd"
  // 2 or 3: a few commands (HELLO, CLIENT TRACKING) choose by it; most must not look.
  virtual int Protocol() const = 0;

  void Ok() { SimpleString("OK"); }
  // Errors replied so far, and the code of the newest ("ERR", "WRONGTYPE").
  uint64_t errors() const { return errors_; }
  std::string_view error_code() const { return {code_, code_length_}; }

 protected:
  virtual void WriteError(std::string_view text) = 0;

 private:
  uint64_t errors_ = 0;
  size_t code_length_ = 0;
  char code_[32] = {};
};

// A reply as values, for embedded callers and tests.
struct Reply {
  enum class Type {
    kNull,
    kNullArray,
    kSimpleString,
    kError,
    kInteger,
    kBulkString,
    kArray,
    kMap,
    kSet,
    kPush,
    kDouble,
    kBoolean,
    kBigNumber,
    kVerbatim,
  };
  Type type = Type::kNull;
  int64_t integer = 0;          // kInteger, kBoolean
  double number = 0;            // kDouble
  std::string text;             // strings, errors, big numbers, verbatim text
  std::vector<Reply> elements;  // aggregates; a map's keys and values alternate

  bool IsError() const { return type == Type::kError; }
};

}  // namespace holdfast
