// The tables that table.cc joins, one per family.
#pragma once

#include <span>

#include "engine/commands/command_spec.h"

namespace holdfast::commands {

std::span<const CommandSpec> StringCommands();
std::span<const CommandSpec> GenericCommands();
std::span<const CommandSpec> ConnectionCommands();
std::span<const CommandSpec> ServerCommands();
std::span<const CommandSpec> TransactionCommands();

}  // namespace holdfast::commands
