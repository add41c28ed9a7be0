#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "engine/commands/value_names.h"

namespace holdfast::commands {

using memtable::Entry;

namespace {

void Delete(CommandContext& ctx) {
  int64_t deleted = 0;
  for (const keyspace::KeyHandle& key : ctx.keys) {
    Entry* entry = ctx.access.ForWrite(key);
    if (entry == nullptr) continue;
    ctx.access.Erase(key, entry);
    ++deleted;
  }
  ctx.reply.Integer(deleted);
}

}  // namespace

void Del(CommandContext& ctx) { Delete(ctx); }
void Unlink(CommandContext& ctx) { Delete(ctx); }

void Exists(CommandContext& ctx) {
  int64_t present = 0;
  for (const keyspace::KeyHandle& key : ctx.keys) {
    if (ctx.access.Look(key) != nullptr) ++present;
  }
  ctx.reply.Integer(present);
}

// Renews the access time even for clients with CLIENT NO-TOUCH.
void Touch(CommandContext& ctx) {
  int64_t present = 0;
  for (const keyspace::KeyHandle& key : ctx.keys) {
    Entry* entry = ctx.access.Look(key);
    if (entry == nullptr) continue;
    ctx.access.Touch(*entry);
    ++present;
  }
  ctx.reply.Integer(present);
}

void Type(CommandContext& ctx) {
  const Entry* entry = ctx.access.Look(ctx.keys[0]);
  ctx.reply.SimpleString(entry == nullptr ? "none" : TypeName(entry->type()));
}

void SwapDb(CommandContext& ctx) {
  const auto first = IntArgument(ctx, 1, "ERR invalid first DB index");
  if (!first) return;
  const auto second = IntArgument(ctx, 2, "ERR invalid second DB index");
  if (!second) return;
  const int databases = ctx.services.keyspace->databases();
  if (*first < 0 || *first >= databases || *second < 0 || *second >= databases) {
    return ctx.reply.Error(errors::kDatabaseRange);
  }
  if (*first != *second) {
    if (!ctx.in_transaction && !ctx.access.replaying()) {
      std::vector<keyspace::KeyHandle> keys;
      if (!ctx.services.keyspace->CollectColdForWatchers(ctx.locks, *first, *second, keys)) {
        ctx.unknown_keys = std::move(keys);
        return;
      }
    }
    ctx.services.keyspace->Swap(ctx.locks, *first, *second);
    ctx.changed = true;
  }
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
