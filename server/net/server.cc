#include "server/net/server.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <csignal>

#include "engine/store.h"

namespace holdfast::server {
namespace {

constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kProtected =
    "-DENIED Holdfast is running in protected mode because protected mode is enabled and no "
    "password is set for the default user. In this mode connections are only accepted from the "
    "loopback interface. If you want to connect from external computers you may set a password "
    "with 'requirepass', or switch protected mode off with 'protected-mode no' and make sure the "
    "server is not reachable from the internet.\r\n";

size_t IoThreadCount(const config::Config& config) {
  const int64_t wanted = config.Integer("io-threads");
  if (wanted > 0) return static_cast<size_t>(wanted);
  return std::max(1u, std::thread::hardware_concurrency());
}

bool Loopback(const ConnectionAddresses& addresses) {
  return addresses.unix_socket || addresses.peer.starts_with("127.") ||
         addresses.peer.starts_with("[::1]");
}

void SetKeepAlive(int fd, int seconds) {
  const int on = 1;
  if (seconds <= 0 || ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0) return;
  const int interval = std::max(1, seconds / 3);
  const int probes = 3;
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

}  // namespace

Server::Server(Store& store, config::Config& config, Logger& logger)
    : store_(store), config_(config), logger_(logger) {
  const size_t count = IoThreadCount(config);
  for (size_t i = 0; i < count; ++i) threads_.push_back(std::make_unique<IoThread>(store));
  listener_ = std::make_unique<Listener>(
      threads_[0]->context(),
      [this](int fd, ConnectionAddresses addresses) { Accept(fd, std::move(addresses)); });
}

Server::~Server() = default;

ListenAddresses Server::Addresses() const {
  return {.tcp = config_.Words("bind"),
          .port = static_cast<uint16_t>(config_.Integer("port")),
          .backlog = static_cast<int>(config_.Integer("tcp-backlog")),
          .unix_path = config_.Text("unixsocket"),
          .unix_permissions = static_cast<uint32_t>(config_.Integer("unixsocketperm"))};
}

Status Server::Listen() {
  HF_TRY_STATUS(listener_->Listen(Addresses()));
  // CONFIG SET may run on any I/O thread; acceptors belong to the first.
  subscriptions_.push_back(config_.OnChange({"bind", "port"}, [this](const config::Config&) {
    asio::post(threads_[0]->context(), [this] {
      if (Status listened = listener_->Listen(Addresses()); !listened)
        logger_.Write(LogLevel::kWarning, listened.error().message);
    });
    return Status{};
  }));
  return {};
}

void Server::AwaitSignals() {
  signals_ = std::make_unique<asio::signal_set>(threads_[0]->context(), SIGTERM, SIGINT);
  signals_->async_wait([this](asio::error_code error, int signal) {
    if (error) return;
    logger_.Write(LogLevel::kWarning, fmt::format("Received {}, shutting down",
                                                  signal == SIGINT ? "SIGINT" : "SIGTERM"));
    Stop();
  });
}

void Server::Run() {
  AwaitSignals();
  for (size_t i = 1; i < threads_.size(); ++i) {
    running_.emplace_back([thread = threads_[i].get()] { thread->Run(); });
  }
  threads_[0]->Run();
  for (std::thread& thread : running_) thread.join();
  running_.clear();
  subscriptions_.clear();
  listener_->Close();
}

void Server::Stop() {
  for (const auto& thread : threads_) thread->Stop();
}

IoThread& Server::LeastLoaded() {
  return **std::min_element(threads_.begin(), threads_.end(), [](const auto& a, const auto& b) {
    return a->connections() < b->connections();
  });
}

bool Server::RefusedAtTheDoor(int fd, const ConnectionAddresses& addresses) {
  std::string_view refusal;
  size_t connections = 0;
  for (const auto& thread : threads_) connections += thread->connections();
  if (connections >= static_cast<size_t>(config_.Integer("maxclients"))) {
    refusal = kTooManyClients;
  } else if (config_.Bool("protected-mode") && config_.Text("requirepass").empty() &&
             !Loopback(addresses)) {
    refusal = kProtected;
  } else {
    return false;
  }
  store_.statistics().rejected_connections.fetch_add(1, std::memory_order_relaxed);
  // Best effort, as in Redis: the socket is new, so this fits its buffer.
  static_cast<void>(::send(fd, refusal.data(), refusal.size(), MSG_NOSIGNAL));
  ::close(fd);
  return true;
}

void Server::Accept(int fd, ConnectionAddresses addresses) {
  if (RefusedAtTheDoor(fd, addresses)) return;
  if (!addresses.unix_socket) SetKeepAlive(fd, static_cast<int>(config_.Integer("tcp-keepalive")));
  LeastLoaded().Adopt(fd, std::move(addresses));
}

}  // namespace holdfast::server
