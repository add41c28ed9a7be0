#include "aof/manifest.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "aof/crc32c.h"
#include "aof/request_parser.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

constexpr std::string_view kAnnotation = "#HF:";
constexpr std::string_view kEndPrefix = "#HF:end,h=";
constexpr size_t kMaxLineBytes = 1024;  // Redis's, with the line feed
constexpr uint64_t kMaxManifestBytes = 16 << 20;

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

// Redis quotes a name when it holds one of these, and this way; but not for a single quote, and
// then cannot read what it wrote.
bool NeedsQuotes(std::string_view name) {
  return std::ranges::any_of(
      name, [](char c) { return std::string_view("\\\"' ").contains(c) || !IsPrintable(c); });
}

std::string Quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    switch (c) {
      case '\\':
      case '"':
        (out += '\\') += c;
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
        if (IsPrintable(c)) {
          out += c;
        } else {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  return out += '"';
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
}

// Exactly 2 * bytes lower-case hex digits.
bool ReadHex(std::string_view text, std::span<uint8_t> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return false;
    const int value = digit ? c - '0' : c - 'a' + 10;
    bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] << 4 | value);
  }
  return true;
}

std::optional<uint64_t> ReadHexNumber(std::string_view text, size_t digits) {
  std::array<uint8_t, 8> bytes{};
  HF_CHECK(digits <= 16 && digits % 2 == 0);
  if (!ReadHex(text, std::span(bytes).first(digits / 2))) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < digits / 2; ++i) value = value << 8 | bytes[i];
  return value;
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

class ManifestReader {
 public:
  ManifestReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  Result<Manifest> Read() {
    if (text_.empty()) return Wrong("the file is empty");
    while (at_ < text_.size()) {
      ++line_number_;
      const size_t end = text_.find('\n', at_);
      if (end == std::string_view::npos) return Wrong("the line has no end (half-written?)");
      const size_t start = std::exchange(at_, end + 1);
      HF_TRY_STATUS(ReadLine(text_.substr(start, end - start), start));
    }
    if (annotated_ && !ended_) return Wrong("the #HF:end line is missing (half-written?)");
    if (pending_) return Wrong("a #HF:id line with no file line after it");
    HF_TRY_STATUS(CheckWhole());
    return std::move(manifest_);
  }

 private:
  std::unexpected<Error> Wrong(std::string_view reason) const {
    return MakeError(ErrorCode::kCorruption,
                     fmt::format("manifest {} line {}: {}", path_, line_number_, reason));
  }
  std::unexpected<Error> Unsupported(std::string_view reason) const {
    return MakeError(ErrorCode::kUnsupported,
                     fmt::format("manifest {} line {}: {}", path_, line_number_, reason));
  }

  Status ReadLine(std::string_view line, size_t start) {
    if (ended_) return Wrong("something follows the #HF:end line");
    if (line.starts_with(kAnnotation)) return ReadAnnotation(line, start);
    if (line.starts_with('#')) return {};
    if (line.size() >= kMaxLineBytes) return Wrong("the line is longer than 1023 bytes");
    return ReadFile(line);
  }

  Status ReadAnnotation(std::string_view line, size_t start) {
    std::string_view rest = line;
    if (TakePrefix(rest, kEndPrefix)) {
      if (!annotated_) return Wrong("no #HF:v= line before this");
      const auto stored = ReadHexNumber(rest, 8);
      if (stored != Crc32c(0, text_.substr(0, start))) {
        return Wrong("the checksum of the lines before does not match");
      }
      ended_ = true;
      return {};
    }
    if (TakePrefix(rest, "#HF:v=")) return ReadVersion(rest);
    if (!annotated_) return Wrong("no #HF:v= line before this");
    if (TakePrefix(rest, "#HF:id=")) return ReadId(rest);
    return Wrong("unknown #HF: line");
  }

  Status ReadVersion(std::string_view rest) {
    const std::string_view digits = rest.substr(0, rest.find(','));
    const auto version = ParseInteger(digits);
    if (!version || *version <= 0) return Wrong("bad format version");
    if (*version != kManifestVersion) {
      return Unsupported(fmt::format("format version {}; this program reads version {}", *version,
                                     kManifestVersion));
    }
    if (annotated_ || !names_.empty()) {
      return Wrong("a #HF:v= line that is not the first");
    }
    rest.remove_prefix(digits.size());
    HashKey key{};
    if (!TakePrefix(rest, ",key=") || !ReadHex(rest, key)) return Wrong("bad hash key");
    manifest_.hash_key = key;
    annotated_ = true;
    return {};
  }

  // The id of the file in the next line.
  Status ReadId(std::string_view rest) {
    if (pending_) return Wrong("two #HF:id lines in a row");
    LogFileEntry entry;
    entry.id = ReadHexNumber(rest, 16);
    if (!entry.id) return Wrong("bad file id");
    pending_ = std::move(entry);
    return {};
  }

  Status ReadFile(std::string_view line) {
    Request words;
    if (!SplitQuoted(line, words)) return Wrong("unbalanced quotes");
    if (words.args.size() < 6 || words.args.size() % 2 != 0) {
      return Wrong("not of the form: file NAME seq NUMBER type LETTER");
    }
    LogFileEntry entry = std::exchange(pending_, std::nullopt).value_or(LogFileEntry{});
    std::string_view type;
    std::string_view log;
    for (size_t i = 0; i < words.args.size(); i += 2) {
      const std::string_view value = words.args[i + 1];
      if (EqualsIgnoringCase(words.args[i], "file")) {
        entry.name = value;
      } else if (EqualsIgnoringCase(words.args[i], "seq")) {
        const auto sequence = ParseInteger(value);
        if (!sequence || *sequence <= 0) return Wrong("bad sequence number");
        entry.sequence = *sequence;
      } else if (EqualsIgnoringCase(words.args[i], "type")) {
        type = value;
      } else if (EqualsIgnoringCase(words.args[i], "log")) {
        log = value;
      }  // Redis, too, takes unknown keys as of a later version
    }
    if (entry.name.empty() || entry.sequence == 0 || type.size() != 1) {
      return Wrong("not of the form: file NAME seq NUMBER type LETTER");
    }
    if (entry.name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos ||
        entry.name == "." || entry.name == "..") {
      return Wrong("the file must be a name, not a path");
    }
    if (!names_.insert(entry.name).second) return Wrong("a file that is named twice");
    if (type[0] == static_cast<char>(LogFileType::kCheckpoint))
      return AddCheckpoint(std::move(entry), log);
    return Add(std::move(entry), type[0]);
  }

  Status AddCheckpoint(LogFileEntry entry, std::string_view log) {
    CheckpointEntry checkpoint{.name = std::move(entry.name), .sequence = entry.sequence};
    if (!entry.id) return Wrong("a checkpoint without a #HF:id line");
    checkpoint.id = *entry.id;
    HF_CHECK(checkpoint.sequence > 0 && !checkpoint.name.empty());
    if (!log.empty()) {
      checkpoint.log_sequence = ParseInteger(log);
      if (!checkpoint.log_sequence || *checkpoint.log_sequence <= 0)
        return Wrong("bad number of the first log file");
    }
    if (!manifest_.checkpoints.empty()) {
      const CheckpointEntry& last = manifest_.checkpoints.back();
      if (checkpoint.sequence <= last.sequence) return Wrong("sequence numbers must ascend");
      // nullopt is less than any number.
      if (last.log_sequence && checkpoint.log_sequence < last.log_sequence)
        return Wrong("the log of a newer checkpoint begins earlier");
    }
    manifest_.checkpoints.push_back(std::move(checkpoint));
    return {};
  }

  // What no line alone shows.
  Status CheckWhole() {
    if (manifest_.checkpoints.empty()) return {};
    if (manifest_.base) return Wrong("a base file beside a checkpoint");
    if (manifest_.incremental.empty()) return {};
    // A cut may have left none: the next file has that number then.
    for (const CheckpointEntry& checkpoint : manifest_.checkpoints) {
      const size_t first = manifest_.FirstLogOf(checkpoint);
      const auto& files = manifest_.incremental;
      if (first < files.size() && files[first].sequence != *checkpoint.log_sequence)
        return Wrong("the first log file of a checkpoint is not listed");
    }
    return {};
  }

  Status Add(LogFileEntry entry, char type) {
    entry.type = static_cast<LogFileType>(type);
    switch (entry.type) {
      case LogFileType::kBase:
        if (manifest_.base) return Wrong("a second base file");
        manifest_.base = std::move(entry);
        return {};
      case LogFileType::kHistory:
        manifest_.history.push_back(std::move(entry));
        return {};
      case LogFileType::kIncremental:
        if (!manifest_.incremental.empty() &&
            entry.sequence <= manifest_.incremental.back().sequence) {
          return Wrong("sequence numbers must ascend");
        }
        manifest_.incremental.push_back(std::move(entry));
        return {};
      case LogFileType::kCheckpoint:
        break;  // AddCheckpoint's
    }
    return Wrong("unknown file type");
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
  size_t line_number_ = 0;
  bool annotated_ = false;
  bool ended_ = false;
  std::optional<LogFileEntry> pending_;  // what the annotation before a file line said
  std::set<std::string> names_;
  Manifest manifest_;
};

Status AppendFileLine(std::string& out, const LogFileEntry& entry, bool annotated,
                      std::optional<int64_t> log_sequence = std::nullopt) {
  HF_CHECK(!entry.name.empty() && entry.sequence > 0);
  if (annotated && entry.id) {
    out += fmt::format("#HF:id={:016x}\n", *entry.id);
  }
  std::string line = fmt::format("file {} seq {} type {}",
                                 NeedsQuotes(entry.name) ? Quoted(entry.name) : entry.name,
                                 entry.sequence, static_cast<char>(entry.type));
  if (log_sequence) line += fmt::format(" log {}", *log_sequence);
  line += '\n';
  if (line.size() > kMaxLineBytes) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("the file name {} is too long for a manifest", entry.name));
  }
  out += line;
  return {};
}

}  // namespace

size_t Manifest::FirstLogOf(const CheckpointEntry& checkpoint) const {
  if (!checkpoint.log_sequence) return incremental.size();
  const auto first =
      std::ranges::lower_bound(incremental, *checkpoint.log_sequence, {}, &LogFileEntry::sequence);
  return static_cast<size_t>(first - incremental.begin());
}

Result<Manifest> ParseManifest(std::string_view text, const std::string& path) {
  return ManifestReader(text, path).Read();
}

Result<std::string> FormatManifest(const Manifest& manifest) {
  const bool annotated = manifest.hash_key.has_value();
  std::string out;
  if (annotated) {
    out += fmt::format("#HF:v={},key=", kManifestVersion);
    for (uint8_t byte : *manifest.hash_key) out += fmt::format("{:02x}", byte);
    out += '\n';
  }
  if (manifest.base) {
    HF_CHECK(manifest.base->type == LogFileType::kBase);
    HF_TRY_STATUS(AppendFileLine(out, *manifest.base, annotated));
  }
  HF_CHECK(manifest.checkpoints.empty() || annotated);
  HF_CHECK(manifest.checkpoints.empty() || !manifest.base);
  for (const CheckpointEntry& checkpoint : manifest.checkpoints) {
    const LogFileEntry line{checkpoint.name, checkpoint.sequence, LogFileType::kCheckpoint,
                            checkpoint.id};
    HF_TRY_STATUS(AppendFileLine(out, line, annotated, checkpoint.log_sequence));
  }
  for (const LogFileEntry& entry : manifest.history) {
    HF_CHECK(entry.type == LogFileType::kHistory);
    HF_TRY_STATUS(AppendFileLine(out, entry, annotated));
  }
  int64_t sequence = 0;
  for (const LogFileEntry& entry : manifest.incremental) {
    HF_CHECK(entry.type == LogFileType::kIncremental);
    HF_CHECK(entry.sequence > std::exchange(sequence, entry.sequence));
    HF_TRY_STATUS(AppendFileLine(out, entry, annotated));
  }
  if (annotated) out += fmt::format("{}{:08x}\n", kEndPrefix, Crc32c(0, out));
  return out;
}

Result<Manifest> ReadManifest(FileSystem& fs, const std::string& path) {
  const auto file = HF_TRY(fs.Open(path, {}));
  const uint64_t size = HF_TRY(file->Size());
  if (size > kMaxManifestBytes) {
    return MakeError(ErrorCode::kCorruption,
                     fmt::format("manifest {}: {} bytes is too long", path, size));
  }
  std::string text(size, '\0');
  text.resize(HF_TRY(file->ReadAt(0, text)));
  return ParseManifest(text, path);
}

Status WriteManifest(FileSystem& fs, const std::string& path, const Manifest& manifest) {
  const std::string text = HF_TRY(FormatManifest(manifest));
  // A manifest that cannot be read back must never replace one that can.
  HF_CHECK(ParseManifest(text, path) == manifest);
  const std::string directory = DirectoryOf(path);
  const std::string name =
      path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
  const std::string temporary = JoinPath(directory, "temp-" + name);  // as Redis names it
  {
    const auto file = HF_TRY(fs.Open(temporary, {.write = true, .create = true}));
    HF_TRY_STATUS(file->Truncate(0));
    const std::string_view part = text;
    HF_TRY_STATUS(file->WriteAt(0, {&part, 1}));
    HF_TRY_STATUS(file->Sync());
  }
  HF_TRY_STATUS(fs.Rename(temporary, path));
  return fs.SyncDirectory(directory);
}

std::string BaseFileName(std::string_view append_filename, int64_t sequence) {
  return fmt::format("{}.{}.base.aof", append_filename, sequence);
}

std::string IncrementalFileName(std::string_view append_filename, int64_t sequence) {
  return fmt::format("{}.{}.incr.aof", append_filename, sequence);
}

std::string ManifestFileName(std::string_view append_filename) {
  return fmt::format("{}.manifest", append_filename);
}

std::string CheckpointName(std::string_view append_filename, int64_t sequence) {
  return fmt::format("{}.{}.checkpoint", append_filename, sequence);
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty() || directory == ".") return std::string(name);
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", name);
}

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

}  // namespace holdfast::aof
