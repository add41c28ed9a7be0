#include "engine/config/list_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>

#include "engine/config/config_table.h"
#include "engine/config/value_text.h"
#include "holdfast/check.h"

namespace holdfast::config {
namespace {

using Words = std::span<const std::string>;
using ListText = std::expected<std::string, std::string>;

ListText Refuse(std::string why) { return std::unexpected(std::move(why)); }

std::string Join(Words words) {
  std::string text;
  for (const std::string& word : words) {
    if (word.empty()) continue;
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

// As strtoll with a check that all was read: a sign is fine, nothing at all is 0.
std::optional<int64_t> ParseLoosely(std::string_view word) {
  if (word.starts_with('+') && !word.starts_with("+-")) word.remove_prefix(1);
  if (word.empty()) return 0;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

ListText ParseSave(Words words, std::string_view old, bool append) {
  if (words.size() == 1 && words[0].empty()) return std::string();
  if (words.size() % 2 != 0) return Refuse("Invalid save parameters");
  std::string text(append ? old : "");
  for (size_t i = 0; i < words.size(); i += 2) {
    const auto seconds = ParseLoosely(words[i]);
    const auto changes = ParseLoosely(words[i + 1]);
    if (!seconds || *seconds < 1 || !changes || *changes < 0 || *changes > INT_MAX) {
      return Refuse("Invalid save parameters");
    }
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", *seconds, *changes);
  }
  return text;
}

std::optional<size_t> ClientClassOf(std::string_view name) {
  if (EqualIgnoringCase(name, "normal")) return size_t{0};
  if (EqualIgnoringCase(name, "slave") || EqualIgnoringCase(name, "replica")) return size_t{1};
  if (EqualIgnoringCase(name, "pubsub")) return size_t{2};
  return std::nullopt;
}

ListText ParseOutputBufferLimits(Words words, std::string_view old) {
  constexpr size_t kWordsOfOne = 4;
  if (words.size() % kWordsOfOne != 0) {
    return Refuse("Wrong number of arguments in buffer limit configuration.");
  }
  std::array<OutputBufferLimit, kClientClasses> limits;
  for (size_t i = 0; i < limits.size(); ++i) {
    limits[i] = ParseOutputBufferLimit(old, static_cast<ClientClass>(i));
  }
  for (size_t i = 0; i < words.size(); i += kWordsOfOne) {
    const auto client = ClientClassOf(words[i]);
    if (!client) return Refuse("Invalid client class specified in buffer limit configuration.");
    const auto hard = ParseMemory(words[i + 1]);
    const auto soft = ParseMemory(words[i + 2]);
    const auto seconds = ParseLoosely(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return Refuse("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    limits[*client] = OutputBufferLimit{*hard, *soft, *seconds};
  }
  static constexpr std::string_view kNames[kClientClasses] = {"normal", "slave", "pubsub"};
  std::string text;
  for (size_t i = 0; i < limits.size(); ++i) {
    text += fmt::format("{}{} {} {} {}", i == 0 ? "" : " ", kNames[i], limits[i].hard_bytes,
                        limits[i].soft_bytes, limits[i].soft_seconds);
  }
  return text;
}

ListText ParseOomScoreValues(Words words) {
  constexpr size_t kScores = 3;
  constexpr int64_t kBound = 2000;
  if (words.size() != kScores) return Refuse("wrong number of arguments");
  std::string text;
  for (const std::string& word : words) {
    const auto score = ParseLoosely(word);
    if (!score || *score < -kBound || *score > kBound) {
      return Refuse(fmt::format("Invalid oom-score-adj-values, elements must be between {} and {}.",
                                -kBound, kBound));
    }
    text += fmt::format("{}{}", text.empty() ? "" : " ", *score);
  }
  return text;
}

// Six digits after the point, as Redis shows them, without the zeros at the end.
std::string PercentileText(double value) {
  std::string text = fmt::format("{:.6f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

ListText ParsePercentiles(Words words) {
  std::string text;
  if (words.size() == 1 && words[0].empty()) return text;
  for (const std::string& word : words) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value != value) {
      return Refuse("Invalid latency-tracking-info-percentiles parameters");
    }
    if (value < 0 || value > 100) {
      return Refuse("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    if (!text.empty()) text += ' ';
    text += PercentileText(value);
  }
  return text;
}

// A host or address: nothing that a conf line would read as more or less than one word.
bool IsAddress(std::string_view word) {
  return std::ranges::none_of(
      word, [](char c) { return c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '\\'; });
}

ListText ParseBind(Words words) {
  constexpr size_t kMostAddresses = 16;
  if (words.size() > kMostAddresses) return Refuse("Too many bind addresses specified.");
  if (!std::ranges::all_of(words, IsAddress)) return Refuse("Invalid bind address");
  return Join(words);
}

ListText ParseReplicaOf(Words words) {
  constexpr int64_t kMaxPort = 65535;
  if (words.size() != 2) return Refuse("wrong number of arguments");
  if (EqualIgnoringCase(words[0], "no") && EqualIgnoringCase(words[1], "one")) {
    return std::string();
  }
  const auto port = ParseLoosely(words[1]);
  if (!port || *port < 0 || *port > kMaxPort) return Refuse("Invalid master port");
  if (words[0].empty() || !IsAddress(words[0])) return Refuse("Invalid master host");
  return fmt::format("{} {}", words[0], *port);
}

// {name} is a variable, {{ a brace.
bool IsTitleTemplate(std::string_view text) {
  static constexpr std::string_view kVariables[] = {
      "title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"};
  if (text.empty()) return false;
  for (size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at)) {
    if (text.substr(at).starts_with("{{")) {
      at += 2;
      continue;
    }
    const size_t end = text.find('}', at);
    if (end == std::string_view::npos) return false;
    const std::string_view name = text.substr(at + 1, end - at - 1);
    if (std::ranges::find(kVariables, name) == std::end(kVariables)) return false;
    at = end + 1;
  }
  return true;
}

std::optional<std::string> CheckHostname(std::string_view text) {
  constexpr size_t kLongest = 255;
  if (text.size() > kLongest) return "Hostnames must be less than 256 characters";
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.';
    if (!fits) return "Hostnames may only contain alphanumeric characters, hyphens or dots";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> CheckText(const ConfigRow& row, std::string_view text) {
  switch (row.rule) {
    case ConfigRule::kFileNameNeeded:
      if (text.empty()) return fmt::format("{} can't be empty", row.name);
      [[fallthrough]];
    case ConfigRule::kFileName:
      if (text.find('/') == std::string_view::npos) return std::nullopt;
      return fmt::format("{} can't be a path, just a {}", row.name,
                         row.name.ends_with("dirname") ? "dirname" : "filename");
    case ConfigRule::kTitleTemplate:
      if (IsTitleTemplate(text)) return std::nullopt;
      return "template format is invalid or contains unknown variables";
    case ConfigRule::kNotSupported:
      if (text.empty()) return std::nullopt;
      return fmt::format("this version has no {}", row.name);
    case ConfigRule::kHostname:
      return CheckHostname(text);
    default:
      return std::nullopt;
  }
}

ListText ParseList(const ConfigRow& row, Words words, std::string_view old, bool append) {
  switch (row.rule) {
    case ConfigRule::kSave:
      return ParseSave(words, old, append);
    case ConfigRule::kOutputBufferLimits:
      return ParseOutputBufferLimits(words, old);
    case ConfigRule::kOomScoreValues:
      return ParseOomScoreValues(words);
    case ConfigRule::kPercentiles:
      return ParsePercentiles(words);
    case ConfigRule::kBind:
      return ParseBind(words);
    case ConfigRule::kReplicaOf:
      return ParseReplicaOf(words);
    default:
      HF_CHECK(false);  // every list has a rule
  }
}

std::vector<std::string> ListWords(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::vector<SavePoint> ParseSavePoints(std::string_view canonical) {
  const std::vector<std::string> words = ListWords(canonical);
  HF_CHECK(words.size() % 2 == 0);
  std::vector<SavePoint> points;
  for (size_t i = 0; i < words.size(); i += 2) {
    points.push_back({ParseLoosely(words[i]).value(), ParseLoosely(words[i + 1]).value()});
  }
  return points;
}

OutputBufferLimit ParseOutputBufferLimit(std::string_view canonical, ClientClass client) {
  const std::vector<std::string> words = ListWords(canonical);
  const size_t at = static_cast<size_t>(client) * 4;
  HF_CHECK(words.size() == kClientClasses * 4 && at < words.size());
  return OutputBufferLimit{ParseMemory(words[at + 1]).value(), ParseMemory(words[at + 2]).value(),
                           ParseLoosely(words[at + 3]).value()};
}

}  // namespace holdfast::config
