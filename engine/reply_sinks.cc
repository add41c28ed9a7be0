#include "engine/reply_sinks.h"

#include <utility>

#include "holdfast/check.h"

namespace holdfast {

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
