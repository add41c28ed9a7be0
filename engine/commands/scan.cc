// KEYS, SCAN and RANDOMKEY: walks in the one order of the keyspace, shard by shard, each shard
// locked for a slice at a time. They never show an expired key.
//
// A cursor is the position in that order without its lowest bit, 53 bits, so that clients which
// keep numbers as doubles hold it exactly. It needs no state: all keys of one cursor value go in
// one reply, and a key that lives through the whole iteration has one place in the order.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "engine/commands/value_names.h"
#include "holdfast/glob.h"
#include "holdfast/number.h"

namespace holdfast::commands {
namespace {

using keyspace::Shard;
using memtable::Entry;
using memtable::KeyOrder;
using memtable::kOrderEnd;

constexpr size_t kSlice = 256;  // entries visited under one hold of a lock

// Walks a database from a position on.
class Walk {
 public:
  explicit Walk(CommandContext& ctx, KeyOrder from) : ctx_(ctx), next_(from) {}

  KeyOrder next() const { return next_; }
  bool AtEnd() const { return next_ >= kOrderEnd; }
  // A cursor has no room for the lowest bit of a position: the entry passed last may share its
  // cursor with the entries to come. (Slots are not compared: at worst a page is a key longer.)
  bool InsideCursor() const {
    constexpr uint64_t kHashMask = (uint64_t{1} << memtable::kStoredHashBits) - 1;
    return !AtEnd() && (next_ & 1) != 0 && last_hash_ == ((next_ - 1) & kHashMask);
  }

  // Shows live keys to `visit`, under their shard's lock: about `entries` of them, fewer if the
  // shard ends, and goes on behind them. Returns how many entries it passed, expired ones included.
  template <typename Visit>
  size_t Slice(size_t entries, const Visit& visit) {
    const size_t count = ctx_.services.keyspace->shards().size();
    const size_t index = next_ / (kOrderEnd / count);
    const KeyOrder shard_end = (index + 1) * (kOrderEnd / count);
    size_t passed = 0;
    ctx_.locks.With(ctx_.services.keyspace->shards()[index], [&](Shard& shard) {
      const memtable::Table* table = shard.table(ctx_.session.database);
      KeyOrder reached = kOrderEnd;
      if (table != nullptr) {
        reached = table->Scan(next_, entries, [&](const Entry& entry) {
          ++passed;
          last_hash_ = entry.stored_hash();
          if (Live(entry)) visit(entry);
        });
      }
      next_ = std::min(reached, shard_end);
    });
    return passed;
  }

 private:
  bool Live(const Entry& entry) const {
    if (entry.Has(memtable::kTombstone)) return false;
    return ctx_.access.replaying() || !entry.ExpiredAt(ctx_.now_ms);
  }

  CommandContext& ctx_;
  KeyOrder next_;
  uint64_t last_hash_ = kOrderEnd;  // of the entry passed last; none has this one
};

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
  const auto collect = [&](const Entry& entry) {
    if (pattern == "*" || GlobMatch(pattern, entry.key())) names.emplace_back(entry.key());
  };
  Walk walk(ctx, 0);
  while (!walk.AtEnd()) walk.Slice(kSlice, collect);
  ReplyNames(ctx, names);
}

void Scan(CommandContext& ctx) {
  const auto cursor = ParseCursor(ctx.args[1]);
  if (!cursor) return ctx.reply.Error("ERR invalid cursor");
  const auto options = ParseScanOptions(ctx);
  if (!options) return;
  std::vector<std::string> names;
  const auto collect = [&](const Entry& entry) {
    if (options->type && !IsToken(*options->type, TypeName(entry.type()))) return;
    if (options->pattern == "*" || GlobMatch(options->pattern, entry.key())) {
      names.emplace_back(entry.key());
    }
  };
  // A cursor of no key of ours (a client made it up) is a position like any other.
  Walk walk(ctx, std::min(*cursor, kOrderEnd >> 1) << 1);
  auto left = static_cast<uint64_t>(options->count);
  while (!walk.AtEnd() && left > 0) {
    const size_t passed = walk.Slice(std::min<uint64_t>(left, kSlice), collect);
    left -= std::min<uint64_t>(left, passed);
  }
  while (walk.InsideCursor()) walk.Slice(1, collect);
  const auto next = walk.AtEnd() ? 0 : static_cast<int64_t>(walk.next() >> 1);
  ctx.reply.Array(2);
  ctx.reply.BulkString(IntegerText(next).view());
  ReplyNames(ctx, names);
}

void RandomKey(CommandContext& ctx) {
  // The first live key from a random position on, round the end of the order once.
  const KeyOrder start = ctx.random.Below(kOrderEnd);
  std::optional<std::string> name;
  const auto take_first = [&](const Entry& entry) {
    if (!name) name = entry.key();
  };
  constexpr size_t kFew = 4;
  Walk walk(ctx, start);
  while (!name && !walk.AtEnd()) walk.Slice(kFew, take_first);
  Walk from_start(ctx, 0);
  while (!name && from_start.next() <= start && !from_start.AtEnd()) {
    from_start.Slice(kFew, take_first);
  }
  if (!name) return ctx.reply.Null();
  ctx.reply.BulkString(*name);
}

}  // namespace holdfast::commands
