// The syntax of one conf line (and of an inline command): words, quotes, escapes. Pure functions,
// any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::config {

// Splits at white space. "..." may hold \n \r \t \a \b \xHH, '...' only \'; a closing quote must be
// followed by white space or the end. nullopt: quotes do not balance.
std::optional<std::vector<std::string>> SplitArguments(std::string_view line);

// In double quotes, so that SplitArguments gives it back.
std::string QuoteArgument(std::string_view text);

// Without white space at both ends.
std::string_view TrimLine(std::string_view line);

}  // namespace holdfast::config
