// Strings as numbers. INCRBYFLOAT is logged as the SET of its result, so that no other machine's
// floating point can make a difference.
#include <cmath>

#include "engine/commands/arguments.h"
#include "engine/commands/string_access.h"
#include "engine/commands/string_handlers.h"
#include "holdfast/bytes.h"
#include "holdfast/number.h"

namespace holdfast::commands {

using memtable::Entry;

namespace {

UnixMs ExpiryOf(const Entry* entry) {
  return entry == nullptr ? memtable::kNoExpiry : entry->expiry_ms();
}

void AddToInteger(CommandContext& ctx, int64_t change) {
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  std::optional<int64_t> value = 0;
  if (entry != nullptr) {
    value = entry->Integer();
    if (!value) {
      Entry::Scratch scratch;
      value = ParseInteger(entry->StringBytes(scratch));
    }
  }
  if (!value) return ctx.reply.Error(errors::kNotInteger);
  const auto sum = CheckedAdd(*value, change);
  if (!sum) return ctx.reply.Error("ERR increment or decrement would overflow");
  ctx.access.SetInteger(ctx.keys[0], entry, *sum, ExpiryOf(entry));
  ctx.reply.Integer(*sum);
}

}  // namespace

void Incr(CommandContext& ctx) { AddToInteger(ctx, 1); }
void Decr(CommandContext& ctx) { AddToInteger(ctx, -1); }

void IncrBy(CommandContext& ctx) {
  const auto change = IntegerArgument(ctx, 2);
  if (change) AddToInteger(ctx, *change);
}

void DecrBy(CommandContext& ctx) {
  const auto change = IntegerArgument(ctx, 2);
  if (!change) return;
  if (*change == INT64_MIN) return ctx.reply.Error("ERR decrement would overflow");
  AddToInteger(ctx, -*change);
}

void IncrByFloat(CommandContext& ctx) {
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  Entry::Scratch scratch;
  const auto value =
      entry == nullptr ? std::optional(0.0L) : ParseLongDouble(entry->StringBytes(scratch));
  const auto change = ParseLongDouble(ctx.args[2]);
  if (!value || !change) return ctx.reply.Error(errors::kNotFloat);
  const long double sum = *value + *change;
  if (std::isnan(sum) || std::isinf(sum)) {
    return ctx.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FormatLongDouble(sum);
  // Redis shows the result as "embstr" whatever it looks like.
  ctx.access.SetString(ctx.keys[0], entry,
                       {.bytes = text, .expiry_ms = ExpiryOf(entry), .try_integer = false});
  ctx.LogEffect({"SET", ctx.args[1], text, "KEEPTTL"});
  ctx.reply.BulkString(text);
}

}  // namespace holdfast::commands
