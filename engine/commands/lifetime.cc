// The life of the store: BGREWRITEAOF, BGSAVE, SAVE, LASTSAVE, SHUTDOWN, and TIME.
#include "engine/commands/arguments.h"
#include "engine/commands/persistence.h"
#include "engine/commands/server_handlers.h"
#include "holdfast/number.h"

namespace holdfast::commands {
namespace {

struct ShutdownOptions {
  ShutdownRequest request;
  bool abort = false;
};

bool ParseShutdown(CommandContext& ctx, ShutdownOptions& options) {
  ShutdownRequest& request = options.request;
  bool valid = true;
  for (const std::string_view option : ctx.args.subspan(1)) {
    if (IsToken(option, "nosave")) {
      request.nosave = true;
    } else if (IsToken(option, "save")) {
      request.save = true;
    } else if (IsToken(option, "now")) {
      request.now = true;
    } else if (IsToken(option, "force")) {
      request.force = true;
    } else if (IsToken(option, "abort")) {
      options.abort = true;
    } else {
      valid = false;
    }
  }
  const bool any = request.nosave || request.save || request.now || request.force;
  valid &= !(request.nosave && request.save) && !(options.abort && any);
  if (!valid) ctx.reply.Error(errors::kSyntax);
  return valid;
}

}  // namespace

void BgRewriteAof(CommandContext& ctx) {
  const auto started = ctx.services.persistence->StartRewrite();
  if (!started) return ctx.reply.Error(started.error().message);
  ctx.reply.SimpleString(*started);
}

void BgSave(CommandContext& ctx) {
  const bool schedule = ctx.args.size() == 2 && IsToken(ctx.args[1], "schedule");
  if (ctx.args.size() > 1 && !schedule) return ctx.reply.Error(errors::kSyntax);
  const auto started = ctx.services.persistence->StartSave(schedule);
  if (!started) return ctx.reply.Error(started.error().message);
  ctx.reply.SimpleString(*started);
}

// Traffic goes on meanwhile, that of other clients: only this one waits.
void Save(CommandContext& ctx) {
  if (!ctx.may_wait) {
    ctx.must_wait = true;
    return;
  }
  const Status saved = ctx.services.persistence->Save();
  if (!saved) return ctx.reply.Error(saved.error().message);
  ctx.reply.Ok();
}

// It may take as long as the disk needs for all of the data: others are served meanwhile.
void Backup(CommandContext& ctx) {
  if (!IsToken(ctx.args[1], "to")) return ctx.reply.Error(errors::kSyntax);
  if (!ctx.may_wait) {
    ctx.must_wait = true;
    return;
  }
  const Status made = ctx.services.persistence->BackUp(ctx.args[2]);
  if (!made) return ctx.reply.Error(made.error().message);
  ctx.reply.Ok();
}

void LastSave(CommandContext& ctx) {
  ctx.reply.Integer(ctx.services.persistence->LastSaveMs() / 1000);
}

// There is no reply: the connection closes when the store stops.
void Shutdown(CommandContext& ctx) {
  ShutdownOptions options;
  if (!ParseShutdown(ctx, options)) return;
  if (options.abort) {
    if (!ctx.services.persistence->AbortShutdown())
      return ctx.reply.Error("ERR No shutdown in progress.");
    return ctx.reply.Ok();
  }
  if (!ctx.services.persistence->RequestShutdown(options.request))
    ctx.reply.Error("ERR Errors trying to SHUTDOWN. Check logs.");
}

void Time(CommandContext& ctx) {
  const int64_t now_us = ctx.services.clock->NowUs();
  ctx.reply.Array(2);
  ctx.reply.BulkString(IntegerText(now_us / 1'000'000).view());
  ctx.reply.BulkString(IntegerText(now_us % 1'000'000).view());
}

}  // namespace holdfast::commands
