#include "engine/commands/expire_time.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/arguments.h"
#include "holdfast/bytes.h"
#include "holdfast/number.h"

namespace holdfast::commands {
namespace {

void ReplyInvalidExpiry(CommandContext& ctx) {
  ctx.reply.Error(fmt::format("ERR invalid expire time in '{}' command", ctx.entry.spec->name));
}

// nullopt on overflow.
std::optional<UnixMs> AbsoluteMs(const CommandContext& ctx, int64_t value, TimeUnit unit,
                                 bool relative) {
  const auto value_ms =
      unit == TimeUnit::kSeconds ? CheckedMul<int64_t>(value, 1000) : std::optional(value);
  if (!value_ms) return std::nullopt;
  return relative ? CheckedAdd(*value_ms, ctx.now_ms) : value_ms;
}

}  // namespace

std::optional<UnixMs> PositiveExpiryArgument(CommandContext& ctx, size_t index, TimeUnit unit,
                                             bool relative) {
  const auto value = IntegerArgument(ctx, index);
  if (!value) return std::nullopt;
  const auto expiry_ms =
      *value > 0 ? AbsoluteMs(ctx, *value, unit, relative) : std::optional<UnixMs>();
  if (!expiry_ms) ReplyInvalidExpiry(ctx);
  return expiry_ms;
}

std::optional<UnixMs> ExpiryArgument(CommandContext& ctx, size_t index, TimeUnit unit,
                                     bool relative) {
  const auto value = IntegerArgument(ctx, index);
  if (!value) return std::nullopt;
  const auto expiry_ms = AbsoluteMs(ctx, *value, unit, relative);
  if (!expiry_ms) ReplyInvalidExpiry(ctx);
  return expiry_ms;
}

void SetExpiryOrDelete(CommandContext& ctx, const keyspace::KeyHandle& key, memtable::Entry* entry,
                       UnixMs expiry_ms) {
  if (expiry_ms <= ctx.now_ms && !ctx.access.replaying()) {
    ctx.access.Erase(key, entry);
    return ctx.LogEffect({"DEL", key.name()});
  }
  // A log of Redis's may hold times before 1970; they must not look like kNoExpiry.
  ctx.access.SetExpiry(key, entry, std::max<UnixMs>(expiry_ms, 0));
  ctx.LogEffect({"PEXPIREAT", key.name(), IntegerText(expiry_ms).view()});
}

}  // namespace holdfast::commands
