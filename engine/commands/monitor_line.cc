#include "engine/commands/monitor_line.h"

#include <fmt/core.h>

namespace holdfast::commands {

void AppendQuoted(std::string& out, std::string_view bytes) {
  out += '"';
  for (const char c : bytes) {
    switch (c) {
      case '\\':
      case '"':
        out += '\\';
        out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out += c;
        } else {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  out += '"';
}

std::string MonitorLine(const Session& session, std::span<const std::string_view> args,
                        UnixMs now_ms) {
  std::string address = "embedded";
  if (session.connection != nullptr) {
    address = session.connection->PeerAddress();
    if (session.connection->UnixSocket()) address = "unix:" + address;
  }
  std::string line =
      fmt::format("+{}.{:03}000 [{} {}]", now_ms / 1000, now_ms % 1000, session.database, address);
  for (const std::string_view arg : args) {
    line += ' ';
    AppendQuoted(line, arg);
  }
  line += "\r\n";
  return line;
}

}  // namespace holdfast::commands
