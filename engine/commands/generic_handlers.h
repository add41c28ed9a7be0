// The handlers of the generic family; generic_table.cc names them. Each runs under the locks that
// its row asks for, on the thread that executes the command, and answers errors through the
// context's sink.
#pragma once

#include "engine/commands/context.h"

namespace holdfast::commands {

// generic_keys.cc
void Del(CommandContext& ctx);
void Exists(CommandContext& ctx);
void SwapDb(CommandContext& ctx);
void Touch(CommandContext& ctx);
void Type(CommandContext& ctx);
void Unlink(CommandContext& ctx);

// key_transfer.cc
void Copy(CommandContext& ctx);
void Move(CommandContext& ctx);
void Rename(CommandContext& ctx);
void RenameNx(CommandContext& ctx);
void OtherKeyOfCopy(std::span<const std::string_view> args, std::vector<OtherKey>& keys);
void OtherKeyOfMove(std::span<const std::string_view> args, std::vector<OtherKey>& keys);

// expire.cc
void Expire(CommandContext& ctx);
void ExpireAt(CommandContext& ctx);
void ExpireTime(CommandContext& ctx);
void PExpire(CommandContext& ctx);
void PExpireAt(CommandContext& ctx);
void PExpireTime(CommandContext& ctx);
void PTtl(CommandContext& ctx);
void Persist(CommandContext& ctx);
void Ttl(CommandContext& ctx);

// scan.cc
void Keys(CommandContext& ctx);
void RandomKey(CommandContext& ctx);
void Scan(CommandContext& ctx);

// object.cc
void ObjectEncoding(CommandContext& ctx);
void ObjectFreq(CommandContext& ctx);
void ObjectHelp(CommandContext& ctx);
void ObjectIdleTime(CommandContext& ctx);
void ObjectRefCount(CommandContext& ctx);

// dump.cc
void Dump(CommandContext& ctx);
void Restore(CommandContext& ctx);

}  // namespace holdfast::commands
