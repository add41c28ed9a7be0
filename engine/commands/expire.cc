#include <algorithm>
#include <string>

#include "engine/commands/arguments.h"
#include "engine/commands/expire_time.h"
#include "engine/commands/generic_handlers.h"

namespace holdfast::commands {

using memtable::Entry;
using memtable::kNoExpiry;

namespace {

struct Conditions {
  bool absent = false;   // NX
  bool present = false;  // XX
  bool greater = false;  // GT
  bool less = false;     // LT
};

std::optional<Conditions> ParseConditions(CommandContext& ctx) {
  Conditions conditions;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (IsToken(ctx.args[i], "nx")) {
      conditions.absent = true;
    } else if (IsToken(ctx.args[i], "xx")) {
      conditions.present = true;
    } else if (IsToken(ctx.args[i], "gt")) {
      conditions.greater = true;
    } else if (IsToken(ctx.args[i], "lt")) {
      conditions.less = true;
    } else {
      // Redis cuts line ends off the end of an error.
      std::string_view option = UntilNul(ctx.args[i]);
      option = option.substr(0, option.find_last_not_of("\r\n") + 1);
      ctx.reply.Error(std::string("ERR Unsupported option ").append(option));
      return std::nullopt;
    }
  }
  if (conditions.absent && (conditions.present || conditions.greater || conditions.less)) {
    ctx.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (conditions.greater && conditions.less) {
    ctx.reply.Error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return conditions;
}

// A key without an expiry counts as one that never expires.
bool Met(const Conditions& conditions, UnixMs current, UnixMs wanted) {
  const bool expires = current != kNoExpiry;
  if (conditions.absent && expires) return false;
  if (conditions.present && !expires) return false;
  if (conditions.greater && (!expires || wanted <= current)) return false;
  return !conditions.less || !expires || wanted < current;
}

void ExpireKey(CommandContext& ctx, TimeUnit unit, bool relative) {
  const auto conditions = ParseConditions(ctx);
  if (!conditions) return;
  const auto expiry_ms = ExpiryArgument(ctx, 2, unit, relative);
  if (!expiry_ms) return;
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (entry == nullptr || !Met(*conditions, entry->expiry_ms(), *expiry_ms)) {
    return ctx.reply.Integer(0);
  }
  SetExpiryOrDelete(ctx, ctx.keys[0], entry, *expiry_ms);
  ctx.reply.Integer(1);
}

constexpr int64_t kNoKey = -2;
constexpr int64_t kNeverExpires = -1;

// Rounded to the nearest, as Redis does.
int64_t InUnit(int64_t value_ms, TimeUnit unit) {
  if (unit == TimeUnit::kMillis) return value_ms;
  return value_ms / 1000 + (value_ms % 1000 >= 500 ? 1 : 0);
}

void ReplyExpiry(CommandContext& ctx, TimeUnit unit, bool relative) {
  const Entry* entry = ctx.access.Look(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Integer(kNoKey);
  if (!entry->Has(memtable::kHasExpiry)) return ctx.reply.Integer(kNeverExpires);
  const int64_t value_ms = entry->expiry_ms() - (relative ? ctx.now_ms : 0);
  ctx.reply.Integer(InUnit(std::max<int64_t>(0, value_ms), unit));
}

}  // namespace

void Expire(CommandContext& ctx) { ExpireKey(ctx, TimeUnit::kSeconds, true); }
void PExpire(CommandContext& ctx) { ExpireKey(ctx, TimeUnit::kMillis, true); }
void ExpireAt(CommandContext& ctx) { ExpireKey(ctx, TimeUnit::kSeconds, false); }
void PExpireAt(CommandContext& ctx) { ExpireKey(ctx, TimeUnit::kMillis, false); }

void Ttl(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kSeconds, true); }
void PTtl(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kMillis, true); }
void ExpireTime(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kSeconds, false); }
void PExpireTime(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kMillis, false); }

void Persist(CommandContext& ctx) {
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (entry == nullptr || !entry->Has(memtable::kHasExpiry)) return ctx.reply.Integer(0);
  ctx.access.SetExpiry(ctx.keys[0], entry, kNoExpiry);
  ctx.reply.Integer(1);
}

}  // namespace holdfast::commands
