// The argument trees of the string family, for COMMAND DOCS.
#pragma once

#include "engine/commands/command_spec.h"

namespace holdfast::commands::string_arguments {

inline constexpr ArgumentSpec kKeyAndValueArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "value", .type = ArgumentType::kString},
};

inline constexpr ArgumentSpec kOneKeyArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
};

inline constexpr ArgumentSpec kDecrbyArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "decrement", .type = ArgumentType::kInteger},
};

inline constexpr ArgumentSpec kGetexExpirationArguments[] = {
    {.name = "seconds", .type = ArgumentType::kInteger, .token = "EX"},
    {.name = "milliseconds", .type = ArgumentType::kInteger, .token = "PX"},
    {.name = "unix-time-seconds", .type = ArgumentType::kUnixTime, .token = "EXAT"},
    {.name = "unix-time-milliseconds", .type = ArgumentType::kUnixTime, .token = "PXAT"},
    {.name = "persist", .type = ArgumentType::kPureToken, .token = "PERSIST"},
};

inline constexpr ArgumentSpec kGetexArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "expiration",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .arguments = kGetexExpirationArguments},
};

inline constexpr ArgumentSpec kGetrangeArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "start", .type = ArgumentType::kInteger},
    {.name = "end", .type = ArgumentType::kInteger},
};

inline constexpr ArgumentSpec kIncrbyArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "increment", .type = ArgumentType::kInteger},
};

inline constexpr ArgumentSpec kIncrbyfloatArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "increment", .type = ArgumentType::kDouble},
};

inline constexpr ArgumentSpec kLcsArguments[] = {
    {.name = "key1", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "key2", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "len", .type = ArgumentType::kPureToken, .flags = kOptional, .token = "LEN"},
    {.name = "idx", .type = ArgumentType::kPureToken, .flags = kOptional, .token = "IDX"},
    {.name = "len", .type = ArgumentType::kInteger, .flags = kOptional, .token = "MINMATCHLEN"},
    {.name = "withmatchlen",
     .type = ArgumentType::kPureToken,
     .flags = kOptional,
     .token = "WITHMATCHLEN"},
};

inline constexpr ArgumentSpec kSeveralKeysArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .flags = kMultiple, .key_spec_index = 0},
};

inline constexpr ArgumentSpec kKeysAndValuesArguments[] = {
    {.name = "key_value",
     .type = ArgumentType::kBlock,
     .flags = kMultiple,
     .arguments = kKeyAndValueArguments},
};

inline constexpr ArgumentSpec kPsetexArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "milliseconds", .type = ArgumentType::kInteger},
    {.name = "value", .type = ArgumentType::kString},
};

inline constexpr ArgumentSpec kSetConditionArguments[] = {
    {.name = "nx", .type = ArgumentType::kPureToken, .token = "NX"},
    {.name = "xx", .type = ArgumentType::kPureToken, .token = "XX"},
};

inline constexpr ArgumentSpec kSetExpirationArguments[] = {
    {.name = "seconds", .type = ArgumentType::kInteger, .token = "EX", .since = "2.6.12"},
    {.name = "milliseconds", .type = ArgumentType::kInteger, .token = "PX", .since = "2.6.12"},
    {.name = "unix-time-seconds",
     .type = ArgumentType::kUnixTime,
     .token = "EXAT",
     .since = "6.2.0"},
    {.name = "unix-time-milliseconds",
     .type = ArgumentType::kUnixTime,
     .token = "PXAT",
     .since = "6.2.0"},
    {.name = "keepttl", .type = ArgumentType::kPureToken, .token = "KEEPTTL", .since = "6.0.0"},
};

inline constexpr ArgumentSpec kSetArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "value", .type = ArgumentType::kString},
    {.name = "condition",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "2.6.12",
     .arguments = kSetConditionArguments},
    {.name = "get",
     .type = ArgumentType::kPureToken,
     .flags = kOptional,
     .token = "GET",
     .since = "6.2.0"},
    {.name = "expiration",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .arguments = kSetExpirationArguments},
};

inline constexpr ArgumentSpec kSetexArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "seconds", .type = ArgumentType::kInteger},
    {.name = "value", .type = ArgumentType::kString},
};

inline constexpr ArgumentSpec kSetrangeArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "offset", .type = ArgumentType::kInteger},
    {.name = "value", .type = ArgumentType::kString},
};

}  // namespace holdfast::commands::string_arguments
