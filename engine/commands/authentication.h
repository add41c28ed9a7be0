// Who may use a session, by requirepass: there is one user, "default". Pure rules; any thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace holdfast::config {
class Config;
}

namespace holdfast::commands {

inline constexpr std::string_view kDefaultUser = "default";
inline constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Without a password every session is authenticated from the start.
bool PasswordNeeded(const config::Config& config);
// The time it takes does not tell how much of the password was right.
bool Authenticates(const config::Config& config, std::string_view user, std::string_view password);

// Replaces what SLOWLOG, MONITOR and logs must not show (passwords) by "(redacted)". `args` are a
// command's arguments as sent. True if anything was replaced; else `shown` is left alone.
bool Redact(std::span<const std::string_view> args, std::vector<std::string_view>& shown);

}  // namespace holdfast::commands
