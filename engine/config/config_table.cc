#include "engine/config/config_table.h"

namespace holdfast::config {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

std::optional<RowMatch> FindRow(std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (size_t i = 0; i < kRowCount; ++i) {
    const auto index = static_cast<uint16_t>(i);
    if (EqualIgnoringCase(kRows[i].name, name)) return RowMatch{index, kRows[i].name};
    if (EqualIgnoringCase(kRows[i].alias, name)) return RowMatch{index, kRows[i].alias};
  }
  return std::nullopt;
}

}  // namespace holdfast::config
