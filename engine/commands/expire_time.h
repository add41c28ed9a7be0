// Expiration times of SET, GETEX, EXPIRE and the like: from an argument to an absolute Unix time in
// milliseconds, with Redis's checks. A pure reading of the arguments but for SetExpiryOrDelete.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/commands/context.h"
#include "memtable/entry.h"

namespace holdfast::commands {

enum class TimeUnit : uint8_t { kSeconds, kMillis };

// args[index], relative to now or absolute. Anything not in the future of 1970 is answered with
// "ERR invalid expire time in 'set' command" (the command's own name).
std::optional<UnixMs> PositiveExpiryArgument(CommandContext& ctx, size_t index, TimeUnit unit,
                                             bool relative);
// The same for EXPIRE's family, where a time in the past is allowed: only overflow is an error.
std::optional<UnixMs> ExpiryArgument(CommandContext& ctx, size_t index, TimeUnit unit,
                                     bool relative);

// Gives a live key an expiry and logs PEXPIREAT; if the time has passed, deletes it and logs DEL.
// During replay nothing expires: the time is set whatever it is.
void SetExpiryOrDelete(CommandContext& ctx, const keyspace::KeyHandle& key, memtable::Entry* entry,
                       UnixMs expiry_ms);

}  // namespace holdfast::commands
