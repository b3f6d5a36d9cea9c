// The records of users and roles: what the replicated store holds of authentication, in its table
// kAuth, and the bytes of it (docs/on-disk-format.md, "Users and roles").
//
//   key         := 'm' | 'u' name | 'r' name      the state of auth, a user, a role
//   state       := version:u8 = 1 enabled:u8 revision:le64
//   user        := version:u8 = 1 flags:u8 hash roles
//   flags       := 00 | 01 comes in by certificate only and has no password
//   hash        := size:varint bcrypt
//   roles       := count:varint (size:varint name){count}          ascending, none twice
//   role        := version:u8 = 1 count:varint permission{count}   ascending by key
//   permission  := type:u8 size:varint key size:varint range_end
//   type        := 00 read | 01 write | 02 both
//
// Reaches disk: do not renumber. A record of another version, or with bytes left over, is refused.
#ifndef KEELSON_SERVER_AUTH_AUTH_RECORDS_H_
#define KEELSON_SERVER_AUTH_AUTH_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::server {

struct AuthState {
  bool enabled = false;
  // Counts the changes of users, roles and permissions, and disabling; 1 in the beginning (etcd's).
  uint64_t revision = 1;
  friend bool operator==(const AuthState&, const AuthState&) = default;
};

struct AuthUser {
  std::string password_hash;  // bcrypt
  bool no_password = false;
  std::vector<std::string> roles;  // ascending
  friend bool operator==(const AuthUser&, const AuthUser&) = default;
};

enum class Access : uint8_t { kRead = 0, kWrite = 1, kReadWrite = 2 };  // authpb's numbers

struct Permission {
  Access access = Access::kRead;
  std::string key;
  std::string range_end;  // as in a RangeRequest
  friend bool operator==(const Permission&, const Permission&) = default;
};

struct AuthRole {
  std::vector<Permission> permissions;  // ascending by key
  friend bool operator==(const AuthRole&, const AuthRole&) = default;
};

inline constexpr char kAuthStateKey[] = "m";
std::string AuthUserKey(std::string_view name);
std::string AuthRoleKey(std::string_view name);
// False: not the key of a user, of a role.
bool ParseAuthUserKey(std::string_view key, std::string& name);
bool ParseAuthRoleKey(std::string_view key, std::string& name);

std::string EncodeAuthState(const AuthState& state);
std::string EncodeAuthUser(const AuthUser& user);
std::string EncodeAuthRole(const AuthRole& role);
bool ParseAuthState(std::string_view bytes, AuthState& state);
bool ParseAuthUser(std::string_view bytes, AuthUser& user);
bool ParseAuthRole(std::string_view bytes, AuthRole& role);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_AUTH_RECORDS_H_
