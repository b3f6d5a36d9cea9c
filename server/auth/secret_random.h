// Bytes that nobody can guess, from the system: for salts and tokens. (Random, which can be
// replayed from a seed, is not for secrets; a simulation, which has none, gives its own source.)
#ifndef KEELSON_SERVER_AUTH_SECRET_RANDOM_H_
#define KEELSON_SERVER_AUTH_SECRET_RANDOM_H_

#include <unistd.h>

#include <functional>
#include <string>

#include "base/check.h"

namespace keelson::server {

// REQUIRES: size <= 256.
inline std::string SecretRandomBytes(size_t size) {
  std::string bytes(size, '\0');
  KV_CHECK(getentropy(bytes.data(), size) == 0) << "the system gives no random bytes";
  return bytes;
}

// Gives as many bytes as it is asked for.
using SecretSource = std::function<std::string(size_t size)>;

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_SECRET_RANDOM_H_
