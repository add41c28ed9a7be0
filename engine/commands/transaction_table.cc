// The rows of the transaction family.
#include "engine/commands/families.h"
#include "engine/commands/transaction_arguments.h"
#include "engine/commands/transaction_handlers.h"

namespace holdfast::commands {
namespace {

namespace arguments = transaction_arguments;

constexpr KeySpec kWatchKeys[] = {
    {.flags = kKeyRO, .need = Need::kHeader, .last = -1},
};

constexpr CommandSpec kCommands[] = {
    {.name = "discard",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .acl = kAclTransaction,
     .group = Group::kTransactions,
     .locking = Locking::kEachShard,
     .handler = Discard,
     .summary = "Drops the queued commands and forgets the watched keys.",
     .since = "2.0.0",
     .complexity = "O(N), N being the number of queued commands."},
    {.name = "exec",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog,
     .acl = kAclTransaction,
     .group = Group::kTransactions,
     .locking = Locking::kExec,
     .summary = "Executes the queued commands as one unit, unless a watched key changed.",
     .since = "1.2.0",
     .complexity = "The sum of the queued commands."},
    {.name = "multi",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .acl = kAclTransaction,
     .group = Group::kTransactions,
     .handler = Multi,
     .summary = "Begins a transaction: the commands that follow are queued.",
     .since = "1.2.0",
     .complexity = "O(1)"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .acl = kAclTransaction,
     .group = Group::kTransactions,
     .locking = Locking::kEachShard,
     .handler = UnwatchKeys,
     .summary = "Forgets the watched keys.",
     .since = "2.2.0",
     .complexity = "O(1)"},
    {.name = "watch",
     .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .acl = kAclTransaction,
     .group = Group::kTransactions,
     .locking = Locking::kKeys,
     .handler = WatchKeys,
     .summary = "Makes the next transaction depend on these keys staying as they are.",
     .since = "2.2.0",
     .complexity = "O(1) for each key.",
     .keys = kWatchKeys,
     .arguments = arguments::kSeveralKeysArguments},
};

}  // namespace

std::span<const CommandSpec> TransactionCommands() { return kCommands; }

}  // namespace holdfast::commands
