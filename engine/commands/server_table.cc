// The rows of the server family.
#include "engine/commands/families.h"
#include "engine/commands/server_handlers.h"

namespace holdfast::commands {
namespace {

constexpr ArgumentSpec kCommandDocsArguments[] = {
    {.name = "command-name", .type = ArgumentType::kString, .flags = kOptional | kMultiple}};

constexpr std::string_view kUnorderedTips[] = {"nondeterministic_output_order"};

constexpr HistoryNote kCommandInfoHistory[] = {{"7.0.0", "Without a name: all commands."}};

constexpr ArgumentSpec kCommandListFilterbyArguments[] = {
    {.name = "module-name", .type = ArgumentType::kString, .token = "MODULE"},
    {.name = "category", .type = ArgumentType::kString, .token = "ACLCAT"},
    {.name = "pattern", .type = ArgumentType::kPattern, .token = "PATTERN"}};

constexpr ArgumentSpec kCommandListArguments[] = {{.name = "filterby",
                                                   .type = ArgumentType::kOneOf,
                                                   .flags = kOptional,
                                                   .token = "FILTERBY",
                                                   .arguments = kCommandListFilterbyArguments}};

constexpr CommandSpec kCommandSubcommands[] = {
    {.name = "command|count",
     .arity = 2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandCount,
     .summary = "Returns the number of commands.",
     .since = "2.8.13",
     .complexity = "O(1)"},
    {.name = "command|docs",
     .arity = -2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandDocs,
     .summary = "Returns the documentation of commands.",
     .since = "7.0.0",
     .complexity = "O(N), N: names given",
     .arguments = kCommandDocsArguments,
     .tips = kUnorderedTips},
    {.name = "command|getkeys",
     .arity = -4,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandGetKeys,
     .summary = "Returns the keys of a command line.",
     .since = "2.8.13",
     .complexity = "O(N), N: arguments"},
    {.name = "command|getkeysandflags",
     .arity = -4,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandGetKeysAndFlags,
     .summary = "Returns the keys of a command line and how each is used.",
     .since = "7.0.0",
     .complexity = "O(N), N: arguments"},
    {.name = "command|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "5.0.0",
     .complexity = "O(1)"},
    {.name = "command|info",
     .arity = -2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandInfo,
     .summary = "Returns the rows of the named commands, or of all.",
     .since = "2.8.13",
     .complexity = "O(N), N: names given",
     .arguments = kCommandDocsArguments,
     .tips = kUnorderedTips,
     .history = kCommandInfoHistory},
    {.name = "command|list",
     .arity = -2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandList,
     .summary = "Returns the names of commands.",
     .since = "7.0.0",
     .complexity = "O(N), N: commands",
     .arguments = kCommandListArguments,
     .tips = kUnorderedTips}};

constexpr ArgumentSpec kConfigGetParameterArguments[] = {
    {.name = "parameter", .type = ArgumentType::kString}};

constexpr ArgumentSpec kConfigGetArguments[] = {{.name = "parameter",
                                                 .type = ArgumentType::kBlock,
                                                 .flags = kMultiple,
                                                 .arguments = kConfigGetParameterArguments}};

constexpr HistoryNote kConfigGetHistory[] = {{"7.0.0", "Takes several patterns."}};

constexpr ArgumentSpec kConfigSetParameterValueArguments[] = {
    {.name = "parameter", .type = ArgumentType::kString},
    {.name = "value", .type = ArgumentType::kString}};

constexpr ArgumentSpec kConfigSetArguments[] = {{.name = "parameter_value",
                                                 .type = ArgumentType::kBlock,
                                                 .flags = kMultiple,
                                                 .arguments = kConfigSetParameterValueArguments}};

constexpr std::string_view kAllNodesTips[] = {"request_policy:all_nodes",
                                              "response_policy:all_succeeded"};

constexpr HistoryNote kConfigSetHistory[] = {{"7.0.0", "Takes several parameters."}};

constexpr CommandSpec kConfigSubcommands[] = {
    {.name = "config|get",
     .arity = -3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = ConfigGet,
     .summary = "Returns the values of parameters.",
     .since = "2.0.0",
     .complexity = "O(N), N: parameters given",
     .arguments = kConfigGetArguments,
     .history = kConfigGetHistory},
    {.name = "config|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .handler = ConfigHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "5.0.0",
     .complexity = "O(1)"},
    {.name = "config|resetstat",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = ConfigResetStat,
     .summary = "Sets the statistics of INFO to zero.",
     .since = "2.0.0",
     .complexity = "O(1)"},
    {.name = "config|rewrite",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = ConfigRewrite,
     .summary = "Writes the present configuration to the conf file.",
     .since = "2.8.0",
     .complexity = "O(1)"},
    {.name = "config|set",
     .arity = -4,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = ConfigSet,
     .summary = "Changes parameters at run time.",
     .since = "2.0.0",
     .complexity = "O(N), N: parameters given",
     .arguments = kConfigSetArguments,
     .tips = kAllNodesTips,
     .history = kConfigSetHistory}};

constexpr std::string_view kDbSizeTips[] = {"request_policy:all_shards", "response_policy:agg_sum"};

constexpr ArgumentSpec kFlushModeArguments[] = {
    {.name = "async", .type = ArgumentType::kPureToken, .token = "ASYNC", .since = "4.0.0"},
    {.name = "sync", .type = ArgumentType::kPureToken, .token = "SYNC", .since = "6.2.0"}};

constexpr ArgumentSpec kFlushArguments[] = {{.name = "async",
                                             .type = ArgumentType::kOneOf,
                                             .flags = kOptional,
                                             .arguments = kFlushModeArguments}};

constexpr std::string_view kAllShardsTips[] = {"request_policy:all_shards",
                                               "response_policy:all_succeeded"};

constexpr HistoryNote kFlushHistory[] = {{"4.0.0", "ASYNC."}, {"6.2.0", "SYNC."}};

constexpr ArgumentSpec kInfoArguments[] = {
    {.name = "section", .type = ArgumentType::kString, .flags = kOptional | kMultiple}};

constexpr std::string_view kShardReportTips[] = {
    "nondeterministic_output", "request_policy:all_shards", "response_policy:special"};

constexpr HistoryNote kInfoHistory[] = {{"7.0.0", "Takes several sections."}};

constexpr std::string_view kChangingTips[] = {"nondeterministic_output"};

constexpr std::string_view kNodeReportTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};

constexpr ArgumentSpec kLatencyGraphArguments[] = {
    {.name = "event", .type = ArgumentType::kString}};

constexpr ArgumentSpec kLatencyHistogramArguments[] = {
    {.name = "command", .type = ArgumentType::kString, .flags = kOptional | kMultiple}};

constexpr ArgumentSpec kLatencyResetArguments[] = {
    {.name = "event", .type = ArgumentType::kString, .flags = kOptional | kMultiple}};

constexpr CommandSpec kLatencySubcommands[] = {
    {.name = "latency|doctor",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyDoctor,
     .summary = "Returns a report on latency for a person.",
     .since = "2.8.13",
     .complexity = "O(1)",
     .tips = kNodeReportTips},
    {.name = "latency|graph",
     .arity = 3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyGraph,
     .summary = "Draws the latency samples of an event.",
     .since = "2.8.13",
     .complexity = "O(1)",
     .arguments = kLatencyGraphArguments,
     .tips = kNodeReportTips},
    {.name = "latency|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "2.8.13",
     .complexity = "O(1)"},
    {.name = "latency|histogram",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyHistogram,
     .summary = "Returns how the run times of commands are distributed.",
     .since = "7.0.0",
     .complexity = "O(N), N: commands with samples",
     .arguments = kLatencyHistogramArguments,
     .tips = kNodeReportTips},
    {.name = "latency|history",
     .arity = 3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyHistory,
     .summary = "Returns the latency samples of an event.",
     .since = "2.8.13",
     .complexity = "O(1)",
     .arguments = kLatencyGraphArguments,
     .tips = kNodeReportTips},
    {.name = "latency|latest",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyLatest,
     .summary = "Returns the latest and the worst sample of each event.",
     .since = "2.8.13",
     .complexity = "O(1)",
     .tips = kNodeReportTips},
    {.name = "latency|reset",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = LatencyReset,
     .summary = "Forgets the latency samples of events.",
     .since = "2.8.13",
     .complexity = "O(1)",
     .arguments = kLatencyResetArguments,
     .tips = kAllNodesTips}};

constexpr KeySpec kMemoryUsageKeys[] = {
    {.flags = kKeyRO, .need = Need::kHeader, .begin_position = 2}};

constexpr ArgumentSpec kMemoryUsageArguments[] = {
    {.name = "key", .type = ArgumentType::kKey, .key_spec_index = 0},
    {.name = "count", .type = ArgumentType::kInteger, .flags = kOptional, .token = "SAMPLES"}};

constexpr CommandSpec kMemorySubcommands[] = {
    {.name = "memory|doctor",
     .arity = 2,
     .group = Group::kServer,
     .locking = Locking::kEachShard,
     .handler = MemoryDoctor,
     .summary = "Returns a report on memory for a person.",
     .since = "4.0.0",
     .complexity = "O(1)",
     .tips = kShardReportTips},
    {.name = "memory|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .handler = MemoryHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "4.0.0",
     .complexity = "O(1)"},
    {.name = "memory|purge",
     .arity = 2,
     .group = Group::kServer,
     .handler = MemoryPurge,
     .summary = "Makes the allocator return free memory to the system.",
     .since = "4.0.0",
     .complexity = "Depends on the memory in use.",
     .tips = kAllShardsTips},
    {.name = "memory|stats",
     .arity = 2,
     .group = Group::kServer,
     .locking = Locking::kEachShard,
     .handler = MemoryStats,
     .summary = "Returns the figures of memory use.",
     .since = "4.0.0",
     .complexity = "O(1)",
     .tips = kShardReportTips},
    {.name = "memory|usage",
     .arity = -3,
     .flags = kReadonly,
     .group = Group::kServer,
     .locking = Locking::kKeys,
     .handler = MemoryUsage,
     .summary = "Returns the bytes that a key occupies.",
     .since = "4.0.0",
     .complexity = "O(N), N: samples",
     .keys = kMemoryUsageKeys,
     .arguments = kMemoryUsageArguments}};

constexpr ArgumentSpec kBackupArguments[] = {
    {.name = "directory", .type = ArgumentType::kString, .token = "TO"}};

constexpr ArgumentSpec kBgSaveArguments[] = {{.name = "schedule",
                                              .type = ArgumentType::kPureToken,
                                              .flags = kOptional,
                                              .token = "SCHEDULE",
                                              .since = "3.2.2"}};

constexpr HistoryNote kBgSaveHistory[] = {{"3.2.2", "Added the `SCHEDULE` option."}};

constexpr ArgumentSpec kShutdownNosaveSaveArguments[] = {
    {.name = "nosave", .type = ArgumentType::kPureToken, .token = "NOSAVE"},
    {.name = "save", .type = ArgumentType::kPureToken, .token = "SAVE"}};

constexpr ArgumentSpec kShutdownArguments[] = {{.name = "nosave_save",
                                                .type = ArgumentType::kOneOf,
                                                .flags = kOptional,
                                                .arguments = kShutdownNosaveSaveArguments},
                                               {.name = "now",
                                                .type = ArgumentType::kPureToken,
                                                .flags = kOptional,
                                                .token = "NOW",
                                                .since = "7.0.0"},
                                               {.name = "force",
                                                .type = ArgumentType::kPureToken,
                                                .flags = kOptional,
                                                .token = "FORCE",
                                                .since = "7.0.0"},
                                               {.name = "abort",
                                                .type = ArgumentType::kPureToken,
                                                .flags = kOptional,
                                                .token = "ABORT",
                                                .since = "7.0.0"}};

constexpr HistoryNote kShutdownHistory[] = {{"7.0.0", "NOW, FORCE and ABORT."}};

constexpr ArgumentSpec kSlowlogGetArguments[] = {
    {.name = "count", .type = ArgumentType::kInteger, .flags = kOptional}};

constexpr std::string_view kSlowlogGetTips[] = {"request_policy:all_nodes",
                                                "nondeterministic_output"};

constexpr HistoryNote kSlowlogGetHistory[] = {{"4.0.0", "The client's address and name."}};

constexpr std::string_view kSlowlogLenTips[] = {
    "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"};

constexpr CommandSpec kSlowlogSubcommands[] = {
    {.name = "slowlog|get",
     .arity = -2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .handler = SlowlogGet,
     .summary = "Returns entries of the slow log.",
     .since = "2.2.12",
     .complexity = "O(N), N: entries returned",
     .arguments = kSlowlogGetArguments,
     .tips = kSlowlogGetTips,
     .history = kSlowlogGetHistory},
    {.name = "slowlog|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .handler = SlowlogHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "6.2.0",
     .complexity = "O(1)"},
    {.name = "slowlog|len",
     .arity = 2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .handler = SlowlogLen,
     .summary = "Returns the number of entries in the slow log.",
     .since = "2.2.12",
     .complexity = "O(1)",
     .tips = kSlowlogLenTips},
    {.name = "slowlog|reset",
     .arity = 2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .handler = SlowlogReset,
     .summary = "Empties the slow log.",
     .since = "2.2.12",
     .complexity = "O(N), N: entries",
     .tips = kAllNodesTips}};

constexpr CommandSpec kRows[] = {
    {.name = "backup",
     .arity = 3,
     .flags = kAdmin | kNoScript | kNoAsyncLoading | kNoMulti,
     .group = Group::kServer,
     .handler = Backup,
     .summary = "Makes a snapshot and copies it to a directory that opens as a store.",
     .since = "0.1.0",
     .complexity = "O(N), N: bytes of the data set, which are read and verified",
     .arguments = kBackupArguments},
    {.name = "bgrewriteaof",
     .arity = 1,
     .flags = kAdmin | kNoScript | kNoAsyncLoading,
     .group = Group::kServer,
     .handler = BgRewriteAof,
     .summary = "Starts to rewrite the append-only log in the background.",
     .since = "1.0.0",
     .complexity = "O(1)"},
    {.name = "bgsave",
     .arity = -1,
     .flags = kAdmin | kNoScript | kNoAsyncLoading,
     .group = Group::kServer,
     .handler = BgSave,
     .summary = "Starts a snapshot of the data set in the background.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .arguments = kBgSaveArguments,
     .history = kBgSaveHistory},
    {.name = "command",
     .arity = -1,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kServer,
     .handler = CommandAll,
     .summary = "Returns the rows of all commands.",
     .since = "2.8.13",
     .complexity = "O(N), N: commands",
     .subcommands = kCommandSubcommands,
     .tips = kUnorderedTips},
    {.name = "config",
     .arity = -2,
     .group = Group::kServer,
     .summary = "Groups the commands about the configuration.",
     .since = "2.0.0",
     .complexity = "Depends on the subcommand.",
     .subcommands = kConfigSubcommands},
    {.name = "dbsize",
     .arity = 1,
     .flags = kReadonly | kFast,
     .acl = kAclKeyspace,
     .group = Group::kServer,
     .locking = Locking::kEachShard,
     .handler = DbSize,
     .summary = "Returns the number of keys in the database.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .tips = kDbSizeTips},
    {.name = "debug",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .locking = Locking::kEachShard,
     .handler = Debug,
     .summary = "Groups the commands for tests and debugging.",
     .since = "1.0.0",
     .complexity = "Depends on the subcommand.",
     .other_keys = KeysOfDebug,
     .syscmd = true},
    {.name = "flushall",
     .arity = -1,
     .flags = kWrite | kFrees,
     .acl = kAclKeyspace | kAclDangerous,
     .group = Group::kServer,
     .locking = Locking::kGate,
     .log_rule = LogRule::kVerbatim,
     .handler = FlushAll,
     .summary = "Removes all keys of all databases.",
     .since = "1.0.0",
     .complexity = "O(N), N: keys in all databases",
     .arguments = kFlushArguments,
     .tips = kAllShardsTips,
     .history = kFlushHistory},
    {.name = "flushdb",
     .arity = -1,
     .flags = kWrite | kFrees,
     .acl = kAclKeyspace | kAclDangerous,
     .group = Group::kServer,
     .locking = Locking::kGate,
     .log_rule = LogRule::kVerbatim,
     .handler = FlushDb,
     .summary = "Removes all keys of the database.",
     .since = "1.0.0",
     .complexity = "O(N), N: keys in the database",
     .arguments = kFlushArguments,
     .tips = kAllShardsTips,
     .history = kFlushHistory},
    {.name = "info",
     .arity = -1,
     .flags = kLoading | kStale,
     .acl = kAclDangerous,
     .group = Group::kServer,
     .locking = Locking::kEachShard,
     .handler = Info,
     .summary = "Returns figures about the server, in sections.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .arguments = kInfoArguments,
     .tips = kShardReportTips,
     .history = kInfoHistory},
    {.name = "lastsave",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .acl = kAclAdmin | kAclDangerous,
     .group = Group::kServer,
     .handler = LastSave,
     .summary = "Returns the time of the last successful save.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .tips = kChangingTips},
    {.name = "latency",
     .arity = -2,
     .group = Group::kServer,
     .summary = "Groups the commands about latency.",
     .since = "2.8.13",
     .complexity = "Depends on the subcommand.",
     .subcommands = kLatencySubcommands},
    {.name = "memory",
     .arity = -2,
     .group = Group::kServer,
     .summary = "Groups the commands about memory.",
     .since = "4.0.0",
     .complexity = "Depends on the subcommand.",
     .subcommands = kMemorySubcommands},
    {.name = "monitor",
     .arity = 1,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .group = Group::kServer,
     .handler = Monitor,
     .summary = "Streams every command that the server executes.",
     .since = "1.0.0"},
    {.name = "save",
     .arity = 1,
     .flags = kAdmin | kNoScript | kNoAsyncLoading | kNoMulti,
     .group = Group::kServer,
     .handler = Save,
     .summary = "Makes a snapshot of the data set and waits for it.",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys that changed since the last one."},
    {.name = "shutdown",
     .arity = -1,
     .flags = kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy,
     .group = Group::kServer,
     .handler = Shutdown,
     .summary = "Stops the server once all data is safe.",
     .since = "1.0.0",
     .complexity = "O(N) when saving, N: keys in all databases; else O(1)",
     .arguments = kShutdownArguments,
     .history = kShutdownHistory},
    {.name = "slowlog",
     .arity = -2,
     .group = Group::kServer,
     .summary = "Groups the commands about the slow log.",
     .since = "2.2.12",
     .complexity = "Depends on the subcommand.",
     .subcommands = kSlowlogSubcommands},
    {.name = "time",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .group = Group::kServer,
     .handler = Time,
     .summary = "Returns the time of the server.",
     .since = "2.6.0",
     .complexity = "O(1)",
     .tips = kChangingTips}};

}  // namespace

std::span<const CommandSpec> ServerCommands() { return kRows; }

}  // namespace holdfast::commands
