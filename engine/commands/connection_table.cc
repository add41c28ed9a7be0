// The rows of the connection family.
#include "engine/commands/families.h"

namespace holdfast::commands {

std::span<const CommandSpec> ConnectionCommands() { return {}; }

}  // namespace holdfast::commands
