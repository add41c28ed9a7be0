// Connection commands: how a session begins, what it works on, how it ends.
#include <fmt/core.h>

#include <optional>

#include "engine/commands/arguments.h"
#include "engine/commands/authentication.h"
#include "engine/commands/client_state.h"
#include "engine/commands/clients.h"
#include "engine/commands/connection_handlers.h"
#include "engine/commands/transaction_handlers.h"
#include "engine/commands/version.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

// AUTH and SETNAME of HELLO, each done as it is met.
bool ApplyHelloOptions(CommandContext& ctx) {
  for (size_t i = 2; i < ctx.args.size(); ++i) {
    const size_t following = ctx.args.size() - 1 - i;
    if (IsToken(ctx.args[i], "auth") && following >= 2) {
      if (!Authenticates(*ctx.services.config, ctx.args[i + 1], ctx.args[i + 2])) {
        ctx.reply.Error(kWrongPassword);
        return false;
      }
      ctx.session.authenticated = true;
      i += 2;
    } else if (IsToken(ctx.args[i], "setname") && following >= 1) {
      ++i;
      if (!IsClientWord(ctx.args[i])) {
        ctx.reply.Error(kBadClientName);
        return false;
      }
      SetClientName(ctx.session, ctx.args[i]);
    } else {
      ctx.reply.Error(fmt::format("ERR Syntax error in HELLO option '{}'", UntilNul(ctx.args[i])));
      return false;
    }
  }
  return true;
}

// The protocol asked for, or the present one; nullopt after the error.
std::optional<int> HelloVersion(CommandContext& ctx) {
  if (ctx.args.size() < 2) return ctx.session.protocol;
  const auto version =
      IntegerArgument(ctx, 1, "ERR Protocol version is not an integer or out of range");
  if (!version) return std::nullopt;
  if (*version == 2 || *version == 3) return static_cast<int>(*version);
  ctx.reply.Error("NOPROTO unsupported protocol version");
  return std::nullopt;
}

void ReplyHello(CommandContext& ctx) {
  ctx.reply.Map(7);
  ctx.reply.BulkString("server");
  ctx.reply.BulkString("redis");
  ctx.reply.BulkString("version");
  ctx.reply.BulkString(kCompatibleVersion);
  ctx.reply.BulkString("proto");
  ctx.reply.Integer(ctx.session.protocol);
  ctx.reply.BulkString("id");
  ctx.reply.Integer(static_cast<int64_t>(ctx.session.id));
  ctx.reply.BulkString("mode");
  ctx.reply.BulkString("standalone");
  ctx.reply.BulkString("role");
  ctx.reply.BulkString("master");
  ctx.reply.BulkString("modules");
  ctx.reply.Array(0);
}

}  // namespace

void Ping(CommandContext& ctx) {
  if (ctx.args.size() > 2) return ReplyWrongArity(ctx);
  if (ctx.args.size() == 1) return ctx.reply.SimpleString("PONG");
  ctx.reply.BulkString(ctx.args[1]);
}

void Echo(CommandContext& ctx) { ctx.reply.BulkString(ctx.args[1]); }

void Select(CommandContext& ctx) {
  const auto database = DatabaseArgument(ctx, 1);
  if (!database) return;
  ctx.session.SetDatabase(*database);
  ctx.reply.Ok();
}

void Auth(CommandContext& ctx) {
  if (ctx.args.size() > 3) return ctx.reply.Error(errors::kSyntax);
  const bool named = ctx.args.size() == 3;
  if (!named && !PasswordNeeded(*ctx.services.config)) {
    return ctx.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = named ? ctx.args[1] : kDefaultUser;
  if (!Authenticates(*ctx.services.config, user, ctx.args.back()))
    return ctx.reply.Error(kWrongPassword);
  ctx.session.authenticated = true;
  ctx.reply.Ok();
}

void Hello(CommandContext& ctx) {
  const auto version = HelloVersion(ctx);
  if (!version || !ApplyHelloOptions(ctx)) return;
  if (!ctx.session.authenticated) {
    return ctx.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time");
  }
  ctx.session.SetProtocol(*version);
  ReplyHello(ctx);
}

void Reset(CommandContext& ctx) {
  Session& session = ctx.session;
  EndTransaction(session);
  ForgetWatches(session, *ctx.services.keyspace, ctx.locks);
  ctx.services.clients->StopMonitor(session);
  session.SetDatabase(0);
  session.SetProtocol(2);
  session.reply_mode = ReplyMode::kOn;
  session.authenticated = !PasswordNeeded(*ctx.services.config);
  session.shared.no_touch.store(false, std::memory_order_relaxed);
  SetClientName(session, {});
  ctx.reply.SimpleString("RESET");
}

void Quit(CommandContext& ctx) {
  ctx.session.close_after_reply = true;
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
