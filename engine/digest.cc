#include "engine/digest.h"

#include <openssl/evp.h>

#include "holdfast/check.h"

namespace holdfast {

std::array<uint8_t, 20> Sha1(std::string_view bytes) {
  std::array<uint8_t, 20> digest;
  unsigned size = 0;
  HF_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  HF_CHECK(size == digest.size());
  return digest;
}

}  // namespace holdfast
