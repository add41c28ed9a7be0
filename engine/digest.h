// SHA-1, for what must equal Redis's results. Not for security. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace holdfast {

std::array<uint8_t, 20> Sha1(std::string_view bytes);

}  // namespace holdfast
