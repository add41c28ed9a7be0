#include "engine/commands/arguments.h"

#include <fmt/core.h>

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::commands {
namespace {

constexpr size_t kMaxFloatLength = 5 * 1024;  // as much as the widest long double needs

double Parse(const char* text, char** end, double) { return std::strtod(text, end); }
long double Parse(const char* text, char** end, long double) { return std::strtold(text, end); }

template <typename Float>
std::optional<Float> ParseFloat(std::string_view text) {
  if (text.empty() || text.size() >= kMaxFloatLength) return std::nullopt;
  if (std::isspace(static_cast<unsigned char>(text[0]))) return std::nullopt;
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  const Float value = Parse(terminated.c_str(), &end, Float{});
  if (end != terminated.c_str() + text.size()) return std::nullopt;
  if (std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<int64_t> IntegerArgument(CommandContext& ctx, size_t index, std::string_view error) {
  const auto value = ParseInteger(ctx.args[index]);
  if (!value) ctx.reply.Error(error);
  return value;
}

std::optional<int64_t> RangedIntegerArgument(CommandContext& ctx, size_t index, int64_t min,
                                             int64_t max, std::string_view error) {
  const auto value = IntegerArgument(ctx, index, error.empty() ? errors::kNotInteger : error);
  if (!value || (*value >= min && *value <= max)) return value;
  if (error.empty()) {
    ctx.reply.Error(
        fmt::format("ERR value is out of range, value must between {} and {}", min, max));
  } else {
    ctx.reply.Error(error);
  }
  return std::nullopt;
}

std::optional<int> DatabaseArgument(CommandContext& ctx, size_t index) {
  const auto value = IntArgument(ctx, index);
  if (!value || (*value >= 0 && *value < ctx.services.keyspace->databases())) return value;
  ctx.reply.Error(errors::kDatabaseRange);
  return std::nullopt;
}

std::optional<double> DoubleArgument(CommandContext& ctx, size_t index, std::string_view error) {
  const auto value = ParseDouble(ctx.args[index]);
  if (!value) ctx.reply.Error(error);
  return value;
}

std::optional<double> ParseDouble(std::string_view text) { return ParseFloat<double>(text); }

std::optional<long double> ParseLongDouble(std::string_view text) {
  return ParseFloat<long double>(text);
}

std::string FormatLongDouble(long double value) {
  char buffer[kMaxFloatLength];
  const int length = std::snprintf(buffer, sizeof(buffer), "%.17Lf", value);
  HF_CHECK(length > 0 && static_cast<size_t>(length) < sizeof(buffer));
  std::string text(buffer, static_cast<size_t>(length));
  text.resize(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

void ReplyHelp(CommandContext& ctx, std::span<const std::string_view> lines) {
  const CommandSpec& container =
      ctx.entry.parent != nullptr ? *ctx.entry.parent->spec : *ctx.entry.spec;
  std::string name(container.name);
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  ctx.reply.Array(lines.size() + 3);
  ctx.reply.SimpleString(
      fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name));
  for (const std::string_view line : lines) ctx.reply.SimpleString(line);
  ctx.reply.SimpleString("HELP");
  ctx.reply.SimpleString("    Prints this help.");
}

void ReplySubcommandSyntax(CommandContext& ctx) {
  std::string name(ctx.args[0]);
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  ctx.reply.Error(fmt::format(
      "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
      ctx.args.size() > 1 ? UntilNul(ctx.args[1]).substr(0, 128) : std::string_view(), name));
}

void ReplyWrongArity(CommandContext& ctx) {
  ctx.reply.Error(
      fmt::format("ERR wrong number of arguments for '{}' command", ctx.entry.spec->name));
}

}  // namespace holdfast::commands
