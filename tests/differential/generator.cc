#include "tests/differential/generator.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/etcd/election.pb.h"
#include "proto/etcd/lock.pb.h"
#include "tests/differential/symbols.h"

namespace keelson::differential {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;

const std::string kFromKey(1, '\0');

// Not more than etcd sorts stably, so that keys of equal rank come in one order in almost all
// sorted ranges.
const std::vector<std::string>& Keys() {
  static const auto* const keys = new std::vector<std::string>{"a",        "a/",
                                                               "a/1",      "a/2",
                                                               "b",        "c",
                                                               "d",        "d0",
                                                               "e",        std::string("f\0g", 3),
                                                               "\xff\xff", std::string(300, 'l')};
  return *keys;
}

const std::vector<std::string> kUsers = {"root", "p", "q", "s"};
const std::vector<std::string> kRoles = {"k", "l", "root"};

template <typename Request>
Operation CallOf(std::string method, Request request, std::string user = "") {
  Operation operation;
  operation.method = std::move(method);
  operation.request = std::make_shared<Request>(std::move(request));
  operation.user = std::move(user);
  return operation;
}

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return kFromKey;
  ++prefix.back();
  return prefix;
}

}  // namespace

Generator::Generator(uint64_t seed, Focus focus)
    : dice_(seed), focus_(focus), alarm_(DrawAlarm()) {}

etcdserverpb::AlarmMember Generator::DrawAlarm() {
  etcdserverpb::AlarmMember alarm;
  alarm.set_memberid(Chance(90) ? static_cast<uint64_t>(kMemberSlot) : Below(3));
  alarm.set_alarm(Chance(50) ? etcdserverpb::NOSPACE : etcdserverpb::CORRUPT);
  return alarm;
}

std::string Generator::DrawKey() { return Chance(1) ? "" : Pick(Keys()); }

std::string Generator::DrawEnd(const std::string& key) {
  // Whether etcd lets a user have a range that ends before it begins is up to the shape of its tree
  // of permissions.
  const auto proper = [this, &key](std::string end) {
    return focus_ == Focus::kUsers && end <= key && end != kFromKey ? std::string() : end;
  };
  switch (Below(8)) {
    case 0:
      return kFromKey;
    case 1:
      return PrefixEnd(key);
    case 2:
    case 3:
      return proper(Pick(Keys()));
    case 4:
      return proper(std::string("g"));
    default:
      return "";
  }
}

std::string Generator::DrawValue() {
  if (focus_ == Focus::kLargeValues && Chance(8)) {
    // From what a fragment holds to what no request may.
    return std::string(700'000 + Below(900'000), static_cast<char>('A' + Below(26)));
  }
  const uint64_t size = Chance(5) ? Below(2000) : Below(12);
  std::string value;
  for (uint64_t i = 0; i < size; ++i) value.push_back(static_cast<char>(Below(256)));
  return value;
}

int64_t Generator::DrawOdd() {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  static const std::vector<int64_t> odd = {-1,      0,         1,    2,    3,
                                           1 << 20, 1LL << 32, kMin, kMax, kMax - 1};
  return Pick(odd);
}

int64_t Generator::DrawRevision() {
  switch (Below(16)) {
    case 0:
      return DrawOdd();
    case 1:
      return kCompactedRevision - 1 + static_cast<int64_t>(Below(3));
    case 2:
      return kLatestRevision + 1 - static_cast<int64_t>(Below(3));
    default:
      return kLatestRevision - static_cast<int64_t>(Below(40));
  }
}

int64_t Generator::DrawLease() {
  if (Chance(20)) return kLeaseSlot + 1 + static_cast<int64_t>(Below(3));
  return DrawGivenLease();
}

// Keys have no other ones: the hash of the history has the leases of its keys in it, too.
int64_t Generator::DrawGivenLease() {
  if (Chance(3)) return DrawOdd();
  return 10 + static_cast<int64_t>(Below(6));
}

std::string Generator::DrawUser() {
  if (focus_ != Focus::kUsers) return "";
  return Chance(6) ? "" : Chance(2) ? "nobody" : Pick(kUsers);
}

// 3.4 does not ask who may touch the keys of a lease, and no other question to it has the answer;
// root may always.
std::string Generator::DrawLeaseReader() { return focus_ == Focus::kUsers ? "root" : ""; }

void Generator::Draw(RangeRequest& request) {
  request.set_key(DrawKey());
  request.set_range_end(DrawEnd(request.key()));
  if (Chance(30)) request.set_limit(Chance(80) ? static_cast<int64_t>(Below(6)) : DrawOdd());
  if (Chance(25)) request.set_revision(DrawRevision());
  if (Chance(35)) {
    request.set_sort_order(static_cast<RangeRequest::SortOrder>(Below(3)));
    request.set_sort_target(static_cast<RangeRequest::SortTarget>(Below(5)));
  }
  request.set_serializable(Chance(30));
  request.set_keys_only(Chance(10));
  request.set_count_only(Chance(10));
  if (Chance(15)) {
    const auto bound = [this] {
      return Chance(85) ? kLatestRevision - static_cast<int64_t>(Below(60)) : DrawOdd();
    };
    if (Chance(40)) request.set_min_mod_revision(bound());
    if (Chance(40)) request.set_max_mod_revision(bound());
    if (Chance(40)) request.set_min_create_revision(bound());
    if (Chance(40)) request.set_max_create_revision(bound());
  }
}

void Generator::Draw(etcdserverpb::PutRequest& request) {
  request.set_key(DrawKey());
  request.set_prev_kv(Chance(25));
  request.set_ignore_value(Chance(8));
  request.set_ignore_lease(Chance(8));
  if (!request.ignore_value() || Chance(15)) request.set_value(DrawValue());
  const uint64_t leased = focus_ == Focus::kLeases ? 60 : 15;
  if (request.ignore_lease() ? Chance(10) : Chance(leased)) request.set_lease(DrawGivenLease());
}

void Generator::Draw(etcdserverpb::DeleteRangeRequest& request) {
  request.set_key(DrawKey());
  // Seldom more than one key, or nothing would be there.
  if (Chance(30)) request.set_range_end(DrawEnd(request.key()));
  request.set_prev_kv(Chance(40));
}

void Generator::Draw(Compare& compare) {
  compare.set_key(DrawKey());
  if (Chance(25)) compare.set_range_end(DrawEnd(compare.key()));
  compare.set_result(static_cast<Compare::CompareResult>(Below(4)));
  compare.set_target(static_cast<Compare::CompareTarget>(Below(5)));
  // What is compared with does not always fit to what is compared, or is there at all.
  const uint64_t kind = Chance(90) ? static_cast<uint64_t>(compare.target()) : Below(6);
  const auto revision = [this] {
    return Chance(80) ? kLatestRevision - static_cast<int64_t>(Below(30)) : DrawOdd();
  };
  switch (kind) {
    case Compare::VERSION:
      compare.set_version(static_cast<int64_t>(Below(4)));
      break;
    case Compare::CREATE:
      compare.set_create_revision(revision());
      break;
    case Compare::MOD:
      compare.set_mod_revision(revision());
      break;
    case Compare::VALUE:
      compare.set_value(Chance(50) ? "" : std::string(1, static_cast<char>(Below(256))));
      break;
    case Compare::LEASE:
      compare.set_lease(Chance(40) ? 0 : DrawLease());
      break;
    default:
      break;
  }
}

void Generator::Draw(etcdserverpb::RequestOp& op, int depth) {
  const uint64_t kind = Below(100);
  if (kind < 1) return;  // none at all
  if (kind < 35) {
    Draw(*op.mutable_request_range());
  } else if (kind < 70) {
    Draw(*op.mutable_request_put());
  } else if (kind < 85 || depth >= 3) {
    Draw(*op.mutable_request_delete_range());
  } else {
    Draw(*op.mutable_request_txn(), depth + 1);
  }
}

void Generator::Draw(etcdserverpb::TxnRequest& request, int depth) {
  const uint64_t compares = Below(3);
  for (uint64_t i = 0; i < compares; ++i) Draw(*request.add_compare());
  const bool only_ranges = Chance(15);
  for (auto* branch : {request.mutable_success(), request.mutable_failure()}) {
    const uint64_t ops = Chance(10) ? 4 + Below(4) : Below(4);
    for (uint64_t i = 0; i < ops; ++i) {
      if (only_ranges) {
        Draw(*branch->Add()->mutable_request_range());
      } else {
        Draw(*branch->Add(), depth);
      }
    }
  }
  if (!Chance(1)) return;
  // Around the limit, which nested transactions share.
  const uint64_t many = depth == 0 ? 126 + Below(5) : 60 + Below(70);
  for (uint64_t i = 0; i < many; ++i) {
    auto* const get = request.add_success()->mutable_request_range();
    get->set_key("a");
    get->set_count_only(true);
  }
}

Operation Generator::KeyOperation() {
  switch (Below(20)) {
    case 0:
    case 1: {
      etcdserverpb::DeleteRangeRequest request;
      Draw(request);
      return CallOf("KV.DeleteRange", request, DrawUser());
    }
    case 2: {
      RangeRequest request;
      Draw(request);
      request.clear_sort_order();
      request.clear_sort_target();
      request.clear_min_create_revision();
      request.clear_max_create_revision();
      request.clear_min_mod_revision();
      request.clear_max_mod_revision();
      Operation operation = CallOf("", request, DrawUser());
      operation.kind = Operation::Kind::kRangeStream;
      return operation;
    }
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: {
      RangeRequest request;
      Draw(request);
      if (Chance(1)) request.set_sort_order(static_cast<RangeRequest::SortOrder>(3 + Below(5)));
      if (Chance(1)) request.set_sort_target(static_cast<RangeRequest::SortTarget>(5 + Below(5)));
      return CallOf("KV.Range", request, DrawUser());
    }
    default: {
      etcdserverpb::PutRequest request;
      Draw(request);
      return CallOf("KV.Put", request, DrawUser());
    }
  }
}

Operation Generator::Transaction() {
  etcdserverpb::TxnRequest request;
  Draw(request, 0);
  // Etcd dies of a put that needs a key which the transaction has deleted, where it does not see
  // that they conflict.
  bool deletes = false;
  ForEachMessage(&request, [&deletes](google::protobuf::Message* message) {
    deletes = deletes || dynamic_cast<etcdserverpb::DeleteRangeRequest*>(message) != nullptr;
  });
  if (deletes) {
    ForEachMessage(&request, [](google::protobuf::Message* message) {
      if (auto* put = dynamic_cast<etcdserverpb::PutRequest*>(message)) {
        put->clear_ignore_value();
        put->clear_ignore_lease();
      }
    });
  }
  std::string user = DrawUser();
  // By somebody if it has no keys: kvd refuses it to nobody, etcd does not.
  bool has_keys = false;
  ForEachMessage(&request, [&has_keys](google::protobuf::Message* message) {
    has_keys = has_keys || message->GetDescriptor()->FindFieldByName("key") != nullptr;
  });
  if (focus_ == Focus::kUsers && user.empty() && !has_keys) user = "root";
  if (!user.empty() && user != "root") {
    // 3.7 looks at what else has the lease and 3.4 does not; no other question to 3.4 has the
    // answer.
    ForEachMessage(&request, [](google::protobuf::Message* message) {
      if (auto* put = dynamic_cast<etcdserverpb::PutRequest*>(message)) put->clear_lease();
    });
  }
  return CallOf("KV.Txn", request, user);
}

Operation Generator::Compaction() {
  etcdserverpb::CompactionRequest request;
  request.set_revision(Chance(70) ? kLatestRevision - static_cast<int64_t>(Below(30))
                                  : DrawRevision());
  request.set_physical(Chance(50));
  return CallOf("KV.Compact", request, DrawUser());
}

Operation Generator::LeaseOperation() {
  switch (Below(8)) {
    case 0:
    case 1:
    case 2: {
      etcdserverpb::LeaseGrantRequest request;
      static const std::vector<int64_t> seconds = {5000,
                                                   7000,
                                                   100'000,
                                                   8'999'999'999,
                                                   9'000'000'000,
                                                   9'000'000'001,
                                                   std::numeric_limits<int64_t>::max()};
      request.set_ttl(Chance(85) ? 5000 : Pick(seconds));
      if (Chance(80)) request.set_id(Chance(96) ? 10 + static_cast<int64_t>(Below(6)) : DrawOdd());
      Operation operation = CallOf("Lease.LeaseGrant", request, DrawUser());
      operation.choice = 1 + Below(3);
      return operation;
    }
    case 3: {
      etcdserverpb::LeaseRevokeRequest request;
      request.set_id(DrawLease());
      // By somebody: etcd lets nobody at all revoke a lease without keys.
      std::string user = DrawUser();
      if (focus_ == Focus::kUsers && user.empty()) user = "root";
      return CallOf("Lease.LeaseRevoke", request, user);
    }
    case 4:
    case 5: {
      etcdserverpb::LeaseTimeToLiveRequest request;
      request.set_id(DrawLease());
      request.set_keys(Chance(60));
      return CallOf("Lease.LeaseTimeToLive", request,
                    request.keys() ? DrawLeaseReader() : DrawUser());
    }
    case 6:
      return CallOf("Lease.LeaseLeases", etcdserverpb::LeaseLeasesRequest(), DrawLeaseReader());
    default: {
      etcdserverpb::LeaseKeepAliveRequest request;
      request.set_id(DrawLease());
      Operation operation = CallOf("", request, DrawLeaseReader());
      operation.kind = Operation::Kind::kKeepAlive;
      return operation;
    }
  }
}

Operation Generator::Expiry() {
  etcdserverpb::LeaseGrantRequest request;
  static const std::vector<int64_t> shortest = {std::numeric_limits<int64_t>::min(), -5, 0, 1, 2};
  request.set_ttl(Pick(shortest));
  request.set_id(99);
  Operation operation = CallOf("", request);
  operation.kind = Operation::Kind::kExpire;
  operation.choice = Below(4);
  return operation;
}

Operation Generator::CreateWatcher() {
  etcdserverpb::WatchCreateRequest request;
  Operation operation;
  operation.kind = Operation::Kind::kWatchCreate;
  operation.slot = static_cast<int>(Below(kFutureSlot));
  request.set_key(DrawKey());
  request.set_range_end(DrawEnd(request.key()));
  if (Chance(8)) {
    operation.slot = kFutureSlot;
    request.set_start_revision(Chance(90) ? kLatestRevision + 1 + static_cast<int64_t>(Below(30))
                                          : std::numeric_limits<int64_t>::max());
  } else if (Chance(50)) {
    request.set_start_revision(Chance(90) ? kLatestRevision - static_cast<int64_t>(Below(40))
                                          : kCompactedRevision - static_cast<int64_t>(Below(3)));
    if (Chance(3)) request.set_start_revision(-1 - static_cast<int64_t>(Below(3)));
  }
  if (Chance(20))
    request.add_filters(static_cast<etcdserverpb::WatchCreateRequest::FilterType>(Below(2)));
  if (Chance(5))
    request.add_filters(static_cast<etcdserverpb::WatchCreateRequest::FilterType>(Below(2)));
  request.set_prev_kv(Chance(40));
  request.set_progress_notify(Chance(10));
  request.set_fragment(Chance(focus_ == Focus::kLargeValues ? 60 : 15));
  if (Chance(20)) request.set_watch_id(Chance(90) ? static_cast<int64_t>(1 + Below(8)) : DrawOdd());
  operation.request = std::make_shared<etcdserverpb::WatchCreateRequest>(request);
  return operation;
}

Operation Generator::WatchOperation() {
  Operation operation;
  operation.slot = static_cast<int>(Below(kWatchSlots));
  switch (Below(12)) {
    case 0:
      operation.kind = Operation::Kind::kOpenStream;
      operation.user = DrawUser();
      return operation;
    case 1:
    case 2:
    case 3:
    case 4:
      operation.kind = Operation::Kind::kWatchCancel;
      operation.choice = Below(1000);
      return operation;
    case 5:
    case 6:
      operation.kind = Operation::Kind::kWatchProgress;
      operation.slot = static_cast<int>(Below(kFutureSlot));
      return operation;
    default:
      return CreateWatcher();
  }
}

Operation Generator::UserOperation() {
  const std::string who = Chance(75) ? "root" : DrawUser();
  const std::string& user = Pick(kUsers);
  const uint64_t kind = Below(30);
  if (kind < 1) return CallOf("Auth.AuthEnable", etcdserverpb::AuthEnableRequest(), who);
  if (kind < 2 && Chance(50))
    return CallOf("Auth.AuthDisable", etcdserverpb::AuthDisableRequest(), who);
  if (kind < 12) {
    etcdserverpb::AuthenticateRequest request;
    request.set_name(Chance(35) ? "root" : Chance(5) ? "nobody" : user);
    // The password of root never changes, or nobody could put an end to it all.
    request.set_password(Chance(85) ? "x" : "y");
    return CallOf("Auth.Authenticate", request);
  }
  if (kind < 15) {
    etcdserverpb::AuthUserAddRequest request;
    request.set_name(Chance(3) ? "" : user);
    request.set_password(user == "root" || Chance(95) ? "x" : "y");
    if (user != "root" && Chance(5)) {
      request.clear_password();
      request.mutable_options()->set_no_password(true);
    }
    return CallOf("Auth.UserAdd", request, who);
  }
  if (kind < 16) {
    etcdserverpb::AuthUserDeleteRequest request;
    request.set_name(user);
    return CallOf("Auth.UserDelete", request, who);
  }
  if (kind < 17) {
    etcdserverpb::AuthUserChangePasswordRequest request;
    request.set_name(user);
    request.set_password(user == "root" || Chance(80) ? "x" : "y");
    return CallOf("Auth.UserChangePassword", request, who);
  }
  if (kind < 20) {
    etcdserverpb::AuthUserGetRequest request;
    request.set_name(Chance(3) ? "" : user);
    return CallOf("Auth.UserGet", request, Chance(50) ? user : who);
  }
  if (kind < 21) return CallOf("Auth.UserList", etcdserverpb::AuthUserListRequest(), who);
  if (kind < 28) {
    etcdserverpb::AuthUserGrantRoleRequest request;
    request.set_user(user);
    request.set_role(user == "root" ? "root" : Pick(kRoles));
    return CallOf("Auth.UserGrantRole", request, who);
  }
  etcdserverpb::AuthUserRevokeRoleRequest request;
  request.set_name(user);
  request.set_role(Pick(kRoles));
  return CallOf("Auth.UserRevokeRole", request, who);
}

Operation Generator::RoleOperation() {
  const std::string who = Chance(75) ? "root" : DrawUser();
  const std::string role = Chance(2) ? "" : Pick(kRoles);
  const uint64_t index = Below(Keys().size());
  const std::string key = Chance(2) ? "" : Keys()[index];
  // One end for each key, for etcd knows again only the first of several permissions that begin
  // with the same key.
  static const std::vector<std::string> ends = {"", "a/2", "", "b", kFromKey, "e", "", "g", ""};
  const std::string end = index < ends.size() ? ends[index] : "";
  const uint64_t kind = Below(20);
  if (kind < 3) {
    etcdserverpb::AuthRoleAddRequest request;
    request.set_name(role);
    return CallOf("Auth.RoleAdd", request, who);
  }
  if (kind < 4) {
    etcdserverpb::AuthRoleDeleteRequest request;
    request.set_role(role);
    return CallOf("Auth.RoleDelete", request, who);
  }
  if (kind < 7) {
    etcdserverpb::AuthRoleGetRequest request;
    request.set_role(role);
    return CallOf("Auth.RoleGet", request, who);
  }
  if (kind < 8) return CallOf("Auth.RoleList", etcdserverpb::AuthRoleListRequest(), who);
  if (kind < 17) {
    etcdserverpb::AuthRoleGrantPermissionRequest request;
    request.set_name(role);
    // Never without a permission, for 3.4 ends of it, and with a key, for 3.4 takes any range.
    request.mutable_perm()->set_key(Keys()[index]);
    request.mutable_perm()->set_range_end(end);
    request.mutable_perm()->set_permtype(static_cast<authpb::Permission::Type>(Below(3)));
    return CallOf("Auth.RoleGrantPermission", request, who);
  }
  etcdserverpb::AuthRoleRevokePermissionRequest request;
  request.set_role(role);
  request.set_key(key);
  request.set_range_end(end);
  return CallOf("Auth.RoleRevokePermission", request, who);
}

Operation Generator::AlarmOperation() {
  etcdserverpb::AlarmRequest request;
  // With an alarm up 3.4 no longer asks users for their rights where it applies.
  const uint64_t kind = focus_ == Focus::kUsers ? 2 + Below(8) : Below(10);
  if (kind < 2) {
    request.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
    request.set_memberid(alarm_.memberid());
    request.set_alarm(alarm_.alarm());
  } else {
    request.set_action(kind < 8 ? etcdserverpb::AlarmRequest::DEACTIVATE
                                : etcdserverpb::AlarmRequest::GET);
    request.set_memberid(Chance(70) ? alarm_.memberid() : Below(3));
    request.set_alarm(static_cast<etcdserverpb::AlarmType>(Below(3)));
  }
  return CallOf("Maintenance.Alarm", request, DrawUser());
}

Operation Generator::ClusterOperation() {
  const uint64_t stranger =
      Chance(50) ? Below(1000) : static_cast<uint64_t>(kMemberSlot) + 1 + Below(3);
  switch (Below(14)) {
    case 0: {
      etcdserverpb::MemberAddRequest request;
      static const std::vector<std::string> urls = {"http://127.0.0.1:1",
                                                    "http://127.0.0.1:2",
                                                    "127.0.0.1:1",
                                                    "ftp://127.0.0.1:1",
                                                    "http://127.0.0.1",
                                                    "http://127.0.0.1:1/x",
                                                    ""};
      // Kvd looks at the rights of a user before it looks at what he wants.
      request.add_peerurls(focus_ == Focus::kUsers ? urls.front() : Pick(urls));
      request.set_islearner(true);  // a voter that is not there would end it all
      return CallOf("Cluster.MemberAdd", request, DrawUser());
    }
    case 1:
    case 2: {
      etcdserverpb::MemberRemoveRequest request;
      request.set_id(stranger);
      return CallOf("Cluster.MemberRemove", request, DrawUser());
    }
    case 3: {
      etcdserverpb::MemberPromoteRequest request;
      request.set_id(Chance(70) ? stranger : static_cast<uint64_t>(kMemberSlot));
      return CallOf("Cluster.MemberPromote", request, DrawUser());
    }
    case 4: {
      etcdserverpb::MemberUpdateRequest request;
      // No learner, for 3.4 forgets that it is one.
      request.set_id(Below(1000));
      // Only URLs: kvd refuses what is none, where etcd lets it into its membership.
      request.add_peerurls("http://127.0.0.1:3");
      return CallOf("Cluster.MemberUpdate", request, DrawUser());
    }
    case 5: {
      etcdserverpb::MoveLeaderRequest request;
      request.set_targetid(stranger);
      return CallOf("Maintenance.MoveLeader", request, DrawUser());
    }
    case 6:
      return CallOf("Maintenance.Status", etcdserverpb::StatusRequest(), DrawUser());
    case 7:
    case 8:
    case 9: {
      etcdserverpb::HashKVRequest request;
      if (Chance(70)) request.set_revision(std::max<int64_t>(DrawRevision(), 0));
      return CallOf("Maintenance.HashKV", request, DrawUser());
    }
    case 10:
    case 11:
      return AlarmOperation();
    default:
      return CallOf("Cluster.MemberList", etcdserverpb::MemberListRequest(), DrawUser());
  }
}

// Each name has one lease, so that nobody ever waits for another one.
Operation Generator::RecipeOperation() {
  const int64_t lease = 10 + static_cast<int64_t>(Below(3));
  const std::string lock = absl::StrCat("lock", lease);
  const std::string election = absl::StrCat("election", lease);
  v3electionpb::LeaderKey leader;
  leader.set_name(election);
  leader.set_key(absl::StrCat(election, "/", absl::Hex(lease)));
  leader.set_lease(lease);
  leader.set_rev(kLatestRevision - static_cast<int64_t>(Below(5)));
  switch (Below(6)) {
    case 0: {
      v3lockpb::LockRequest request;
      request.set_name(lock);
      request.set_lease(lease);
      return CallOf("Lock.Lock", request, DrawUser());
    }
    case 1: {
      v3lockpb::UnlockRequest request;
      request.set_key(absl::StrCat(lock, "/", absl::Hex(lease)));
      return CallOf("Lock.Unlock", request, DrawUser());
    }
    case 2: {
      v3electionpb::CampaignRequest request;
      request.set_name(election);
      request.set_lease(lease);
      request.set_value(DrawValue());
      return CallOf("Election.Campaign", request, DrawUser());
    }
    case 3: {
      v3electionpb::ProclaimRequest request;
      if (!Chance(5)) *request.mutable_leader() = leader;
      request.set_value(DrawValue());
      return CallOf("Election.Proclaim", request, DrawUser());
    }
    case 4: {
      v3electionpb::ResignRequest request;
      if (!Chance(5)) *request.mutable_leader() = leader;
      return CallOf("Election.Resign", request, DrawUser());
    }
    default: {
      v3electionpb::LeaderRequest request;
      request.set_name(election);
      return CallOf("Election.Leader", request, DrawUser());
    }
  }
}

Operation Generator::Next() {
  struct Weights {
    uint64_t keys, transactions, compactions, leases, watches, users, cluster, recipes;
  };
  static const Weights weights[kFocuses] = {
      {40, 20, 2, 15, 15, 0, 6, 2}, {80, 10, 4, 2, 2, 0, 2, 0},  {20, 70, 2, 4, 2, 0, 2, 0},
      {30, 10, 1, 45, 6, 0, 2, 6},  {40, 20, 2, 3, 33, 0, 2, 0}, {30, 12, 1, 10, 6, 35, 5, 0},
      {60, 6, 2, 2, 30, 0, 0, 0},
  };
  const Weights& w = weights[static_cast<int>(focus_)];
  uint64_t at = Below(w.keys + w.transactions + w.compactions + w.leases + w.watches + w.users +
                      w.cluster + w.recipes);
  const auto within = [&at](uint64_t weight) {
    if (at < weight) return true;
    at -= weight;
    return false;
  };
  if (within(w.keys)) return KeyOperation();
  if (within(w.transactions)) return Transaction();
  if (within(w.compactions)) return Compaction();
  if (within(w.leases)) return LeaseOperation();
  if (within(w.watches)) return WatchOperation();
  if (within(w.users)) return Chance(60) ? UserOperation() : RoleOperation();
  if (within(w.cluster)) return ClusterOperation();
  return RecipeOperation();
}

}  // namespace keelson::differential
