// The rows of the server family.
#include "engine/commands/families.h"

namespace holdfast::commands {

std::span<const CommandSpec> ServerCommands() { return {}; }

}  // namespace holdfast::commands
