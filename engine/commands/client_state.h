// What clients say about themselves and how CLIENT LIST shows it.
#pragma once

#include <string>
#include <string_view>

#include "engine/commands/session.h"

namespace holdfast::commands {

inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Whether CLIENT LIST could show it as a field: printable ASCII without spaces.
constexpr bool IsClientWord(std::string_view text) {
  for (const char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

// Called by the session's own thread.
void SetClientName(Session& session, std::string_view name);

// One line of CLIENT LIST, without the newline. Any thread, while the session is registered.
std::string ClientLine(Session& session, UnixMs now_ms);
// "127.0.0.1:41234", empty for embedded sessions.
std::string PeerAddress(const Session& session);
std::string LocalAddress(const Session& session);
// Over loopback, a unix socket, or from within the process.
bool IsLocal(const Session& session);

}  // namespace holdfast::commands
