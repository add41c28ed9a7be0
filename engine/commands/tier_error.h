// What a client reads when the tier failed: an error, never the absence of a key.
#pragma once

#include <string>

#include "engine/commands/context.h"
#include "holdfast/result.h"

namespace holdfast::commands {

inline void ReplyTierError(CommandContext& ctx, const Error& error) {
  ctx.reply.Error(std::string("IOERR the cold tier cannot be read: ").append(error.message));
}

}  // namespace holdfast::commands
