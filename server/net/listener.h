// Listening sockets: TCP addresses and a unix socket. Accepts on the main I/O thread and hands each
// socket to the thread with the fewest connections. Owned by the Server; main I/O thread only.
// Opening fails with one line that names the address.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "holdfast/result.h"
#include "server/net/connection.h"

namespace holdfast::server {

struct ListenAddresses {
  std::vector<std::string> tcp;  // names or addresses; "-" before one: may be missing; "*": any
  uint16_t port = 0;             // 0: no TCP
  int backlog = 511;
  std::string unix_path;  // empty: none
  uint32_t unix_permissions = 0;
};

class Listener {
 public:
  using Accepted = std::function<void(int fd, ConnectionAddresses addresses)>;

  Listener(asio::io_context& context, Accepted accepted)
      : context_(context), accepted_(std::move(accepted)) {}
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Replaces what it listened on before; on an error nothing has changed.
  Status Listen(const ListenAddresses& addresses);
  void Close();

 private:
  using Tcp = asio::ip::tcp;
  using Unix = asio::local::stream_protocol;

  Status OpenTcp(const std::string& name, const ListenAddresses& addresses,
                 std::list<Tcp::acceptor>& opened);
  Status OpenUnix(const ListenAddresses& addresses, std::list<Unix::acceptor>& opened);
  void AcceptTcp(Tcp::acceptor& acceptor);
  void AcceptUnix(Unix::acceptor& acceptor);

  asio::io_context& context_;
  Accepted accepted_;
  std::list<Tcp::acceptor> tcp_;
  std::list<Unix::acceptor> unix_;
  std::string unix_path_;
};

}  // namespace holdfast::server
