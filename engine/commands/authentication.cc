#include "engine/commands/authentication.h"

#include <string>

#include "engine/commands/arguments.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

constexpr std::string_view kRedacted = "(redacted)";

bool EqualInConstantTime(std::string_view given, std::string_view expected) {
  unsigned difference = given.size() == expected.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char other = expected.empty() ? '\0' : expected[i % expected.size()];
    difference |= static_cast<unsigned char>(given[i] ^ other);
  }
  return difference == 0;
}

}  // namespace

bool PasswordNeeded(const config::Config& config) { return !config.Text("requirepass").empty(); }

bool Authenticates(const config::Config& config, std::string_view user, std::string_view password) {
  if (user != kDefaultUser) return false;
  const std::string expected = config.Text("requirepass");
  return expected.empty() || EqualInConstantTime(password, expected);
}

bool Redact(std::span<const std::string_view> args, std::vector<std::string_view>& shown) {
  if (args.size() < 2) return false;
  std::vector<size_t> hidden;
  if (IsToken(args[0], "auth")) {
    for (size_t i = 1; i < args.size(); ++i) hidden.push_back(i);
  } else if (IsToken(args[0], "hello")) {
    for (size_t i = 2; i + 2 < args.size(); ++i) {
      if (IsToken(args[i], "auth")) hidden.insert(hidden.end(), {i + 1, i + 2});
    }
  } else if (IsToken(args[0], "config") && IsToken(args[1], "set")) {
    for (size_t i = 2; i + 1 < args.size(); i += 2) {
      if (config::Config::IsSensitive(args[i])) hidden.push_back(i + 1);
    }
  }
  if (hidden.empty()) return false;
  shown.assign(args.begin(), args.end());
  for (const size_t i : hidden) shown[i] = kRedacted;
  return true;
}

}  // namespace holdfast::commands
