// The rows of the string family.
#include "engine/commands/families.h"

namespace holdfast::commands {

std::span<const CommandSpec> StringCommands() { return {}; }

}  // namespace holdfast::commands
