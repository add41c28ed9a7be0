// DEBUG, for tests: behind enable-debug-command.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/commands/arguments.h"
#include "engine/commands/client_state.h"
#include "engine/commands/digest.h"
#include "engine/commands/persistence.h"
#include "engine/commands/server_handlers.h"
#include "engine/commands/tier_error.h"
#include "engine/commands/value_names.h"
#include "engine/config/config.h"
#include "memtable/payload.h"

namespace holdfast::commands {
namespace {

bool Permitted(const CommandContext& ctx) {
  switch (ctx.services.config->Enum<config::Permission>("enable-debug-command")) {
    case config::Permission::kYes:
      return true;
    case config::Permission::kLocal:
      return IsLocal(ctx.session);
    case config::Permission::kNo:
      return false;
  }
  return false;
}

void DebugSleep(CommandContext& ctx) {
  const std::string seconds(ctx.args[2]);
  const double value = std::strtod(seconds.c_str(), nullptr);
  if (value > 0) std::this_thread::sleep_for(std::chrono::duration<double>(value));
  ctx.reply.Ok();
}

void DebugSetActiveExpire(CommandContext& ctx) {
  const bool on = std::atoi(std::string(ctx.args[2]).c_str()) != 0;
  if (ctx.services.active_expire != nullptr)
    ctx.services.active_expire->store(on, std::memory_order_relaxed);
  ctx.reply.Ok();
}

void DebugDigest(CommandContext& ctx) {
  if (!ctx.may_wait && ctx.services.keyspace->cold_store() != nullptr) {
    ctx.must_wait = true;
    return;
  }
  const auto digest = DatasetDigest(*ctx.services.host, *ctx.services.keyspace, ctx.locks);
  if (!digest) return ReplyTierError(ctx, digest.error());
  ctx.reply.SimpleString(HexDigest(*digest));
}

void DebugDigestValue(CommandContext& ctx) {
  ctx.reply.Array(ctx.args.size() - 2);
  for (const std::string_view name : ctx.args.subspan(2)) {
    const keyspace::KeyHandle key = ctx.services.keyspace->Handle(ctx.session.database, name);
    Digest digest{};
    ctx.locks.With(*key.shard, [&](keyspace::Shard&) {
      if (const memtable::Entry* entry = ctx.access.Peek(key))
        digest = ValueDigest(*ctx.services.host, *entry);
    });
    ctx.reply.SimpleString(HexDigest(digest));
  }
}

// Bytes of the value in Redis's dump format, without the type before it and the footer behind it.
size_t SerializedLength(const memtable::Entry& entry) {
  constexpr size_t kTypeAndFooterBytes = 1 + 2 + 8;
  return memtable::EncodePayload(entry).size() - kTypeAndFooterBytes;
}

void DebugObject(CommandContext& ctx) {
  const keyspace::KeyHandle key = ctx.services.keyspace->Handle(ctx.session.database, ctx.args[2]);
  std::string text;
  ctx.locks.With(*key.shard, [&](keyspace::Shard&) {
    const memtable::Entry* entry = ctx.access.Peek(key);
    if (entry == nullptr) return;
    text = fmt::format(
        "Value at:{} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        fmt::ptr(entry), EncodingName(*entry), SerializedLength(*entry), entry->eviction_state(),
        ctx.access.IdleSeconds(*entry).value_or(0));
  });
  if (text.empty()) return ctx.reply.Error(errors::kNoSuchKey);
  ctx.reply.SimpleString(text);
}

// What is on the disk is always complete, so that NOSAVE changes little: with a tier there is no
// checkpoint then.
void Reload(CommandContext& ctx, bool save) {
  if (ctx.in_transaction)
    return ctx.reply.Error("ERR DEBUG RELOAD and LOADAOF are not possible inside a transaction");
  if (!ctx.may_wait && ctx.services.keyspace->cold_store() != nullptr) {
    ctx.must_wait = true;
    return;
  }
  const Status done = ctx.services.persistence->Reload(save);
  if (!done) return ctx.reply.Error(done.error().message);
  ctx.reply.Ok();
}

void DebugLoadAof(CommandContext& ctx) { Reload(ctx, false); }

void DebugReload(CommandContext& ctx) {
  bool save = true;
  for (const std::string_view option : ctx.args.subspan(2)) {
    if (IsToken(option, "nosave")) {
      save = false;
      continue;
    }
    if (IsToken(option, "merge") || IsToken(option, "noflush"))
      return ctx.reply.Error("ERR DEBUG RELOAD reads everything back: it cannot merge");
    return ctx.reply.Error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  Reload(ctx, save);
}

// For tests: what comes next finds every key cold.
void DebugSpill(CommandContext& ctx) {
  if (ctx.in_transaction)
    return ctx.reply.Error("ERR DEBUG SPILL is not possible inside a transaction");
  if (!ctx.may_wait) {
    ctx.must_wait = true;
    return;
  }
  const Status spilled = ctx.services.persistence->SpillAll();
  if (!spilled) return ctx.reply.Error(spilled.error().message);
  ctx.reply.Ok();
}

void DebugHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "DIGEST",
      "    A hash of the whole data set, equal to redis-server's for equal data.",
      "DIGEST-VALUE <key> [<key> ...]",
      "    A hash of each value.",
      "LOADAOF",
      "    Empty memory: everything is read back from the log, or from the cold tier as it is",
      "    asked for.",
      "OBJECT <key>",
      "    How a value is held.",
      "RELOAD [NOSAVE]",
      "    The same as LOADAOF. With a cold tier a checkpoint is made before, unless NOSAVE is "
      "given.",
      "SET-ACTIVE-EXPIRE <0|1>",
      "    Whether expired keys are deleted in the background.",
      "SLEEP <seconds>",
      "    Hold up the connection's thread.",
      "SPILL",
      "    Move every key from memory to the cold tier.",
  };
  ReplyHelp(ctx, kLines);
}

struct Subcommand {
  std::string_view name;
  size_t least;  // arguments, with DEBUG and the name
  size_t most;
  Handler handler;
};

constexpr size_t kAny = SIZE_MAX;
constexpr Subcommand kSubcommands[] = {
    {"digest", 2, 2, DebugDigest},
    {"digest-value", 2, kAny, DebugDigestValue},
    {"help", 2, 2, DebugHelp},
    {"loadaof", 2, 2, DebugLoadAof},
    {"object", 3, 3, DebugObject},
    {"reload", 2, kAny, DebugReload},
    {"set-active-expire", 3, 3, DebugSetActiveExpire},
    {"sleep", 3, 3, DebugSleep},
    {"spill", 2, 2, DebugSpill},
};

}  // namespace

void Debug(CommandContext& ctx) {
  if (!Permitted(ctx)) {
    return ctx.reply.Error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you "
        "can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
  }
  for (const Subcommand& subcommand : kSubcommands) {
    if (!IsToken(ctx.args[1], subcommand.name)) continue;
    if (ctx.args.size() < subcommand.least || ctx.args.size() > subcommand.most) break;
    return subcommand.handler(ctx);
  }
  ReplySubcommandSyntax(ctx);
}

void KeysOfDebug(std::span<const std::string_view> args, std::vector<OtherKey>& keys) {
  if (args.size() < 3 || !(IsToken(args[1], "object") || IsToken(args[1], "digest-value"))) return;
  for (size_t i = 2; i < args.size(); ++i) keys.push_back({.argument = i, .need = Need::kValue});
}

}  // namespace holdfast::commands
