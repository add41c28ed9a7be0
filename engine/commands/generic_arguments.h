// The argument trees of the generic family, for COMMAND DOCS.
#pragma once

#include "engine/commands/command_spec.h"

namespace holdfast::commands::generic_arguments {

inline constexpr ArgumentSpec kCopyArguments[] = {
    {.name = "source", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "destination", .type = ArgumentType::kKey, .key_spec_index = 1},
    {.name = "destination-db", .type = ArgumentType::kInteger, .flags = kOptional, .token = "DB"},
    {.name = "replace", .type = ArgumentType::kPureToken, .flags = kOptional, .token = "REPLACE"},
};

inline constexpr ArgumentSpec kSeveralKeysArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .flags = kMultiple, .key_spec_index = 0},
};

inline constexpr ArgumentSpec kOneKeyArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
};

inline constexpr ArgumentSpec kExpireConditionArguments[] = {
    {.name = "nx", .type = ArgumentType::kPureToken, .token = "NX"},
    {.name = "xx", .type = ArgumentType::kPureToken, .token = "XX"},
    {.name = "gt", .type = ArgumentType::kPureToken, .token = "GT"},
    {.name = "lt", .type = ArgumentType::kPureToken, .token = "LT"},
};

inline constexpr ArgumentSpec kExpireArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "seconds", .type = ArgumentType::kInteger},
    {.name = "condition",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "7.0.0",
     .arguments = kExpireConditionArguments},
};

inline constexpr ArgumentSpec kExpireatArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "unix-time-seconds", .type = ArgumentType::kUnixTime},
    {.name = "condition",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "7.0.0",
     .arguments = kExpireConditionArguments},
};

inline constexpr ArgumentSpec kKeysArguments[] = {
    {.name = "pattern", .type = ArgumentType::kPattern},
};

inline constexpr ArgumentSpec kMoveArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "db", .type = ArgumentType::kInteger},
};

inline constexpr ArgumentSpec kPexpireArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "milliseconds", .type = ArgumentType::kInteger},
    {.name = "condition",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "7.0.0",
     .arguments = kExpireConditionArguments},
};

inline constexpr ArgumentSpec kPexpireatArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "unix-time-milliseconds", .type = ArgumentType::kUnixTime},
    {.name = "condition",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "7.0.0",
     .arguments = kExpireConditionArguments},
};

inline constexpr ArgumentSpec kOldAndNewNameArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "newkey", .type = ArgumentType::kKey, .key_spec_index = 1},
};

inline constexpr ArgumentSpec kRestoreArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "ttl", .type = ArgumentType::kInteger},
    {.name = "serialized-value", .type = ArgumentType::kString},
    {.name = "replace",
     .type = ArgumentType::kPureToken,
     .flags = kOptional,
     .token = "REPLACE",
     .since = "3.0.0"},
    {.name = "absttl",
     .type = ArgumentType::kPureToken,
     .flags = kOptional,
     .token = "ABSTTL",
     .since = "5.0.0"},
    {.name = "seconds",
     .type = ArgumentType::kInteger,
     .flags = kOptional,
     .token = "IDLETIME",
     .since = "5.0.0"},
    {.name = "frequency",
     .type = ArgumentType::kInteger,
     .flags = kOptional,
     .token = "FREQ",
     .since = "5.0.0"},
};

inline constexpr ArgumentSpec kScanArguments[] = {
    {.name = "cursor", .type = ArgumentType::kInteger},
    {.name = "pattern", .type = ArgumentType::kPattern, .flags = kOptional, .token = "MATCH"},
    {.name = "count", .type = ArgumentType::kInteger, .flags = kOptional, .token = "COUNT"},
    {.name = "type",
     .type = ArgumentType::kString,
     .flags = kOptional,
     .token = "TYPE",
     .since = "6.0.0"},
};

inline constexpr ArgumentSpec kSwapdbArguments[] = {
    {.name = "index1", .type = ArgumentType::kInteger},
    {.name = "index2", .type = ArgumentType::kInteger},
};

}  // namespace holdfast::commands::generic_arguments
