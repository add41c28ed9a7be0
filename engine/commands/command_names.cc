#include "engine/commands/command_names.h"

#include "engine/commands/arguments.h"

namespace holdfast::commands {
namespace {

struct Word {
  uint32_t bit;
  std::string_view name;
};

constexpr Word kFlags[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kModuleCommand, "module"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kAsking, "asking"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kMayReplicate, "may_replicate"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
    {kNoAsyncLoading, "no_async_loading"},
};

constexpr Word kCategories[] = {
    {kAclKeyspace, "keyspace"},
    {kAclRead, "read"},
    {kAclWrite, "write"},
    {kAclSet, "set"},
    {kAclSortedSet, "sortedset"},
    {kAclList, "list"},
    {kAclHash, "hash"},
    {kAclString, "string"},
    {kAclBitmap, "bitmap"},
    {kAclHyperLogLog, "hyperloglog"},
    {kAclGeo, "geo"},
    {kAclStream, "stream"},
    {kAclPubSub, "pubsub"},
    {kAclAdmin, "admin"},
    {kAclFast, "fast"},
    {kAclSlow, "slow"},
    {kAclBlocking, "blocking"},
    {kAclDangerous, "dangerous"},
    {kAclConnection, "connection"},
    {kAclTransaction, "transaction"},
    {kAclScripting, "scripting"},
};

constexpr Word kKeySpecFlags[] = {
    {kKeyRO, "RO"},
    {kKeyRW, "RW"},
    {kKeyOW, "OW"},
    {kKeyRM, "RM"},
    {kKeyAccess, "access"},
    {kKeyUpdate, "update"},
    {kKeyInsert, "insert"},
    {kKeyDelete, "delete"},
    {kKeyNotKey, "not_key"},
    {kKeyIncomplete, "incomplete"},
    {kKeyVariableFlags, "variable_flags"},
};

constexpr Word kArgumentFlags[] = {
    {kOptional, "optional"},
    {kMultiple, "multiple"},
    {kMultipleToken, "multiple_token"},
};

// In the order of the enum.
constexpr std::string_view kGroups[] = {
    "generic", "string",       "list",       "set",    "sorted-set", "hash",
    "pubsub",  "transactions", "connection", "server", "scripting",  "hyperloglog",
    "cluster", "geo",          "stream",     "bitmap", "module",
};
static_assert(std::size(kGroups) == static_cast<size_t>(Group::kModule) + 1);

constexpr std::string_view kArgumentTypes[] = {
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block",
};
static_assert(std::size(kArgumentTypes) == static_cast<size_t>(ArgumentType::kBlock) + 1);

std::vector<std::string_view> Names(std::span<const Word> words, uint32_t bits) {
  std::vector<std::string_view> names;
  for (const Word& word : words) {
    if ((bits & word.bit) != 0) names.push_back(word.name);
  }
  return names;
}

}  // namespace

std::vector<std::string_view> FlagNames(uint32_t flags) { return Names(kFlags, flags); }
std::vector<std::string_view> AclNames(uint32_t categories) {
  return Names(kCategories, categories);
}
std::vector<std::string_view> KeySpecFlagNames(uint16_t flags) {
  return Names(kKeySpecFlags, flags);
}
std::vector<std::string_view> ArgumentFlagNames(uint8_t flags) {
  return Names(kArgumentFlags, flags);
}
std::string_view GroupName(Group group) { return kGroups[static_cast<size_t>(group)]; }
std::string_view ArgumentTypeName(ArgumentType type) {
  return kArgumentTypes[static_cast<size_t>(type)];
}

uint32_t AclByName(std::string_view name) {
  for (const Word& word : kCategories) {
    if (IsToken(name, word.name)) return word.bit;
  }
  return 0;
}

}  // namespace holdfast::commands
