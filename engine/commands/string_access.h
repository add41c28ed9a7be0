// What the handlers of strings share: type checks, replies and limits. Pure but for the context.
#pragma once

#include <string_view>

#include "engine/commands/context.h"
#include "memtable/entry.h"

namespace holdfast::commands {

// Answers WRONGTYPE if the entry is there and no string.
inline bool IsStringOrAbsent(CommandContext& ctx, const memtable::Entry* entry) {
  if (entry == nullptr || entry->type() == memtable::ValueType::kString) [[likely]]
    return true;
  ctx.reply.Error(errors::kWrongType);
  return false;
}

inline constexpr size_t kReplyByReferenceBytes = 64 << 10;
static_assert(kReplyByReferenceBytes > memtable::kInlineValueLimit);

// `bytes` are the string of `entry` or a part of it. A long one goes by reference: no copy is made
// under the lock.
inline void ReplyBytes(CommandContext& ctx, const memtable::Entry& entry, std::string_view bytes) {
  if (bytes.size() < kReplyByReferenceBytes) [[likely]] {
    return ctx.reply.BulkString(bytes);
  }
  ctx.reply.BulkBlock(BlockRef::Share(entry.block()), bytes);
}

inline void ReplyString(CommandContext& ctx, const memtable::Entry& entry) {
  memtable::Entry::Scratch scratch;
  ReplyBytes(ctx, entry, entry.StringBytes(scratch));
}

// Sets a key to args[index], without a copy under the lock if it came as a block.
void StoreArgument(CommandContext& ctx, const keyspace::KeyHandle& key, memtable::Entry* existing,
                   size_t index, UnixMs expiry_ms);

// True if a string may grow to `offset` + `added` bytes; answers the error otherwise.
bool LengthAllowed(CommandContext& ctx, uint64_t offset, uint64_t added);

}  // namespace holdfast::commands
