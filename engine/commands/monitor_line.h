// What MONITOR shows of a command. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/commands/session.h"

namespace holdfast::commands {

// A whole reply line: +1339518083.107412 [0 127.0.0.1:60866] "get" "key". Passwords are hidden.
std::string MonitorLine(const Session& session, std::span<const std::string_view> args,
                        UnixMs now_ms);

// Appends `text` in double quotes, with Redis's escapes.
void AppendQuoted(std::string& out, std::string_view text);

}  // namespace holdfast::commands
