#include <algorithm>

#include "engine/commands/arguments.h"
#include "engine/commands/string_access.h"
#include "engine/commands/string_handlers.h"

namespace holdfast::commands {

using memtable::Entry;

void Get(CommandContext& ctx) {
  const Entry* entry = ctx.access.Read(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Null();
  if (IsStringOrAbsent(ctx, entry)) ReplyString(ctx, *entry);
}

void MGet(CommandContext& ctx) {
  ctx.reply.Array(ctx.keys.size());
  for (const keyspace::KeyHandle& key : ctx.keys) {
    const Entry* entry = ctx.access.Read(key);
    if (entry == nullptr || entry->type() != memtable::ValueType::kString) {
      ctx.reply.Null();
    } else {
      ReplyString(ctx, *entry);
    }
  }
}

void StrLen(CommandContext& ctx) {
  const Entry* entry = ctx.access.Read(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  ctx.reply.Integer(entry == nullptr ? 0 : static_cast<int64_t>(entry->StringLength()));
}

void GetRange(CommandContext& ctx) {
  const auto start_argument = IntegerArgument(ctx, 2);
  if (!start_argument) return;
  const auto end_argument = IntegerArgument(ctx, 3);
  if (!end_argument) return;
  const Entry* entry = ctx.access.Read(ctx.keys[0]);
  if (!IsStringOrAbsent(ctx, entry)) return;
  if (entry == nullptr) return ctx.reply.BulkString({});
  Entry::Scratch scratch;
  const std::string_view bytes = entry->StringBytes(scratch);
  const auto length = static_cast<int64_t>(bytes.size());
  int64_t start = *start_argument;
  int64_t end = *end_argument;
  if (start < 0 && end < 0 && start > end) return ctx.reply.BulkString({});
  // Negative offsets count from the end; what lies before the beginning is the beginning.
  if (start < 0) start = std::max<int64_t>(0, length + start);
  if (end < 0) end = std::max<int64_t>(0, length + end);
  end = std::min(end, length - 1);
  if (start > end) return ctx.reply.BulkString({});
  ReplyBytes(ctx, *entry,
             bytes.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}

}  // namespace holdfast::commands
