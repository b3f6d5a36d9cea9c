#include "server/auth/auth_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "proto/etcd/rpc.pb.h"
#include "server/errors.h"

namespace keelson::server {
namespace {

using proto::Command;
using storage::KeyRange;
using storage::Table;

bool HasRootRole(const AuthUser& user) {
  return std::binary_search(user.roles.begin(), user.roles.end(), kRootRole);
}

// etcd's rule: a key, and an end behind it if there is one. A type that we do not know, which etcd
// would store and take for no permission at all, is refused.
bool IsGrantable(const authpb::Permission& permission) {
  if (permission.key().empty()) return false;
  if (!authpb::Permission::Type_IsValid(permission.permtype())) return false;
  const KeyRange range = KeyRange::FromWire(permission.key(), permission.range_end());
  return range.single() || range.open_end || range.begin < range.end;
}

// False: `role` was not there.
bool EraseRole(AuthUser& user, std::string_view role) {
  const auto found = std::lower_bound(user.roles.begin(), user.roles.end(), role);
  if (found == user.roles.end() || *found != role) return false;
  user.roles.erase(found);
  return true;
}

template <typename Map>
std::vector<std::string> NamesOf(const Map& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, unused] : map) names.push_back(name);
  return names;
}

}  // namespace

AuthStore::AuthStore(storage::Store* store) : store_(store) { Reload(); }

void AuthStore::Reload() {
  state_ = AuthState();
  users_.clear();
  roles_.clear();
  store_->ForEachRecord(Table::kAuth, [this](std::string_view key, std::string_view value) {
    std::string name;
    bool read = false;
    if (key == kAuthStateKey) {
      read = ParseAuthState(value, state_);
    } else if (ParseAuthUserKey(key, name)) {
      read = ParseAuthUser(value, users_[name].record);
    } else if (ParseAuthRoleKey(key, name)) {
      read = ParseAuthRole(value, roles_[name]);
    }
    // What the store hands out has passed its checksums and its format is known, so this is a
    // record that this program would not have written.
    KV_CHECK(read) << "the record of auth " << absl::CHexEscape(std::string(key))
                   << " cannot be read";
  });
}

const AuthUser* AuthStore::FindUser(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second.record;
}

const AuthRole* AuthStore::FindRole(std::string_view name) const {
  const auto found = roles_.find(name);
  return found == roles_.end() ? nullptr : &found->second;
}

std::vector<std::string> AuthStore::UserNames() const { return NamesOf(users_); }
std::vector<std::string> AuthStore::RoleNames() const { return NamesOf(roles_); }

// -----------------------------------------------------------------------------------------
// questions

void AuthStore::MakeGrants(const User& user) const {
  user.read = GrantedRanges();
  user.write = GrantedRanges();
  for (const std::string& name : user.record.roles) {
    const auto role = roles_.find(name);
    if (role == roles_.end()) continue;  // root may be granted without there being such a role
    for (const Permission& permission : role->second.permissions) {
      const KeyRange range = KeyRange::FromWire(permission.key, permission.range_end);
      if (permission.access != Access::kWrite) user.read.Add(range);
      if (permission.access != Access::kRead) user.write.Add(range);
    }
  }
  user.read.Merge();
  user.write.Merge();
  user.grants_revision = state_.revision;
}

absl::Status AuthStore::CheckKeys(const Caller& caller, const KeyRange& range,
                                  Access access) const {
  if (!state_.enabled) return absl::OkStatus();
  if (!caller.known()) return ErrUserEmpty();
  if (caller.auth_revision < state_.revision && !KV_PLANTED("auth-old-revision-accepted")) {
    return ErrAuthOldRevision();
  }
  const auto found = users_.find(caller.user);
  if (found == users_.end()) return ErrPermissionDenied();
  const User& user = found->second;
  if (HasRootRole(user.record)) return absl::OkStatus();
  const bool stale = user.grants_revision != state_.revision;
  // A user whose grants were never made has those of no revision.
  if (stale && (user.grants_revision == 0 || !KV_PLANTED("auth-grants-kept"))) MakeGrants(user);
  const bool granted = (access == Access::kWrite || user.read.Covers(range)) &&
                       (access == Access::kRead || user.write.Covers(range));
  return granted ? absl::OkStatus() : ErrPermissionDenied();
}

absl::Status AuthStore::CheckRoot(const Caller& caller) const {
  if (!state_.enabled) return absl::OkStatus();
  if (!caller.known() || caller.user.empty()) return ErrUserEmpty();
  const AuthUser* const user = FindUser(caller.user);
  return user != nullptr && HasRootRole(*user) ? absl::OkStatus() : ErrPermissionDenied();
}

absl::Status AuthStore::CheckUser(const Caller& caller) const {
  if (!state_.enabled) return absl::OkStatus();
  if (!caller.known() || caller.user.empty()) return ErrUserEmpty();
  return FindUser(caller.user) != nullptr ? absl::OkStatus() : ErrPermissionDenied();
}

bool AuthStore::HasRole(const Caller& caller, std::string_view role) const {
  const AuthUser* const user = FindUser(caller.user);
  return user != nullptr && std::binary_search(user->roles.begin(), user->roles.end(), role);
}

// -------------------------------------------------------------------------------------------
// changes

bool AuthStore::Takes(const Command& command) {
  return command.op_case() >= Command::kAuthEnable &&
         command.op_case() <= Command::kRoleRevokePermission;
}

absl::StatusOr<std::string> AuthStore::Execute(const Command& command, LogIndex index,
                                               Tokens& tokens) {
  const auto answer = [](const absl::Status& status) -> absl::StatusOr<std::string> {
    if (!status.ok()) return status;
    return std::string();  // these answers have nothing but a header
  };
  switch (command.op_case()) {
    case Command::kAuthEnable:
      return answer(Enable());
    case Command::kAuthDisable:
      return answer(Disable(tokens));
    case Command::kAuthenticate:
      return Authenticate(command.authenticate(), index, tokens);
    case Command::kUserAdd:
      return answer(AddUser(command.user_add()));
    case Command::kUserDelete:
      return answer(DeleteUser(command.user_delete(), tokens));
    case Command::kUserChangePassword:
      return answer(ChangePassword(command.user_change_password(), tokens));
    case Command::kUserGrantRole:
      return answer(GrantRole(command.user_grant_role()));
    case Command::kUserRevokeRole:
      return answer(RevokeRole(command.user_revoke_role()));
    case Command::kRoleAdd:
      return answer(AddRole(command.role_add()));
    case Command::kRoleDelete:
      return answer(DeleteRole(command.role_delete()));
    case Command::kRoleGrantPermission:
      return answer(GrantPermission(command.role_grant_permission()));
    case Command::kRoleRevokePermission:
      return answer(RevokePermission(command.role_revoke_permission()));
    default:
      KV_CHECK(false) << "not a command of auth: " << command.op_case();
  }
}

void AuthStore::WriteState() {
  store_->PutRecord(Table::kAuth, kAuthStateKey, EncodeAuthState(state_));
}

void AuthStore::WriteUser(std::string_view name, AuthUser record) {
  store_->PutRecord(Table::kAuth, AuthUserKey(name), EncodeAuthUser(record));
  users_[std::string(name)].record = std::move(record);
}

void AuthStore::WriteRole(std::string_view name, AuthRole record) {
  store_->PutRecord(Table::kAuth, AuthRoleKey(name), EncodeAuthRole(record));
  roles_[std::string(name)] = std::move(record);
}

void AuthStore::NextRevision() {
  ++state_.revision;
  WriteState();
}

absl::Status AuthStore::Enable() {
  if (state_.enabled) return absl::OkStatus();
  const AuthUser* const root = FindUser(kRootUser);
  if (root == nullptr) return ErrRootUserNotExist();
  if (!HasRootRole(*root)) return ErrRootRoleNotExist();
  state_.enabled = true;
  WriteState();
  return absl::OkStatus();
}

absl::Status AuthStore::Disable(Tokens& tokens) {
  if (!state_.enabled) return absl::OkStatus();
  state_.enabled = false;
  NextRevision();
  tokens.push_back({TokenChange::Kind::kDropAll, {}, {}});
  return absl::OkStatus();
}

// The password was compared by the member that proposed this; what it was compared with must not
// have changed since.
absl::StatusOr<std::string> AuthStore::Authenticate(const proto::Authenticate& request,
                                                    LogIndex index, Tokens& tokens) {
  if (!state_.enabled) return ErrAuthNotEnabled();
  const AuthUser* const user = FindUser(request.name());
  if (user == nullptr || user->no_password) return ErrAuthFailed();
  if (request.checked_revision() != state_.revision) return ErrAuthOldRevision();
  etcdserverpb::AuthenticateResponse response;
  if (!request.token_prefix().empty()) {
    std::string token = absl::StrCat(request.token_prefix(), ".", index.value());
    tokens.push_back({TokenChange::Kind::kAssign, request.name(), token});
    response.set_token(std::move(token));
  }
  return response.SerializeAsString();
}

absl::Status AuthStore::AddUser(const etcdserverpb::AuthUserAddRequest& request) {
  if (request.name().empty()) return ErrUserEmpty();
  if (FindUser(request.name()) != nullptr) return ErrUserAlreadyExist();
  AuthUser user;
  user.no_password = request.options().no_password();
  if (!user.no_password) user.password_hash = request.hashedpassword();
  WriteUser(request.name(), std::move(user));
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::DeleteUser(const etcdserverpb::AuthUserDeleteRequest& request,
                                   Tokens& tokens) {
  if (state_.enabled && request.name() == kRootUser) return ErrInvalidAuthManagement();
  if (FindUser(request.name()) == nullptr) return ErrUserNotFound();
  store_->DeleteRecord(Table::kAuth, AuthUserKey(request.name()));
  users_.erase(request.name());
  NextRevision();
  tokens.push_back({TokenChange::Kind::kDropUser, request.name(), {}});
  return absl::OkStatus();
}

absl::Status AuthStore::ChangePassword(const etcdserverpb::AuthUserChangePasswordRequest& request,
                                       Tokens& tokens) {
  const AuthUser* const found = FindUser(request.name());
  if (found == nullptr) return ErrUserNotFound();
  AuthUser user = *found;
  if (!user.no_password) user.password_hash = request.hashedpassword();
  WriteUser(request.name(), std::move(user));
  NextRevision();
  tokens.push_back({TokenChange::Kind::kDropUser, request.name(), {}});
  return absl::OkStatus();
}

absl::Status AuthStore::GrantRole(const etcdserverpb::AuthUserGrantRoleRequest& request) {
  const AuthUser* const found = FindUser(request.user());
  if (found == nullptr) return ErrUserNotFound();
  if (request.role() != kRootRole && FindRole(request.role()) == nullptr) return ErrRoleNotFound();
  AuthUser user = *found;
  const auto place = std::lower_bound(user.roles.begin(), user.roles.end(), request.role());
  if (place != user.roles.end() && *place == request.role()) return absl::OkStatus();
  user.roles.insert(place, request.role());
  WriteUser(request.user(), std::move(user));
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::RevokeRole(const etcdserverpb::AuthUserRevokeRoleRequest& request) {
  if (state_.enabled && request.name() == kRootUser && request.role() == kRootRole) {
    return ErrInvalidAuthManagement();
  }
  const AuthUser* const found = FindUser(request.name());
  if (found == nullptr) return ErrUserNotFound();
  AuthUser user = *found;
  if (!EraseRole(user, request.role())) return ErrRoleNotGranted();
  WriteUser(request.name(), std::move(user));
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::AddRole(const etcdserverpb::AuthRoleAddRequest& request) {
  if (request.name().empty()) return ErrRoleEmpty();
  if (FindRole(request.name()) != nullptr) return ErrRoleAlreadyExist();
  WriteRole(request.name(), AuthRole());
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::DeleteRole(const etcdserverpb::AuthRoleDeleteRequest& request) {
  if (state_.enabled && request.role() == kRootRole) return ErrInvalidAuthManagement();
  if (FindRole(request.role()) == nullptr) return ErrRoleNotFound();
  store_->DeleteRecord(Table::kAuth, AuthRoleKey(request.role()));
  roles_.erase(request.role());
  for (auto& [name, user] : users_) {
    AuthUser record = user.record;
    if (EraseRole(record, request.role())) WriteUser(name, std::move(record));
  }
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::GrantPermission(
    const etcdserverpb::AuthRoleGrantPermissionRequest& request) {
  if (!request.has_perm()) return ErrPermissionNotGiven();
  if (!IsGrantable(request.perm())) return ErrInvalidAuthManagement();
  const AuthRole* const found = FindRole(request.name());
  if (found == nullptr) return ErrRoleNotFound();
  Permission granted{static_cast<Access>(request.perm().permtype()), request.perm().key(),
                     request.perm().range_end()};
  AuthRole role = *found;
  const auto same = std::find_if(
      role.permissions.begin(), role.permissions.end(), [&granted](const Permission& permission) {
        return permission.key == granted.key && permission.range_end == granted.range_end;
      });
  if (same != role.permissions.end()) {
    same->access = granted.access;
  } else {
    const auto place =
        std::upper_bound(role.permissions.begin(), role.permissions.end(), granted,
                         [](const Permission& a, const Permission& b) { return a.key < b.key; });
    role.permissions.insert(place, std::move(granted));
  }
  WriteRole(request.name(), std::move(role));
  NextRevision();
  return absl::OkStatus();
}

absl::Status AuthStore::RevokePermission(
    const etcdserverpb::AuthRoleRevokePermissionRequest& request) {
  const AuthRole* const found = FindRole(request.role());
  if (found == nullptr) return ErrRoleNotFound();
  AuthRole role = *found;
  const size_t revoked = std::erase_if(role.permissions, [&request](const Permission& permission) {
    return permission.key == request.key() && permission.range_end == request.range_end();
  });
  if (revoked == 0) return ErrPermissionNotGranted();
  WriteRole(request.role(), std::move(role));
  NextRevision();
  return absl::OkStatus();
}

}  // namespace keelson::server
