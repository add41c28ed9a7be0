// CLIENT: what a connection is told about itself and about others.
#include <fmt/core.h>

#include <vector>

#include "engine/commands/arguments.h"
#include "engine/commands/client_filter.h"
#include "engine/commands/client_state.h"
#include "engine/commands/clients.h"
#include "engine/commands/connection_handlers.h"

namespace holdfast::commands {
namespace {

// LIST with ids: the clients in the order of the ids, each as often as it is named.
void ListByIds(CommandContext& ctx) {
  std::vector<uint64_t> ids;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    const auto id = IntegerArgument(ctx, i, "ERR Invalid client ID");
    if (!id) return;
    ids.push_back(static_cast<uint64_t>(*id));
  }
  std::string text;
  for (const uint64_t id : ids) {
    ctx.services.clients->Visit(id, [&](Session& session) {
      text += ClientLine(session, ctx.now_ms);
      text += '\n';
    });
  }
  ctx.reply.Verbatim("txt", text);
}

// "on" or "off"; nullopt after a syntax error.
std::optional<bool> OnOffArgument(CommandContext& ctx) {
  if (IsToken(ctx.args[2], "on")) return true;
  if (IsToken(ctx.args[2], "off")) return false;
  ctx.reply.Error(errors::kSyntax);
  return std::nullopt;
}

}  // namespace

void ClientId(CommandContext& ctx) { ctx.reply.Integer(static_cast<int64_t>(ctx.session.id)); }

void ClientInfo(CommandContext& ctx) {
  ctx.reply.Verbatim("txt", ClientLine(ctx.session, ctx.now_ms) + "\n");
}

void ClientList(CommandContext& ctx) {
  std::optional<ClientType> type;
  if (ctx.args.size() == 4 && IsToken(ctx.args[2], "type")) {
    type = ClientTypeArgument(ctx, 3);
    if (!type) return;
  } else if (ctx.args.size() > 3 && IsToken(ctx.args[2], "id")) {
    return ListByIds(ctx);
  } else if (ctx.args.size() != 2) {
    return ctx.reply.Error(errors::kSyntax);
  }
  std::string text;
  ctx.services.clients->ForEach([&](Session& session) {
    if (type && *type != TypeOf(session)) return;
    text += ClientLine(session, ctx.now_ms);
    text += '\n';
  });
  ctx.reply.Verbatim("txt", text);
}

void ClientGetName(CommandContext& ctx) {
  const std::string name = ctx.session.shared.NameCopy();
  if (name.empty()) return ctx.reply.Null();
  ctx.reply.BulkString(name);
}

void ClientSetName(CommandContext& ctx) {
  if (!IsClientWord(ctx.args[2])) return ctx.reply.Error(kBadClientName);
  SetClientName(ctx.session, ctx.args[2]);
  ctx.reply.Ok();
}

void ClientSetInfo(CommandContext& ctx) {
  SharedSessionState& shared = ctx.session.shared;
  const bool name = IsToken(ctx.args[2], "lib-name");
  if (!name && !IsToken(ctx.args[2], "lib-ver"))
    return ctx.reply.Error(fmt::format("ERR Unrecognized option '{}'", UntilNul(ctx.args[2])));
  if (!IsClientWord(ctx.args[3])) {
    return ctx.reply.Error(fmt::format(
        "ERR {} cannot contain spaces, newlines or special characters.", UntilNul(ctx.args[2])));
  }
  {
    const std::lock_guard lock(shared.mutex);
    (name ? shared.lib_name : shared.lib_version) = ctx.args[3];
  }
  ctx.reply.Ok();
}

void ClientNoEvict(CommandContext& ctx) {
  const auto on = OnOffArgument(ctx);
  if (!on) return;
  ctx.session.shared.no_evict.store(*on, std::memory_order_relaxed);
  ctx.reply.Ok();
}

void ClientNoTouch(CommandContext& ctx) {
  const auto on = OnOffArgument(ctx);
  if (!on) return;
  ctx.session.shared.no_touch.store(*on, std::memory_order_relaxed);
  ctx.reply.Ok();
}

// OFF and SKIP have no reply of their own.
void ClientReply(CommandContext& ctx) {
  ReplyMode& mode = ctx.session.reply_mode;
  if (IsToken(ctx.args[2], "on")) {
    mode = ReplyMode::kOn;
    ctx.reply.Ok();
  } else if (IsToken(ctx.args[2], "off")) {
    mode = ReplyMode::kOff;
  } else if (IsToken(ctx.args[2], "skip")) {
    if (mode != ReplyMode::kOff) mode = ReplyMode::kSkipNext;
  } else {
    ctx.reply.Error(errors::kSyntax);
  }
}

void ClientHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "GETNAME",
      "    Name of this connection.",
      "ID",
      "    Id of this connection.",
      "INFO",
      "    The line of CLIENT LIST for this connection.",
      "KILL <ip:port>",
      "    Close the connection from that address.",
      "KILL <filter> <value> [<filter> <value> ...]",
      "    Close the connections that match all filters: ID <id>, ADDR <ip:port>,",
      "    LADDR <ip:port>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <name>,",
      "    SKIPME (YES|NO): spare this connection (default: yes).",
      "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> [<id> ...]]",
      "    One line for each connection.",
      "NO-EVICT (ON|OFF)",
      "    Exempt this connection from client eviction.",
      "NO-TOUCH (ON|OFF)",
      "    Commands of this connection do not make keys look used.",
      "PAUSE <milliseconds> [WRITE|ALL]",
      "    Hold back the commands of all clients, or only those that write.",
      "REPLY (ON|OFF|SKIP)",
      "    Whether this connection gets replies.",
      "SETINFO (LIB-NAME <name> | LIB-VER <version>)",
      "    Note which library the client uses.",
      "SETNAME <name>",
      "    Name this connection.",
      "UNPAUSE",
      "    End CLIENT PAUSE.",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
