// The state of one client: a TCP connection's or an embedded caller's. Commands see it; sockets
// they do not. Owned by the connection or the embedded handle, registered in Clients for CLIENT
// LIST and KILL. Used by one thread at a time (the one that executes its commands); what other
// threads may read is in `shared`, as atomics or under its mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/command_table.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/watch_table.h"
#include "holdfast/clock.h"

namespace holdfast {
class OffloadedCommand;
}

namespace holdfast::commands {

// What a connection offers to commands; null for embedded sessions. Implemented by the server.
// Any thread.
class ClientConnection {
 public:
  virtual ~ClientConnection() = default;
  virtual std::string PeerAddress() const = 0;  // "127.0.0.1:41234", "/path/of/socket:0"
  virtual std::string LocalAddress() const = 0;
  virtual int FileDescriptor() const = 0;
  virtual bool UnixSocket() const = 0;
  virtual uint64_t OutputBytes() const = 0;  // waiting to be sent
  virtual uint64_t QueryBufferBytes() const = 0;
  virtual uint64_t QueryBufferFreeBytes() const = 0;
  // Closes the connection: at once, or once the reply under way has been sent.
  virtual void Close(bool after_reply) = 0;
  // Sends bytes that are no reply to a command (MONITOR, later pub/sub): they wait for the log like
  // replies do.
  virtual void Push(std::string bytes, uint64_t log_position) = 0;
};

enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext };

struct QueuedCommand {
  const CommandEntry* entry = nullptr;
  std::vector<std::string> args;
};

struct Transaction {
  bool open = false;
  bool failed = false;  // a queued command was refused: EXEC answers EXECABORT
  std::vector<QueuedCommand> queue;
  uint64_t queued_bytes = 0;
};

struct Watch {
  int database = 0;
  std::string key;
  bool expired = false;  // at WATCH time: its later deletion is no change
};

// What other threads may see of a session.
struct SharedSessionState {
  std::atomic<int> database{0};
  std::atomic<int> protocol{2};
  std::atomic<const CommandEntry*> last_command{nullptr};
  std::atomic<UnixMs> last_interaction_ms{0};
  std::atomic<uint32_t> transaction_length{UINT32_MAX};  // UINT32_MAX: no transaction
  std::atomic<uint32_t> watch_count{0};
  std::atomic<uint64_t> queued_bytes{0};
  std::atomic<uint64_t> argument_bytes{0};
  std::atomic<bool> no_evict{false};
  std::atomic<bool> no_touch{false};
  std::atomic<bool> monitor{false};
  std::atomic<bool> closing{false};  // CLIENT KILL of another thread: executes nothing more
  std::atomic<bool> blocked{false};  // parked: pause, full log, later cold keys
  mutable std::mutex mutex;
  std::string name;  // under mutex, as are the next
  std::string lib_name;
  std::string lib_version;
  std::string user = "default";

  std::string NameCopy() const {
    const std::lock_guard lock(mutex);
    return name;
  }
};

struct Session {
  uint64_t id = 0;
  UnixMs created_ms = 0;
  ClientConnection* connection = nullptr;
  int database = 0;
  int protocol = 2;
  bool authenticated = true;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool close_after_reply = false;  // QUIT, CLIENT KILL of oneself
  Transaction transaction;
  std::vector<Watch> watches;
  keyspace::WatchMark watch_mark;
  // Cold keys that are being read for its next commands, or were, and stay until those have run;
  // null: none. The listener hears when they are there; without one its caller waits for them.
  std::shared_ptr<keyspace::LoadSet> loads;
  keyspace::LoadListener* load_listener = nullptr;
  // Its command that another thread runs, or ran; null: none.
  std::shared_ptr<OffloadedCommand> offloaded;
  // The newest log position that the replies given so far depend on: they may leave when the log
  // has reached it.
  uint64_t log_position = 0;
  SharedSessionState shared;

  void SetDatabase(int number) {
    database = number;
    shared.database.store(number, std::memory_order_relaxed);
  }
  void SetProtocol(int version) {
    protocol = version;
    shared.protocol.store(version, std::memory_order_relaxed);
  }
};

}  // namespace holdfast::commands
