// CONFIG.
#include "engine/commands/arguments.h"
#include "engine/commands/client_state.h"
#include "engine/commands/clients.h"
#include "engine/commands/persistence.h"
#include "engine/commands/server_handlers.h"
#include "engine/commands/statistics.h"
#include "engine/config/conf_rewrite.h"
#include "engine/config/config.h"

namespace holdfast::commands {
void ConfigGet(CommandContext& ctx) {
  const auto pairs = ctx.services.config->Get(ctx.args.subspan(2));
  ctx.reply.Map(pairs.size());
  for (const auto& [name, value] : pairs) {
    ctx.reply.BulkString(name);
    ctx.reply.BulkString(value);
  }
}

void ConfigSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 != 0) return ctx.reply.Error(errors::kSyntax);
  std::vector<config::Setting> settings;
  for (size_t i = 2; i < ctx.args.size(); i += 2)
    settings.push_back({ctx.args[i], ctx.args[i + 1]});
  const Persistence* persistence = ctx.services.persistence;
  const bool loading = persistence != nullptr && persistence->Load().loading;
  const Status done = ctx.services.config->Set(
      settings, {.local_client = IsLocal(ctx.session), .loading = loading});
  if (!done) return ctx.reply.Error(done.error().message);
  ctx.reply.Ok();
}

void ConfigRewrite(CommandContext& ctx) {
  if (ctx.services.file_system == nullptr)
    return ctx.reply.Error("ERR The server is running without a config file");
  const Status done = config::RewriteConfFile(*ctx.services.config, *ctx.services.file_system);
  if (!done) return ctx.reply.Error(done.error().message);
  ctx.reply.Ok();
}

void ConfigResetStat(CommandContext& ctx) {
  ctx.services.statistics->Reset();
  ctx.services.clients->ResetTotal();
  ctx.services.keyspace->ResetCounters(ctx.locks);
  ctx.reply.Ok();
}

void ConfigHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "GET <pattern> [<pattern> ...]",
      "    Parameters whose names match, with their values.",
      "RESETSTAT",
      "    Set the statistics of INFO to zero.",
      "REWRITE",
      "    Write the present configuration to the conf file.",
      "SET <parameter> <value> [<parameter> <value> ...]",
      "    Change parameters: all of them or none.",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
