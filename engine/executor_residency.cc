// What a command needs of cold keys is read, and pinned, before it runs: on a pool's threads while
// its connection is parked, or in place for callers that can wait.
#include <fmt/core.h>

#include <algorithm>

#include "engine/eviction_cycle.h"
#include "engine/executor.h"
#include "engine/keyspace/load.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {

using commands::CommandEntry;
using commands::Session;
using keyspace::KeyAccess;
using keyspace::KeyHandle;
using keyspace::LoadSet;
using keyspace::LockedShards;
using keyspace::Need;

bool Executor::MayBeCold(std::span<const KeyHandle> keys) {
  return std::ranges::any_of(keys, [](const KeyHandle& key) { return key.shard->cold_keys != 0; });
}

// All that the command looks at is in memory, values included: nothing has to be asked for. (What a
// row's other_keys name is not among `keys`.)
bool Executor::AllHot(const CommandEntry& entry, std::span<const KeyHandle> keys) {
  return entry.spec->other_keys == nullptr && std::ranges::all_of(keys, [](const KeyHandle& key) {
           if (key.shard->cold_keys == 0) return true;
           const memtable::Table* table = key.shard->table(key.database);
           const memtable::Entry* found = table != nullptr ? table->Find(key.ref) : nullptr;
           return found != nullptr && found->reference() == nullptr;
         });
}

// A header row says all that a reader of a header wants; who changes the expiry or the name of a
// key takes its value along, so that is read, unless it is long: then its name will do. What does
// not care for the old value reads nothing, unless somebody is waiting for an exact count of keys.
void Executor::CollectWanted(int database, const CommandEntry& entry,
                             std::span<const std::string_view> args) {
  other_keys_.clear();
  if (entry.spec->other_keys != nullptr) entry.spec->other_keys(args, other_keys_);
  for (const commands::OtherKey& other : other_keys_) {
    const int64_t number =
        other.database == commands::OtherKey::kOwnDatabase ? database : other.database;
    if (number < 0 || number >= store_.keyspace().databases()) continue;
    wanted_.push_back(
        {store_.keyspace().Handle(static_cast<int>(number), args[other.argument]), other.need});
  }
  positions_.clear();
  if (!commands::CommandTable::FindKeys(entry, args, positions_)) return;
  for (const commands::KeyPosition& position : positions_) {
    Need need = position.need;
    if (need == Need::kNothing) {
      if (!store_.keyspace().MustLook()) continue;
      need = Need::kExistence;
    }
    if (need == Need::kHeader && entry.Has(commands::kWrite)) need = Need::kRow;
    wanted_.push_back({store_.keyspace().Handle(database, args[position.argument]), need});
  }
}

// Of a command that is not locked by keys: the locks of these are held all the same.
void Executor::CollectOtherKeys(int database, const CommandEntry& entry,
                                std::span<const std::string_view> args,
                                std::vector<KeyHandle>& keys) {
  if (entry.spec->other_keys == nullptr || !entry.ArityFits(args.size())) return;
  wanted_.clear();
  CollectWanted(database, entry, args);
  for (const WantedKey& wanted : wanted_) keys.push_back(wanted.key);
}

// Under the locks of what is wanted.
std::shared_ptr<LoadSet> Executor::Ask(keyspace::LoadListener* listener, bool& cold, bool& failed) {
  auto set = std::make_shared<LoadSet>(listener);
  for (const WantedKey& wanted : wanted_) {
    const LoadSet::Presence presence = set->Want(store_.keyspace(), wanted.key, wanted.need);
    cold |= presence == LoadSet::Presence::kCold;
    failed |= presence == LoadSet::Presence::kFailed;
  }
  return set;
}

Executor::Fetch Executor::FetchCold(Session& session, LockedShards& locks, ReplySink& reply) {
  if (wanted_.empty()) return Fetch::kThere;
  bool cold = false;
  bool failed = false;
  std::shared_ptr<LoadSet> set = Ask(session.load_listener, cold, failed);
  if (!cold && !failed) {
    spent_.push_back(std::move(set));
    return Fetch::kThere;
  }
  if (!failed && session.load_listener != nullptr) {
    locks.Release();
    set.swap(session.loads);
    if (set != nullptr) spent_.push_back(std::move(set));
    return Fetch::kLater;
  }
  if (!failed) {
    ReadInPlace(std::move(set), locks);
    return Fetch::kAgain;
  }
  reply.Error(fmt::format("IOERR a key cannot be read: {}", set->error().message));
  locks.Release();
  set->Start(store_.keyspace());  // what else was asked for: nobody waits for it
  spent_.push_back(std::move(set));
  return Fetch::kFailed;
}

// What a handler asked for under the locks it runs under; they are let go of in any case.
Executor::Fetch Executor::FetchUnknown(Session& session, std::span<const KeyHandle> unknown,
                                       LockedShards& locks, ReplySink& reply) {
  HF_CHECK(group_.Empty());
  wanted_.clear();
  for (const KeyHandle& key : unknown) wanted_.push_back({key, Need::kExistence});
  const Fetch fetch = FetchCold(session, locks, reply);
  locks.Release();
  return fetch == Fetch::kThere ? Fetch::kAgain : fetch;
}

Status Executor::FetchInPlace(LockedShards& locks) {
  if (wanted_.empty()) return {};
  bool cold = false;
  bool failed = false;
  std::shared_ptr<LoadSet> set = Ask(nullptr, cold, failed);
  if (!cold && !failed) {
    spent_.push_back(std::move(set));
    return {};
  }
  if (!failed) {
    ReadInPlace(std::move(set), locks);
    return {};
  }
  const Error error = set->error();
  locks.Release();
  set->Start(store_.keyspace());
  spent_.push_back(std::move(set));
  ReleaseSpent();
  return std::unexpected(error);
}

bool Executor::DropCold(keyspace::SpaceId space, std::string_view name) {
  KeyHandle key = store_.keyspace().Handle(0, name);
  LockedShards locks(store_.keyspace());
  bool cold = false;
  do {
    locks.LockOne(*key.shard);
    key.database = store_.keyspace().DatabaseOf(space);
    const memtable::Table* table = key.database < 0 ? nullptr : key.shard->table(key.database);
    cold = key.database >= 0 && MayBeCold({&key, 1}) &&
           (table == nullptr || table->Find(key.ref) == nullptr);
    if (!cold) break;
    wanted_.assign(1, {key, Need::kHeader});
    if (!FetchInPlace(locks)) return false;
  } while (locks.HoldsNothing());
  bool dropped = false;
  if (cold) {
    KeyAccess access(store_.keyspace(), {.now_ms = now_ms_, .log = Log(), .rule = &access_rule_});
    if (memtable::Entry* header = access.ForWrite(key)) {
      access.EraseEvicted(key, header);
      dropped = true;
    }
    Commit(locks);
  }
  locks.Release();
  ReleaseSpent();
  return dropped;
}

void Executor::ReadInPlace(std::shared_ptr<LoadSet> set, LockedShards& locks) {
  locks.Release();
  set->ReadInPlace(store_.keyspace());
  spent_.push_back(std::move(set));
}

void Executor::ReleaseSpent() {
  for (const std::shared_ptr<LoadSet>& set : spent_) set->Release(store_.keyspace());
  spent_.clear();
}

void Executor::LookAhead(Session& session, const PreparedCommand& command) {
  HF_CHECK(session.loads != nullptr);
  if (command.entry == nullptr || command.entry->spec->locking != commands::Locking::kKeys ||
      !command.entry->ArityFits(command.args.size()))
    return;
  wanted_.clear();
  CollectWanted(session.database, *command.entry, command.args);
  for (const WantedKey& wanted : wanted_) {
    LockedShards locks(store_.keyspace());
    locks.LockOne(*wanted.key.shard);
    if (wanted.key.shard->cold_keys != 0)
      session.loads->Want(store_.keyspace(), wanted.key, wanted.need);
  }
}

// What comes into memory makes something else leave it: readers pay like writers.
void Executor::StartLoads(Session& session) {
  HF_CHECK(session.loads != nullptr);
  if (budget_.AboveHigh(0)) {
    store_.eviction_cycle().Wake();
    if (budget_.FarAboveLimit() && Evicts()) EvictTo(budget_.limit(), rules_.slice_ns);
  }
  session.loads->Start(store_.keyspace());
}

void Executor::ReleaseLoads(Session& session) {
  if (session.loads == nullptr) return;
  session.loads->Release(store_.keyspace());
  session.loads.reset();
}

}  // namespace holdfast
