#include "server/net/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "holdfast/check.h"
#include "server/net/io_thread.h"

namespace holdfast::server {
namespace {

constexpr size_t kReadBytes = 16 << 10;        // Redis's PROTO_IOBUF_LEN
constexpr size_t kMaxRoomBytes = 256 << 10;    // taken from one socket in one turn
constexpr size_t kSentParts = 32;              // pieces of output in one system call
constexpr size_t kKeptBufferBytes = 64 << 10;  // an idle connection keeps no more

}  // namespace

Connection::Connection(IoThread& thread, int fd, ConnectionAddresses addresses)
    : thread_(thread), fd_(fd), addresses_(std::move(addresses)), reply_(output_, session_) {
  session_.connection = this;
}

Connection::~Connection() {
  thread_.CountBuffers(-static_cast<int64_t>(counted_bytes_));
  ::close(fd_);
}

void Connection::Grow(size_t room) {
  if (input_.size() - input_size_ >= room) return;
  // Doubling keeps the copying linear; what a peer merely declares reserves nothing.
  input_.resize(std::max(input_size_ + room, input_.size() * 2));
}

bool Connection::Receive() {
  const size_t missing = parser_.bytes_missing();
  Grow(std::clamp(missing, kReadBytes, kMaxRoomBytes));
  const ssize_t received = ::recv(fd_, input_.data() + input_size_, input_.size() - input_size_, 0);
  if (received == 0) return false;
  if (received < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  input_size_ += static_cast<size_t>(received);
  thread_.CountInput(static_cast<uint64_t>(received));
  PublishSizes();
  return true;
}

Connection::Next Connection::NextRequest(aof::Request& request) {
  if (parsed_ == input_size_) return Next::kNothing;
  const std::string_view rest(input_.data() + parsed_, input_size_ - parsed_);
  switch (parser_.Parse(rest, request)) {
    case aof::RequestParser::Outcome::kComplete:
      parsed_ += parser_.consumed();
      return Next::kRequest;
    case aof::RequestParser::Outcome::kIncomplete:
      parsed_ += parser_.consumed();
      return Next::kNothing;
    case aof::RequestParser::Outcome::kError:
      return Next::kError;
  }
  return Next::kNothing;
}

void Connection::FailProtocol() {
  if (closing || parked) return;  // an earlier request already ended or holds the connection
  reply_.Error("ERR " + parser_.error());
  closing = true;
}

void Connection::PutBack(size_t offset) {
  HF_CHECK(offset <= parsed_);
  parsed_ = offset;
  parser_ = aof::RequestParser(parser_.limits());
}

void Connection::DropParsedInput() {
  if (parsed_ == input_size_) {
    parsed_ = input_size_ = 0;
    if (input_.size() > kKeptBufferBytes) std::string().swap(input_);
  } else if (parsed_ > 0) {
    input_.erase(0, parsed_);
    input_size_ -= parsed_;
    parsed_ = 0;
  }
  PublishSizes();
}

void Connection::SealReplies(uint64_t position) {
  if (output_.end() == sealed_) return;
  sealed_ = output_.end();
  if (position == 0 && waits_.empty()) {
    released_ = sealed_;
    return;
  }
  HF_DCHECK(waits_.empty() || waits_.back().position <= position);
  waits_.push_back({sealed_, position});
}

bool Connection::Send(uint64_t covered) {
  while (!waits_.empty() && waits_.front().position <= covered) {
    released_ = waits_.front().end;
    waits_.pop_front();
  }
  wants_write_ = false;
  while (output_.sent() < released_) {
    const ssize_t sent = SendOnce();
    if (sent < 0) {
      if (errno == EINTR) continue;
      wants_write_ = errno == EAGAIN || errno == EWOULDBLOCK;
      PublishSizes();
      return wants_write_;
    }
    output_.MarkSent(static_cast<uint64_t>(sent));
    thread_.CountOutput(static_cast<uint64_t>(sent));
  }
  PublishSizes();
  return true;
}

ssize_t Connection::SendOnce() {
  std::array<std::string_view, kSentParts> parts;
  const size_t count = output_.Unsent(released_, parts);
  if (count == 1) return ::send(fd_, parts[0].data(), parts[0].size(), MSG_NOSIGNAL);
  std::array<iovec, kSentParts> vectors;
  for (size_t i = 0; i < count; ++i) {
    // sendmsg(2) only reads; iovec knows no const.
    vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  return ::sendmsg(fd_, &message, MSG_NOSIGNAL);
}

void Connection::DropOutput() {
  output_.Drop();
  sealed_ = released_ = output_.end();
  waits_.clear();
}

void Connection::Close(bool after_reply) { thread_.RequestClose(session_.id, after_reply); }

void Connection::Push(std::string bytes, uint64_t log_position) {
  thread_.RequestPush(session_.id, std::move(bytes), log_position);
}

void Connection::PublishSizes() {
  output_bytes_.store(output_.UnsentBytes(), std::memory_order_relaxed);
  query_bytes_.store(input_size_ - parsed_, std::memory_order_relaxed);
  query_free_bytes_.store(input_.size() - input_size_, std::memory_order_relaxed);
  const uint64_t bytes = sizeof(Connection) + output_.UnsentBytes() + input_.size() +
                         session_.shared.queued_bytes.load(std::memory_order_relaxed);
  if (bytes == counted_bytes_) return;
  thread_.CountBuffers(static_cast<int64_t>(bytes - counted_bytes_));
  counted_bytes_ = bytes;
}

}  // namespace holdfast::server
