// MONITOR.
#include "engine/commands/clients.h"
#include "engine/commands/context.h"
#include "engine/commands/server_handlers.h"

namespace holdfast::commands {

void Monitor(CommandContext& ctx) {
  if (ctx.in_transaction || ctx.session.connection == nullptr)
    return ctx.reply.Error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  ctx.services.clients->StartMonitor(ctx.session);
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
