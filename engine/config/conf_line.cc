#include "engine/config/conf_line.h"

#include <fmt/format.h>

#include <utility>

namespace holdfast::config {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct Escape {
  char letter;
  char byte;
};
constexpr Escape kEscapes[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'b', '\b'}, {'a', '\a'}};

// Reads one word from `line` at `at`, which is not white space.
class WordReader {
 public:
  WordReader(std::string_view line, size_t at) : line_(line), at_(at) {}

  // False: quotes do not balance.
  bool Read() {
    while (at_ < line_.size() && !IsSpace(line_[at_]) && line_[at_] != '\0') {
      const char c = line_[at_];
      if (c != '"' && c != '\'') {
        word_ += c;
        ++at_;
        continue;
      }
      ++at_;
      if (!(c == '"' ? ReadDoubleQuoted() : ReadSingleQuoted())) return false;
      return at_ == line_.size() || IsSpace(line_[at_]) || line_[at_] == '\0';
    }
    return true;
  }

  std::string& word() { return word_; }
  size_t end() const { return at_; }

 private:
  bool ReadDoubleQuoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return true;
      if (c == '\\' && at_ < line_.size()) {
        ReadEscape();
      } else {
        word_ += c;
      }
    }
    return false;
  }

  void ReadEscape() {
    const char letter = line_[at_++];
    if (letter == 'x' && at_ + 1 < line_.size()) {
      const int high = HexValue(line_[at_]);
      const int low = HexValue(line_[at_ + 1]);
      if (high >= 0 && low >= 0) {
        word_ += static_cast<char>(high * 16 + low);
        at_ += 2;
        return;
      }
    }
    char byte = letter;
    for (const Escape& escape : kEscapes) {
      if (escape.letter == letter) byte = escape.byte;
    }
    word_ += byte;
  }

  bool ReadSingleQuoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '\'') return true;
      if (c == '\\' && at_ < line_.size() && line_[at_] == '\'') {
        word_ += '\'';
        ++at_;
      } else {
        word_ += c;
      }
    }
    return false;
  }

  std::string_view line_;
  size_t at_;
  std::string word_;
};

}  // namespace

std::optional<std::vector<std::string>> SplitArguments(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = 0;;) {
    while (at < line.size() && IsSpace(line[at])) ++at;
    // A zero byte ends the line, as it ends a C string in Redis.
    if (at == line.size() || line[at] == '\0') return words;
    WordReader reader(line, at);
    if (!reader.Read()) return std::nullopt;
    words.push_back(std::move(reader.word()));
    at = reader.end();
  }
}

std::string QuoteArgument(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
      continue;
    }
    const auto* escape = std::begin(kEscapes);
    while (escape != std::end(kEscapes) && escape->byte != c) ++escape;
    if (escape != std::end(kEscapes)) {
      quoted += '\\';
      quoted += escape->letter;
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  quoted += '"';
  return quoted;
}

std::string_view TrimLine(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

}  // namespace holdfast::config
