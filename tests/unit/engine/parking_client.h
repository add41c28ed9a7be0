// A session as an I/O thread has it: a command that waits for the tier or the disk parks, and is
// tried again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/commands/session.h"
#include "engine/executor.h"
#include "engine/keyspace/load.h"
#include "engine/reply_sinks.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {

class Told final : public keyspace::LoadListener {
 public:
  void OnLoaded() override {
    const std::lock_guard lock(mutex_);
    ++times_;
    changed_.notify_all();
  }
  void Await(int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return times_ >= times; });
  }
  int times() {
    const std::lock_guard lock(mutex_);
    return times_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int times_ = 0;
};

struct ParkingClient {
  explicit ParkingClient(Executor& of) : executor(of) { session.load_listener = &told; }
  ~ParkingClient() { Executor::DropOffloaded(session); }
  ParkingClient(const ParkingClient&) = delete;
  ParkingClient& operator=(const ParkingClient&) = delete;

  // Its reply, or nothing if it parked.
  std::optional<std::string> Try(std::string_view line) {
    const Command words = Split(line);
    const std::vector<std::string_view> args(words.begin(), words.end());
    PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
    ValueSink sink(3);
    executor.BeginTurn();
    executor.Prepare(session, command);
    const Outcome outcome = executor.Execute(session, command, sink);
    executor.EndTurn();
    if (outcome == Outcome::kParked) return std::nullopt;
    return Text(sink.Take());
  }
  std::string Run(std::string_view line) {
    auto reply = Try(line);
    for (; !reply; reply = Try(line)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return *reply;
  }

  Executor& executor;
  commands::Session session;
  Told told;
};

}  // namespace holdfast::engine_test
