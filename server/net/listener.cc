#include "server/net/listener.h"

#include <fmt/core.h>

#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asio/ip/v6_only.hpp>

namespace holdfast::server {
namespace {

constexpr uint32_t kDefaultUnixMode = 0600;

Status SocketError(const std::string& what, const asio::error_code& error) {
  return MakeError(ErrorCode::kIoError,
                   fmt::format("could not listen on {}: {}", what, error.message()));
}

std::string Text(const asio::ip::tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), address,
                     endpoint.port());
}

}  // namespace

Status Listener::OpenTcp(const std::string& name, const ListenAddresses& addresses,
                         std::list<Tcp::acceptor>& opened) {
  const bool optional = name.starts_with('-');
  std::string host = optional ? name.substr(1) : name;
  if (host == "*") host = "0.0.0.0";
  if (host == "::*") host = "::";
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  Tcp::endpoint endpoint(address, addresses.port);
  if (error) {
    Tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host, std::to_string(addresses.port), error);
    if (error) return optional ? Status{} : SocketError(host, error);
    endpoint = found.begin()->endpoint();
  }
  Tcp::acceptor acceptor(context_);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(addresses.backlog, error);
  if (error) {
    const bool absent = error == asio::error::address_family_not_supported ||
                        error == asio::error_code(EADDRNOTAVAIL, asio::system_category());
    return optional && absent ? Status{} : SocketError(Text(endpoint), error);
  }
  opened.push_back(std::move(acceptor));
  return {};
}

Status Listener::OpenUnix(const ListenAddresses& addresses, std::list<Unix::acceptor>& opened) {
  ::unlink(addresses.unix_path.c_str());
  asio::error_code error;
  Unix::acceptor acceptor(context_);
  acceptor.open(Unix(), error);
  // Nobody may connect between bind and chmod (CVE-2023-45145).
  const mode_t old_mask = ::umask(0177);
  if (!error) acceptor.bind(Unix::endpoint(addresses.unix_path), error);
  ::umask(old_mask);
  const uint32_t mode =
      addresses.unix_permissions != 0 ? addresses.unix_permissions : kDefaultUnixMode;
  if (!error && ::chmod(addresses.unix_path.c_str(), mode) != 0)
    error = asio::error_code(errno, asio::system_category());
  if (!error) acceptor.listen(addresses.backlog, error);
  if (error) return SocketError(addresses.unix_path, error);
  opened.push_back(std::move(acceptor));
  return {};
}

Status Listener::Listen(const ListenAddresses& addresses) {
  std::list<Tcp::acceptor> tcp;
  std::list<Unix::acceptor> local;
  if (addresses.port != 0) {
    for (const std::string& name : addresses.tcp) HF_TRY_STATUS(OpenTcp(name, addresses, tcp));
    if (tcp.empty() && !addresses.tcp.empty())
      return MakeError(ErrorCode::kIoError, "none of the bind addresses is available");
  }
  if (!addresses.unix_path.empty()) HF_TRY_STATUS(OpenUnix(addresses, local));
  Close();
  tcp_ = std::move(tcp);
  unix_ = std::move(local);
  unix_path_ = addresses.unix_path;
  for (Tcp::acceptor& acceptor : tcp_) AcceptTcp(acceptor);
  for (Unix::acceptor& acceptor : unix_) AcceptUnix(acceptor);
  return {};
}

void Listener::Close() {
  tcp_.clear();
  unix_.clear();
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  unix_path_.clear();
}

void Listener::AcceptTcp(Tcp::acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](asio::error_code error, Tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      asio::error_code ignored;
      socket.set_option(Tcp::no_delay(true), ignored);
      socket.non_blocking(true, ignored);
      const Tcp::endpoint peer = socket.remote_endpoint(ignored);
      const Tcp::endpoint local = socket.local_endpoint(ignored);
      if (!ignored) accepted_(socket.release(), {Text(peer), Text(local), false});
    }
    AcceptTcp(acceptor);
  });
}

void Listener::AcceptUnix(Unix::acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](asio::error_code error, Unix::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      asio::error_code ignored;
      socket.non_blocking(true, ignored);
      const std::string address = unix_path_ + ":0";
      accepted_(socket.release(), {address, address, true});
    }
    AcceptUnix(acceptor);
  });
}

}  // namespace holdfast::server
