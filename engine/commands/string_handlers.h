// The handlers of the string family; string_table.cc names them. Each runs under the locks of its
// keys, on the thread that executes the command, and answers errors through the context's sink.
#pragma once

#include "engine/commands/context.h"

namespace holdfast::commands {

// string_read.cc
void Get(CommandContext& ctx);
void GetRange(CommandContext& ctx);  // SUBSTR too
void MGet(CommandContext& ctx);
void StrLen(CommandContext& ctx);

// string_write.cc
void Append(CommandContext& ctx);
void GetDel(CommandContext& ctx);
void GetSet(CommandContext& ctx);
void MSet(CommandContext& ctx);
void MSetNx(CommandContext& ctx);
void SetRange(CommandContext& ctx);

// string_set.cc
void GetEx(CommandContext& ctx);
void PSetEx(CommandContext& ctx);
void Set(CommandContext& ctx);
void SetEx(CommandContext& ctx);
void SetNx(CommandContext& ctx);
Need NeedOfSet(std::span<const std::string_view> args);
// KeySpecFlag bits: GET reads the old value, without it the key is overwritten.
uint16_t KeyUseOfSet(std::span<const std::string_view> args);

// string_counter.cc
void Decr(CommandContext& ctx);
void DecrBy(CommandContext& ctx);
void Incr(CommandContext& ctx);
void IncrBy(CommandContext& ctx);
void IncrByFloat(CommandContext& ctx);

// lcs.cc
void Lcs(CommandContext& ctx);

}  // namespace holdfast::commands
