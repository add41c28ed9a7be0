// Sinks that need no wire: typed values for embedded callers, nothing at all, the error alone, a
// recording.
// Each is used by one thread for one execution.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "holdfast/reply.h"

namespace holdfast {

// Takes everything and keeps nothing (CLIENT REPLY OFF).
class DiscardSink : public ReplySink {
 public:
  explicit DiscardSink(int protocol = 2) : protocol_(protocol) {}
  void SimpleString(std::string_view) override {}
  void Integer(int64_t) override {}
  void BulkString(std::string_view) override {}
  void Null() override {}
  void NullArray() override {}
  void Array(size_t) override {}
  void Map(size_t) override {}
  void Set(size_t) override {}
  void Push(size_t) override {}
  void Double(double) override {}
  void Boolean(bool) override {}
  void BigNumber(std::string_view) override {}
  void Verbatim(std::string_view, std::string_view) override {}
  int Protocol() const override { return protocol_; }

 protected:
  void WriteError(std::string_view) override {}

 private:
  int protocol_;
};

// Keeps the first error's text: log replay must see none.
class ErrorSink final : public DiscardSink {
 public:
  const std::string& text() const { return text_; }

 protected:
  void WriteError(std::string_view text) override {
    if (text_.empty()) text_ = text;
  }

 private:
  std::string text_;
};

// Keeps a reply for a sink that is another thread's, as compactly as it was made.
class RecordingSink final : public ReplySink {
 public:
  explicit RecordingSink(int protocol) : protocol_(protocol) {}
  void ReplayTo(ReplySink& reply) const;

  void SimpleString(std::string_view text) override { Add(Kind::kSimpleString, text); }
  void Integer(int64_t value) override { Add(Kind::kInteger, value); }
  void BulkString(std::string_view bytes) override { Add(Kind::kBulkString, bytes); }
  void Null() override { Add(Kind::kNull, {}); }
  void NullArray() override { Add(Kind::kNullArray, {}); }
  void Array(size_t length) override { Add(Kind::kArray, length); }
  void Map(size_t pairs) override { Add(Kind::kMap, pairs); }
  void Set(size_t length) override { Add(Kind::kSet, length); }
  void Push(size_t length) override { Add(Kind::kPush, length); }
  void Double(double value) override { Add(Kind::kDouble, value); }
  void Boolean(bool value) override { Add(Kind::kBoolean, value); }
  void BigNumber(std::string_view digits) override { Add(Kind::kBigNumber, digits); }
  void Verbatim(std::string_view format, std::string_view text) override;
  int Protocol() const override { return protocol_; }

 protected:
  void WriteError(std::string_view text) override { Add(Kind::kError, text); }

 private:
  enum class Kind : uint8_t {
    kSimpleString,
    kError,
    kInteger,
    kBulkString,
    kNull,
    kNullArray,
    kArray,
    kMap,
    kSet,
    kPush,
    kDouble,
    kBoolean,
    kBigNumber,
    kVerbatim,
  };
  static constexpr size_t kFormatBytes = 3;  // "txt" before a verbatim string
  void Add(Kind kind, std::string_view bytes);
  template <typename T>
    requires std::is_arithmetic_v<T>
  void Add(Kind kind, T value) {
    Add(kind, std::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
  }
  void ReplayPart(ReplySink& reply, Kind kind, std::string_view bytes) const;

  int protocol_;
  std::string parts_;  // of each: kind, length (8 bytes, the machine's), bytes
};

// Builds a Reply.
class ValueSink final : public ReplySink {
 public:
  explicit ValueSink(int protocol = 3) : protocol_(protocol) {}
  // The finished reply; the sink may be used again.
  Reply Take();

  void SimpleString(std::string_view text) override;
  void Integer(int64_t value) override;
  void BulkString(std::string_view bytes) override;
  void Null() override;
  void NullArray() override;
  void Array(size_t length) override { Open(Reply::Type::kArray, length); }
  void Map(size_t pairs) override { Open(Reply::Type::kMap, 2 * pairs); }
  void Set(size_t length) override { Open(Reply::Type::kSet, length); }
  void Push(size_t length) override { Open(Reply::Type::kPush, length); }
  void Double(double value) override;
  void Boolean(bool value) override;
  void BigNumber(std::string_view digits) override;
  void Verbatim(std::string_view format, std::string_view text) override;
  int Protocol() const override { return protocol_; }

 protected:
  void WriteError(std::string_view text) override;

 private:
  struct Frame {
    Reply reply;
    size_t missing;
  };
  void Add(Reply reply);
  void AddText(Reply::Type type, std::string_view text);
  void Open(Reply::Type type, size_t length);

  int protocol_;
  std::vector<Frame> open_;
  Reply finished_;
};

}  // namespace holdfast
