// The server: a store, its I/O threads and listeners, from start to an orderly stop. main() owns
// one; tests may run several in one process.
#pragma once

#include <asio/signal_set.hpp>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "engine/config/config.h"
#include "holdfast/logger.h"
#include "holdfast/result.h"
#include "server/net/io_thread.h"
#include "server/net/listener.h"

namespace holdfast::server {

class Server {
 public:
  // All outlive the server.
  Server(Store& store, config::Config& config, Logger& logger);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the listening sockets. Nothing is served yet.
  Status Listen();
  // Serves on the calling thread and io-threads - 1 others until Stop, SIGTERM or SIGINT.
  void Run();
  // Any thread; also from a signal handler's context of Asio.
  void Stop();

 private:
  void Accept(int fd, ConnectionAddresses addresses);
  bool RefusedAtTheDoor(int fd, const ConnectionAddresses& addresses);
  IoThread& LeastLoaded();
  void AwaitSignals();
  ListenAddresses Addresses() const;

  Store& store_;
  config::Config& config_;
  Logger& logger_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<asio::signal_set> signals_;
  std::vector<config::Subscription> subscriptions_;
  std::vector<std::thread> running_;
};

}  // namespace holdfast::server
