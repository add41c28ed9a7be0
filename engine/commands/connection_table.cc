// The rows of the connection family.
#include "engine/commands/connection_handlers.h"
#include "engine/commands/families.h"

namespace holdfast::commands {
namespace {

constexpr ArgumentSpec kAuthArguments[] = {
    {.name = "username", .type = ArgumentType::kString, .flags = kOptional, .since = "6.0.0"},
    {.name = "password", .type = ArgumentType::kString}};

constexpr HistoryNote kAuthHistory[] = {{"6.0.0", "Takes a user name too."}};

constexpr std::string_view kChangingTips[] = {"nondeterministic_output"};

constexpr ArgumentSpec kClientKillFilterNewFormatNormalMasterSlavePubsubArguments[] = {
    {.name = "normal", .type = ArgumentType::kPureToken, .token = "NORMAL"},
    {.name = "master", .type = ArgumentType::kPureToken, .token = "MASTER", .since = "3.2.0"},
    {.name = "slave", .type = ArgumentType::kPureToken, .token = "SLAVE"},
    {.name = "replica", .type = ArgumentType::kPureToken, .token = "REPLICA", .since = "5.0.0"},
    {.name = "pubsub", .type = ArgumentType::kPureToken, .token = "PUBSUB"}};

constexpr ArgumentSpec kClientKillFilterNewFormatArguments[] = {
    {.name = "client-id",
     .type = ArgumentType::kInteger,
     .flags = kOptional,
     .token = "ID",
     .since = "2.8.12"},
    {.name = "normal_master_slave_pubsub",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .token = "TYPE",
     .since = "2.8.12",
     .arguments = kClientKillFilterNewFormatNormalMasterSlavePubsubArguments},
    {.name = "username", .type = ArgumentType::kString, .flags = kOptional, .token = "USER"},
    {.name = "ip:port", .type = ArgumentType::kString, .flags = kOptional, .token = "ADDR"},
    {.name = "ip:port",
     .type = ArgumentType::kString,
     .flags = kOptional,
     .token = "LADDR",
     .since = "6.2.0"},
    {.name = "yes/no", .type = ArgumentType::kString, .flags = kOptional, .token = "SKIPME"}};

constexpr ArgumentSpec kClientKillFilterArguments[] = {
    {.name = "ip:port", .type = ArgumentType::kString, .deprecated_since = "2.8.12"},
    {.name = "new-format",
     .type = ArgumentType::kOneOf,
     .flags = kMultiple,
     .arguments = kClientKillFilterNewFormatArguments}};

constexpr ArgumentSpec kClientKillArguments[] = {
    {.name = "filter", .type = ArgumentType::kOneOf, .arguments = kClientKillFilterArguments}};

constexpr HistoryNote kClientKillHistory[] = {
    {"2.8.12", "Takes filters."},
    {"2.8.12", "Filter ID."},
    {"3.2.0", "Type MASTER."},
    {"5.0.0", "Type REPLICA, with SLAVE as its old name."},
    {"6.2.0", "Filter LADDR."}};

constexpr ArgumentSpec kClientListNormalMasterReplicaPubsubArguments[] = {
    {.name = "normal", .type = ArgumentType::kPureToken, .token = "NORMAL"},
    {.name = "master", .type = ArgumentType::kPureToken, .token = "MASTER"},
    {.name = "replica", .type = ArgumentType::kPureToken, .token = "REPLICA"},
    {.name = "pubsub", .type = ArgumentType::kPureToken, .token = "PUBSUB"}};

constexpr ArgumentSpec kClientListIdArguments[] = {
    {.name = "client-id", .type = ArgumentType::kInteger, .flags = kMultiple}};

constexpr ArgumentSpec kClientListArguments[] = {
    {.name = "normal_master_replica_pubsub",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .token = "TYPE",
     .since = "5.0.0",
     .arguments = kClientListNormalMasterReplicaPubsubArguments},
    {.name = "id",
     .type = ArgumentType::kBlock,
     .flags = kOptional,
     .token = "ID",
     .since = "6.2.0",
     .arguments = kClientListIdArguments}};

constexpr HistoryNote kClientListHistory[] = {
    {"2.8.12", "Field id."},
    {"5.0.0", "Filter TYPE."},
    {"6.0.0", "Field user."},
    {"6.2.0", "Fields argv-mem, tot-mem, laddr and redir; filter ID."},
    {"7.0.0", "Fields resp, multi-mem, rbs and rbp."},
    {"7.0.3", "Field ssub."}};

constexpr ArgumentSpec kOnOffArguments[] = {
    {.name = "on", .type = ArgumentType::kPureToken, .token = "ON"},
    {.name = "off", .type = ArgumentType::kPureToken, .token = "OFF"}};

constexpr ArgumentSpec kClientOnOffArguments[] = {
    {.name = "enabled", .type = ArgumentType::kOneOf, .arguments = kOnOffArguments}};

constexpr ArgumentSpec kClientPauseModeArguments[] = {
    {.name = "write", .type = ArgumentType::kPureToken, .token = "WRITE"},
    {.name = "all", .type = ArgumentType::kPureToken, .token = "ALL"}};

constexpr ArgumentSpec kClientPauseArguments[] = {
    {.name = "timeout", .type = ArgumentType::kInteger},
    {.name = "mode",
     .type = ArgumentType::kOneOf,
     .flags = kOptional,
     .since = "6.2.0",
     .arguments = kClientPauseModeArguments}};

constexpr HistoryNote kClientPauseHistory[] = {{"6.2.0", "The mode: WRITE or ALL."}};

constexpr ArgumentSpec kClientReplyOnOffSkipArguments[] = {
    {.name = "on", .type = ArgumentType::kPureToken, .token = "ON"},
    {.name = "off", .type = ArgumentType::kPureToken, .token = "OFF"},
    {.name = "skip", .type = ArgumentType::kPureToken, .token = "SKIP"}};

constexpr ArgumentSpec kClientReplyArguments[] = {{.name = "on_off_skip",
                                                   .type = ArgumentType::kOneOf,
                                                   .arguments = kClientReplyOnOffSkipArguments}};

constexpr ArgumentSpec kClientSetNameArguments[] = {
    {.name = "connection-name", .type = ArgumentType::kString}};

constexpr ArgumentSpec kClientSetInfoAttrArguments[] = {
    {.name = "libname", .type = ArgumentType::kString, .token = "LIB-NAME"},
    {.name = "libver", .type = ArgumentType::kString, .token = "LIB-VER"}};

constexpr ArgumentSpec kClientSetInfoArguments[] = {
    {.name = "attr", .type = ArgumentType::kOneOf, .arguments = kClientSetInfoAttrArguments}};

constexpr CommandSpec kClientSubcommands[] = {
    {.name = "client|getname",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientGetName,
     .summary = "Returns the name of the connection.",
     .since = "2.6.9",
     .complexity = "O(1)"},
    {.name = "client|help",
     .arity = 2,
     .flags = kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientHelp,
     .summary = "Returns a short description of the subcommands.",
     .since = "5.0.0",
     .complexity = "O(1)"},
    {.name = "client|id",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientId,
     .summary = "Returns the id of the connection.",
     .since = "5.0.0",
     .complexity = "O(1)"},
    {.name = "client|info",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientInfo,
     .summary = "Returns the CLIENT LIST line of the connection.",
     .since = "6.2.0",
     .complexity = "O(1)",
     .tips = kChangingTips},
    {.name = "client|kill",
     .arity = -3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientKill,
     .summary = "Closes the connections that match.",
     .since = "2.4.0",
     .complexity = "O(N), N: connections",
     .arguments = kClientKillArguments,
     .history = kClientKillHistory},
    {.name = "client|list",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientList,
     .summary = "Returns a line for each connection that matches.",
     .since = "2.4.0",
     .complexity = "O(N), N: connections",
     .arguments = kClientListArguments,
     .tips = kChangingTips,
     .history = kClientListHistory},
    {.name = "client|no-evict",
     .arity = 3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientNoEvict,
     .summary = "Exempts the connection from client eviction, or no longer.",
     .since = "7.0.0",
     .complexity = "O(1)",
     .arguments = kClientOnOffArguments},
    {.name = "client|no-touch",
     .arity = 3,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientNoTouch,
     .summary = "Makes the commands of the connection leave the eviction state of keys alone, or "
                "no longer.",
     .since = "7.2.0",
     .complexity = "O(1)",
     .arguments = kClientOnOffArguments},
    {.name = "client|pause",
     .arity = -3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientPause,
     .summary = "Holds back the commands of clients for some time.",
     .since = "2.9.50",
     .complexity = "O(1)",
     .arguments = kClientPauseArguments,
     .history = kClientPauseHistory},
    {.name = "client|reply",
     .arity = 3,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientReply,
     .summary = "Switches the replies to the connection on or off, or skips one.",
     .since = "3.2.0",
     .complexity = "O(1)",
     .arguments = kClientReplyArguments},
    {.name = "client|setinfo",
     .arity = 4,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientSetInfo,
     .summary = "Notes the name or version of the library that the client uses.",
     .since = "7.2.0",
     .complexity = "O(1)",
     .arguments = kClientSetInfoArguments},
    {.name = "client|setname",
     .arity = 3,
     .flags = kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientSetName,
     .summary = "Names the connection.",
     .since = "2.6.9",
     .complexity = "O(1)",
     .arguments = kClientSetNameArguments},
    {.name = "client|unpause",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = ClientUnpause,
     .summary = "Lets paused clients go on.",
     .since = "6.2.0",
     .complexity = "O(N), N: paused clients"}};

constexpr ArgumentSpec kEchoArguments[] = {{.name = "message", .type = ArgumentType::kString}};

constexpr ArgumentSpec kHelloArgumentsUsernamePasswordArguments[] = {
    {.name = "username", .type = ArgumentType::kString},
    {.name = "password", .type = ArgumentType::kString}};

constexpr ArgumentSpec kHelloArgumentsArguments[] = {
    {.name = "protover", .type = ArgumentType::kInteger},
    {.name = "username_password",
     .type = ArgumentType::kBlock,
     .flags = kOptional,
     .token = "AUTH",
     .arguments = kHelloArgumentsUsernamePasswordArguments},
    {.name = "clientname", .type = ArgumentType::kString, .flags = kOptional, .token = "SETNAME"}};

constexpr ArgumentSpec kHelloArguments[] = {{.name = "arguments",
                                             .type = ArgumentType::kBlock,
                                             .flags = kOptional,
                                             .arguments = kHelloArgumentsArguments}};

constexpr HistoryNote kHelloHistory[] = {{"6.2.0", "The version may be left out."}};

constexpr ArgumentSpec kPingArguments[] = {
    {.name = "message", .type = ArgumentType::kString, .flags = kOptional}};

constexpr std::string_view kAllShardsTips[] = {"request_policy:all_shards",
                                               "response_policy:all_succeeded"};

constexpr ArgumentSpec kSelectArguments[] = {{.name = "index", .type = ArgumentType::kInteger}};

constexpr CommandSpec kRows[] = {
    {.name = "auth",
     .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Auth,
     .summary = "Authenticates the connection.",
     .since = "1.0.0",
     .complexity = "O(N), N: passwords of the user",
     .arguments = kAuthArguments,
     .history = kAuthHistory},
    {.name = "client",
     .arity = -2,
     .group = Group::kConnection,
     .summary = "Groups the commands about client connections.",
     .since = "2.4.0",
     .complexity = "Depends on the subcommand.",
     .subcommands = kClientSubcommands},
    {.name = "echo",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Echo,
     .summary = "Returns its argument.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .arguments = kEchoArguments},
    {.name = "hello",
     .arity = -1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Hello,
     .summary = "Begins a session: chooses the protocol, authenticates, names the connection.",
     .since = "6.0.0",
     .complexity = "O(1)",
     .arguments = kHelloArguments,
     .history = kHelloHistory},
    {.name = "ping",
     .arity = -1,
     .flags = kFast,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Ping,
     .summary = "Answers PONG, or its argument.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .arguments = kPingArguments,
     .tips = kAllShardsTips},
    {.name = "quit",
     .arity = -1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Quit,
     .summary = "Closes the connection after the reply.",
     .since = "1.0.0",
     .complexity = "O(1)"},
    {.name = "reset",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Reset,
     .summary = "Puts the connection back into the state it began in.",
     .since = "6.2.0",
     .complexity = "O(1)"},
    {.name = "select",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .acl = kAclConnection,
     .group = Group::kConnection,
     .handler = Select,
     .summary = "Changes the database of the connection.",
     .since = "1.0.0",
     .complexity = "O(1)",
     .arguments = kSelectArguments}};

}  // namespace

std::span<const CommandSpec> ConnectionCommands() { return kRows; }

}  // namespace holdfast::commands
