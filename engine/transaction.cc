// EXEC: the union of what the queued commands and the watches need is locked, the watches are
// checked, the commands run, and what they did is one group of the log.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/commands/clients.h"
#include "engine/commands/monitor_line.h"
#include "engine/commands/transaction_handlers.h"
#include "engine/executor.h"
#include "engine/offload.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast {
namespace {

// What the database numbers of a queue's commands will mean, SELECT and SWAPDB among them.
class DatabasesOfExec {
 public:
  DatabasesOfExec(int selected, int databases)
      : selected_(selected), now_(static_cast<size_t>(databases)) {
    std::iota(now_.begin(), now_.end(), 0);
  }
  int selected() const { return selected_; }
  // Where the contents lie now that `database` will have then.
  int Now(int database) const { return now_[static_cast<size_t>(database)]; }
  void Follow(const commands::CommandEntry& entry, std::span<const std::string_view> args) {
    if (entry.spec->name == "select") {
      if (const auto number = Number(args[1])) selected_ = *number;
    } else if (entry.spec->name == "swapdb") {
      const auto first = Number(args[1]);
      const auto second = Number(args[2]);
      if (first && second)
        std::swap(now_[static_cast<size_t>(*first)], now_[static_cast<size_t>(*second)]);
    }
  }

 private:
  // Nothing, if there is no such database: the command will fail.
  std::optional<int> Number(std::string_view text) const {
    const auto number = ParseInteger(text);
    if (!number || *number < 0 || *number >= static_cast<int64_t>(now_.size())) return std::nullopt;
    return static_cast<int>(*number);
  }

  int selected_;
  std::vector<int> now_;
};

// Blind writes that began before may add a few each time.
constexpr int kTriesForCounts = 4;

bool IsSwap(const commands::QueuedCommand& queued) { return queued.entry->spec->name == "swapdb"; }

bool Swaps(std::span<const commands::QueuedCommand> queue) {
  return std::ranges::any_of(queue, IsSwap);
}

}  // namespace

using commands::CommandContext;
using commands::Locking;
using commands::Session;
using keyspace::KeyAccess;
using keyspace::KeyHandle;
using keyspace::LockedShards;
using keyspace::Need;

void Executor::ResetTransaction(Session& session) {
  LockedShards none(store_.keyspace());
  commands::EndTransaction(session);
  commands::ForgetWatches(session, store_.keyspace(), none);
}

// A watched key that expired since WATCH counts as changed although nobody deleted it yet.
bool Executor::WatchBroken(Session& session, KeyAccess& access) {
  if (session.watch_mark.changed.load(std::memory_order_relaxed)) return true;
  for (const commands::Watch& watch : session.watches) {
    if (watch.expired) continue;
    const KeyHandle key = store_.keyspace().Handle(watch.database, watch.key);
    if (access.Expired(key)) return true;
  }
  return false;
}

// The union of what the queue and the watches need.
void Executor::LockForExec(const Session& session, LockedShards& locks) {
  bool gate = false;
  keys_.clear();
  for (const commands::QueuedCommand& queued : session.transaction.queue) {
    const Locking locking = queued.entry->spec->locking;
    gate |= locking == Locking::kGate || locking == Locking::kEachShard;
    const std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    if (locking == Locking::kKeys) {
      CollectKeys(session.database, *queued.entry, args, keys_);
    } else {
      CollectOtherKeys(session.database, *queued.entry, args, keys_);
    }
  }
  for (const commands::Watch& watch : session.watches) {
    keys_.push_back(store_.keyspace().Handle(watch.database, watch.key));
  }
  if (gate) {
    locks.LockGate();
  } else {
    locks.LockKeys(keys_);
  }
}

// A long value may come as a reference, but not where one command gives it to another key and
// another command then wants its bytes.
void Executor::CollectWantedByExec(const Session& session) {
  wanted_.clear();
  bool transfers = false;
  DatabasesOfExec databases(session.database, store_.keyspace().databases());
  for (const commands::QueuedCommand& queued : session.transaction.queue) {
    const std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    const size_t first = wanted_.size();
    CollectWanted(databases.selected(), *queued.entry, args);
    const std::span its = std::span(wanted_).subspan(first);
    transfers |=
        its.size() > 1 && std::ranges::find(its, Need::kRow, &WantedKey::need) != its.end();
    for (WantedKey& wanted : its) wanted.key.database = databases.Now(wanted.key.database);
    databases.Follow(*queued.entry, args);
  }
  for (const commands::Watch& watch : session.watches) {
    wanted_.push_back(
        {store_.keyspace().Handle(watch.database, watch.key), keyspace::Need::kHeader});
  }
  const auto wants_value = [](const WantedKey& wanted) { return wanted.need == Need::kValue; };
  if (!transfers || std::ranges::none_of(wanted_, wants_value)) return;
  for (WantedKey& wanted : wanted_) {
    if (wanted.need == Need::kRow) wanted.need = Need::kValue;
  }
}

// Some of its commands may list or count keys, which must be exact then; and a transaction cannot
// wait for the tier once it has begun.
bool Executor::MayListTier(const Session& session) const {
  return store_.keyspace().cold_store() != nullptr &&
         std::ranges::any_of(session.transaction.queue, [](const commands::QueuedCommand& queued) {
           return queued.entry->spec->locking == Locking::kEachShard;
         });
}

// The tier would have to be read by a thread that must not wait. Commands that change more of a
// session than its database stay with their session; so does what monitors see.
bool Executor::HandsOver(const Session& session, LockedShards& locks) const {
  if (session.load_listener == nullptr || store_.clients().Monitored()) return false;
  const auto moves = [](const commands::QueuedCommand& queued) {
    const commands::CommandSpec& spec = *queued.entry->spec;
    return spec.group != commands::Group::kConnection || spec.name == "select" ||
           spec.name == "ping" || spec.name == "echo";
  };
  HF_CHECK(locks.HoldsGate());
  return std::ranges::all_of(session.transaction.queue, moves) &&
         std::ranges::any_of(store_.keyspace().shards(),
                             [](const keyspace::Shard& shard) { return shard.cold_keys != 0; });
}

void Executor::HandOver(Session& session, const commands::CommandEntry& entry,
                        LockedShards& locks) {
  const std::string_view words[] = {entry.spec->name};
  session.offloaded = std::make_shared<OffloadedCommand>(session, entry, words);
  session.offloaded->TakeTransaction(session, store_.keyspace(), locks);
  locks.Release();
  store_.offload().Submit(session.offloaded);
}

// The gate is held, and let go of if that takes time: false. What the tier cannot say now, the
// command that needs it will tell.
bool Executor::CountsAreExact(LockedShards& locks) {
  keyspace::Keyspace& keyspace = store_.keyspace();
  int unknown = 0;
  for (; unknown < keyspace.databases(); ++unknown) {
    if (keyspace.SizeOf(locks, unknown).unknown != 0) break;
  }
  if (unknown == keyspace.databases()) return true;
  locks.Release();
  for (; unknown < keyspace.databases(); ++unknown)
    static_cast<void>(keyspace.AskForUnknown(unknown));
  return false;
}

// For SWAPDB, whose watchers have to know what there is: in any two databases that the queue names,
// as they may be swapped in turn.
void Executor::CollectWantedByWatchers(const Session& session, LockedShards& gate) {
  const int databases = store_.keyspace().databases();
  std::vector<int> named;
  for (const commands::QueuedCommand& queued : session.transaction.queue) {
    if (!IsSwap(queued)) continue;
    for (const size_t argument : {1, 2}) {
      const auto number = ParseInteger(queued.args[argument]);
      if (number && *number >= 0 && *number < databases) named.push_back(static_cast<int>(*number));
    }
  }
  std::ranges::sort(named);
  named.erase(std::ranges::unique(named).begin(), named.end());
  std::vector<KeyHandle> keys;
  for (size_t i = 0; i < named.size(); ++i) {
    for (size_t j = i + 1; j < named.size(); ++j)
      store_.keyspace().CollectColdForWatchers(gate, named[i], named[j], keys);
  }
  for (const KeyHandle& key : keys) wanted_.push_back({key, keyspace::Need::kExistence});
}

Outcome Executor::RunExec(Session& session, const commands::CommandEntry& entry, ReplySink& reply) {
  if (!session.transaction.open) {
    reply.Error("ERR EXEC without MULTI");
    return Outcome::kReplied;
  }
  if (session.transaction.failed) {
    ResetTransaction(session);
    reply.Error("EXECABORT Transaction discarded because of previous errors.");
    return Outcome::kReplied;
  }
  LockedShards locks(store_.keyspace());
  std::optional<keyspace::Keyspace::Looking> looking;
  if (MayListTier(session)) looking.emplace(store_.keyspace());
  int tries = looking ? kTriesForCounts : 0;
  for (Fetch fetch = Fetch::kAgain; fetch != Fetch::kThere;) {
    LockForExec(session, locks);
    if (looking && HandsOver(session, locks)) {
      HandOver(session, entry, locks);
      return Outcome::kParked;
    }
    if (tries > 0 && !CountsAreExact(locks)) {
      --tries;
      continue;
    }
    const bool swaps = locks.HoldsGate() && Swaps(session.transaction.queue);
    if (!MayBeCold(keys_) && !swaps) [[likely]]
      break;
    CollectWantedByExec(session);
    if (swaps) CollectWantedByWatchers(session, locks);
    fetch = FetchCold(session, locks, reply);
    if (fetch == Fetch::kLater) return Outcome::kParked;
    if (fetch == Fetch::kFailed) {
      ResetTransaction(session);
      return Outcome::kReplied;
    }
  }
  const std::vector<commands::QueuedCommand> queue = std::move(session.transaction.queue);
  RunQueued(session, queue, reply, locks);
  locks.Release();
  for (const std::string& line : monitor_lines_)
    store_.clients().FeedMonitors(line, session.log_position);
  monitor_lines_.clear();
  ResetTransaction(session);
  return Outcome::kReplied;
}

void Executor::RunQueued(Session& session, std::span<const commands::QueuedCommand> queue,
                         ReplySink& reply, LockedShards& locks) {
  KeyAccess access(store_.keyspace(),
                   {.now_ms = now_ms_,
                    .log = Log(),
                    .touch = !session.shared.no_touch.load(std::memory_order_relaxed),
                    .rule = &access_rule_,
                    .random = &eviction_random_});
  if (WatchBroken(session, access)) {
    reply.NullArray();
    session.log_position = std::max(session.log_position, Commit(locks));
    return;
  }
  group_.set_transaction(true);
  commands::ForgetWatches(session, store_.keyspace(), locks);  // its own writes mark it no more
  session.transaction.open = false;  // commands inside see no open transaction
  reply.Array(queue.size());
  std::vector<KeyHandle> keys;
  for (const commands::QueuedCommand& queued : queue) {
    const std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    keys.clear();
    if (queued.entry->spec->locking == Locking::kKeys)
      CollectKeys(session.database, *queued.entry, args, keys);
    CommandContext context{.args = args,
                           .entry = *queued.entry,
                           .session = session,
                           .reply = reply,
                           .now_ms = now_ms_,
                           .random = random_,
                           .keys = keys,
                           .access = access,
                           .locks = locks,
                           .services = store_.services(),
                           .blocks = {},
                           .in_transaction = true};
    const uint64_t started = cycles_.Ticks();
    const uint64_t errors = reply.errors();
    Invoke(context);
    const bool failed = reply.errors() != errors;
    if (failed) store_.statistics().CountError(reply.error_code());
    if (store_.clients().Monitored() && Monitorable(*queued.entry))
      monitor_lines_.push_back(commands::MonitorLine(session, args, store_.clock().NowMs()));
    Account(session, {.args = args, .entry = queued.entry, .key = {}}, started, failed);
  }
  session.log_position = std::max(session.log_position, Commit(locks));
}

}  // namespace holdfast
