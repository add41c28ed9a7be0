// DUMP and RESTORE: a value as bytes that any Redis reads. A relative time to live is logged as an
// absolute one.
#include <algorithm>
#include <vector>

#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "engine/config/config.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"
#include "memtable/payload.h"

namespace holdfast::commands {
namespace {

using memtable::Entry;
using memtable::kNoExpiry;

constexpr int64_t kNotGiven = -1;

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
  int64_t idle_seconds = kNotGiven;
  int64_t frequency = kNotGiven;
};

// The number after IDLETIME or FREQ; false after answering an error.
bool ParseAccess(CommandContext& ctx, size_t index, int64_t max, std::string_view error,
                 int64_t& number) {
  const auto value = IntegerArgument(ctx, index);
  if (!value) return false;
  number = *value;
  if (number >= 0 && number <= max) return true;
  ctx.reply.Error(error);
  return false;
}

std::optional<RestoreOptions> ParseRestoreOptions(CommandContext& ctx) {
  RestoreOptions options;
  for (size_t i = 4; i < ctx.args.size(); ++i) {
    const bool has_value = i + 1 < ctx.args.size();
    if (IsToken(ctx.args[i], "replace")) {
      options.replace = true;
    } else if (IsToken(ctx.args[i], "absttl")) {
      options.absolute = true;
    } else if (has_value && options.frequency == kNotGiven && IsToken(ctx.args[i], "idletime")) {
      if (!ParseAccess(ctx, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0",
                       options.idle_seconds)) {
        return std::nullopt;
      }
    } else if (has_value && options.idle_seconds == kNotGiven && IsToken(ctx.args[i], "freq")) {
      if (!ParseAccess(ctx, ++i, UINT8_MAX, "ERR Invalid FREQ value, must be >= 0 and <= 255",
                       options.frequency)) {
        return std::nullopt;
      }
    } else {
      ctx.reply.Error(errors::kSyntax);
      return std::nullopt;
    }
  }
  return options;
}

// The command with an absolute expiry: its arguments, args[2] replaced, and ABSTTL.
void LogWithExpiry(CommandContext& ctx, UnixMs expiry_ms) {
  const IntegerText expiry(expiry_ms);
  std::vector<std::string_view> command(ctx.args.begin(), ctx.args.end());
  command[2] = expiry.view();
  command.push_back("ABSTTL");
  ctx.effects_only = true;
  ctx.LogEffect(command);
}

void StoreDecoded(CommandContext& ctx, Entry* existing, const memtable::DecodedValue& value,
                  UnixMs expiry_ms, const RestoreOptions& options) {
  HF_CHECK(value.type == memtable::ValueType::kString);
  Entry* entry =
      ctx.access.SetString(ctx.keys[0], existing, {.bytes = value.bytes, .expiry_ms = expiry_ms});
  if (options.idle_seconds != kNotGiven) ctx.access.SetIdleSeconds(*entry, options.idle_seconds);
  if (options.frequency != kNotGiven)
    ctx.access.SetFrequency(*entry, static_cast<uint8_t>(options.frequency));
}

// What is past already, or past the end of time as Redis wraps it, is not created; nullopt.
std::optional<UnixMs> ExpiryOf(const CommandContext& ctx, int64_t ttl, bool absolute) {
  if (ttl == 0) return kNoExpiry;
  const auto expiry_ms = absolute ? std::optional(ttl) : CheckedAdd<int64_t>(ttl, ctx.now_ms);
  if (!expiry_ms) return std::nullopt;
  if (*expiry_ms <= ctx.now_ms && !ctx.access.replaying()) return std::nullopt;
  return expiry_ms;
}

}  // namespace

void Dump(CommandContext& ctx) {
  const Entry* entry = ctx.access.Read(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Null();
  ctx.reply.BulkString(
      memtable::EncodePayload(*entry, ctx.services.config->Bool("rdbcompression")));
}

void Restore(CommandContext& ctx) {
  const auto options = ParseRestoreOptions(ctx);
  if (!options) return;
  Entry* existing = ctx.access.ForWrite(ctx.keys[0]);
  if (existing != nullptr && !options->replace) {
    return ctx.reply.Error("BUSYKEY Target key name already exists.");
  }
  const auto ttl = IntegerArgument(ctx, 2);
  if (!ttl) return;
  if (*ttl < 0) return ctx.reply.Error("ERR Invalid TTL value, must be >= 0");
  const auto value = memtable::DecodePayload(ctx.args[3]);
  if (!value) {
    const bool checksum = value.error().code == ErrorCode::kCorruption;
    return ctx.reply.Error(checksum ? "ERR DUMP payload version or checksum are wrong"
                                    : "ERR Bad data format");
  }
  const auto expiry_ms = ExpiryOf(ctx, *ttl, options->absolute);
  if (expiry_ms) {
    StoreDecoded(ctx, existing, *value, *expiry_ms, *options);
    if (*expiry_ms != kNoExpiry && !options->absolute) LogWithExpiry(ctx, *expiry_ms);
  } else if (existing != nullptr) {
    ctx.access.Erase(ctx.keys[0], existing);
    ctx.effects_only = true;
    ctx.LogEffect({"DEL", ctx.args[1]});
  }
  ctx.reply.Ok();
}

}  // namespace holdfast::commands
