#include <fmt/core.h>

#include "aof/checker.h"
#include "holdfast/number.h"

namespace holdfast::aof {

std::string_view CheckUsage() {
  return R"(usage: aof-check [options] PATH

Verifies an append-only log of Holdfast or Redis: structure, checksums, sequence, manifest;
checkpoints (every block, the order and the number of the keys) and RDB files too. PATH is a data
directory, a manifest, one log file, one checkpoint, or a dump.rdb.

  --fix                      cut the log back to its last good group; what is removed is kept in
                             files beside it. From a damaged checkpoint go back to an older one
                             that was kept, and the log since: nothing is lost. Asks first
  --yes                      do not ask
  --truncate-to-timestamp T  cut off what was written after unix time T (seconds), any time since
                             the oldest checkpoint that was kept. Asks first
  --export FILE              write the data as one plain RESP file, which any Redis loads
  --stats                    print what each file holds, how often each command occurs, and of the
                             checkpoint keys and bytes by type and the biggest keys
  --json                     print the result as one JSON object
  --help                     print this text

exit code: 0 sound (or made so), 1 damaged, 2 usage or I/O error)";
}

Result<CheckOptions> ParseCheckArguments(std::span<const std::string_view> args) {
  CheckOptions options;
  const auto wrong = [](std::string text) {
    return MakeError(ErrorCode::kInvalidArgument, std::move(text));
  };
  bool only_paths = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (only_paths || arg.empty() || arg[0] != '-' || arg == "-") {
      if (arg.empty()) return wrong("an empty path");
      if (!options.path.empty()) return wrong(fmt::format("a second path: {}", arg));
      options.path = arg;
    } else if (arg == "--") {
      only_paths = true;
    } else if (arg == "--fix") {
      options.fix = true;
    } else if (arg == "--yes") {
      options.yes = true;
    } else if (arg == "--stats") {
      options.stats = true;
    } else if (arg == "--json") {
      options.json = true;
    } else if (arg == "--help" || arg == "-h") {
      options.help = true;
    } else if (arg == "--truncate-to-timestamp") {
      if (++i == args.size()) return wrong("--truncate-to-timestamp needs a time");
      const auto seconds = ParseInteger(args[i]);
      if (!seconds || *seconds <= 0 || *seconds > INT64_MAX / 1000 - 1) {
        return wrong(fmt::format("not a unix time in seconds: {}", args[i]));
      }
      options.truncate_to_timestamp = *seconds;
    } else if (arg == "--export") {
      if (++i == args.size() || args[i].empty()) return wrong("--export needs a file");
      options.export_path = args[i];
    } else {
      return wrong(fmt::format("unknown option: {}", arg));
    }
  }
  if (options.help) return options;
  if (options.path.empty()) return wrong("which file or directory?");
  if (options.fix && options.truncate_to_timestamp) {
    return wrong("--fix and --truncate-to-timestamp exclude each other");
  }
  if (!options.export_path.empty() && (options.fix || options.truncate_to_timestamp)) {
    return wrong("--export changes nothing: not together with --fix or --truncate-to-timestamp");
  }
  return options;
}

}  // namespace holdfast::aof
