// The handlers of the server family. Any thread, under the locks that the row names; errors are
// replies.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace holdfast::commands {

struct CommandContext;
struct OtherKey;

void CommandCount(CommandContext& ctx);
void CommandDocs(CommandContext& ctx);
void CommandGetKeys(CommandContext& ctx);
void CommandGetKeysAndFlags(CommandContext& ctx);
void CommandHelp(CommandContext& ctx);
void CommandInfo(CommandContext& ctx);
void CommandList(CommandContext& ctx);
void ConfigGet(CommandContext& ctx);
void ConfigHelp(CommandContext& ctx);
void ConfigResetStat(CommandContext& ctx);
void ConfigRewrite(CommandContext& ctx);
void ConfigSet(CommandContext& ctx);
void LatencyDoctor(CommandContext& ctx);
void LatencyGraph(CommandContext& ctx);
void LatencyHelp(CommandContext& ctx);
void LatencyHistogram(CommandContext& ctx);
void LatencyHistory(CommandContext& ctx);
void LatencyLatest(CommandContext& ctx);
void LatencyReset(CommandContext& ctx);
void MemoryDoctor(CommandContext& ctx);
void MemoryHelp(CommandContext& ctx);
void MemoryPurge(CommandContext& ctx);
void MemoryStats(CommandContext& ctx);
void MemoryUsage(CommandContext& ctx);
void SlowlogGet(CommandContext& ctx);
void SlowlogHelp(CommandContext& ctx);
void SlowlogLen(CommandContext& ctx);
void SlowlogReset(CommandContext& ctx);
void BgRewriteAof(CommandContext& ctx);
void BgSave(CommandContext& ctx);
void CommandAll(CommandContext& ctx);
void DbSize(CommandContext& ctx);
void Debug(CommandContext& ctx);
void KeysOfDebug(std::span<const std::string_view> args, std::vector<OtherKey>& keys);
void FlushAll(CommandContext& ctx);
void FlushDb(CommandContext& ctx);
void Info(CommandContext& ctx);
void LastSave(CommandContext& ctx);
void Monitor(CommandContext& ctx);
void Save(CommandContext& ctx);
void Backup(CommandContext& ctx);
void Shutdown(CommandContext& ctx);
void Time(CommandContext& ctx);

}  // namespace holdfast::commands
