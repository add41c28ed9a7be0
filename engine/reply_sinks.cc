#include "engine/reply_sinks.h"

#include <cstring>
#include <utility>

#include "holdfast/check.h"

namespace holdfast {
namespace {

template <typename T>
T ValueOf(std::string_view bytes) {
  T value;
  HF_CHECK(bytes.size() == sizeof(T));
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

void RecordingSink::Add(Kind kind, std::string_view bytes) {
  const uint64_t length = bytes.size();
  parts_ += static_cast<char>(kind);
  parts_.append(reinterpret_cast<const char*>(&length), sizeof(length));
  parts_ += bytes;
}

void RecordingSink::Verbatim(std::string_view format, std::string_view text) {
  HF_CHECK(format.size() == kFormatBytes);
  Add(Kind::kVerbatim, std::string(format).append(text));
}

void RecordingSink::ReplayTo(ReplySink& reply) const {
  std::string_view rest = parts_;
  while (!rest.empty()) {
    const auto kind = static_cast<Kind>(rest.front());
    const auto length = ValueOf<uint64_t>(rest.substr(1, sizeof(uint64_t)));
    rest.remove_prefix(1 + sizeof(uint64_t));
    HF_CHECK(length <= rest.size());
    ReplayPart(reply, kind, rest.substr(0, length));
    rest.remove_prefix(length);
  }
}

void RecordingSink::ReplayPart(ReplySink& reply, Kind kind, std::string_view bytes) const {
  switch (kind) {
    case Kind::kSimpleString:
      return reply.SimpleString(bytes);
    case Kind::kError:
      return reply.Error(bytes);
    case Kind::kInteger:
      return reply.Integer(ValueOf<int64_t>(bytes));
    case Kind::kBulkString:
      return reply.BulkString(bytes);
    case Kind::kNull:
      return reply.Null();
    case Kind::kNullArray:
      return reply.NullArray();
    case Kind::kArray:
      return reply.Array(ValueOf<size_t>(bytes));
    case Kind::kMap:
      return reply.Map(ValueOf<size_t>(bytes));
    case Kind::kSet:
      return reply.Set(ValueOf<size_t>(bytes));
    case Kind::kPush:
      return reply.Push(ValueOf<size_t>(bytes));
    case Kind::kDouble:
      return reply.Double(ValueOf<double>(bytes));
    case Kind::kBoolean:
      return reply.Boolean(ValueOf<bool>(bytes));
    case Kind::kBigNumber:
      return reply.BigNumber(bytes);
    case Kind::kVerbatim:
      return reply.Verbatim(bytes.substr(0, kFormatBytes), bytes.substr(kFormatBytes));
  }
}

Reply ValueSink::Take() {
  HF_CHECK(open_.empty());
  return std::exchange(finished_, Reply{});
}

void ValueSink::Add(Reply reply) {
  while (!open_.empty()) {
    Frame& frame = open_.back();
    frame.reply.elements.push_back(std::move(reply));
    if (--frame.missing > 0) return;
    reply = std::move(frame.reply);
    open_.pop_back();
  }
  finished_ = std::move(reply);
}

void ValueSink::AddText(Reply::Type type, std::string_view text) {
  Reply reply;
  reply.type = type;
  reply.text = text;
  Add(std::move(reply));
}

void ValueSink::Open(Reply::Type type, size_t length) {
  Reply reply;
  reply.type = type;
  if (length == 0) return Add(std::move(reply));
  open_.push_back({std::move(reply), length});
}

void ValueSink::SimpleString(std::string_view text) { AddText(Reply::Type::kSimpleString, text); }
void ValueSink::WriteError(std::string_view text) { AddText(Reply::Type::kError, text); }
void ValueSink::BulkString(std::string_view bytes) { AddText(Reply::Type::kBulkString, bytes); }
void ValueSink::BigNumber(std::string_view digits) { AddText(Reply::Type::kBigNumber, digits); }
void ValueSink::Verbatim(std::string_view, std::string_view text) {
  AddText(Reply::Type::kVerbatim, text);
}
void ValueSink::Null() { Add({}); }

void ValueSink::NullArray() {
  Reply reply;
  reply.type = Reply::Type::kNullArray;
  Add(std::move(reply));
}

void ValueSink::Integer(int64_t value) {
  Reply reply;
  reply.type = Reply::Type::kInteger;
  reply.integer = value;
  Add(std::move(reply));
}

void ValueSink::Boolean(bool value) {
  Reply reply;
  reply.type = Reply::Type::kBoolean;
  reply.integer = value ? 1 : 0;
  Add(std::move(reply));
}

void ValueSink::Double(double value) {
  Reply reply;
  reply.type = Reply::Type::kDouble;
  reply.number = value;
  Add(std::move(reply));
}

}  // namespace holdfast
