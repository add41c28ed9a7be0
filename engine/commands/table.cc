// Joins the families into the one table.
#include "engine/commands/command_table.h"
#include "engine/commands/families.h"

namespace holdfast::commands {

CommandTable::CommandTable() {
  const std::span<const CommandSpec> families[] = {StringCommands(), GenericCommands(),
                                                   ConnectionCommands(), ServerCommands(),
                                                   TransactionCommands()};
  for (const auto& family : families) {
    for (const CommandSpec& spec : family) top_level_.push_back(Add(spec, nullptr));
  }
  BuildIndex();
}

}  // namespace holdfast::commands
