// MONITOR's line about one command, ready to be sent: +<unix time> [<db> <address>] "arg" ...
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/commands/session.h"

namespace holdfast::commands {

// `bytes` in double quotes with \n \r \t \a \b \" \\ and \xHH escapes, as Redis prints them.
void AppendQuoted(std::string& out, std::string_view bytes);

std::string MonitorLine(const Session& session, std::span<const std::string_view> args,
                        UnixMs now_ms);

}  // namespace holdfast::commands
