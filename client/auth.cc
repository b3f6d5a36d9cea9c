#include "client/auth.h"

#include "client/unary.h"

namespace keelson::client {
namespace {

using namespace etcdserverpb;  // NOLINT: sixteen methods with a request and a response each
constexpr Method<AuthEnableRequest, AuthEnableResponse> kEnable = {"/etcdserverpb.Auth/AuthEnable"};
constexpr Method<AuthDisableRequest, AuthDisableResponse> kDisable = {
    "/etcdserverpb.Auth/AuthDisable"};
constexpr Method<AuthStatusRequest, AuthStatusResponse> kStatus = {"/etcdserverpb.Auth/AuthStatus"};
constexpr Method<AuthUserAddRequest, AuthUserAddResponse> kUserAdd = {"/etcdserverpb.Auth/UserAdd"};
constexpr Method<AuthUserGetRequest, AuthUserGetResponse> kUserGet = {"/etcdserverpb.Auth/UserGet"};
constexpr Method<AuthUserListRequest, AuthUserListResponse> kUserList = {
    "/etcdserverpb.Auth/UserList"};
constexpr Method<AuthUserDeleteRequest, AuthUserDeleteResponse> kUserDelete = {
    "/etcdserverpb.Auth/UserDelete"};
constexpr Method<AuthUserChangePasswordRequest, AuthUserChangePasswordResponse>
    kUserChangePassword = {"/etcdserverpb.Auth/UserChangePassword"};
constexpr Method<AuthUserGrantRoleRequest, AuthUserGrantRoleResponse> kUserGrantRole = {
    "/etcdserverpb.Auth/UserGrantRole"};
constexpr Method<AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse> kUserRevokeRole = {
    "/etcdserverpb.Auth/UserRevokeRole"};
constexpr Method<AuthRoleAddRequest, AuthRoleAddResponse> kRoleAdd = {"/etcdserverpb.Auth/RoleAdd"};
constexpr Method<AuthRoleGetRequest, AuthRoleGetResponse> kRoleGet = {"/etcdserverpb.Auth/RoleGet"};
constexpr Method<AuthRoleListRequest, AuthRoleListResponse> kRoleList = {
    "/etcdserverpb.Auth/RoleList"};
constexpr Method<AuthRoleDeleteRequest, AuthRoleDeleteResponse> kRoleDelete = {
    "/etcdserverpb.Auth/RoleDelete"};
constexpr Method<AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse>
    kRoleGrantPermission = {"/etcdserverpb.Auth/RoleGrantPermission"};
constexpr Method<AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse>
    kRoleRevokePermission = {"/etcdserverpb.Auth/RoleRevokePermission"};

}  // namespace

absl::StatusOr<AuthEnableResponse> Auth::Enable(const CallOptions& options) {
  return CallBlocking(core_, kEnable, CallKind::kWrite, {}, options);
}

absl::StatusOr<AuthDisableResponse> Auth::Disable(const CallOptions& options) {
  return CallBlocking(core_, kDisable, CallKind::kWrite, {}, options);
}

absl::StatusOr<AuthStatusResponse> Auth::Status(const CallOptions& options) {
  return CallBlocking(core_, kStatus, CallKind::kRead, {}, options);
}

absl::StatusOr<AuthUserAddResponse> Auth::UserAdd(const std::string& user,
                                                  const std::string& password,
                                                  const CallOptions& options) {
  AuthUserAddRequest request;
  request.set_name(user);
  request.set_password(password);
  request.mutable_options();  // old servers look into it without asking whether it is there
  return CallBlocking(core_, kUserAdd, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthUserAddResponse> Auth::UserAddWithoutPassword(const std::string& user,
                                                                 const CallOptions& options) {
  AuthUserAddRequest request;
  request.set_name(user);
  request.mutable_options()->set_no_password(true);
  return CallBlocking(core_, kUserAdd, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthUserGetResponse> Auth::UserGet(const std::string& user,
                                                  const CallOptions& options) {
  AuthUserGetRequest request;
  request.set_name(user);
  return CallBlocking(core_, kUserGet, CallKind::kRead, request, options);
}

absl::StatusOr<AuthUserListResponse> Auth::UserList(const CallOptions& options) {
  return CallBlocking(core_, kUserList, CallKind::kRead, {}, options);
}

absl::StatusOr<AuthUserDeleteResponse> Auth::UserDelete(const std::string& user,
                                                        const CallOptions& options) {
  AuthUserDeleteRequest request;
  request.set_name(user);
  return CallBlocking(core_, kUserDelete, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthUserChangePasswordResponse> Auth::UserChangePassword(
    const std::string& user, const std::string& password, const CallOptions& options) {
  AuthUserChangePasswordRequest request;
  request.set_name(user);
  request.set_password(password);
  return CallBlocking(core_, kUserChangePassword, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthUserGrantRoleResponse> Auth::UserGrantRole(const std::string& user,
                                                              const std::string& role,
                                                              const CallOptions& options) {
  AuthUserGrantRoleRequest request;
  request.set_user(user);
  request.set_role(role);
  return CallBlocking(core_, kUserGrantRole, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthUserRevokeRoleResponse> Auth::UserRevokeRole(const std::string& user,
                                                                const std::string& role,
                                                                const CallOptions& options) {
  AuthUserRevokeRoleRequest request;
  request.set_name(user);
  request.set_role(role);
  return CallBlocking(core_, kUserRevokeRole, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthRoleAddResponse> Auth::RoleAdd(const std::string& role,
                                                  const CallOptions& options) {
  AuthRoleAddRequest request;
  request.set_name(role);
  return CallBlocking(core_, kRoleAdd, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthRoleGetResponse> Auth::RoleGet(const std::string& role,
                                                  const CallOptions& options) {
  AuthRoleGetRequest request;
  request.set_role(role);
  return CallBlocking(core_, kRoleGet, CallKind::kRead, request, options);
}

absl::StatusOr<AuthRoleListResponse> Auth::RoleList(const CallOptions& options) {
  return CallBlocking(core_, kRoleList, CallKind::kRead, {}, options);
}

absl::StatusOr<AuthRoleDeleteResponse> Auth::RoleDelete(const std::string& role,
                                                        const CallOptions& options) {
  AuthRoleDeleteRequest request;
  request.set_role(role);
  return CallBlocking(core_, kRoleDelete, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthRoleGrantPermissionResponse> Auth::RoleGrantPermission(
    const std::string& role, const authpb::Permission& permission, const CallOptions& options) {
  AuthRoleGrantPermissionRequest request;
  request.set_name(role);
  *request.mutable_perm() = permission;
  return CallBlocking(core_, kRoleGrantPermission, CallKind::kWrite, request, options);
}

absl::StatusOr<AuthRoleRevokePermissionResponse> Auth::RoleRevokePermission(
    const std::string& role, const std::string& key, const std::string& range_end,
    const CallOptions& options) {
  AuthRoleRevokePermissionRequest request;
  request.set_role(role);
  request.set_key(key);
  request.set_range_end(range_end);
  return CallBlocking(core_, kRoleRevokePermission, CallKind::kWrite, request, options);
}

}  // namespace keelson::client
