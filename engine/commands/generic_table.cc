// The rows of the generic family.
#include "engine/commands/families.h"

namespace holdfast::commands {

std::span<const CommandSpec> GenericCommands() { return {}; }

}  // namespace holdfast::commands
