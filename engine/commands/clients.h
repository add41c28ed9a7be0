// All sessions of a store, for CLIENT LIST, KILL, PAUSE, MONITOR and INFO. Owned by the Db; any
// thread. A session is valid inside ForEach only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string_view>

#include "engine/commands/session.h"

namespace holdfast::commands {

enum class PauseMode : uint8_t { kNone, kWrites, kAll };

class Clients {
 public:
  // Gives the session its id.
  void Add(Session& session, UnixMs now_ms);
  void Remove(Session& session);
  // In order of id, under the registry's lock: `visit` must not call back into Clients.
  void ForEach(const std::function<void(Session&)>& visit);
  // The same for one; false if there is none.
  bool Visit(uint64_t id, const std::function<void(Session&)>& visit);
  size_t count() const { return count_.load(std::memory_order_relaxed); }
  uint64_t total_connections() const { return total_.load(std::memory_order_relaxed); }
  void ResetTotal() { total_.store(0, std::memory_order_relaxed); }

  // CLIENT PAUSE: the later end and the stronger mode win, as in Redis.
  void Pause(PauseMode mode, UnixMs until_ms);
  void Unpause();
  // What is paused at `now`; ends an elapsed pause. One relaxed load when nothing is.
  PauseMode PausedAt(UnixMs now_ms) {
    if (pause_mode_.load(std::memory_order_relaxed) == PauseMode::kNone) [[likely]]
      return PauseMode::kNone;
    return PausedSlow(now_ms);
  }

  // MONITOR. True if anyone listens: then every command is formatted and sent.
  bool Monitored() const { return monitors_.load(std::memory_order_relaxed) != 0; }
  void StartMonitor(Session& session);
  void StopMonitor(Session& session);
  void FeedMonitors(std::string_view line, uint64_t log_position);

 private:
  PauseMode PausedSlow(UnixMs now_ms);

  std::mutex mutex_;
  std::map<uint64_t, Session*> sessions_;
  uint64_t next_id_ = 1;
  std::atomic<size_t> count_{0};
  std::atomic<uint64_t> total_{0};
  std::atomic<PauseMode> pause_mode_{PauseMode::kNone};
  UnixMs pause_until_ms_ = 0;
  std::atomic<uint32_t> monitors_{0};
};

}  // namespace holdfast::commands
