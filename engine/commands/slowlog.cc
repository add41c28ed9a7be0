// SLOWLOG.
#include <climits>

#include "engine/commands/arguments.h"
#include "engine/commands/server_handlers.h"
#include "engine/commands/statistics.h"

namespace holdfast::commands {

void SlowlogGet(CommandContext& ctx) {
  if (ctx.args.size() > 3) return ReplySubcommandSyntax(ctx);
  int64_t count = 10;
  if (ctx.args.size() == 3) {
    const auto given = RangedIntegerArgument(ctx, 2, -1, LONG_MAX,
                                             "ERR count should be greater than or equal to -1");
    if (!given) return;
    count = *given;
  }
  const std::vector<SlowlogEntry> entries = ctx.services.statistics->Slowlog(count);
  ctx.reply.Array(entries.size());
  for (const SlowlogEntry& entry : entries) {
    ctx.reply.Array(6);
    ctx.reply.Integer(static_cast<int64_t>(entry.id));
    ctx.reply.Integer(entry.unix_ms / 1000);
    ctx.reply.Integer(entry.microseconds);
    ctx.reply.Array(entry.args.size());
    for (const std::string& arg : entry.args) ctx.reply.BulkString(arg);
    ctx.reply.BulkString(entry.client_address);
    ctx.reply.BulkString(entry.client_name);
  }
}

void SlowlogLen(CommandContext& ctx) {
  ctx.reply.Integer(static_cast<int64_t>(ctx.services.statistics->SlowlogLength()));
}

void SlowlogReset(CommandContext& ctx) {
  ctx.services.statistics->SlowlogReset();
  ctx.reply.Ok();
}

void SlowlogHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "GET [<count>]",
      "    The newest entries (10; -1: all): id, unix time, microseconds, arguments, address and",
      "    name of the client.",
      "LEN",
      "    Number of entries.",
      "RESET",
      "    Remove all entries.",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
