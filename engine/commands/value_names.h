// The names that commands give to types and encodings, as Redis has them. Pure.
#pragma once

#include <string_view>

#include "memtable/entry.h"

namespace holdfast::commands {

// "string", "list", "set", "zset", "hash", "stream"
std::string_view TypeName(memtable::ValueType type);
// What OBJECT ENCODING answers.
std::string_view EncodingName(const memtable::Entry& entry);

}  // namespace holdfast::commands
