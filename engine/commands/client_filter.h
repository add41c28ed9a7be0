// Which clients CLIENT LIST and CLIENT KILL mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/commands/context.h"

namespace holdfast::commands {

enum class ClientType : uint8_t { kNormal, kReplica, kPubsub, kMaster };

// args[index] as a type's name; nullopt after the error.
std::optional<ClientType> ClientTypeArgument(CommandContext& ctx, size_t index);
// Replicas, masters and subscribers do not exist yet: every client is a normal one.
inline ClientType TypeOf(const Session&) { return ClientType::kNormal; }

struct ClientFilter {
  uint64_t id = 0;  // 0: any
  std::optional<ClientType> type;
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  std::string_view user;  // empty: any
  bool skip_me = true;

  bool Matches(Session& session) const;
};

}  // namespace holdfast::commands
