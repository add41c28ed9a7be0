// The parameters as data: what a row says, the keys by which code names a row, and the table.
//
// A key is made from the parameter's name at compile time, so `config.Integer("maxmemory")` is an
// array index and a misspelt name does not compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/config/config_rows.h"

namespace holdfast::config {

inline constexpr size_t kRowCount = sizeof(kRows) / sizeof(kRows[0]);

// A row and the spelling, name or alias, under which it was found.
struct RowMatch {
  uint16_t index;
  std::string_view name;
};

// By name or alias, in any case. A linear search: CONFIG is rare.
std::optional<RowMatch> FindRow(std::string_view name);
bool EqualIgnoringCase(std::string_view a, std::string_view b);

consteval uint16_t RowIndex(std::string_view name) {
  for (size_t i = 0; i < kRowCount; ++i) {
    if (kRows[i].name == name) return static_cast<uint16_t>(i);
  }
  throw "no parameter of this name";  // not a constant expression: the compiler shows this line
}

// A parameter whose value is one number: yes/no, integers, memory, enumerations.
struct ScalarKey {
  uint16_t index;
  // NOLINTNEXTLINE(google-explicit-constructor): a name stands for its key
  consteval ScalarKey(const char* name) : index(RowIndex(name)) {
    if (HoldsText(kRows[index].kind)) throw "this parameter is a text";
  }
};

// A parameter whose value is a text.
struct TextKey {
  uint16_t index;
  // NOLINTNEXTLINE(google-explicit-constructor): a name stands for its key
  consteval TextKey(const char* name) : index(RowIndex(name)) {
    if (!HoldsText(kRows[index].kind)) throw "this parameter is a number";
  }
};

// Any parameter.
struct RowKey {
  uint16_t index;
  // NOLINTNEXTLINE(google-explicit-constructor): a name stands for its key
  consteval RowKey(const char* name) : index(RowIndex(name)) {}
};

}  // namespace holdfast::config
