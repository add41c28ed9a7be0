// KEYS, SCAN and RANDOMKEY: walks in the one order of the keyspace, shard by shard, each shard
// locked for a slice at a time. They never show an expired key.
//
// A cursor is the position in that order without its lowest bit, 53 bits. It needs no state: all
// keys of one cursor value go in one reply, and a key that lives through the whole iteration has
// one place in the order, be it in memory or in the tier.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "engine/commands/tier_error.h"
#include "engine/commands/value_names.h"
#include "engine/keyspace/names_walk.h"
#include "holdfast/glob.h"
#include "holdfast/number.h"

namespace holdfast::commands {
namespace {

using keyspace::NamesWalk;
using memtable::KeyOrder;
using memtable::kOrderEnd;
using memtable::ValueType;

constexpr size_t kSlice = 256;  // keys visited under one hold of a lock

NamesWalk WalkFrom(CommandContext& ctx, KeyOrder from) {
  return {*ctx.services.keyspace,
          ctx.locks,
          {.database = ctx.session.database,
           .now_ms = ctx.now_ms,
           .shows_expired = ctx.access.replaying(),
           .may_ask_tier = ctx.may_wait},
          from};
}

// False: the walk cannot go on; the reply has been made, or shall be made by a thread that can.
template <typename Visit>
bool Step(CommandContext& ctx, NamesWalk& walk, size_t keys, const Visit& visit) {
  switch (walk.Step(keys, visit)) {
    case NamesWalk::Outcome::kDone:
      return true;
    case NamesWalk::Outcome::kNeedsTier:
      ctx.must_wait = true;
      return false;
    case NamesWalk::Outcome::kFailed:
      ReplyTierError(ctx, walk.error());
      return false;
  }
  return false;
}

void ReplyNames(CommandContext& ctx, const std::vector<std::string>& names) {
  ctx.reply.Array(names.size());
  for (const std::string& name : names) ctx.reply.BulkString(name);
}

struct ScanOptions {
  int64_t count = 10;
  std::string_view pattern = "*";
  std::optional<std::string_view> type;
};

std::optional<ScanOptions> ParseScanOptions(CommandContext& ctx) {
  ScanOptions options;
  for (size_t i = 2; i < ctx.args.size(); ++i) {
    const bool has_value = i + 1 < ctx.args.size();
    if (has_value && IsToken(ctx.args[i], "count")) {
      const auto count = IntegerArgument(ctx, ++i);
      if (!count) return std::nullopt;
      if (*count < 1) {
        ctx.reply.Error(errors::kSyntax);
        return std::nullopt;
      }
      options.count = *count;
    } else if (has_value && IsToken(ctx.args[i], "match")) {
      options.pattern = ctx.args[++i];
    } else if (has_value && IsToken(ctx.args[i], "type")) {
      options.type = ctx.args[++i];
    } else {
      ctx.reply.Error(errors::kSyntax);
      return std::nullopt;
    }
  }
  return options;
}

// Redis reads cursors with strtoul: nothing, a sign and leading zeros are fine, spaces are not.
std::optional<uint64_t> ParseCursor(std::string_view argument) {
  std::string_view text = UntilNul(argument);
  if (text.empty()) return 0;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? 0 - cursor : cursor;
}

}  // namespace

void Keys(CommandContext& ctx) {
  const std::string_view pattern = ctx.args[1];
  std::vector<std::string> names;
  const auto collect = [&](std::string_view name, ValueType) {
    if (pattern == "*" || GlobMatch(pattern, name)) names.emplace_back(name);
  };
  NamesWalk walk = WalkFrom(ctx, 0);
  while (!walk.AtEnd()) {
    if (!Step(ctx, walk, kSlice, collect)) return;
  }
  ReplyNames(ctx, names);
}

void Scan(CommandContext& ctx) {
  const auto cursor = ParseCursor(ctx.args[1]);
  if (!cursor) return ctx.reply.Error("ERR invalid cursor");
  const auto options = ParseScanOptions(ctx);
  if (!options) return;
  std::vector<std::string> names;
  const auto collect = [&](std::string_view name, ValueType type) {
    if (options->type && !IsToken(*options->type, TypeName(type))) return;
    if (options->pattern == "*" || GlobMatch(options->pattern, name)) names.emplace_back(name);
  };
  // A cursor of no key of ours (a client made it up) is a position like any other.
  NamesWalk walk =
      WalkFrom(ctx, keyspace::PositionOf(std::min(*cursor, keyspace::CursorOf(kOrderEnd))));
  const auto count = static_cast<uint64_t>(options->count);
  while (!walk.AtEnd() && walk.passed() < count) {
    if (!Step(ctx, walk, std::min<uint64_t>(count - walk.passed(), kSlice), collect)) return;
  }
  const auto next = walk.AtEnd() ? 0 : static_cast<int64_t>(keyspace::CursorOf(walk.next()));
  ctx.reply.Array(2);
  ctx.reply.BulkString(IntegerText(next).view());
  ReplyNames(ctx, names);
}

void RandomKey(CommandContext& ctx) {
  // The first live key from a random position on, round the end of the order once.
  const KeyOrder start = keyspace::PositionOf(keyspace::CursorOf(ctx.random.Below(kOrderEnd)));
  std::optional<std::string> name;
  const auto take_first = [&](std::string_view found, ValueType) {
    if (!name) name = found;
  };
  constexpr size_t kFew = 4;
  NamesWalk walk = WalkFrom(ctx, start);
  while (!name && !walk.AtEnd()) {
    if (!Step(ctx, walk, kFew, take_first)) return;
  }
  NamesWalk from_start = WalkFrom(ctx, 0);
  while (!name && from_start.next() < start && !from_start.AtEnd()) {
    if (!Step(ctx, from_start, kFew, take_first)) return;
  }
  if (!name) return ctx.reply.Null();
  ctx.reply.BulkString(*name);
}

}  // namespace holdfast::commands
