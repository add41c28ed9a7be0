#include "engine/executor.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "aof/log_writer.h"
#include "engine/commands/clients.h"
#include "engine/commands/monitor_line.h"
#include "engine/offload.h"
#include "engine/reply_sinks.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {

using commands::CommandContext;
using commands::CommandEntry;
using commands::Locking;
using commands::LogRule;
using commands::Session;
using keyspace::KeyAccess;
using keyspace::KeyHandle;
using keyspace::LockedShards;

namespace {

constexpr std::string_view kOutOfMemory = "OOM command not allowed when used memory > 'maxmemory'.";

// CLIENT REPLY answers (or does not) by itself.
bool SetsReplyMode(const PreparedCommand& command) {
  return command.entry != nullptr && command.entry->spec->name == "client|reply";
}

}  // namespace

Executor::Executor(Store& store)
    : store_(store),
      reader_(store.keyspace().reclaimer()),
      statistics_(store.statistics().NewThread()),
      cycles_(store.clock()),
      random_(store.random().NextRandom()),
      budget_(store.keyspace().budget()),
      eviction_random_(store.random().NextRandom()),
      picker_(store.keyspace()) {
  BeginTurn();
}

Executor::~Executor() {
  store_.statistics().RetireThread(statistics_);
  if (slot_ != nullptr) store_.log_writer()->ReturnSlot(*slot_);
}

void Executor::BeginTurn() {
  if (loading_) [[unlikely]]
    LookForLog();
  now_ms_ = store_.clock().NowMs();
  if (rules_generation_ != store_.eviction_rules().generation()) [[unlikely]]
    TakeEvictionRules();
  access_rule_ = eviction::AccessRule::At(now_ms_, rules_.use, rules_.tuning);
  last_ticks_ = cycles_.Ticks();
}

// One command of a million keys must not hold its memory for the life of the thread.
void Executor::GiveBackLongBuffers() {
  constexpr size_t kKeptArguments = 4096;
  if (keys_.capacity() > kKeptArguments) std::vector<KeyHandle>().swap(keys_);
  if (positions_.capacity() > kKeptArguments) {
    std::vector<commands::KeyPosition>().swap(positions_);
  }
  if (args_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(args_);
  group_.GiveBackLongBuffers();
}

// Between turns, where waiting for a slot hurts nobody.
void Executor::LookForLog() {
  loading_ = store_.loading();
  if (loading_) return;
  if (aof::LogWriter* log = store_.log_writer()) slot_ = &log->BorrowSlot();
}

void Executor::EndTurn() {
  cycles_.Calibrate();
  GiveBackLongBuffers();
  if (!appended_) return;
  appended_ = false;
  store_.FlushTurn();
}

void Executor::Prepare(const Session& session, PreparedCommand& command) {
  command.entry = store_.table().Resolve(command.args);
  if (command.entry == nullptr || !command.entry->one_key || command.args.size() < 2) return;
  command.key = store_.keyspace().Handle(session.database, command.args[1]);
  __builtin_prefetch(command.key.shard, 1);
}

void Executor::Prefetch(std::span<const PreparedCommand> batch) {
  if (batch.size() > 1) PrefetchKeys(batch.first(std::min(batch.size(), kMaxBatch)));
  last_ticks_ = cycles_.Ticks();
}

void Executor::PrefetchKeys(std::span<const PreparedCommand> batch) {
  const memtable::Reclaimer::Guard guard(reader_);
  std::array<const memtable::Bucket*, kMaxBatch> buckets{};
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].key.shard != nullptr) buckets[i] = store_.keyspace().PrefetchBucket(batch[i].key);
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    keyspace::Keyspace::PrefetchEntry(buckets[i], batch[i].key);
  }
}

Outcome Executor::Execute(Session& session, const PreparedCommand& command, ReplySink& reply) {
  if (session.reply_mode == commands::ReplyMode::kOn || SetsReplyMode(command)) [[likely]]
    return ExecuteFor(session, command, reply);
  DiscardSink discard(session.protocol);
  const Outcome outcome = ExecuteFor(session, command, discard);
  if (outcome == Outcome::kReplied && session.reply_mode == commands::ReplyMode::kSkipNext)
    session.reply_mode = commands::ReplyMode::kOn;
  return outcome;
}

Outcome Executor::ExecuteFor(Session& session, const PreparedCommand& command, ReplySink& sink) {
  session.shared.last_command.store(command.entry, std::memory_order_relaxed);
  session.shared.last_interaction_ms.store(now_ms_, std::memory_order_relaxed);
  Outcome outcome = Outcome::kReplied;
  // What another thread runs for the session is admitted there, and may be done.
  if (session.offloaded != nullptr || Admit(session, command, sink, outcome)) [[likely]]
    outcome = Call(session, command, sink);
  if (outcome == Outcome::kParked) [[unlikely]]
    session.shared.blocked.store(true, std::memory_order_relaxed);
  return outcome;
}

// False: it is not to run now; the outcome says why.
bool Executor::Admit(Session& session, const PreparedCommand& command, ReplySink& sink,
                     Outcome& outcome) {
  outcome = Outcome::kReplied;
  if (Refused(session, command, sink)) return false;
  switch (AdmitMemory(session, command)) {
    case Admission::kGranted:
      break;
    case Admission::kRefused:
      Reject(session, command, sink, kOutOfMemory);
      return false;
    case Admission::kLater:
      outcome = Outcome::kParked;
      return false;
  }
  if (session.transaction.open && Queue(session, command, sink)) return false;
  if (!MustWait(session, command)) return true;
  outcome = Outcome::kParked;
  return false;
}

Outcome Executor::Call(Session& session, const PreparedCommand& command, ReplySink& reply) {
  uint64_t started = last_ticks_;
  const uint64_t errors = reply.errors();
  std::span<const std::string_view> args = command.args;
  if (command.entry->Has(commands::kWrite)) args = MoveToBlocks(args);
  Outcome outcome;
  bool refused = false;
  if (session.offloaded != nullptr) [[unlikely]] {
    outcome = Offloaded(session, reply, started, refused);
  } else if (command.entry->spec->locking == Locking::kExec) {
    outcome = RunExec(session, *command.entry, reply);
  } else {
    outcome = Run(session, command, reply, args);
  }
  if (!spent_.empty()) [[unlikely]]
    ReleaseSpent();
  if (outcome == Outcome::kParked || refused) [[unlikely]] {
    blocks_.clear();
    return outcome;
  }
  // After it ran, as in Redis: the line shows the database that SELECT chose.
  if (store_.clients().Monitored()) [[unlikely]]
    FeedMonitors(session, *command.entry, args);
  blocks_.clear();
  const bool failed = reply.errors() != errors;
  if (failed) [[unlikely]]
    store_.statistics().CountError(reply.error_code());
  Account(session, command, started, failed);
  return outcome;
}

// The reply of a command that another thread runs for the session, once there is one. It is counted
// here, where the session is: with the time that it took there. But not if it was refused: then it
// is counted already.
Outcome Executor::Offloaded(Session& session, ReplySink& reply, uint64_t& started, bool& refused) {
  if (!session.offloaded->Done()) return Outcome::kParked;
  const std::shared_ptr<OffloadedCommand> command = std::move(session.offloaded);
  command->ReplyTo(reply);
  session.log_position = std::max(session.log_position, command->log_position());
  session.SetDatabase(command->database());
  started = cycles_.Ticks() - command->ticks();
  refused = command->refused();
  return Outcome::kReplied;
}

void Executor::DropOffloaded(Session& session) {
  if (session.offloaded == nullptr) return;
  session.offloaded->Abandon();
  session.offloaded.reset();
}

// What was admitted when it was handed over may have to wait now, or be refused.
bool Executor::RunOffloaded(OffloadedCommand& command) {
  const uint64_t started = cycles_.Ticks();
  const std::vector<std::string_view> args(command.args_.begin(), command.args_.end());
  PreparedCommand prepared{.args = args, .entry = &command.entry_, .key = {}};
  HF_CHECK(!command.entry_.one_key);
  Outcome outcome = Outcome::kReplied;
  if (Admit(command.session_, prepared, command.reply_, outcome)) {
    outcome = command.entry_.spec->locking == Locking::kExec
                  ? RunExec(command.session_, command.entry_, command.reply_)
                  : Run(command.session_, prepared, command.reply_, args);
    HF_CHECK(outcome == Outcome::kReplied);
  } else {
    command.refused_ = outcome == Outcome::kReplied;
  }
  if (!spent_.empty()) ReleaseSpent();
  command.ticks_ += cycles_.Ticks() - started;
  return outcome == Outcome::kReplied;
}

void Executor::Account(const Session& session, const PreparedCommand& command, uint64_t started,
                       bool failed) {
  last_ticks_ = cycles_.Ticks();
  const uint64_t nanoseconds = cycles_.Nanoseconds(last_ticks_ - started);
  commands::CommandStatistics& counts = statistics_.per_command[command.entry->index];
  counts.calls.Add(1);
  counts.nanoseconds.Add(nanoseconds);
  counts.histogram[commands::LatencyBucket(nanoseconds)].Add(1);
  if (failed) {
    counts.failed.Add(1);
    statistics_.errors.Add(1);
  }
  store_.NoteDuration(session, *command.entry, command.args, now_ms_, nanoseconds);
}

void Executor::CollectKeys(int database, const CommandEntry& entry,
                           std::span<const std::string_view> args, std::vector<KeyHandle>& keys) {
  positions_.clear();
  if (!commands::CommandTable::FindKeys(entry, args, positions_)) return;
  for (const commands::KeyPosition& position : positions_) {
    keys.push_back(store_.keyspace().Handle(database, args[position.argument]));
  }
}

std::span<const KeyHandle> Executor::LockFor(const Session& session, const PreparedCommand& command,
                                             std::span<const std::string_view> args,
                                             LockedShards& locks) {
  const CommandEntry& entry = *command.entry;
  if (entry.one_key) [[likely]] {
    one_key_ = command.key;
    one_key_.database = session.database;
    one_key_.ref.name = args[1];  // may have moved into a block
    locks.LockOne(*one_key_.shard);
    return {&one_key_, 1};
  }
  if (entry.spec->locking == Locking::kGate) {
    locks.LockGate();
    return {};
  }
  keys_.clear();
  if (entry.spec->locking == Locking::kKeys) {
    CollectKeys(session.database, entry, args, keys_);
  } else {
    CollectOtherKeys(session.database, entry, args, keys_);
  }
  locks.LockKeys(keys_);
  return keys_;
}

Outcome Executor::Run(Session& session, const PreparedCommand& command, ReplySink& reply,
                      std::span<const std::string_view> args) {
  const CommandEntry& entry = *command.entry;
  LockedShards locks(store_.keyspace());
  std::span<const KeyHandle> keys;
  for (Fetch fetch = Fetch::kAgain; fetch != Fetch::kThere;) {
    keys = LockFor(session, command, args, locks);
    if (!MayBeCold(keys) || AllHot(entry, keys)) [[likely]]
      break;
    wanted_.clear();
    CollectWanted(session.database, entry, args);
    fetch = FetchCold(session, locks, reply);
    if (fetch == Fetch::kLater) return Outcome::kParked;
    if (fetch == Fetch::kFailed) return Outcome::kReplied;
  }
  KeyAccess access(store_.keyspace(),
                   {.now_ms = now_ms_,
                    .log = Log(),
                    .touch = !session.shared.no_touch.load(std::memory_order_relaxed),
                    .rule = &access_rule_,
                    .random = &eviction_random_});
  CommandContext context{.args = args,
                         .entry = entry,
                         .session = session,
                         .reply = reply,
                         .now_ms = now_ms_,
                         .random = random_,
                         .keys = keys,
                         .access = access,
                         .locks = locks,
                         .services = store_.services(),
                         .blocks = blocks_,
                         .may_wait = session.load_listener == nullptr};
  group_.set_blocks(blocks_);
  Invoke(context);
  if (!context.unknown_keys.empty()) [[unlikely]] {
    const Fetch fetch = FetchUnknown(session, context.unknown_keys, locks, reply);
    if (fetch == Fetch::kAgain) return Run(session, command, reply, args);
    return fetch == Fetch::kLater ? Outcome::kParked : Outcome::kReplied;
  }
  if (context.must_wait) [[unlikely]] {
    HF_CHECK(group_.Empty() && !context.may_wait);
    session.offloaded = std::make_shared<OffloadedCommand>(session, entry, args);
    store_.offload().Submit(session.offloaded);
    return Outcome::kParked;
  }
  session.log_position = std::max(session.log_position, Commit(locks));
  return Outcome::kReplied;
}

// Runs the handler and records what it changed.
void Executor::Invoke(CommandContext& context) {
  const int database = context.session.database;
  const uint64_t changes = context.access.changes();
  context.entry.spec->handler(context);
  const bool changed = context.changed || context.access.changes() != changes;
  if (!changed) return;
  statistics_.changes.Add(context.access.changes() - changes + (context.changed ? 1 : 0));
  if (context.access.log() == nullptr || context.effects_only) return;
  if (context.entry.spec->log_rule == LogRule::kVerbatim)
    group_.RecordRequest(database, context.args);
}

// Gate and shard locks stand between a switch of the log and whoever asks here.
keyspace::ChangeLog* Executor::Log() {
  aof::LogWriter* log = store_.active_log();
  if (log == nullptr) return nullptr;
  if (slot_ == nullptr) [[unlikely]]
    slot_ = &log->BorrowSlot();  // turned on for the first time, in the middle of this turn
  return &group_;
}

// Under the locks of all keys: the order of the log is the order of the locks.
aof::LogPosition Executor::Commit(LockedShards& locks) {
  if (slot_ == nullptr) return 0;
  aof::LogWriter& log = *store_.log_writer();
  aof::LogPosition position = 0;
  if (!group_.Empty()) {
    position = group_.AppendTo(log, *slot_);
    appended_ = true;
    locks.ForEachHeld([&](keyspace::Shard& shard) { shard.log_position = position; });
  } else if (locks.visited() || locks.HoldsGate()) {
    position = log.tail();
  } else {
    locks.ForEachHeld(
        [&](const keyspace::Shard& shard) { position = std::max(position, shard.log_position); });
  }
  group_.Clear();
  return position;
}

// Big arguments of writes are copied once, before any lock: table, log and reply share the block.
std::span<const std::string_view> Executor::MoveToBlocks(std::span<const std::string_view> args) {
  bool any = false;
  for (const std::string_view arg : args) any |= arg.size() >= CommandContext::kBlockBytes;
  if (!any) [[likely]]
    return args;
  args_.assign(args.begin(), args.end());
  for (std::string_view& arg : args_) {
    if (arg.size() < CommandContext::kBlockBytes) continue;
    BlockRef block = BlockRef::Adopt(CountedBlock::Create(arg.size()));
    arg.copy(block->data(), arg.size());
    block->size = arg.size();
    arg = block->view();
    blocks_.push_back(std::move(block));
  }
  return args_;
}

Status Executor::Replay(int database, const PreparedCommand& command) {
  HF_TRY_STATUS(MakeRoomForReplay(command));
  LockedShards locks(store_.keyspace());
  while (true) {
    KeyHandle one = command.key;
    std::span<const KeyHandle> keys;
    if (command.entry->one_key) {
      one.database = database;
      locks.LockOne(*one.shard);
      keys = {&one, 1};
    } else {
      keys_.clear();
      if (command.entry->spec->locking == Locking::kKeys)
        CollectKeys(database, *command.entry, command.args, keys_);
      if (command.entry->spec->locking == Locking::kGate) {
        locks.LockGate();
      } else {
        locks.LockKeys(keys_);
      }
      keys = keys_;
    }
    if (MayBeCold(keys) && !AllHot(*command.entry, keys)) [[unlikely]] {
      wanted_.clear();
      CollectWanted(database, *command.entry, command.args);
      HF_TRY_STATUS(FetchInPlace(locks));
    }
    if (locks.HoldsNothing() && !keys.empty()) continue;
    const Status replayed = ReplayLocked(database, command, keys, locks);
    locks.Release();
    if (!spent_.empty()) ReleaseSpent();
    return replayed;
  }
}

Status Executor::ReplayUnderGate(int database, const PreparedCommand& command) {
  LockedShards held(store_.keyspace());
  held.AssumeGate();
  keys_.clear();
  if (command.entry->spec->locking == Locking::kKeys)
    CollectKeys(database, *command.entry, command.args, keys_);
  Status replayed = ReplayLocked(database, command, keys_, held);
  held.ForgetGate();
  return replayed;
}

Status Executor::ReplayLocked(int database, const PreparedCommand& command,
                              std::span<const KeyHandle> keys, LockedShards& locks) {
  HF_CHECK(command.entry != nullptr && command.entry->spec->handler != nullptr);
  if (replay_session_ == nullptr) replay_session_ = std::make_unique<Session>();
  replay_session_->SetDatabase(database);
  KeyAccess access(
      store_.keyspace(),
      {.now_ms = now_ms_, .replaying = true, .rule = &access_rule_, .random = &eviction_random_});
  ErrorSink reply;
  CommandContext context{.args = command.args,
                         .entry = *command.entry,
                         .session = *replay_session_,
                         .reply = reply,
                         .now_ms = now_ms_,
                         .random = random_,
                         .keys = keys,
                         .access = access,
                         .locks = locks,
                         .services = store_.services(),
                         .blocks = {}};
  command.entry->spec->handler(context);
  if (reply.errors() == 0) return {};
  return MakeError(ErrorCode::kCorruption, reply.text());
}

Executor::Expiry Executor::DeleteExpired(int database, std::string_view name) {
  return DeleteExpired(store_.keyspace().Handle(database, name), nullptr);
}

Executor::Expiry Executor::DeleteExpiredIn(keyspace::SpaceId space, std::string_view name) {
  return DeleteExpired(store_.keyspace().Handle(0, name), &space);
}

Executor::Expiry Executor::DeleteExpired(KeyHandle key, const keyspace::SpaceId* space) {
  LockedShards locks(store_.keyspace());
  do {
    locks.LockOne(*key.shard);
    if (space != nullptr) key.database = store_.keyspace().DatabaseOf(*space);
    if (key.database < 0) return Expiry::kNotDue;
    if (!MayBeCold({&key, 1})) break;
    wanted_.assign(1, {key, keyspace::Need::kHeader});
    if (!FetchInPlace(locks)) return Expiry::kUnreadable;
  } while (locks.HoldsNothing());
  KeyAccess access(store_.keyspace(), {.now_ms = now_ms_, .log = Log(), .rule = &access_rule_});
  const uint64_t before = key.shard->counters.expired;
  access.ForWrite(key);
  const bool expired = key.shard->counters.expired != before;
  Commit(locks);
  locks.Release();
  if (!spent_.empty()) ReleaseSpent();
  return expired ? Expiry::kDeleted : Expiry::kNotDue;
}

void Executor::FeedMonitors(const Session& session, const CommandEntry& entry,
                            std::span<const std::string_view> args) {
  if (!Monitorable(entry)) return;
  store_.clients().FeedMonitors(commands::MonitorLine(session, args, store_.clock().NowMs()),
                                session.log_position);
}

}  // namespace holdfast
