#include "engine/commands/clients.h"

#include <algorithm>

namespace holdfast::commands {

void Clients::Add(Session& session, UnixMs now_ms) {
  session.created_ms = now_ms;
  session.shared.last_interaction_ms.store(now_ms, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  session.id = next_id_++;
  sessions_.emplace(session.id, &session);
  count_.store(sessions_.size(), std::memory_order_relaxed);
  total_.fetch_add(1, std::memory_order_relaxed);
}

void Clients::Remove(Session& session) {
  StopMonitor(session);
  const std::lock_guard lock(mutex_);
  sessions_.erase(session.id);
  count_.store(sessions_.size(), std::memory_order_relaxed);
}

void Clients::ForEach(const std::function<void(Session&)>& visit) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, session] : sessions_) visit(*session);
}

bool Clients::Visit(uint64_t id, const std::function<void(Session&)>& visit) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return false;
  visit(*found->second);
  return true;
}

void Clients::Pause(PauseMode mode, UnixMs until_ms) {
  const std::lock_guard lock(mutex_);
  const PauseMode current = pause_mode_.load(std::memory_order_relaxed);
  pause_until_ms_ = current == PauseMode::kNone ? until_ms : std::max(pause_until_ms_, until_ms);
  pause_mode_.store(std::max(current, mode), std::memory_order_relaxed);
}

void Clients::Unpause() {
  const std::lock_guard lock(mutex_);
  pause_mode_.store(PauseMode::kNone, std::memory_order_relaxed);
}

PauseMode Clients::PausedSlow(UnixMs now_ms) {
  const std::lock_guard lock(mutex_);
  if (now_ms >= pause_until_ms_) pause_mode_.store(PauseMode::kNone, std::memory_order_relaxed);
  return pause_mode_.load(std::memory_order_relaxed);
}

void Clients::StartMonitor(Session& session) {
  if (!session.shared.monitor.exchange(true)) monitors_.fetch_add(1, std::memory_order_relaxed);
}

void Clients::StopMonitor(Session& session) {
  if (session.shared.monitor.exchange(false)) monitors_.fetch_sub(1, std::memory_order_relaxed);
}

void Clients::FeedMonitors(std::string_view line, uint64_t log_position) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, session] : sessions_) {
    if (session->connection != nullptr && session->shared.monitor.load(std::memory_order_relaxed))
      session->connection->Push(std::string(line), log_position);
  }
}

}  // namespace holdfast::commands
