// One value between its text and the form it is held in. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/config_rows.h"

namespace holdfast::config {

// A row's value. One of the two is used, by HoldsText(row.kind); lists are held in their canonical
// text, as CONFIG GET shows it.
struct Value {
  int64_t scalar = 0;
  std::string text;
  bool operator==(const Value&) const = default;
};

Value DefaultValue(const ConfigRow& row);

// The new value made from the words of a conf line or of CONFIG SET, or why not, in Redis's words.
// `old` is what the row holds now: client-output-buffer-limit keeps the classes that are not named.
// `append` adds to `old` where Redis's conf files do (repeated `save` lines).
std::expected<Value, std::string> ParseValue(const ConfigRow& row,
                                             std::span<const std::string> words, const Value& old,
                                             bool append = false);

// As CONFIG GET shows it.
std::string ValueText(const ConfigRow& row, const Value& value);

// "64mb" -> 67108864. nullopt if it is not a memory value; a sum over 2^64 saturates.
std::optional<uint64_t> ParseMemory(std::string_view text);
// 67108864 -> "64mb": the largest unit that divides it.
std::string MemoryText(uint64_t bytes);

// The words of a list's canonical text.
std::vector<std::string> ListWords(std::string_view text);

std::vector<SavePoint> ParseSavePoints(std::string_view canonical);
OutputBufferLimit ParseOutputBufferLimit(std::string_view canonical, ClientClass client);

}  // namespace holdfast::config
