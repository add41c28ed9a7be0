// Writes replies as RESP2 or RESP3 bytes at the end of a connection's output.
// https://redis.io/docs/reference/protocol-spec. Owned by a connection, used by its I/O thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/commands/session.h"
#include "holdfast/reply.h"
#include "server/session/output_queue.h"

namespace holdfast::server {

class RespReply final : public ReplySink {
 public:
  // `session` says which protocol is spoken; HELLO may change it between two replies.
  RespReply(OutputQueue& queue, const commands::Session& session)
      : queue_(queue), out_(queue.text()), session_(session) {}

  void SimpleString(std::string_view text) override;
  void Integer(int64_t value) override { Number(':', value); }
  void BulkString(std::string_view bytes) override;
  void BulkBlock(BlockRef block, std::string_view bytes) override;
  void Null() override { out_ += Resp3() ? "_\r\n" : "$-1\r\n"; }
  void NullArray() override { out_ += Resp3() ? "_\r\n" : "*-1\r\n"; }
  void Array(size_t length) override { Header('*', length); }
  void Map(size_t pairs) override;
  void Set(size_t length) override { Header(Resp3() ? '~' : '*', length); }
  void Push(size_t length) override { Header(Resp3() ? '>' : '*', length); }
  void Double(double value) override;
  void Boolean(bool value) override;
  void BigNumber(std::string_view digits) override;
  void Verbatim(std::string_view format, std::string_view text) override;
  int Protocol() const override { return session_.protocol; }

 protected:
  void WriteError(std::string_view text) override;

 private:
  bool Resp3() const { return session_.protocol == 3; }
  void Number(char kind, int64_t value);
  void Header(char kind, size_t length) { Number(kind, static_cast<int64_t>(length)); }

  OutputQueue& queue_;
  std::string& out_;  // the queue's text
  const commands::Session& session_;
};

}  // namespace holdfast::server
