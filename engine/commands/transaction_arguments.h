// The argument trees of the transaction family, for COMMAND DOCS.
#pragma once

#include "engine/commands/command_spec.h"

namespace holdfast::commands::transaction_arguments {

inline constexpr ArgumentSpec kSeveralKeysArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .flags = kMultiple, .key_spec_index = 0},
};

}  // namespace holdfast::commands::transaction_arguments
