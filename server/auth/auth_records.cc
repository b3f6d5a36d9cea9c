#include "server/auth/auth_records.h"

#include <algorithm>

#include "base/coding.h"

namespace keelson::server {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kNoPassword = 1;
constexpr char kUserTag = 'u';
constexpr char kRoleTag = 'r';

void AppendText(std::string& to, std::string_view text) {
  AppendVarint(to, text.size());
  to.append(text);
}

bool TakeText(std::string_view& from, std::string& text) {
  uint64_t size;
  std::string_view rest = from;
  if (!TakeVarint(rest, size) || size > rest.size()) return false;
  text = rest.substr(0, size);
  from = rest.substr(size);
  return true;
}

bool TakeVersion(std::string_view& from) {
  uint8_t version;
  return TakeByte(from, version) && version == kVersion;
}

// What many takes of varints may leave: another spelling of the same record.
template <typename T, typename Encode>
bool IsCanonical(std::string_view bytes, const T& value, Encode encode) {
  return encode(value) == bytes;
}

bool ParseKey(char tag, std::string_view key, std::string& name) {
  if (key.empty() || key.front() != tag) return false;
  name = key.substr(1);
  return true;
}

}  // namespace

std::string AuthUserKey(std::string_view name) { return kUserTag + std::string(name); }
std::string AuthRoleKey(std::string_view name) { return kRoleTag + std::string(name); }

bool ParseAuthUserKey(std::string_view key, std::string& name) {
  return ParseKey(kUserTag, key, name);
}
bool ParseAuthRoleKey(std::string_view key, std::string& name) {
  return ParseKey(kRoleTag, key, name);
}

std::string EncodeAuthState(const AuthState& state) {
  std::string bytes;
  bytes.push_back(kVersion);
  bytes.push_back(state.enabled ? 1 : 0);
  AppendLittle64(bytes, state.revision);
  return bytes;
}

bool ParseAuthState(std::string_view bytes, AuthState& state) {
  uint8_t enabled;
  if (!TakeVersion(bytes) || !TakeByte(bytes, enabled) || enabled > 1) return false;
  state.enabled = enabled != 0;
  return TakeLittle64(bytes, state.revision) && bytes.empty();
}

std::string EncodeAuthUser(const AuthUser& user) {
  std::string bytes;
  bytes.push_back(kVersion);
  bytes.push_back(user.no_password ? kNoPassword : 0);
  AppendText(bytes, user.password_hash);
  AppendVarint(bytes, user.roles.size());
  for (const std::string& role : user.roles) AppendText(bytes, role);
  return bytes;
}

bool ParseAuthUser(std::string_view bytes, AuthUser& user) {
  std::string_view rest = bytes;
  uint8_t flags;
  uint64_t count;
  if (!TakeVersion(rest) || !TakeByte(rest, flags) || flags > kNoPassword) return false;
  user.no_password = flags == kNoPassword;
  if (!TakeText(rest, user.password_hash) || !TakeVarint(rest, count)) return false;
  user.roles.clear();
  for (; count > 0; --count) {
    std::string role;
    if (!TakeText(rest, role)) return false;
    if (!user.roles.empty() && role <= user.roles.back()) return false;
    user.roles.push_back(std::move(role));
  }
  return rest.empty() && IsCanonical(bytes, user, EncodeAuthUser);
}

std::string EncodeAuthRole(const AuthRole& role) {
  std::string bytes;
  bytes.push_back(kVersion);
  AppendVarint(bytes, role.permissions.size());
  for (const Permission& permission : role.permissions) {
    bytes.push_back(static_cast<char>(permission.access));
    AppendText(bytes, permission.key);
    AppendText(bytes, permission.range_end);
  }
  return bytes;
}

bool ParseAuthRole(std::string_view bytes, AuthRole& role) {
  std::string_view rest = bytes;
  uint64_t count;
  if (!TakeVersion(rest) || !TakeVarint(rest, count)) return false;
  role.permissions.clear();
  for (; count > 0; --count) {
    Permission permission;
    uint8_t access;
    if (!TakeByte(rest, access) || access > static_cast<uint8_t>(Access::kReadWrite)) return false;
    permission.access = static_cast<Access>(access);
    if (!TakeText(rest, permission.key) || !TakeText(rest, permission.range_end)) return false;
    if (!role.permissions.empty() && permission.key < role.permissions.back().key) return false;
    role.permissions.push_back(std::move(permission));
  }
  return rest.empty() && IsCanonical(bytes, role, EncodeAuthRole);
}

}  // namespace keelson::server
