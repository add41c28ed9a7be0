#include "engine/commands/value_names.h"

#include "holdfast/check.h"

namespace holdfast::commands {
namespace {

constexpr size_t kEmbstrLimit = 44;

}  // namespace

std::string_view TypeName(memtable::ValueType type) {
  switch (type) {
    case memtable::ValueType::kString:
      return "string";
    case memtable::ValueType::kList:
      return "list";
    case memtable::ValueType::kSet:
      return "set";
    case memtable::ValueType::kSortedSet:
      return "zset";
    case memtable::ValueType::kHash:
      return "hash";
    case memtable::ValueType::kStream:
      return "stream";
    case memtable::ValueType::kModule:
      return "module";
  }
  return "unknown";
}

std::string_view EncodingName(const memtable::Entry& entry) {
  HF_CHECK(entry.type() == memtable::ValueType::kString);
  if (entry.form() == memtable::ValueForm::kInteger) return "int";
  if (entry.Has(memtable::kRawString) || entry.StringLength() > kEmbstrLimit) return "raw";
  return "embstr";
}

}  // namespace holdfast::commands
