#include "engine/group_buffer.h"

#include <utility>

#include "aof/log_writer.h"
#include "aof/request_parser.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast {

void GroupBuffer::Select(std::string& out, int database) {
  const IntegerText number(database);
  const std::string_view command[] = {"SELECT", number.view()};
  aof::AppendRequest(out, command);
}

CountedBlock* GroupBuffer::BlockOf(std::string_view argument) const {
  for (const BlockRef& block : blocks_) {
    if (block->view().data() == argument.data() && block->size == argument.size())
      return block.get();
  }
  return nullptr;
}

void GroupBuffer::Encode(std::span<const std::string_view> command) {
  if (blocks_.empty()) [[likely]]
    return aof::AppendRequest(body_, command);
  const auto header = [this](char kind, size_t value) {
    body_ += kind;
    body_ += IntegerText(static_cast<int64_t>(value)).view();
    body_ += "\r\n";
  };
  header('*', command.size());
  for (const std::string_view argument : command) {
    header('$', argument.size());
    if (CountedBlock* block = BlockOf(argument)) {
      references_.push_back({body_.size(), block});
    } else {
      body_ += argument;
    }
    body_ += "\r\n";
  }
}

void GroupBuffer::EncodePending() {
  if (!request_.empty()) Encode(std::exchange(request_, {}));
}

void GroupBuffer::RecordRequest(int database, std::span<const std::string_view> args) {
  const bool alone = Empty() && !transaction_ && database == 0 && blocks_.empty();
  if (!alone) return Record(database, args);
  count_ = 1;
  request_ = args;
}

void GroupBuffer::Record(int database, std::span<const std::string_view> command) {
  EncodePending();
  if (count_++ == 0) {
    first_database_ = database_ = database;
  } else if (database_ != database) {
    Select(body_, database);
    database_ = database;
  }
  Encode(command);
}

void GroupBuffer::RecordBefore(int database, std::span<const std::string_view> command) {
  if (transaction_) return Record(database, command);
  if (database != 0) Select(before_, database);
  aof::AppendRequest(before_, command);
  if (database != 0) Select(before_, 0);
}

// Puts what surrounds the body into wrapped_ (before it) and body_ (behind it).
void GroupBuffer::Wrap() {
  wrapped_ = before_;
  if (first_database_ != 0) Select(wrapped_, first_database_);
  const bool several = count_ > 1 || transaction_;
  if (several) {
    const std::string_view multi[] = {"MULTI"};
    const std::string_view exec[] = {"EXEC"};
    aof::AppendRequest(wrapped_, multi);
    aof::AppendRequest(body_, exec);
  }
  if (first_database_ != 0 || database_ != 0) Select(body_, 0);
}

aof::LogPosition GroupBuffer::AppendTo(aof::LogWriter& log, aof::LogSlot& slot) {
  HF_CHECK(!Empty());
  if (!request_.empty() && before_.empty()) [[likely]]
    return log.AppendRequest(slot, request_);
  EncodePending();
  if (count_ == 0) return log.Append(slot, before_);
  const bool plain = count_ == 1 && !transaction_ && first_database_ == 0 && before_.empty();
  if (plain && references_.empty()) [[likely]]
    return log.Append(slot, body_);
  Wrap();
  if (references_.empty()) return log.Append(slot, wrapped_ + body_);
  std::vector<aof::LogPart> parts;
  if (!wrapped_.empty()) parts.push_back({wrapped_, nullptr});
  size_t done = 0;
  const std::string_view body = body_;
  for (const Reference& reference : references_) {
    parts.push_back({body.substr(done, reference.offset - done), nullptr});
    parts.push_back({{}, reference.block});
    done = reference.offset;
  }
  parts.push_back({body.substr(done), nullptr});
  return log.Append(slot, parts);
}

void GroupBuffer::Clear() {
  request_ = {};
  blocks_ = {};
  count_ = 0;
  first_database_ = database_ = 0;
  transaction_ = false;
  before_.clear();
  body_.clear();
  references_.clear();
}

void GroupBuffer::GiveBackLongBuffers() {
  constexpr size_t kKeptBytes = 256 << 10;
  HF_CHECK(Empty());
  for (std::string* buffer : {&before_, &body_, &wrapped_}) {
    if (buffer->capacity() > kKeptBytes) std::string().swap(*buffer);
  }
}

}  // namespace holdfast
