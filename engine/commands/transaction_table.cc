// The rows of the transaction family.
#include "engine/commands/families.h"

namespace holdfast::commands {

std::span<const CommandSpec> TransactionCommands() { return {}; }

}  // namespace holdfast::commands
