#include "engine/commands/monitor_line.h"

#include <fmt/format.h>

#include <iterator>

#include "engine/commands/authentication.h"
#include "engine/commands/client_state.h"

namespace holdfast::commands {
namespace {

// The letter of a C escape, 0 if there is none.
char EscapeLetter(char c) {
  switch (c) {
    case '\\':
    case '"':
      return c;
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    default:
      return 0;
  }
}

std::string ShownAddress(const Session& session) {
  if (session.connection == nullptr) return "embedded";
  if (session.connection->UnixSocket()) return "unix:" + LocalAddress(session);
  return PeerAddress(session);
}

}  // namespace

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (const char letter = EscapeLetter(c); letter != 0) {
      out += '\\';
      out += letter;
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  out += '"';
}

std::string MonitorLine(const Session& session, std::span<const std::string_view> args,
                        UnixMs now_ms) {
  std::vector<std::string_view> redacted;
  if (Redact(args, redacted)) args = redacted;
  std::string line = fmt::format("+{}.{:06} [{} {}]", now_ms / 1000, now_ms % 1000 * 1000,
                                 session.database, ShownAddress(session));
  for (const std::string_view arg : args) {
    line += ' ';
    AppendQuoted(line, arg);
  }
  line += "\r\n";
  return line;
}

}  // namespace holdfast::commands
