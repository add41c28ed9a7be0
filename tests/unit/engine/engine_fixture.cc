#include "tests/unit/engine/engine_fixture.h"

#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "engine/reply_sinks.h"
#include "holdfast/check.h"

namespace holdfast::engine_test {
namespace {

// A small ring for the log: as much is filled ahead on the disk of every store that is opened.
// RocksDB knows nothing of simulated disks: whoever wants a tier says so.
const std::pair<std::string, std::string> kCommonSettings[] = {{"enable-debug-command", "yes"},
                                                               {"databases", "4"},
                                                               {"aof-ring-size", "1mb"},
                                                               {"eviction-action", "drop"}};
constexpr uint64_t kDatabases = 4;

Command OneCommand(SeededRandom& random, const CommandMix& mix) {
  const auto key = [&] { return fmt::format("key:{}", random.Below(mix.keys)); };
  const auto number = [&] { return fmt::format("number:{}", random.Below(8)); };
  const auto value = [&] {
    return std::string(random.Below(60), static_cast<char>('a' + random.Below(26)));
  };
  switch (random.Below(22)) {
    case 0:
    case 1:
    case 2:
      return {"SET", key(), value()};
    case 3:
      return {"SET", key(), value(), "EX", fmt::format("{}", 1000 + random.Below(1000))};
    case 4:
    case 5:
      return {"APPEND", key(), value()};
    case 6:
      return {"INCR", number()};
    case 7:
      return {"INCRBYFLOAT", "float", "0.25"};
    case 8:
      return {"DEL", key(), key(), key()};
    case 9:
    case 10:
      return {"RENAME", key(), key()};
    case 11:
    case 12:
      return {"COPY", key(), key(), "DB", fmt::format("{}", random.Below(kDatabases)), "REPLACE"};
    case 13:
    case 14:
      return {"MSET", key(), value(), key(), value(), key(), value()};
    case 15:
      return {"MOVE", key(), fmt::format("{}", random.Below(kDatabases))};
    case 16:
      return {"EXPIRE", key(), fmt::format("{}", 2000 + random.Below(1000))};
    case 17:
      return {"GETDEL", key()};
    case 18:
      return {"SETRANGE", key(), fmt::format("{}", random.Below(200)), value()};
    case 19:
      return {"PERSIST", key()};
    case 20:
      if (random.Below(4) != 0) return {"EXPIREAT", key(), "1"};  // long ago: deletes
      return {"SET", key(), std::string(mix.big_value_bytes + random.Below(9), 'B')};
    default:
      return {"SELECT", fmt::format("{}", random.Below(kDatabases))};
  }
}

Command WholeKeyspace(SeededRandom& random) {
  if (random.Below(4) != 0)
    return {"SWAPDB", fmt::format("{}", random.Below(kDatabases)),
            fmt::format("{}", random.Below(kDatabases))};
  return {random.Below(3) != 0 ? "FLUSHDB" : "FLUSHALL"};
}

}  // namespace

Command Split(std::string_view line) {
  Command words;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

Reply Execute(DbSession& session, const Command& command) {
  const std::vector<std::string_view> args(command.begin(), command.end());
  return session.Execute(std::span<const std::string_view>(args));
}

std::string Text(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kNull:
    case Reply::Type::kNullArray:
      return "nil";
    case Reply::Type::kInteger:
      return fmt::format("{}", reply.integer);
    case Reply::Type::kArray: {
      std::string text;
      for (const Reply& element : reply.elements) text += (text.empty() ? "" : ",") + Text(element);
      return text;
    }
    default:
      return reply.text;
  }
}

std::string Execute(DbSession& session, std::string_view line) {
  return Text(Execute(session, Split(line)));
}

void MustSet(config::Config& config, const Settings& settings) {
  for (const auto& [name, value] : settings) {
    const std::string words[] = {value};
    HF_CHECK(config.SetAtStart(name, words));
  }
}

Options OptionsOn(FileSystem& disk, Settings settings) {
  settings.insert(settings.end(), std::begin(kCommonSettings), std::end(kCommonSettings));
  return {.directory = "/data", .settings = std::move(settings), .file_system = &disk};
}

std::unique_ptr<Db> MustOpen(FileSystem& disk, const Settings& settings) {
  auto db = Db::Open(OptionsOn(disk, settings));
  if (!db) fmt::print(stderr, "Db::Open: {}\n", db.error().message);
  HF_CHECK(db.has_value());
  return std::move(*db);
}

std::string StateOf(Db& db) {
  const auto session = db.NewSession();
  std::string state = Execute(*session, "DEBUG DIGEST");
  for (uint64_t i = 0; i < kDatabases; ++i) {
    HF_CHECK(Execute(*session, fmt::format("SELECT {}", i)) == "OK");
    state += " " + Execute(*session, "DBSIZE");
  }
  return state;
}

std::string Persistence(DbSession& session, std::string_view field) {
  const std::string info = Execute(session, "INFO persistence");
  const size_t at = info.find(fmt::format("\n{}:", field));
  if (at == std::string::npos) return {};
  const size_t start = at + field.size() + 2;
  return info.substr(start, info.find_first_of("\r\n", start) - start);
}

bool NothingRewrites(DbSession& session) {
  const std::string info = Execute(session, "INFO persistence");
  return info.contains("aof_rewrite_in_progress:0\r\n") &&
         info.contains("aof_rewrite_scheduled:0\r\n");
}

bool Eventually(const std::function<bool()>& holds, int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

bool Rewrite(DbSession& session) {
  const std::string before = Persistence(session, "aof_rewrites");
  if (Execute(session, Command{"BGREWRITEAOF"}).IsError()) return false;
  const bool ended = Eventually(
      [&] { return Persistence(session, "aof_rewrites") != before && NothingRewrites(session); });
  return ended && Persistence(session, "aof_last_bgrewrite_status") == "ok";
}

std::vector<Command> RandomCommands(SeededRandom& random, const CommandMix& mix) {
  if (mix.whole_keyspace && random.Below(100) == 0) return {WholeKeyspace(random)};
  if (random.Below(12) != 0) return {OneCommand(random, mix)};
  std::vector<Command> transaction = {{"MULTI"}};
  for (uint64_t left = 1 + random.Below(5); left > 0; --left)
    transaction.push_back(OneCommand(random, mix));
  if (mix.whole_keyspace && random.Below(20) == 0) transaction.push_back(WholeKeyspace(random));
  transaction.push_back({"EXEC"});
  return transaction;
}

BareStore::BareStore(FileSystem& disk, size_t replay_workers) {
  MustSet(config_, {std::begin(kCommonSettings), std::end(kCommonSettings)});
  MustSet(config_, {{"dir", "/data"}});
  auto store = Store::Open({.config = &config_,
                            .clock = &clock_,
                            .random = &random_,
                            .file_system = &disk,
                            .replay_workers = replay_workers});
  if (!store) {
    opened_ = std::unexpected(store.error());
    return;
  }
  store_ = std::move(*store);
  executor_ = std::make_unique<Executor>(*store_);
}

std::string BareStore::Run(std::string_view line) {
  const Command words = Split(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
  ValueSink sink(3);
  executor_->BeginTurn();
  executor_->Prepare(session_, command);
  HF_CHECK(executor_->Execute(session_, command, sink) == Outcome::kReplied);
  executor_->EndTurn();
  return Text(sink.Take());
}

std::string BareStore::State() {
  std::string state = Run("DEBUG DIGEST");
  for (uint64_t i = 0; i < kDatabases; ++i) {
    HF_CHECK(Run(fmt::format("SELECT {}", i)) == "OK");
    state += " " + Run("DBSIZE");
  }
  return state;
}

}  // namespace holdfast::engine_test
