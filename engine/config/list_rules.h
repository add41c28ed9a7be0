// The rules of texts and lists that have an inner structure: save, bind,
// client-output-buffer-limit and others. Pure functions, any thread.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/config/config_rows.h"

namespace holdfast::config {

// Why `text` may not be the value of this row, or nullopt.
std::optional<std::string> CheckText(const ConfigRow& row, std::string_view text);

// The canonical text of a list, or why not. See ParseValue for `old` and `append`.
std::expected<std::string, std::string> ParseList(const ConfigRow& row,
                                                  std::span<const std::string> words,
                                                  std::string_view old, bool append);

}  // namespace holdfast::config
