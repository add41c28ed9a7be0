// What the tests of the engine's core share: stores on a simulated disk, words as commands, random
// commands, and the state of a store as one comparable text.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/session.h"
#include "engine/config/config.h"
#include "engine/executor.h"
#include "engine/store.h"
#include "engine/system_clock.h"
#include "holdfast/db.h"
#include "holdfast/random.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::engine_test {

// Moves only when told to. Any thread.
class TestClock final : public Clock {
 public:
  UnixMs NowMs() override { return now_ms_.load(); }
  int64_t MonotonicNs() override { return now_ms_.load() * 1'000'000; }
  void SetMs(UnixMs now_ms) { now_ms_.store(now_ms); }

 private:
  std::atomic<UnixMs> now_ms_{1'700'000'000'000};
};

using Command = std::vector<std::string>;
using Settings = std::vector<std::pair<std::string, std::string>>;

// "SET k v" cut at its spaces.
Command Split(std::string_view line);

Reply Execute(DbSession& session, const Command& command);
// The reply's text, or its integer as text, or "nil", or its elements joined by commas.
std::string Text(const Reply& reply);
std::string Execute(DbSession& session, std::string_view line);

// Before a store is made with it.
void MustSet(config::Config& config, const Settings& settings);
// On "/data" of `disk`; DEBUG is allowed, 4 databases.
Options OptionsOn(FileSystem& disk, Settings settings = {});
// Aborts the test's process if it cannot be opened: for where that is not what is tested.
std::unique_ptr<Db> MustOpen(FileSystem& disk, const Settings& settings = {});
// DEBUG DIGEST, which covers all databases, values and expiry times, and the number of keys.
std::string StateOf(Db& db);

// One line of INFO persistence, after the colon.
std::string Persistence(DbSession& session, std::string_view field);
// No rewrite nor snapshot of the log runs or is to run: as of one moment.
bool NothingRewrites(DbSession& session);
// Looks again and again until it holds; false after `seconds`.
bool Eventually(const std::function<bool()>& holds, int seconds = 20);
// Starts a rewrite and waits for its end; true if it succeeded.
bool Rewrite(DbSession& session);

// The next random command over a few dozen keys; now and then a whole transaction. All kinds that
// the log can hold: effects, several keys, several databases, whole-keyspace.
struct CommandMix {
  size_t keys = 40;
  bool whole_keyspace = true;  // SWAPDB, FLUSHDB, FLUSHALL among them
  size_t big_value_bytes = 70'000;
};
std::vector<Command> RandomCommands(SeededRandom& random, const CommandMix& mix);

// A store opened from its parts, as the server does it, with a chosen number of replay workers.
class BareStore {
 public:
  BareStore(FileSystem& disk, size_t replay_workers);
  Status opened() const { return opened_; }
  std::string Run(std::string_view line);
  std::string State();

 private:
  config::Config config_;
  SystemClock clock_;
  SystemRandom random_;
  Status opened_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Executor> executor_;
  commands::Session session_;
};

}  // namespace holdfast::engine_test
