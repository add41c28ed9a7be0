// Reading of a command's arguments as Redis reads them, with its error texts. The functions that
// take a context answer the error themselves and return nullopt; the caller then just returns.
// Pure functions otherwise; any thread.
#pragma once

#include <climits>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/commands/context.h"

namespace holdfast::commands {

// Where Redis reads an argument as a C string it ends at its first NUL.
constexpr std::string_view UntilNul(std::string_view argument) {
  return argument.substr(0, argument.find('\0'));
}

// `lower` is in lower case: the way to test for an option's name.
constexpr bool IsToken(std::string_view argument, std::string_view lower) {
  if (argument.size() < lower.size()) return false;
  if (argument.size() > lower.size() && argument[lower.size()] != '\0') return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    const char c = argument[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

// args[index] as a 64-bit integer.
std::optional<int64_t> IntegerArgument(CommandContext& ctx, size_t index,
                                       std::string_view error = errors::kNotInteger);
// In [min, max]. Without an error text of the caller's: kNotInteger, or Redis's "ERR value is out
// of range, value must between MIN and MAX".
std::optional<int64_t> RangedIntegerArgument(CommandContext& ctx, size_t index, int64_t min,
                                             int64_t max, std::string_view error = {});
// 32 bits, as database numbers and the like are read.
inline std::optional<int> IntArgument(CommandContext& ctx, size_t index,
                                      std::string_view error = {}) {
  const auto value = RangedIntegerArgument(ctx, index, INT_MIN, INT_MAX, error);
  return value ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}
// At least 0: kNotPositive otherwise, for what is no number at all too.
inline std::optional<int64_t> PositiveArgument(CommandContext& ctx, size_t index,
                                               std::string_view error = errors::kNotPositive) {
  return RangedIntegerArgument(ctx, index, 0, INT64_MAX, error);
}
// A number of an existing database: kDatabaseRange otherwise.
std::optional<int> DatabaseArgument(CommandContext& ctx, size_t index);
std::optional<double> DoubleArgument(CommandContext& ctx, size_t index,
                                     std::string_view error = errors::kNotFloat);

// All of `text` as strtod and strtold read it, without leading spaces; overflow and underflow to
// zero are refused and so is "nan"; "inf" is not.
std::optional<double> ParseDouble(std::string_view text);
std::optional<long double> ParseLongDouble(std::string_view text);
// Of a finite number. INCRBYFLOAT's form: 17 decimals at most, without trailing zeros and without
// an exponent.
std::string FormatLongDouble(long double value);

// What a HELP subcommand answers: a heading, `lines`, and HELP itself.
void ReplyHelp(CommandContext& ctx, std::span<const std::string_view> lines);
// A subcommand exists but its arguments do not fit.
void ReplySubcommandSyntax(CommandContext& ctx);
// "ERR wrong number of arguments for 'mset' command"
void ReplyWrongArity(CommandContext& ctx);

}  // namespace holdfast::commands
