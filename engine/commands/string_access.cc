#include "engine/commands/string_access.h"

#include <utility>

#include "engine/config/config.h"
#include "holdfast/bytes.h"

namespace holdfast::commands {

void StoreArgument(CommandContext& ctx, const keyspace::KeyHandle& key, memtable::Entry* existing,
                   size_t index, UnixMs expiry_ms) {
  BlockRef block = ctx.ArgumentBlock(index);
  if (block) {
    ctx.access.SetBlock(key, existing, std::move(block), expiry_ms, false);
    return;
  }
  ctx.access.SetString(key, existing, {.bytes = ctx.args[index], .expiry_ms = expiry_ms});
}

bool LengthAllowed(CommandContext& ctx, uint64_t offset, uint64_t added) {
  // Limits are checked before the log, never on replay.
  const auto limit =
      ctx.access.replaying()
          ? UINT64_MAX
          : static_cast<uint64_t>(ctx.services.config->Integer("proto-max-bulk-len"));
  const auto total = CheckedAdd(offset, added);
  if (total && *total <= limit) return true;
  ctx.reply.Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

}  // namespace holdfast::commands
