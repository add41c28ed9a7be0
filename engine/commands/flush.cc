// DBSIZE, FLUSHDB, FLUSHALL.
#include "engine/commands/arguments.h"
#include "engine/commands/server_handlers.h"
#include "engine/commands/tier_error.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

// Whether to free the values later; nullopt after a syntax error.
std::optional<bool> LazilyArgument(CommandContext& ctx) {
  if (ctx.args.size() == 1) return ctx.services.config->Bool("lazyfree-lazy-user-flush");
  if (ctx.args.size() == 2 && IsToken(ctx.args[1], "async")) return true;
  if (ctx.args.size() == 2 && IsToken(ctx.args[1], "sync")) return false;
  ctx.reply.Error(errors::kSyntax);
  return std::nullopt;
}

}  // namespace

void DbSize(CommandContext& ctx) {
  keyspace::Keyspace& keyspace = *ctx.services.keyspace;
  auto size = keyspace.SizeOf(ctx.locks, ctx.session.database);
  if (size.unknown != 0) [[unlikely]] {
    if (!ctx.may_wait) {
      ctx.must_wait = true;
      return;
    }
    if (ctx.in_transaction) {  // EXEC has seen to it, or could not
      return ReplyTierError(ctx, {ErrorCode::kUnavailable, "what it holds is not counted"});
    }
    auto settled = keyspace.SettleSize(ctx.locks, ctx.session.database);
    if (!settled) return ReplyTierError(ctx, settled.error());
    size = *settled;
  }
  ctx.reply.Integer(static_cast<int64_t>(size.keys));
}

void FlushDb(CommandContext& ctx) {
  const auto lazily = LazilyArgument(ctx);
  if (!lazily) return;
  const uint64_t removed = ctx.services.keyspace->Flush(ctx.locks, ctx.session.database, *lazily);
  ctx.changed = removed > 0;
  ctx.reply.Ok();
}

void FlushAll(CommandContext& ctx) {
  const auto lazily = LazilyArgument(ctx);
  if (!lazily) return;
  uint64_t removed = 0;
  for (int database = 0; database < ctx.services.keyspace->databases(); ++database)
    removed += ctx.services.keyspace->Flush(ctx.locks, database, *lazily);
  ctx.changed = removed > 0;
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
