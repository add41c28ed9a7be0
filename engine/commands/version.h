// What this store says about itself. `kCompatibleVersion` is the Redis version whose commands it
// speaks: client libraries choose what they send by it.
#pragma once

#include <string_view>

namespace holdfast::commands {

inline constexpr std::string_view kCompatibleVersion = "7.2.0";
inline constexpr std::string_view kHoldfastVersion = "0.1.0";

}  // namespace holdfast::commands
