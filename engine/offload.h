// Commands that have to wait for the tier (SCAN, KEYS, RANDOMKEY, DEBUG DIGEST over cold keys, EXEC
// of such), for sessions whose thread must not: they run on threads of their own, into a recorded
// reply, while the session's connection is parked; the session's next try takes the reply. The
// threads start when they are first needed: a store without cold keys has none.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/commands/session.h"
#include "engine/keyspace/load.h"
#include "engine/reply_sinks.h"

namespace holdfast {

namespace keyspace {
class Keyspace;
class LockedShards;
}  // namespace keyspace
class Store;

// One command on its way. Shared by its session and the thread that runs it: each may leave first.
class OffloadedCommand {
 public:
  // Copies what the command needs. The session's listener is told when it has run.
  OffloadedCommand(const commands::Session& session, const commands::CommandEntry& entry,
                   std::span<const std::string_view> args);

  // ---- by the session's thread
  bool Done() const { return done_.load(std::memory_order_acquire); }
  // Once it is done.
  void ReplyTo(ReplySink& reply) const { reply_.ReplayTo(reply); }
  uint64_t log_position() const { return session_.log_position; }
  int database() const { return session_.database; }  // SELECT may be in a transaction
  uint64_t ticks() const { return ticks_; }           // of the processor's counter, that it took
  bool refused() const { return refused_; }           // it did not run, the reply says why
  // Nobody wants the reply any more, nor must the listener be told.
  void Abandon();
  // Before it is submitted: what EXEC is to run. Locks what `locks` does not hold.
  void TakeTransaction(commands::Session& session, keyspace::Keyspace& keyspace,
                       keyspace::LockedShards& locks);

 private:
  friend class Executor;
  friend class Offload;
  void Finish();
  void LeaveUndone(keyspace::Keyspace& keyspace);
  bool abandoned();

  const commands::CommandEntry& entry_;
  std::vector<std::string> args_;
  commands::Session session_;  // of its own: database and protocol
  RecordingSink reply_;
  uint64_t ticks_ = 0;
  bool refused_ = false;
  std::atomic<bool> done_{false};
  std::mutex mutex_;
  keyspace::LoadListener* listener_;  // under mutex_; null: abandoned
};

// Owned by the Store. Any thread.
class Offload {
 public:
  explicit Offload(Store& store) : store_(store) {}
  ~Offload() { Stop(); }
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  void Submit(std::shared_ptr<OffloadedCommand> command);
  // Waits for those that have begun; the others never run. Sessions are gone by now.
  void Stop();

 private:
  static constexpr size_t kMostThreads = 4;
  void Loop();
  std::shared_ptr<OffloadedCommand> Next();
  void PutOff(std::shared_ptr<OffloadedCommand> command);

  Store& store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<OffloadedCommand>> waiting_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;  // threads that wait for work
  bool stop_ = false;
};

}  // namespace holdfast
