#include "engine/commands/transaction_handlers.h"

#include <algorithm>

namespace holdfast::commands {

void EndTransaction(Session& session) {
  session.transaction = {};
  session.shared.transaction_length.store(UINT32_MAX, std::memory_order_relaxed);
  session.shared.queued_bytes.store(0, std::memory_order_relaxed);
}

void ForgetWatches(Session& session, keyspace::Keyspace& keyspace, keyspace::LockedShards& locks) {
  for (const Watch& watch : session.watches) {
    const keyspace::KeyHandle key = keyspace.Handle(watch.database, watch.key);
    locks.With(*key.shard, [&](keyspace::Shard& shard) {
      shard.watchers.Remove(watch.database, watch.key, &session.watch_mark);
    });
  }
  session.watches.clear();
  session.watch_mark.changed.store(false, std::memory_order_relaxed);
  session.shared.watch_count.store(0, std::memory_order_relaxed);
}

void MoveTransaction(Session& from, Session& to, keyspace::Keyspace& keyspace,
                     keyspace::LockedShards& locks) {
  HF_CHECK(!to.transaction.open && to.watches.empty());
  to.transaction = std::move(from.transaction);
  EndTransaction(from);
  for (const Watch& watch : from.watches) {
    locks.With(*keyspace.Handle(watch.database, watch.key).shard, [&](keyspace::Shard& shard) {
      shard.watchers.Replace(watch.database, watch.key, &from.watch_mark, &to.watch_mark);
    });
  }
  to.watches = std::move(from.watches);
  from.watches.clear();
  from.shared.watch_count.store(0, std::memory_order_relaxed);
  if (from.watch_mark.changed.exchange(false, std::memory_order_relaxed))
    to.watch_mark.changed.store(true, std::memory_order_relaxed);
}

void Multi(CommandContext& ctx) {
  if (ctx.session.transaction.open) {
    return ctx.reply.Error("ERR MULTI calls can not be nested");
  }
  ctx.session.transaction.open = true;
  ctx.session.shared.transaction_length.store(0, std::memory_order_relaxed);
  ctx.reply.Ok();
}

void Discard(CommandContext& ctx) {
  if (!ctx.session.transaction.open) return ctx.reply.Error("ERR DISCARD without MULTI");
  EndTransaction(ctx.session);
  ForgetWatches(ctx.session, *ctx.services.keyspace, ctx.locks);
  ctx.reply.Ok();
}

void UnwatchKeys(CommandContext& ctx) {
  ForgetWatches(ctx.session, *ctx.services.keyspace, ctx.locks);
  ctx.reply.Ok();
}

void WatchKeys(CommandContext& ctx) {
  if (ctx.session.transaction.open) {
    return ctx.reply.Error("ERR WATCH inside MULTI is not allowed");
  }
  std::vector<Watch>& watches = ctx.session.watches;
  for (const keyspace::KeyHandle& key : ctx.keys) {
    const auto same = [&](const Watch& watch) {
      return watch.database == key.database && watch.key == key.name();
    };
    if (std::any_of(watches.begin(), watches.end(), same)) continue;
    const bool expired = ctx.access.Expired(key);
    const bool present = expired || ctx.access.Peek(key) != nullptr;
    key.shard->watchers.Add(key.database, key.name(), &ctx.session.watch_mark, present);
    watches.push_back({key.database, std::string(key.name()), expired});
  }
  ctx.session.shared.watch_count.store(static_cast<uint32_t>(watches.size()),
                                       std::memory_order_relaxed);
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
