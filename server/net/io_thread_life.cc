// How connections come, are looked after, and are reached from other threads.
#include <sys/epoll.h>

#include <asio/post.hpp>
#include <chrono>

#include "engine/config/config.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "server/net/io_thread.h"

namespace holdfast::server {
namespace {

constexpr auto kCronPause = std::chrono::milliseconds(100);
constexpr UnixMs kMsPerSecond = 1000;

}  // namespace

void IoThread::Adopt(int fd, ConnectionAddresses addresses) {
  connection_count_.fetch_add(1, std::memory_order_relaxed);
  asio::post(context_, [this, fd, addresses = std::move(addresses)]() mutable {
    AddConnection(fd, std::move(addresses));
  });
}

void IoThread::AddConnection(int fd, ConnectionAddresses addresses) {
  auto owned = std::make_unique<Connection>(*this, fd, std::move(addresses));
  Connection& connection = *owned;
  commands::Session& session = connection.session();
  session.load_listener = this;
  session.authenticated = store_.config().Text("requirepass").empty();
  store_.clients().Add(session, store_.clock().NowMs());
  connection.SetLimits(LimitsFor(session));
  connections_.emplace(session.id, std::move(owned));
  connection_count_.store(connections_.size(), std::memory_order_relaxed);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &connection;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Drop(connection);
}

aof::RequestLimits IoThread::LimitsFor(const commands::Session& session) const {
  aof::RequestLimits limits;
  limits.max_bulk_bytes = static_cast<uint64_t>(store_.config().Integer("proto-max-bulk-len"));
  limits.logged_in = session.authenticated;
  return limits;
}

void IoThread::RequestClose(uint64_t session_id, bool after_reply) {
  asio::post(context_, [this, session_id, after_reply] {
    const auto found = connections_.find(session_id);
    if (found == connections_.end()) return;
    found->second->closing = true;
    if (!after_reply) found->second->broken = true;
    SendReplies(*found->second);
  });
}

void IoThread::RequestPush(uint64_t session_id, std::string bytes, uint64_t log_position) {
  asio::post(context_, [this, session_id, log_position, bytes = std::move(bytes)] {
    const auto found = connections_.find(session_id);
    if (found == connections_.end()) return;
    Connection& connection = *found->second;
    connection.AppendPush(bytes);
    commands::Session& session = connection.session();
    session.log_position = std::max(session.log_position, log_position);
    SendReplies(connection);
  });
}

void IoThread::StartCron() {
  cron_timer_.expires_after(kCronPause);
  cron_timer_.async_wait([this](asio::error_code error) {
    if (error) return;
    Cron();
    StartCron();
  });
}

// Ten times a second: idle clients and clients that do not read.
void IoThread::Cron() {
  const UnixMs now_ms = store_.clock().NowMs();
  const UnixMs timeout_ms = store_.config().Integer("timeout") * kMsPerSecond;
  std::vector<Connection*> leaving;
  for (const auto& [id, connection] : connections_) {
    const commands::SharedSessionState& shared = connection->session().shared;
    const UnixMs idle_ms = now_ms - shared.last_interaction_ms.load(std::memory_order_relaxed);
    const bool idle = timeout_ms > 0 && idle_ms > timeout_ms && !connection->parked &&
                      !shared.monitor.load(std::memory_order_relaxed);
    if (idle || OverOutputLimit(*connection)) leaving.push_back(connection.get());
  }
  for (Connection* connection : leaving) Drop(*connection);
}

bool IoThread::OverInputLimit(const Connection& connection) const {
  return connection.QueryBufferBytes() >
         static_cast<uint64_t>(store_.config().Integer("client-query-buffer-limit"));
}

// client-output-buffer-limit: the hard limit at once, the soft one after its time.
bool IoThread::OverOutputLimit(Connection& connection) {
  const uint64_t unsent = connection.UnsentBytes();
  if (unsent == 0) [[likely]]
    return false;
  const config::OutputBufferLimit limit = store_.config().OutputLimit(config::ClientClass::kNormal);
  if (limit.hard_bytes != 0 && unsent > limit.hard_bytes) return true;
  if (limit.soft_bytes == 0 || unsent <= limit.soft_bytes) {
    connection.output_over_soft_since_ms = 0;
    return false;
  }
  const UnixMs now_ms = store_.clock().NowMs();
  if (connection.output_over_soft_since_ms == 0) connection.output_over_soft_since_ms = now_ms;
  const auto over_s = (now_ms - connection.output_over_soft_since_ms) / kMsPerSecond;
  return over_s > static_cast<int64_t>(limit.soft_seconds);
}

}  // namespace holdfast::server
