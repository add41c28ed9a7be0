#include "engine/config/conf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/config/conf_line.h"
#include "holdfast/check.h"
#include "holdfast/glob.h"

namespace holdfast::config {
namespace {

using Words = std::vector<std::string>;
using Outcome = std::expected<void, std::string>;

constexpr int kDeepestInclude = 16;

struct Deprecated {
  std::string_view name;
  size_t words;  // the name included
};
// Accepted without effect, as in Redis 7.
constexpr Deprecated kDeprecated[] = {
    {"list-max-ziplist-entries", 2}, {"list-max-ziplist-value", 2}, {"lua-replicate-commands", 2}};

// What redis-server's CONFIG REWRITE leaves in a file that never had users: it restricts nothing.
bool IsOpenDefaultUser(const Words& user) {
  static constexpr std::string_view kOpenRules[] = {"on", "nopass", "sanitize-payload",
                                                    "~*", "&*",     "+@all"};
  const auto is_open = [](const std::string& rule) {
    return std::ranges::find(kOpenRules, rule) != std::end(kOpenRules);
  };
  return user[0] == "default" && std::all_of(user.begin() + 1, user.end(), is_open);
}

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return text;
}

std::string JoinPath(const std::string& directory, const std::string& name) {
  return directory.ends_with('/') ? directory + name : directory + '/' + name;
}

// The files that a path with glob characters in any of its parts stands for, sorted.
std::vector<std::string> ExpandGlob(FileSystem& files, std::string_view pattern) {
  std::vector<std::string> found{pattern.starts_with('/') ? "/" : "."};
  for (size_t at = 0; at < pattern.size();) {
    const size_t end = std::min(pattern.find('/', at), pattern.size());
    const std::string part(pattern.substr(at, end - at));
    at = end + 1;
    if (part.empty()) continue;
    std::vector<std::string> next;
    for (const std::string& directory : found) {
      if (!HasGlobCharacter(part)) {
        next.push_back(JoinPath(directory, part));
        continue;
      }
      auto names = files.List(directory);
      if (!names) continue;
      std::ranges::sort(*names);
      for (const std::string& name : *names) {
        // As in a shell, a leading dot must be written.
        if (name.starts_with('.') && !part.starts_with('.')) continue;
        if (GlobMatch(part, name)) next.push_back(JoinPath(directory, name));
      }
    }
    found = std::move(next);
  }
  std::erase_if(found,
                [&](const std::string& path) { return !files.Exists(path).value_or(false); });
  return found;
}

// Applies the lines of one text; `include` opens another Loader one level deeper.
class Loader {
 public:
  Loader(Config& config, FileSystem& files, int depth)
      : config_(config), files_(files), depth_(depth) {}

  std::expected<void, ConfError> Load(std::string_view text, const std::string& source) {
    size_t number = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = TrimLine(text.substr(at, end - at));
      at = end + 1;
      ++number;
      const Outcome applied = ApplyLine(line);
      if (inner_error_) return std::unexpected(*std::move(inner_error_));
      if (!applied) {
        return std::unexpected(ConfError{source, number, std::string(line), applied.error()});
      }
    }
    return {};
  }

 private:
  Outcome ApplyLine(std::string_view line) {
    if (line.empty() || line[0] == '#') return {};
    auto words = SplitArguments(line);
    if (!words) return std::unexpected("Unbalanced quotes in configuration line");
    if (words->empty()) return {};
    words->front() = LowerCase(std::move(words->front()));
    if (const auto row = FindRow(words->front())) return ApplyParameter(kRows[row->index], *words);
    const bool deprecated = std::ranges::any_of(kDeprecated, [&](const Deprecated& known) {
      return known.name == words->front() && known.words == words->size();
    });
    if (deprecated) return {};
    return ApplyDirective(*words);
  }

  Outcome ApplyParameter(const ConfigRow& row, const Words& words) {
    const std::span<const std::string> values = std::span(words).subspan(1);
    if (!TakesManyArguments(row.kind)) {
      if (values.size() != 1) return std::unexpected("wrong number of arguments");
      return config_.SetAtStart(row.name, values);
    }
    // save "3600 1 300 100": the words may come in one pair of quotes. But `save ""` has a meaning
    // of its own.
    if (values.size() == 1 && !values[0].empty()) {
      const auto inner = SplitArguments(values[0]);
      if (!inner) return std::unexpected("Unbalanced quotes in configuration line");
      return config_.SetAtStart(row.name, *inner);
    }
    return config_.SetAtStart(row.name, values);
  }

  Outcome ApplyDirective(const Words& words) {
    const std::string& name = words[0];
    const Words rest(words.begin() + 1, words.end());
    if (name == "include" && rest.size() == 1) return Include(rest[0]);
    // A server that starts without its access rules is worse than one that does not start.
    if (name == "rename-command" && rest.size() == 2) {
      return std::unexpected("this version cannot rename or disable commands");
    }
    if (name == "user" && !rest.empty()) {
      if (IsOpenDefaultUser(rest)) return {};
      return std::unexpected("this version has no users besides the default one");
    }
    if (name == "loadmodule" && !rest.empty()) {
      return std::unexpected("this version loads no modules");
    }
    if (name.find('.') != std::string::npos) {
      if (rest.empty()) return std::unexpected("Module config specified without value");
      return std::unexpected("Module config of a module that is not loaded");
    }
    return std::unexpected("Bad directive or wrong number of arguments");
  }

  Outcome Include(const std::string& pattern) {
    if (depth_ == kDeepestInclude) {
      return std::unexpected("include files are nested too deep (or include each other)");
    }
    // A pattern may stand for no file; a plain path must exist.
    const auto paths = HasGlobCharacter(pattern) ? ExpandGlob(files_, pattern) : Words{pattern};
    for (const std::string& path : paths) {
      const auto text = ReadConfFile(files_, path);
      if (!text) return std::unexpected(text.error().message);
      Loader inner(config_, files_, depth_ + 1);
      if (auto loaded = inner.Load(*text, path); !loaded) {
        inner_error_ = std::move(loaded).error();
        return std::unexpected(inner_error_->reason);
      }
    }
    return {};
  }

  Config& config_;
  FileSystem& files_;
  int depth_;
  std::optional<ConfError> inner_error_;  // of an included file, which says where better
};

// Whether an argument names its option alone ("--port", not "--port 6380").
bool NamesOnly(std::string_view argument) {
  const auto words = SplitArguments(argument);
  return words && words->size() == 1;
}

}  // namespace

CommandLine ParseCommandLine(std::span<const std::string_view> arguments) {
  CommandLine line;
  if (arguments.empty()) return line;
  if (arguments.size() == 1) {
    line.show_version = arguments[0] == "-v" || arguments[0] == "--version";
    line.show_help = arguments[0] == "-h" || arguments[0] == "--help";
    if (line.show_version || line.show_help) return line;
  }
  size_t at = 0;
  if (!arguments[0].starts_with('-')) line.conf_path = arguments[at++];
  bool value_is_due =
      false;  // the last option has no value yet: what follows is one, dashes or not
  for (; at < arguments.size(); ++at) {
    const std::string_view argument = arguments[at];
    const bool last = at + 1 == arguments.size();
    if (argument == "-" && (at == 0 || last)) {
      line.read_stdin = true;
      continue;
    }
    if (value_is_due || !argument.starts_with("--")) {
      line.options += QuoteArgument(argument) + ' ';
      value_is_due = false;
      continue;
    }
    if (!line.options.empty()) line.options += '\n';
    line.options += argument.substr(2);
    line.options += ' ';
    value_is_due = NamesOnly(argument);
    // `--save --port 1` and a last `--save` mean an empty value.
    const bool no_value_follows = last || arguments[at + 1].starts_with("--");
    if (value_is_due && no_value_follows && EqualIgnoringCase(TrimLine(argument), "--save")) {
      line.options += "\"\"";
      value_is_due = false;
    }
  }
  return line;
}

std::string ConfError::Line() const {
  if (source.empty()) return reason;
  return fmt::format("{}:{}: '{}': {}", source, line, text, reason);
}

std::string ConfError::Block(std::string_view product) const {
  std::string block = fmt::format("\n*** FATAL CONFIG FILE ERROR ({}) ***\n", product);
  if (!source.empty()) {
    block += fmt::format("Reading the configuration file, at line {}\n>>> '{}'\n", line, text);
    block += fmt::format("{}:{}: {}\n", source, line, reason);
    return block;
  }
  return block + reason + "\n";
}

Result<std::string> ReadConfFile(FileSystem& files, const std::string& path) {
  constexpr uint64_t kLargest = uint64_t{16} << 20;
  auto file = HF_TRY(files.Open(path, OpenMode{}));
  const uint64_t size = HF_TRY(file->Size());
  if (size > kLargest) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("{}: {} bytes is too much for a conf file", path, size));
  }
  std::string text(size, '\0');
  const size_t read = HF_TRY(file->ReadAt(0, std::span(text)));
  HF_CHECK(read <= text.size());
  text.resize(read);
  return text;
}

std::expected<void, ConfError> LoadText(Config& config, FileSystem& files, std::string_view text,
                                        const std::string& source) {
  return Loader(config, files, 0).Load(text, source);
}

std::expected<void, ConfError> LoadConfiguration(Config& config, FileSystem& files,
                                                 const CommandLine& line,
                                                 std::string_view stdin_text) {
  if (!line.conf_path.empty()) {
    const auto text = ReadConfFile(files, line.conf_path);
    if (!text) return std::unexpected(ConfError{"", 0, "", text.error().message});
    if (auto loaded = LoadText(config, files, *text, line.conf_path); !loaded) return loaded;
    config.SetConfPath(line.conf_path);
  }
  if (line.read_stdin) {
    if (auto loaded = LoadText(config, files, stdin_text, "standard input"); !loaded) return loaded;
  }
  return LoadText(config, files, line.options, "command line");
}

}  // namespace holdfast::config
