#include <algorithm>
#include <cstring>

#include "engine/commands/arguments.h"
#include "engine/commands/string_access.h"
#include "engine/commands/string_handlers.h"

namespace holdfast::commands {

using memtable::Entry;
using memtable::kNoExpiry;

void Append(CommandContext& ctx) {
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  const std::string_view added = ctx.args[2];
  if (entry == nullptr) {
    StoreArgument(ctx, ctx.keys[0], nullptr, 2, kNoExpiry);
    return ctx.reply.Integer(static_cast<int64_t>(added.size()));
  }
  const size_t length = entry->StringLength();
  if (!LengthAllowed(ctx, length, added.size())) return;
  const auto writable = ctx.access.ResizeString(ctx.keys[0], entry, length + added.size());
  if (!added.empty()) std::memcpy(writable.bytes + length, added.data(), added.size());
  ctx.reply.Integer(static_cast<int64_t>(length + added.size()));
}

void SetRange(CommandContext& ctx) {
  const auto offset_argument = IntegerArgument(ctx, 2);
  if (!offset_argument) return;
  if (*offset_argument < 0) return ctx.reply.Error("ERR offset is out of range");
  const auto offset = static_cast<size_t>(*offset_argument);
  const std::string_view value = ctx.args[3];
  Entry* entry = ctx.access.ForWrite(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  const size_t length = entry == nullptr ? 0 : entry->StringLength();
  if (value.empty()) return ctx.reply.Integer(static_cast<int64_t>(length));
  if (!LengthAllowed(ctx, offset, value.size())) return;
  const size_t new_length = std::max(length, offset + value.size());
  const auto writable = ctx.access.ResizeString(ctx.keys[0], entry, new_length);
  std::memcpy(writable.bytes + offset, value.data(), value.size());
  ctx.reply.Integer(static_cast<int64_t>(new_length));
}

void GetSet(CommandContext& ctx) {
  Entry* entry = ctx.access.ReadForWrite(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  if (entry == nullptr) {
    ctx.reply.Null();
  } else {
    ReplyString(ctx, *entry);
  }
  StoreArgument(ctx, ctx.keys[0], entry, 2, kNoExpiry);
}

void GetDel(CommandContext& ctx) {
  Entry* entry = ctx.access.ReadForWrite(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Null();
  if (!IsStringOrAbsent(ctx, entry)) return;
  ReplyString(ctx, *entry);
  ctx.access.Erase(ctx.keys[0], entry);
}

namespace {

// The keys are args[1], args[3], ...; a key given twice takes its last value.
void SetPairs(CommandContext& ctx) {
  for (size_t i = 0; i < ctx.keys.size(); ++i) {
    Entry* entry = ctx.access.ForOverwrite(ctx.keys[i]);
    StoreArgument(ctx, ctx.keys[i], entry, 2 + 2 * i, kNoExpiry);
  }
}

}  // namespace

void MSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) return ReplyWrongArity(ctx);
  SetPairs(ctx);
  ctx.reply.Ok();
}

void MSetNx(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) return ReplyWrongArity(ctx);
  for (const keyspace::KeyHandle& key : ctx.keys) {
    if (ctx.access.ForWrite(key) != nullptr) return ctx.reply.Integer(0);
  }
  SetPairs(ctx);
  ctx.reply.Integer(1);
}

}  // namespace holdfast::commands
