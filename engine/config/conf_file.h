// Start-up configuration: the command line and redis.conf files, in Redis's syntax.
//
// Used by one thread before the Db opens. Reads files through holdfast/file_system.h. An error says
// where: file and line, or the option of the command line. Nothing is changed on disk.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/config/config.h"
#include "holdfast/file_system.h"

namespace holdfast::config {

// What main()'s arguments ask for: [conf file] [-] [--name value...]...
struct CommandLine {
  bool show_version = false;  // -v, --version
  bool show_help = false;     // -h, --help
  std::string conf_path;      // empty: none
  bool read_stdin = false;    // "-": conf lines come from standard input too
  std::string options;        // the overrides as conf lines
};

// `arguments` without the program's name. Never fails: what is wrong in it shows when it is loaded.
CommandLine ParseCommandLine(std::span<const std::string_view> arguments);

struct ConfError {
  std::string source;  // a path, "standard input", "command line"; empty: not about a line
  size_t line = 0;     // from 1; for the command line, the number of the option
  std::string text;    // the line
  std::string reason;

  // "redis.conf:12: 'port abc': argument couldn't be parsed into an integer"
  std::string Line() const;
  // Redis's block of lines for standard error, with `product` as in "Holdfast 0.1.0".
  std::string Block(std::string_view product) const;
};

// Applies the conf file, then standard input, then the options; later lines win. `stdin_text` is
// used if line.read_stdin. Relative paths are the process's; the first line that is wrong stops it.
// So does one that asks for what this version lacks and that must not be passed over in silence:
// users, renamed or disabled commands, modules.
std::expected<void, ConfError> LoadConfiguration(Config& config, FileSystem& files,
                                                 const CommandLine& line,
                                                 std::string_view stdin_text);

// The same for one text, named `source` in errors.
std::expected<void, ConfError> LoadText(Config& config, FileSystem& files, std::string_view text,
                                        const std::string& source);

// The whole file. Refuses more than 16 MiB.
Result<std::string> ReadConfFile(FileSystem& files, const std::string& path);

}  // namespace holdfast::config
