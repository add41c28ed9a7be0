// RENAME, MOVE and COPY: a key's value and expiration under another name or in another database.
#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "holdfast/number.h"

namespace holdfast::commands {

using keyspace::KeyHandle;
using memtable::Entry;

namespace {

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

// A change of one key may move the other's entry, so the source is looked up last.
struct Pair {
  Entry* target;
  Entry* source;
};

Pair Find(CommandContext& ctx, const KeyHandle& source, const KeyHandle& target) {
  Entry* source_entry = ctx.access.ForWrite(source);
  if (source_entry == nullptr) return {nullptr, nullptr};
  Entry* target_entry = ctx.access.ForWrite(target);
  return {target_entry, ctx.access.ForWrite(source)};
}

void Transfer(CommandContext& ctx, const KeyHandle& source, const KeyHandle& target,
              const Pair& pair) {
  const uint32_t state = pair.source->eviction_state();
  Entry* moved = ctx.access.CopyValue(target, pair.target, *pair.source, pair.source->expiry_ms());
  ctx.access.MoveState(state, *moved);
  ctx.access.Erase(source, ctx.access.ForWrite(source));
}

enum class IfPresent : uint8_t { kReplace, kRefuse };

void RenameKey(CommandContext& ctx, IfPresent rule) {
  const KeyHandle& source = ctx.keys[0];
  const KeyHandle& target = ctx.keys[1];
  if (ctx.access.ForWrite(source) == nullptr) return ctx.reply.Error(errors::kNoSuchKey);
  const bool same = source.name() == target.name();
  const Pair pair = same ? Pair{} : Find(ctx, source, target);
  if (rule == IfPresent::kRefuse) {
    if (same || pair.target != nullptr) return ctx.reply.Integer(0);
    Transfer(ctx, source, target, pair);
    return ctx.reply.Integer(1);
  }
  if (!same) Transfer(ctx, source, target, pair);
  ctx.reply.Ok();
}

struct CopyOptions {
  bool replace = false;
  int database = 0;
};

std::optional<CopyOptions> ParseCopyOptions(CommandContext& ctx) {
  CopyOptions options{.database = ctx.keys[0].database};
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (IsToken(ctx.args[i], "replace")) {
      options.replace = true;
    } else if (IsToken(ctx.args[i], "db") && i + 1 < ctx.args.size()) {
      const auto database = DatabaseArgument(ctx, ++i);
      if (!database) return std::nullopt;
      options.database = *database;
    } else {
      ctx.reply.Error(errors::kSyntax);
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace

void Rename(CommandContext& ctx) { RenameKey(ctx, IfPresent::kReplace); }
void RenameNx(CommandContext& ctx) { RenameKey(ctx, IfPresent::kRefuse); }

void Move(CommandContext& ctx) {
  const auto database = DatabaseArgument(ctx, 2);
  if (!database) return;
  if (*database == ctx.keys[0].database) return ctx.reply.Error(kSameObject);
  // The same name in another database has the same slot, hence the same shard and lock.
  const KeyHandle& source = ctx.keys[0];
  const KeyHandle target{source.ref, source.shard, *database};
  const Pair pair = Find(ctx, source, target);
  if (pair.source == nullptr || pair.target != nullptr) return ctx.reply.Integer(0);
  Transfer(ctx, source, target, pair);
  ctx.reply.Integer(1);
}

void Copy(CommandContext& ctx) {
  const auto options = ParseCopyOptions(ctx);
  if (!options) return;
  const KeyHandle& source = ctx.keys[0];
  const KeyHandle target{ctx.keys[1].ref, ctx.keys[1].shard, options->database};
  if (target.database == source.database && source.name() == target.name()) {
    return ctx.reply.Error(kSameObject);
  }
  if (ctx.access.Read(source) == nullptr) return ctx.reply.Integer(0);
  Entry* target_entry = ctx.access.ForWrite(target);
  if (target_entry != nullptr && !options->replace) return ctx.reply.Integer(0);
  const Entry* source_entry = ctx.access.Peek(source);
  ctx.access.CopyValue(target, target_entry, *source_entry, source_entry->expiry_ms());
  ctx.reply.Integer(1);
}

void OtherKeyOfCopy(std::span<const std::string_view> args, std::vector<OtherKey>& keys) {
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (!IsToken(args[i], "db")) continue;
    if (const auto database = ParseInteger(args[i + 1]))
      keys.push_back({.argument = 2, .database = *database});
  }
}

void OtherKeyOfMove(std::span<const std::string_view> args, std::vector<OtherKey>& keys) {
  if (const auto database = ParseInteger(args[2]))
    keys.push_back({.argument = 1, .database = *database});
}

}  // namespace holdfast::commands
