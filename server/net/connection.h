// One client's TCP or unix socket: bytes in, requests, replies, bytes out. It does no waiting of
// its own: its IoThread tells it when the socket is readable or writable and when the log covers
// what its replies show.
//
// Owned by its IoThread; used by that thread only, except for the ClientConnection interface, which
// any thread may call. Errors of the socket close the connection; errors of the protocol are
// answered first.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "aof/request_parser.h"
#include "engine/commands/session.h"
#include "server/session/output_queue.h"
#include "server/session/resp_reply.h"

namespace holdfast::server {

class IoThread;

struct ConnectionAddresses {
  std::string peer;
  std::string local;
  bool unix_socket = false;
};

class Connection final : public commands::ClientConnection {
 public:
  Connection(IoThread& thread, int fd, ConnectionAddresses addresses);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  commands::Session& session() { return session_; }
  RespReply& reply() { return reply_; }
  int fd() const { return fd_; }

  // Takes what the socket has, up to a bound. False: the peer is gone.
  bool Receive();
  // The next whole request, views into the input. After kError: FailProtocol, once everything
  // before it has been executed.
  enum class Next { kRequest, kNothing, kError };
  Next NextRequest(aof::Request& request);
  // Answers the parser's error and closes.
  void FailProtocol();
  // The request handed out last is to be handed out again, with all behind it: it was parked.
  void PutBack(size_t offset);
  size_t next_offset() const { return parsed_; }
  bool HasInput() const { return parsed_ < input_size_; }
  // All requests handed out so far are done with: their bytes may be overwritten.
  void DropParsedInput();

  // Bytes between replies (MONITOR).
  void AppendPush(std::string_view bytes) {
    output_.CloseLongText();
    output_.text() += bytes;
  }
  // Replies written so far may leave once the log has `position`.
  void SealReplies(uint64_t position);
  // The oldest position that output waits for; UINT64_MAX if none does.
  uint64_t OldestWait() const { return waits_.empty() ? UINT64_MAX : waits_.front().position; }
  // Sends what the log covers. False: the peer is gone. WantsWrite: the socket is full.
  bool Send(uint64_t covered);
  bool WantsWrite() const { return wants_write_; }
  bool OutputEmpty() const { return output_.UnsentBytes() == 0; }
  uint64_t UnsentBytes() const { return output_.UnsentBytes(); }
  // Nothing more will be sent: gives the memory back at once.
  void DropOutput();
  void SetLimits(const aof::RequestLimits& limits) { parser_.set_limits(limits); }

  // ClientConnection
  std::string PeerAddress() const override { return addresses_.peer; }
  std::string LocalAddress() const override { return addresses_.local; }
  int FileDescriptor() const override { return fd_; }
  bool UnixSocket() const override { return addresses_.unix_socket; }
  uint64_t OutputBytes() const override { return output_bytes_.load(std::memory_order_relaxed); }
  uint64_t QueryBufferBytes() const override {
    return query_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t QueryBufferFreeBytes() const override {
    return query_free_bytes_.load(std::memory_order_relaxed);
  }
  void Close(bool after_reply) override;
  void Push(std::string bytes, uint64_t log_position) override;

  // State that the IoThread keeps per connection.
  bool broken = false;      // the peer is gone, or the connection was killed
  bool waiting = false;     // replies of it wait for the log
  bool closing = false;     // no more requests; closes when the output has left
  bool parked = false;      // a command waits for admission, a pause or the log
  size_t looked_ahead = 0;  // requests from the next one on whose cold keys are being read
  bool in_turn = false;     // touched in this turn: replies are to be sent at its end
  bool epoll_out = false;   // EPOLLOUT is armed
  bool reading = true;      // EPOLLIN is armed
  UnixMs output_over_soft_since_ms = 0;

 private:
  struct Wait {
    uint64_t end;  // of output_
    uint64_t position;
  };
  void Grow(size_t room);
  ssize_t SendOnce();
  void PublishSizes();
  uint64_t counted_bytes_ = 0;  // of buffers, as last told to the thread

  IoThread& thread_;
  const int fd_;
  const ConnectionAddresses addresses_;
  commands::Session session_;
  aof::RequestParser parser_;
  std::string input_;  // its size is the room; input_size_ bytes are in use
  size_t input_size_ = 0;
  size_t parsed_ = 0;
  OutputQueue output_;
  uint64_t sealed_ = 0;    // complete replies end at this position of the output
  uint64_t released_ = 0;  // the log covers what comes before
  std::deque<Wait> waits_;
  bool wants_write_ = false;
  RespReply reply_;
  std::atomic<uint64_t> output_bytes_{0};
  std::atomic<uint64_t> query_bytes_{0};
  std::atomic<uint64_t> query_free_bytes_{0};
};

}  // namespace holdfast::server
