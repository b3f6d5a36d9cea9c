// AuthStore: users, roles and what they may do, replicated: kept in memory, written to the table
// kAuth of the store within the entry that changes them, with etcd's rules and errors (facts 4.11).
// The same entries give the same users, revision and refusals on every member.
//
//  1. What is in memory is what is in the store, the entry under way included.
//  2. The revision grows with every change that may take something away from somebody; a question
//     asked as of an older revision is refused.
//
// Thread: apply.
#ifndef KEELSON_SERVER_AUTH_AUTH_STORE_H_
#define KEELSON_SERVER_AUTH_AUTH_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/keelson/command.pb.h"
#include "server/auth/auth_records.h"
#include "server/auth/caller.h"
#include "server/auth/granted_ranges.h"
#include "storage/store.h"

namespace keelson::server {

inline constexpr char kRootUser[] = "root";
inline constexpr char kRootRole[] = "root";

// What a change of users does to the tokens that members have in memory.
struct TokenChange {
  enum class Kind { kAssign, kDropUser, kDropAll };
  Kind kind = Kind::kDropAll;
  std::string user;   // kAssign, kDropUser
  std::string token;  // kAssign
};

class AuthStore {
 public:
  // Reads what `store` has, which outlives this.
  explicit AuthStore(storage::Store* store);
  // The store is another one, or lost what was not committed.
  void Reload();

  bool enabled() const { return state_.enabled; }
  uint64_t revision() const { return state_.revision; }
  // Null: there is none. Valid until the next change.
  const AuthUser* FindUser(std::string_view name) const;
  const AuthRole* FindRole(std::string_view name) const;
  std::vector<std::string> UserNames() const;  // ascending
  std::vector<std::string> RoleNames() const;

  // --- may `caller` …; everybody may everything while auth is off

  // … use keys: read or write all of `range`.
  absl::Status CheckKeys(const Caller& caller, const storage::KeyRange& range, Access access) const;
  // … do what only somebody with the role root may.
  absl::Status CheckRoot(const Caller& caller) const;
  // … do what any user may.
  absl::Status CheckUser(const Caller& caller) const;
  bool HasRole(const Caller& caller, std::string_view role) const;

  // --- changes, within an entry; errors leave all as it was

  // True: the command is one of Execute's.
  static bool Takes(const proto::Command& command);
  // The answer's body. `index`: the entry's. Appends what the tokens must go through.
  // REQUIRES: Takes(command).
  absl::StatusOr<std::string> Execute(const proto::Command& command, LogIndex index,
                                      std::vector<TokenChange>& tokens);

 private:
  struct User {
    AuthUser record;
    // What its roles grant, as of `grants_revision`; made when first asked for.
    mutable uint64_t grants_revision = 0;
    mutable GrantedRanges read;
    mutable GrantedRanges write;
  };
  using Users = std::map<std::string, User, std::less<>>;
  using Roles = std::map<std::string, AuthRole, std::less<>>;
  using Tokens = std::vector<TokenChange>;

  absl::Status Enable();
  absl::Status Disable(Tokens& tokens);
  absl::StatusOr<std::string> Authenticate(const proto::Authenticate& request, LogIndex index,
                                           Tokens& tokens);
  absl::Status AddUser(const etcdserverpb::AuthUserAddRequest& request);
  absl::Status DeleteUser(const etcdserverpb::AuthUserDeleteRequest& request, Tokens& tokens);
  absl::Status ChangePassword(const etcdserverpb::AuthUserChangePasswordRequest& request,
                              Tokens& tokens);
  absl::Status GrantRole(const etcdserverpb::AuthUserGrantRoleRequest& request);
  absl::Status RevokeRole(const etcdserverpb::AuthUserRevokeRoleRequest& request);
  absl::Status AddRole(const etcdserverpb::AuthRoleAddRequest& request);
  absl::Status DeleteRole(const etcdserverpb::AuthRoleDeleteRequest& request);
  absl::Status GrantPermission(const etcdserverpb::AuthRoleGrantPermissionRequest& request);
  absl::Status RevokePermission(const etcdserverpb::AuthRoleRevokePermissionRequest& request);

  void WriteState();
  void WriteUser(std::string_view name, AuthUser record);
  void WriteRole(std::string_view name, AuthRole record);
  void NextRevision();
  void MakeGrants(const User& user) const;

  storage::Store* const store_;
  AuthState state_;
  Users users_;
  Roles roles_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_AUTH_STORE_H_
