// Passwords as bcrypt hashes, by libxcrypt. Slow on purpose (the cost is the logarithm of the
// work): never on the core loop.
//
// Thread: any.
#ifndef KEELSON_SERVER_AUTH_BCRYPT_H_
#define KEELSON_SERVER_AUTH_BCRYPT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/auth/secret_random.h"

namespace keelson::server {

inline constexpr int kBcryptCostMin = 4;
inline constexpr int kBcryptCostMax = 31;
inline constexpr int kBcryptCostDefault = 10;

// "$2b$<cost>$..." of a salt from `secrets`. Unknown, in the words of etcd's library, for a
// password of more than 72 bytes, of which bcrypt would take the first 72 only; InvalidArgument for
// one with a zero byte, at which libxcrypt would end it.
// REQUIRES: kBcryptCostMin <= cost <= kBcryptCostMax.
absl::StatusOr<std::string> HashPassword(std::string_view password, int cost,
                                         const SecretSource& secrets = SecretRandomBytes);

// False too for what is no hash.
bool PasswordMatches(std::string_view password, std::string_view hash);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_BCRYPT_H_
