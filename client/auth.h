// Auth: users, roles, and what roles may do.
//
// A client logs in by Options::user and password (or brings a token): it authenticates before its
// first call, sends the token with every one, and authenticates again when the server does not take
// it any more. This class is for who manages users, which needs the role root once auth is on.
#ifndef KEELSON_CLIENT_AUTH_H_
#define KEELSON_CLIENT_AUTH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/options.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;

// Thread-safe. Errors are the server's; see client/errors.h.
class Auth {
 public:
  explicit Auth(Core& core) : core_(core) {}

  // Needs the user root with the role root.
  absl::StatusOr<etcdserverpb::AuthEnableResponse> Enable(const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthDisableResponse> Disable(const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthStatusResponse> Status(const CallOptions& options = {});

  absl::StatusOr<etcdserverpb::AuthUserAddResponse> UserAdd(const std::string& user,
                                                            const std::string& password,
                                                            const CallOptions& options = {});
  // One who comes in by certificate only.
  absl::StatusOr<etcdserverpb::AuthUserAddResponse> UserAddWithoutPassword(
      const std::string& user, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserGetResponse> UserGet(const std::string& user,
                                                            const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserListResponse> UserList(const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserDeleteResponse> UserDelete(const std::string& user,
                                                                  const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserChangePasswordResponse> UserChangePassword(
      const std::string& user, const std::string& password, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserGrantRoleResponse> UserGrantRole(
      const std::string& user, const std::string& role, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthUserRevokeRoleResponse> UserRevokeRole(
      const std::string& user, const std::string& role, const CallOptions& options = {});

  absl::StatusOr<etcdserverpb::AuthRoleAddResponse> RoleAdd(const std::string& role,
                                                            const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthRoleGetResponse> RoleGet(const std::string& role,
                                                            const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthRoleListResponse> RoleList(const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::AuthRoleDeleteResponse> RoleDelete(const std::string& role,
                                                                  const CallOptions& options = {});
  // A key, or a range as in a RangeRequest. Given again for the same range it changes the type.
  absl::StatusOr<etcdserverpb::AuthRoleGrantPermissionResponse> RoleGrantPermission(
      const std::string& role, const authpb::Permission& permission,
      const CallOptions& options = {});
  // Of exactly this key or range.
  absl::StatusOr<etcdserverpb::AuthRoleRevokePermissionResponse> RoleRevokePermission(
      const std::string& role, const std::string& key, const std::string& range_end,
      const CallOptions& options = {});

 private:
  Core& core_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_AUTH_H_
