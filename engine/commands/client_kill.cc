// CLIENT KILL, PAUSE and UNPAUSE: what one client does to others.
#include <fmt/core.h>

#include <climits>

#include "engine/commands/arguments.h"
#include "engine/commands/authentication.h"
#include "engine/commands/client_filter.h"
#include "engine/commands/client_state.h"
#include "engine/commands/clients.h"
#include "engine/commands/connection_handlers.h"
#include "holdfast/bytes.h"

namespace holdfast::commands {
namespace {

// One "filter value" pair of CLIENT KILL.
bool ParseFilter(CommandContext& ctx, size_t index, ClientFilter& filter) {
  const std::string_view name = ctx.args[index];
  const std::string_view value = ctx.args[index + 1];
  if (IsToken(name, "id")) {
    const auto id = RangedIntegerArgument(ctx, index + 1, 1, LONG_MAX,
                                          "ERR client-id should be greater than 0");
    if (id) filter.id = static_cast<uint64_t>(*id);
    return id.has_value();
  }
  if (IsToken(name, "type")) {
    filter.type = ClientTypeArgument(ctx, index + 1);
    return filter.type.has_value();
  }
  if (IsToken(name, "addr")) {
    filter.address = value;
  } else if (IsToken(name, "laddr")) {
    filter.local_address = value;
  } else if (IsToken(name, "user")) {
    filter.user = value;
    if (value != kDefaultUser) {
      ctx.reply.Error(fmt::format("ERR No such user '{}'", UntilNul(value)));
      return false;
    }
  } else if (IsToken(name, "skipme") && (IsToken(value, "yes") || IsToken(value, "no"))) {
    filter.skip_me = IsToken(value, "yes");
  } else {
    ctx.reply.Error(errors::kSyntax);
    return false;
  }
  return true;
}

bool ParseFilters(CommandContext& ctx, ClientFilter& filter) {
  if (ctx.args.size() == 3) {
    filter.address = ctx.args[2];
    filter.skip_me = false;
    return true;
  }
  for (size_t i = 2; i < ctx.args.size(); i += 2) {
    if (i + 1 == ctx.args.size()) {
      ctx.reply.Error(errors::kSyntax);
      return false;
    }
    if (!ParseFilter(ctx, i, filter)) return false;
  }
  return true;
}

int64_t Kill(CommandContext& ctx, const ClientFilter& filter) {
  int64_t killed = 0;
  ctx.services.clients->ForEach([&](Session& session) {
    const bool me = &session == &ctx.session;
    if ((me && filter.skip_me) || !filter.Matches(session)) return;
    ++killed;
    if (me) {
      session.close_after_reply = true;  // it is to learn how many it killed
      return;
    }
    session.shared.closing.store(true, std::memory_order_relaxed);
    if (session.connection != nullptr) session.connection->Close(false);
  });
  return killed;
}

}  // namespace

std::optional<ClientType> ClientTypeArgument(CommandContext& ctx, size_t index) {
  const std::string_view name = ctx.args[index];
  if (IsToken(name, "normal")) return ClientType::kNormal;
  if (IsToken(name, "slave") || IsToken(name, "replica")) return ClientType::kReplica;
  if (IsToken(name, "pubsub")) return ClientType::kPubsub;
  if (IsToken(name, "master")) return ClientType::kMaster;
  ctx.reply.Error(fmt::format("ERR Unknown client type '{}'", UntilNul(name)));
  return std::nullopt;
}

bool ClientFilter::Matches(Session& session) const {
  if (id != 0 && session.id != id) return false;
  if (type && *type != TypeOf(session)) return false;
  if (address && PeerAddress(session) != *address) return false;
  if (local_address && LocalAddress(session) != *local_address) return false;
  if (user.empty()) return true;
  const std::lock_guard lock(session.shared.mutex);
  return session.shared.user == user;
}

void ClientKill(CommandContext& ctx) {
  ClientFilter filter;
  if (!ParseFilters(ctx, filter)) return;
  const int64_t killed = Kill(ctx, filter);
  if (ctx.args.size() > 3) return ctx.reply.Integer(killed);
  if (killed == 0) return ctx.reply.Error("ERR No such client");
  ctx.reply.Ok();
}

void ClientPause(CommandContext& ctx) {
  PauseMode mode = PauseMode::kAll;
  if (ctx.args.size() > 4) return ReplySubcommandSyntax(ctx);
  if (ctx.args.size() == 4) {
    if (IsToken(ctx.args[3], "write")) {
      mode = PauseMode::kWrites;
    } else if (!IsToken(ctx.args[3], "all")) {
      return ctx.reply.Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto timeout_ms = IntegerArgument(ctx, 2, "ERR timeout is not an integer or out of range");
  if (!timeout_ms) return;
  if (*timeout_ms < 0) return ctx.reply.Error("ERR timeout is negative");
  ctx.services.clients->Pause(mode, CheckedAdd(*timeout_ms, ctx.now_ms).value_or(INT64_MAX));
  ctx.reply.Ok();
}

void ClientUnpause(CommandContext& ctx) {
  ctx.services.clients->Unpause();
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
