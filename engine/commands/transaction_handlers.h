// The handlers of the transaction family; transaction_table.cc names them. EXEC has none: execution
// itself runs what was queued, and queues what comes after MULTI.
#pragma once

#include "engine/commands/context.h"

namespace holdfast::commands {

void Discard(CommandContext& ctx);
void Multi(CommandContext& ctx);
void UnwatchKeys(CommandContext& ctx);
void WatchKeys(CommandContext& ctx);

// Drops the queue; the session is outside a transaction afterwards.
void EndTransaction(Session& session);
// Takes the session's watches out of the shards' tables; no watched key counts as changed
// afterwards. Locks each shard that `locks` does not hold.
void ForgetWatches(Session& session, keyspace::Keyspace& keyspace, keyspace::LockedShards& locks);

// What was queued, and the watches with what they have seen. `from` is outside a transaction
// afterwards, and watches nothing. Locks like ForgetWatches.
void MoveTransaction(Session& from, Session& to, keyspace::Keyspace& keyspace,
                     keyspace::LockedShards& locks);

}  // namespace holdfast::commands
