// The words by which COMMAND shows flags, categories, groups and types.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/commands/command_spec.h"

namespace holdfast::commands {

// In the order of Redis's replies, without the "@" of categories.
std::vector<std::string_view> FlagNames(uint32_t flags);
std::vector<std::string_view> AclNames(uint32_t categories);
std::vector<std::string_view> KeySpecFlagNames(uint16_t flags);
std::vector<std::string_view> ArgumentFlagNames(uint8_t flags);
std::string_view GroupName(Group group);
std::string_view ArgumentTypeName(ArgumentType type);
// The category's bit; 0 if there is none of that name, in any letter case.
uint32_t AclByName(std::string_view name);

}  // namespace holdfast::commands
