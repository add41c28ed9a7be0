// SET and its forms, and GETEX, which shares their expiration options. What has a relative
// expiration is logged with the absolute one.
#include "engine/commands/arguments.h"
#include "engine/commands/expire_time.h"
#include "engine/commands/string_access.h"
#include "engine/commands/string_handlers.h"
#include "holdfast/number.h"

namespace holdfast::commands {

using memtable::Entry;
using memtable::kNoExpiry;

namespace {

enum class Expiration : uint8_t {
  kNone,
  kSeconds,
  kMillis,
  kSecondsAt,
  kMillisAt,
  kKeep,
  kPersist
};

struct SetOptions {
  bool only_absent = false;   // NX
  bool only_present = false;  // XX
  bool get = false;
  Expiration expiration = Expiration::kNone;
  size_t expiration_index = 0;  // of the number
};

struct ExpirationToken {
  std::string_view name;
  Expiration expiration;
};
constexpr ExpirationToken kExpirationTokens[] = {
    {"ex", Expiration::kSeconds},
    {"px", Expiration::kMillis},
    {"exat", Expiration::kSecondsAt},
    {"pxat", Expiration::kMillisAt},
};

enum class OptionsOf : uint8_t { kSet, kGetEx };

// One of two expirations excludes the other; the same one may be repeated, the last number counts.
bool TakeExpiration(std::span<const std::string_view> args, size_t& i, OptionsOf command,
                    SetOptions& options) {
  const Expiration before = options.expiration;
  const Expiration plain = command == OptionsOf::kSet ? Expiration::kKeep : Expiration::kPersist;
  if (IsToken(args[i], command == OptionsOf::kSet ? "keepttl" : "persist")) {
    if (before != Expiration::kNone && before != plain) return false;
    options.expiration = plain;
    return true;
  }
  for (const ExpirationToken& token : kExpirationTokens) {
    if (!IsToken(args[i], token.name)) continue;
    if (before != Expiration::kNone && before != token.expiration) return false;
    if (i + 1 == args.size()) return false;
    options.expiration = token.expiration;
    options.expiration_index = ++i;
    return true;
  }
  return false;
}

std::optional<SetOptions> ParseOptions(std::span<const std::string_view> args, size_t first,
                                       OptionsOf command) {
  SetOptions options;
  for (size_t i = first; i < args.size(); ++i) {
    const bool set = command == OptionsOf::kSet;
    if (set && IsToken(args[i], "nx") && !options.only_present) {
      options.only_absent = true;
    } else if (set && IsToken(args[i], "xx") && !options.only_absent) {
      options.only_present = true;
    } else if (set && IsToken(args[i], "get")) {
      options.get = true;
    } else if (!TakeExpiration(args, i, command, options)) {
      return std::nullopt;
    }
  }
  return options;
}

// The expiry that the options ask for, kNoExpiry if none; nullopt after answering an error.
std::optional<UnixMs> ExpiryOf(CommandContext& ctx, const SetOptions& options) {
  if (options.expiration_index == 0) return kNoExpiry;
  const Expiration kind = options.expiration;
  const TimeUnit unit = kind == Expiration::kSeconds || kind == Expiration::kSecondsAt
                            ? TimeUnit::kSeconds
                            : TimeUnit::kMillis;
  const bool relative = kind == Expiration::kSeconds || kind == Expiration::kMillis;
  return PositiveExpiryArgument(ctx, options.expiration_index, unit, relative);
}

void LogSetWithExpiry(CommandContext& ctx, size_t value_index, UnixMs expiry_ms) {
  ctx.effects_only = true;
  ctx.LogEffect({"SET", ctx.args[1], ctx.args[value_index], "PXAT", IntegerText(expiry_ms).view()});
}

// Whatever the key was: nothing of it matters.
bool IsBlind(const SetOptions& options) {
  return !options.get && !options.only_absent && !options.only_present &&
         options.expiration != Expiration::kKeep;
}

void SetWithOptions(CommandContext& ctx, const SetOptions& options) {
  const auto expiry_ms = ExpiryOf(ctx, options);
  if (!expiry_ms) return;
  const keyspace::KeyHandle& key = ctx.keys[0];
  Entry* entry = options.get        ? ctx.access.ReadForWrite(key)
                 : IsBlind(options) ? ctx.access.ForOverwrite(key)
                                    : ctx.access.ForWrite(key);
  if (options.get) {
    if (!IsStringOrAbsent(ctx, entry)) return;
    if (entry == nullptr) {
      ctx.reply.Null();
    } else {
      ReplyString(ctx, *entry);
    }
  }
  const bool refused =
      options.only_absent ? entry != nullptr : options.only_present && entry == nullptr;
  if (refused) {
    if (!options.get) ctx.reply.Null();
    return;
  }
  UnixMs expiry = *expiry_ms;
  if (options.expiration == Expiration::kKeep && entry != nullptr) expiry = entry->expiry_ms();
  StoreArgument(ctx, ctx.keys[0], entry, 2, expiry);
  if (options.expiration_index != 0) LogSetWithExpiry(ctx, 2, expiry);
  if (!options.get) ctx.reply.Ok();
}

// SETEX, PSETEX: key, time, value.
void SetExpiring(CommandContext& ctx, TimeUnit unit) {
  const auto expiry_ms = PositiveExpiryArgument(ctx, 2, unit, true);
  if (!expiry_ms) return;
  StoreArgument(ctx, ctx.keys[0], ctx.access.ForOverwrite(ctx.keys[0]), 3, *expiry_ms);
  LogSetWithExpiry(ctx, 3, *expiry_ms);
  ctx.reply.Ok();
}

}  // namespace

void Set(CommandContext& ctx) {
  if (ctx.args.size() == 3) [[likely]] {
    StoreArgument(ctx, ctx.keys[0], ctx.access.ForOverwrite(ctx.keys[0]), 2, kNoExpiry);
    return ctx.reply.Ok();
  }
  const auto options = ParseOptions(ctx.args, 3, OptionsOf::kSet);
  if (!options) return ctx.reply.Error(errors::kSyntax);
  SetWithOptions(ctx, *options);
}

Need NeedOfSet(std::span<const std::string_view> args) {
  if (args.size() == 3) return Need::kNothing;
  const auto options = ParseOptions(args, 3, OptionsOf::kSet);
  if (!options) return Need::kNothing;
  if (options->get) return Need::kValue;
  if (options->expiration == Expiration::kKeep) return Need::kHeader;
  return IsBlind(*options) ? Need::kNothing : Need::kExistence;
}

// A word GET anywhere behind the value counts, as in Redis: the arguments may still be wrong.
uint16_t KeyUseOfSet(std::span<const std::string_view> args) {
  constexpr size_t kFirstOption = 3;
  for (size_t i = kFirstOption; i < args.size(); ++i) {
    if (IsToken(args[i], "get")) return kKeyRW | kKeyAccess | kKeyUpdate;
  }
  return kKeyOW | kKeyUpdate;
}

void SetNx(CommandContext& ctx) {
  if (ctx.access.ForWrite(ctx.keys[0]) != nullptr) return ctx.reply.Integer(0);
  StoreArgument(ctx, ctx.keys[0], nullptr, 2, kNoExpiry);
  ctx.reply.Integer(1);
}

void SetEx(CommandContext& ctx) { SetExpiring(ctx, TimeUnit::kSeconds); }
void PSetEx(CommandContext& ctx) { SetExpiring(ctx, TimeUnit::kMillis); }

void GetEx(CommandContext& ctx) {
  const auto options = ParseOptions(ctx.args, 2, OptionsOf::kGetEx);
  if (!options) return ctx.reply.Error(errors::kSyntax);
  if (options->expiration == Expiration::kNone) {
    const Entry* entry = ctx.access.Read(ctx.keys[0]);
    if (entry == nullptr) return ctx.reply.Null();
    if (IsStringOrAbsent(ctx, entry)) ReplyString(ctx, *entry);
    return;
  }
  Entry* entry = ctx.access.ReadForWrite(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Null();
  if (!IsStringOrAbsent(ctx, entry)) return;
  const auto expiry_ms = ExpiryOf(ctx, *options);
  if (!expiry_ms) return;
  ReplyString(ctx, *entry);
  if (options->expiration == Expiration::kPersist) {
    if (entry->expiry_ms() == kNoExpiry) return;
    ctx.access.SetExpiry(ctx.keys[0], entry, kNoExpiry);
    return ctx.LogEffect({"PERSIST", ctx.args[1]});
  }
  SetExpiryOrDelete(ctx, ctx.keys[0], entry, *expiry_ms);
}

}  // namespace holdfast::commands
