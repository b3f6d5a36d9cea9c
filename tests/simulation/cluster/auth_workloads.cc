// Users, roles and what they may do.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

using checkers::KvOperation;
using checkers::Outcome;
using checkers::Request;

constexpr int kKeys = 6;

struct Range {
  std::string key, end;
};

std::string KeyOf(int64_t n) { return absl::StrCat("perm/", n); }

Range DrawRange(Dice& dice) {
  const uint64_t shape = dice.Below(10);
  const int64_t first = dice.Between(0, kKeys - 1);
  if (shape < 5) return {KeyOf(first), ""};
  if (shape < 8) return {KeyOf(first), KeyOf(dice.Between(first + 1, kKeys))};
  return {"perm/", "perm0"};
}

template <typename Message>
Coroutine<absl::Status> Ask(Client& client, const char* method, Message request) {
  CallResult result = co_await client.Call(absl::StrCat("/etcdserverpb.Auth/", method), request);
  if (result.status.ok()) client.world().counters().Add(Reached::kPermissionsChanged);
  co_return result.status;
}

// Until it is so, or has been so before. A learner's refusal has the same code.
template <typename Message>
Coroutine<> Ensure(Client& client, const char* method, Message request) {
  while (!client.stopped()) {
    const absl::Status status = co_await Ask(client, method, request);
    if (status.ok() || absl::StrContains(status.message(), "already exists")) co_return;
    co_await client.Think();
  }
}

etcdserverpb::AuthUserAddRequest UserOf(const std::string& name) {
  etcdserverpb::AuthUserAddRequest request;
  request.set_name(name);
  request.set_password(name);
  return request;
}
etcdserverpb::AuthUserGrantRoleRequest RoleOf(const std::string& name) {
  etcdserverpb::AuthUserGrantRoleRequest request;
  request.set_user(name);
  request.set_role(name);
  return request;
}
etcdserverpb::AuthRoleAddRequest NewRole(const std::string& name) {
  etcdserverpb::AuthRoleAddRequest request;
  request.set_name(name);
  return request;
}
etcdserverpb::AuthRoleGrantPermissionRequest Granting(const std::string& role, int64_t access,
                                                      const Range& range) {
  etcdserverpb::AuthRoleGrantPermissionRequest request;
  request.set_name(role);
  request.mutable_perm()->set_permtype(static_cast<authpb::Permission::Type>(access));
  request.mutable_perm()->set_key(range.key);
  request.mutable_perm()->set_range_end(range.end);
  return request;
}

// Everybody has a role of his own name.
Coroutine<> MakeUsers(Client& client) {
  std::vector<std::string> names = kLimitedUsers;
  names.insert(names.begin(), kOrdinaryUser);
  names.insert(names.begin(), kAdministrator);
  for (const std::string& name : names) {
    co_await Ensure(client, "UserAdd", UserOf(name));
    co_await Ensure(client, "RoleAdd", NewRole(name));
    co_await Ensure(client, "UserGrantRole", RoleOf(name));
  }
  const Range everything{std::string(1, '\0'), std::string(1, '\0')};
  const auto request = Granting(kOrdinaryUser, authpb::Permission::READWRITE, everything);
  co_await Ensure(client, "RoleGrantPermission", request);
}

Coroutine<> Switch(Client& client) {
  Counters& counters = client.world().counters();
  if (client.dice().Percent(70)) {
    const etcdserverpb::AuthEnableRequest request;
    const absl::Status status = co_await Ask(client, "AuthEnable", request);
    if (status.ok()) counters.Add(Reached::kAuthEnabled);
  } else {
    const etcdserverpb::AuthDisableRequest request;
    const absl::Status status = co_await Ask(client, "AuthDisable", request);
    if (status.ok()) counters.Add(Reached::kAuthDisabled);
  }
}

Coroutine<> TakeAway(Client& client, std::string user) {
  const uint64_t what = client.dice().Below(5);
  if (what < 2) {
    etcdserverpb::AuthRoleRevokePermissionRequest request;
    request.set_role(user);
    const Range range = DrawRange(client.dice());
    request.set_key(range.key);
    request.set_range_end(range.end);
    (void)co_await Ask(client, "RoleRevokePermission", request);
  } else if (what == 2) {
    etcdserverpb::AuthUserRevokeRoleRequest request;
    request.set_name(user);
    request.set_role(user);
    (void)co_await Ask(client, "UserRevokeRole", request);
  } else if (what == 3) {
    etcdserverpb::AuthUserDeleteRequest request;
    request.set_name(user);
    (void)co_await Ask(client, "UserDelete", request);
  } else {
    etcdserverpb::AuthRoleDeleteRequest request;
    request.set_role(user);
    (void)co_await Ask(client, "RoleDelete", request);
  }
}

Coroutine<> Give(Client& client, std::string user) {
  const uint64_t what = client.dice().Below(10);
  if (what < 6) {
    const Range range = DrawRange(client.dice());
    const auto request = Granting(user, client.dice().Between(0, 2), range);
    (void)co_await Ask(client, "RoleGrantPermission", request);
  } else if (what == 6) {
    etcdserverpb::AuthUserChangePasswordRequest request;
    request.set_name(user);
    request.set_password(user);
    (void)co_await Ask(client, "UserChangePassword", request);
  } else {
    (void)co_await Ask(client, "UserAdd", UserOf(user));
    (void)co_await Ask(client, "RoleAdd", NewRole(user));
    (void)co_await Ask(client, "UserGrantRole", RoleOf(user));
  }
}

Request DrawRequest(Client& client) {
  Request request;
  const uint64_t what = client.dice().Below(10);
  request.key = KeyOf(client.dice().Between(0, kKeys - 1));
  if (what < 4) {
    request.kind = Request::Kind::kPut;
    request.value = client.Unique();
    return request;
  }
  if (what < 6) request.kind = Request::Kind::kDelete;
  if (client.dice().Percent(60)) {
    const Range range = DrawRange(client.dice());
    request.key = range.key;
    request.end = range.end;
  }
  return request;
}

KvOperation DrawOperation(Client& client) {
  KvOperation operation;
  if (client.dice().Percent(75)) {
    operation.success.push_back(DrawRequest(client));
    operation.serializable =
        operation.success[0].kind == Request::Kind::kRange && client.dice().Percent(40);
    return operation;
  }
  checkers::Comparison comparison;
  comparison.key = KeyOf(client.dice().Between(0, kKeys - 1));
  comparison.target = checkers::Comparison::Target::kCreate;
  comparison.relation = client.dice().Percent(50) ? checkers::Comparison::Relation::kEqual
                                                  : checkers::Comparison::Relation::kGreater;
  operation.compare.push_back(std::move(comparison));
  operation.success.push_back(DrawRequest(client));
  operation.failure.push_back(DrawRequest(client));
  return operation;
}

checkers::Access AccessOf(const Client& client, const KvOperation& operation) {
  checkers::Access access;
  access.client = client.number();
  for (const checkers::Comparison& comparison : operation.compare) {
    access.parts.push_back({false, comparison.key, ""});
  }
  for (const auto* requests : {&operation.success, &operation.failure}) {
    for (const Request& request : *requests) {
      access.parts.push_back({request.kind != Request::Kind::kRange, request.key, request.end});
    }
  }
  access.may_be_old = operation.serializable;
  return access;
}

}  // namespace

Coroutine<> AdministerUsers(Client& client) {
  co_await MakeUsers(client);
  while (!client.stopped()) {
    const std::string user = client.dice().Pick(kLimitedUsers);
    const uint64_t what = client.dice().Below(10);
    if (what < 2) {
      co_await Switch(client);
    } else if (what < 5) {
      co_await TakeAway(client, user);
    } else {
      co_await Give(client, user);
    }
    co_await client.Sleep(client.dice().Skewed(100 * kMillisecond, 4 * kSecond));
  }
}

Coroutine<> UseGuardedKeys(Client& client) {
  Counters& counters = client.world().counters();
  while (!client.stopped()) {
    co_await client.LogInIfDue();
    KvOperation operation = DrawOperation(client);
    checkers::Access access = AccessOf(client, operation);
    operation = co_await client.Run(std::move(operation));
    // Without a token it is nobody who asks.
    access.user = client.token().empty() ? "" : client.user();
    access.invoked = operation.invoked;
    access.returned = operation.returned;
    access.allowed = operation.outcome == Outcome::kOk;
    const bool refused = absl::IsPermissionDenied(client.status());
    if (access.allowed || refused) client.histories().accesses.push_back(std::move(access));
    if (operation.outcome == Outcome::kOk) counters.Add(Reached::kAccessAllowed);
    if (refused) counters.Add(Reached::kAccessRefused);
    co_await client.Think();
  }
}

}  // namespace keelson::simulation
