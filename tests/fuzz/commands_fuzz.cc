// Commands as a client sends them: whatever they are, a session answers each with one reply; and
// what writes record for the log, replayed into an empty store, gives the same keys, values and
// expirations.
// Files under test: engine/commands/string_set.cc engine/commands/string_write.cc
// engine/commands/string_counter.cc engine/commands/key_transfer.cc engine/commands/expire.cc
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aof/request_parser.h"
#include "engine/commands/arguments.h"
#include "engine/reply_sinks.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "holdfast/db.h"
#include "tests/unit/commands/handler_run.h"

namespace {

using holdfast::Db;
using holdfast::Reply;
using holdfast::Store;
using holdfast::UnixMs;
using holdfast::aof::Request;
using holdfast::aof::RequestParser;
using holdfast::commands::IsToken;
using Arguments = std::vector<std::string_view>;

constexpr UnixMs kStartMs = 1'700'000'000'000;
constexpr size_t kMaxCommands = 64;

// The expire cycle reads it as well, on a thread of its own.
class SteppingClock final : public holdfast::Clock {
 public:
  UnixMs NowMs() override { return now_ms_ += 3; }
  int64_t MonotonicNs() override { return now_ms_ * 1'000'000; }

 private:
  std::atomic<UnixMs> now_ms_ = kStartMs;
};

std::unique_ptr<Db> OpenStore(SteppingClock& clock) {
  // A small bound on strings keeps one input from taking all memory.
  auto db = Db::Open({.settings = {{"proto-max-bulk-len", "1mb"}}, .clock = &clock});
  HF_CHECK(db.has_value());
  return std::move(*db);
}

// A pause would wait for a clock that only commands move.
bool Blocks(const Arguments& args) {
  return args.size() > 1 && IsToken(args[0], "client") && IsToken(args[1], "pause");
}

void RunSession(const std::vector<Arguments>& commands) {
  SteppingClock clock;
  const auto db = OpenStore(clock);
  const auto session = db->NewSession();
  for (const Arguments& args : commands) {
    if (Blocks(args)) continue;
    const Reply reply = session->Execute(std::span<const std::string_view>(args));
    HF_CHECK(!reply.IsError() || !reply.text.empty());
  }
}

class EffectLog final : public holdfast::keyspace::ChangeLog {
 public:
  struct Effect {
    int database;
    std::vector<std::string> args;
  };
  void Record(int database, std::span<const std::string_view> command) override {
    effects_.push_back({database, {command.begin(), command.end()}});
  }
  void RecordBefore(int database, std::span<const std::string_view> command) override {
    Record(database, command);
  }
  std::vector<Effect> Take() { return std::exchange(effects_, {}); }

 private:
  std::vector<Effect> effects_;
};

using Contents = std::map<std::pair<int, std::string>, std::pair<std::string, UnixMs>>;

Contents ContentsOf(Store& store) {
  Contents contents;
  for (auto& shard : store.keyspace().shards()) {
    for (int database = 0; database < store.keyspace().databases(); ++database) {
      const auto* table = shard.table(database);
      if (table == nullptr) continue;
      const auto keep = [&](const holdfast::memtable::Entry& entry) {
        holdfast::memtable::Entry::Scratch scratch;
        contents[{database, std::string(entry.key())}] = {std::string(entry.StringBytes(scratch)),
                                                          entry.expiry_ms()};
      };
      for (holdfast::memtable::KeyOrder next = 0; next < holdfast::memtable::kOrderEnd;) {
        next = table->Scan(next, SIZE_MAX, keep);
      }
    }
  }
  return contents;
}

// Only what changes keys, and SELECT.
bool Replayable(const Store& store, const Arguments& args) {
  const auto* entry = store.table().Resolve(args);
  if (entry == nullptr || entry->spec->handler == nullptr) return false;
  if (!entry->ArityFits(args.size())) return false;
  return entry->Has(holdfast::commands::kWrite) || entry->spec->name == "select";
}

void Replay(Store& copy, const EffectLog::Effect& effect, UnixMs now_ms) {
  holdfast::commands::Session session;
  session.SetDatabase(effect.database);
  const Arguments args(effect.args.begin(), effect.args.end());
  holdfast::ErrorSink sink;
  holdfast::commands::RunHandler(
      {.store = copy, .session = session, .now_ms = now_ms, .replaying = true}, args, sink);
  HF_CHECK(sink.text().empty());  // R17: replay never errors
}

void RunEffects(const std::vector<Arguments>& commands) {
  SteppingClock clock;
  const auto db = OpenStore(clock);
  const auto copy = OpenStore(clock);
  holdfast::commands::Session session;
  EffectLog log;
  for (const Arguments& args : commands) {
    if (!Replayable(db->store(), args)) continue;
    holdfast::DiscardSink sink;
    holdfast::commands::RunHandler(
        {.store = db->store(), .session = session, .now_ms = clock.NowMs(), .log = &log}, args,
        sink);
    for (const auto& effect : log.Take()) Replay(copy->store(), effect, clock.NowMs() + 1000);
  }
  HF_CHECK(ContentsOf(db->store()) == ContentsOf(copy->store()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<Request> requests;
  std::vector<Arguments> commands;
  RequestParser parser;
  while (commands.size() < kMaxCommands) {
    Request request;
    if (parser.Parse(bytes, request) != RequestParser::Outcome::kComplete) break;
    bytes.remove_prefix(parser.consumed());
    requests.push_back(std::move(request));
    commands.push_back(requests.back().args);
  }
  RunSession(commands);
  RunEffects(commands);
  return 0;
}
