// The simple format: for people and for shell scripts.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/ops.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/printer.h"
#include "tools/kvctl/rows.h"

namespace keelson::kvctl {
namespace {

class SimplePrinter final : public Printer {
 public:
  SimplePrinter(const PrinterOptions& options, std::ostream& out, std::ostream& err)
      : Printer("simple", out), hex_(options.hex), err_(err) {}

  Exit Get(const etcdserverpb::RangeResponse& response) override {
    for (const mvccpb::KeyValue& kv : response.kvs()) Pair(kv);
    return Ok();
  }

  Exit Put(const etcdserverpb::PutResponse& response) override {
    out() << "OK\n";
    if (response.has_prev_kv()) Pair(response.prev_kv());
    return Ok();
  }

  Exit Del(const etcdserverpb::DeleteRangeResponse& response) override {
    out() << response.deleted() << "\n";
    for (const mvccpb::KeyValue& kv : response.prev_kvs()) Pair(kv);
    return Ok();
  }

  Exit Txn(const etcdserverpb::TxnResponse& response) override {
    out() << (response.succeeded() ? "SUCCESS\n" : "FAILURE\n");
    for (const etcdserverpb::ResponseOp& op : response.responses()) {
      out() << "\n";
      KVCTL_RETURN_IF_FAILED(Op(op));
    }
    return Ok();
  }

  Exit Watch(const etcdserverpb::WatchResponse& response) override {
    for (const mvccpb::Event& event : response.events()) {
      out() << mvccpb::Event::EventType_Name(event.type()) << "\n";
      if (event.has_prev_kv()) Pair(event.prev_kv());
      Pair(event.kv());
    }
    return Ok();
  }

  Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse& response) override {
    out() << absl::StreamFormat("lease %016x granted with TTL(%ds)\n",
                                static_cast<uint64_t>(response.id()), response.ttl());
    return Ok();
  }

  Exit LeaseRevoke(int64_t id, const etcdserverpb::LeaseRevokeResponse&) override {
    out() << absl::StreamFormat("lease %016x revoked\n", static_cast<uint64_t>(id));
    return Ok();
  }

  Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    out() << absl::StreamFormat("lease %016x keepalived with TTL(%d)\n",
                                static_cast<uint64_t>(response.id()), response.ttl());
    return Ok();
  }

  Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse& response,
                       bool with_keys) override {
    const auto id = static_cast<uint64_t>(response.id());
    if (response.grantedttl() == 0 && response.ttl() == -1) {
      out() << absl::StreamFormat("lease %016x already expired\n", id);
      return Ok();
    }
    out() << absl::StreamFormat("lease %016x granted with TTL(%ds), remaining(%ds)", id,
                                response.grantedttl(), response.ttl());
    if (with_keys) out() << ", attached keys([" << absl::StrJoin(response.keys(), " ") << "])";
    out() << "\n";
    return Ok();
  }

  Exit LeaseList(const etcdserverpb::LeaseLeasesResponse& response) override {
    out() << "found " << response.leases_size() << " leases\n";
    for (const etcdserverpb::LeaseStatus& lease : response.leases()) {
      out() << absl::StreamFormat("%016x\n", static_cast<uint64_t>(lease.id()));
    }
    return Ok();
  }

  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    return Join(MemberRows(response));
  }

  Exit MemberAdd(const etcdserverpb::MemberAddResponse& response) override {
    return Member(response.member().id(),
                  response.member().islearner() ? "added as learner to" : "added to",
                  response.header());
  }
  Exit MemberRemove(uint64_t id, const etcdserverpb::MemberRemoveResponse& response) override {
    return Member(id, "removed from", response.header());
  }
  Exit MemberUpdate(uint64_t id, const etcdserverpb::MemberUpdateResponse& response) override {
    return Member(id, "updated in", response.header());
  }
  Exit MemberPromote(uint64_t id, const etcdserverpb::MemberPromoteResponse& response) override {
    return Member(id, "promoted in", response.header());
  }
  Exit MoveLeader(uint64_t from, uint64_t to, const etcdserverpb::MoveLeaderResponse&) override {
    out() << absl::StreamFormat("Leadership transferred from %x to %x\n", from, to);
    return Ok();
  }

  Exit Downgrade(const std::string& what,
                 const etcdserverpb::DowngradeResponse& response) override {
    return Say(
        absl::StrCat("Downgrade ", what, " success, cluster version ", response.version()));
  }

  Exit Health(const std::vector<EndpointHealth>& endpoints) override {
    for (const EndpointHealth& health : endpoints) {
      if (health.error.empty()) {
        out() << health.endpoint << " is healthy: successfully committed proposal: took = "
              << FormatGoDuration(health.took) << "\n";
      } else {
        err_ << health.endpoint << " is unhealthy: failed to commit proposal: " << health.error
             << "\n";
      }
    }
    return Ok();
  }

  Exit Status(const std::vector<EndpointStatus>& endpoints) override {
    return Join(StatusRows(endpoints));
  }

  Exit HashKv(const std::vector<EndpointHash>& endpoints) override {
    return Join(HashRows(endpoints));
  }

  Exit OfflineHash(const struct OfflineHash& hash) override {
    return Join(OfflineHashRows(hash));
  }

  Exit SnapshotStatus(const struct SnapshotStatus& status) override {
    return Join(SnapshotRows(status));
  }

  Exit Alarm(const etcdserverpb::AlarmResponse& response) override {
    for (const etcdserverpb::AlarmMember& alarm : response.alarms()) {
      // The text form of the message, with its trailing space.
      if (alarm.memberid() != 0) out() << "memberID:" << alarm.memberid() << " ";
      if (alarm.alarm() != 0)
        out() << "alarm:" << etcdserverpb::AlarmType_Name(alarm.alarm()) << " ";
      out() << "\n";
    }
    return Ok();
  }

  Exit AuthStatus(const etcdserverpb::AuthStatusResponse& response) override {
    out() << "Authentication Status: " << (response.enabled() ? "true" : "false") << "\n"
          << "AuthRevision: " << response.authrevision() << "\n";
    return Ok();
  }

  Exit UserAdd(const std::string& user, const etcdserverpb::AuthUserAddResponse&) override {
    return Say(absl::StrCat("User ", user, " created"));
  }

  Exit UserGet(const std::string& user,
               const etcdserverpb::AuthUserGetResponse& response) override {
    out() << "User: " << user << "\nRoles:";
    for (const std::string& role : response.roles()) out() << " " << role;
    out() << "\n";
    return Ok();
  }

  Exit UserList(const etcdserverpb::AuthUserListResponse& response) override {
    for (const std::string& user : response.users()) out() << user << "\n";
    return Ok();
  }

  Exit UserDelete(const std::string& user, const etcdserverpb::AuthUserDeleteResponse&) override {
    return Say(absl::StrCat("User ", user, " deleted"));
  }

  Exit UserChangePassword(const etcdserverpb::AuthUserChangePasswordResponse&) override {
    return Say("Password updated");
  }

  Exit UserGrantRole(const std::string& user, const std::string& role,
                     const etcdserverpb::AuthUserGrantRoleResponse&) override {
    return Say(absl::StrCat("Role ", role, " is granted to user ", user));
  }

  Exit UserRevokeRole(const std::string& user, const std::string& role,
                      const etcdserverpb::AuthUserRevokeRoleResponse&) override {
    return Say(absl::StrCat("Role ", role, " is revoked from user ", user));
  }

  Exit RoleAdd(const std::string& role, const etcdserverpb::AuthRoleAddResponse&) override {
    return Say(absl::StrCat("Role ", role, " created"));
  }

  Exit RoleGet(const std::string& role,
               const etcdserverpb::AuthRoleGetResponse& response) override {
    out() << "Role " << role << "\nKV Read:\n";
    for (const authpb::Permission& permission : response.perm()) {
      if (permission.permtype() != authpb::Permission::WRITE) Granted(permission);
    }
    out() << "KV Write:\n";
    for (const authpb::Permission& permission : response.perm()) {
      if (permission.permtype() != authpb::Permission::READ) Granted(permission);
    }
    return Ok();
  }

  Exit RoleList(const etcdserverpb::AuthRoleListResponse& response) override {
    for (const std::string& role : response.roles()) out() << role << "\n";
    return Ok();
  }

  Exit RoleDelete(const std::string& role, const etcdserverpb::AuthRoleDeleteResponse&) override {
    return Say(absl::StrCat("Role ", role, " deleted"));
  }

  Exit RoleGrantPermission(const std::string& role,
                           const etcdserverpb::AuthRoleGrantPermissionResponse&) override {
    return Say(absl::StrCat("Role ", role, " updated"));
  }

  Exit RoleRevokePermission(const std::string& role, const std::string& key,
                            const std::string& range_end,
                            const etcdserverpb::AuthRoleRevokePermissionResponse&) override {
    if (range_end.empty()) {
      return Say(absl::StrCat("Permission of key ", key, " is revoked from role ", role));
    }
    return Say(absl::StrCat("Permission of range ", RangeText(key, range_end),
                            " is revoked from role ", role));
  }

 private:
  Exit Member(uint64_t id, const char* what, const etcdserverpb::ResponseHeader& header) {
    out() << absl::StreamFormat("Member %16x %s cluster %16x\n", id, what, header.cluster_id());
    return Ok();
  }

  Exit Say(const std::string& line) {
    out() << line << "\n";
    return Ok();
  }

  static std::string RangeText(const std::string& key, const std::string& range_end) {
    if (range_end == client::kFromKey) return absl::StrCat("[", key, ", <open ended>");
    return absl::StrCat("[", key, ", ", range_end, ")");
  }

  void Granted(const authpb::Permission& permission) {
    const std::string& key = permission.key();
    const std::string& end = permission.range_end();
    out() << "\t" << (end.empty() ? key : RangeText(key, end));
    if (!end.empty() && client::PrefixEnd(key) == end) {
      out() << " (prefix " << key << ")";
    }
    out() << "\n";
  }

  void Pair(const mvccpb::KeyValue& kv) {
    if (!values_only()) out() << (hex_ ? HexEscape(kv.key()) : kv.key()) << "\n";
    out() << (hex_ ? HexEscape(kv.value()) : kv.value()) << "\n";
  }

  Exit Op(const etcdserverpb::ResponseOp& op) {
    switch (op.response_case()) {
      case etcdserverpb::ResponseOp::kResponseRange:
        return Get(op.response_range());
      case etcdserverpb::ResponseOp::kResponsePut:
        return Put(op.response_put());
      case etcdserverpb::ResponseOp::kResponseDeleteRange:
        return Del(op.response_delete_range());
      case etcdserverpb::ResponseOp::kResponseTxn:
        return Txn(op.response_txn());
      default:
        return Failed("unexpected response in a transaction");
    }
  }

  Exit Join(const Rows& rows) {
    for (const auto& row : rows.rows) out() << absl::StrJoin(row, ", ") << "\n";
    return Ok();
  }

  const bool hex_;
  std::ostream& err_;
};

}  // namespace

std::unique_ptr<Printer> MakeSimplePrinter(const PrinterOptions& options, std::ostream& out,
                                           std::ostream& err) {
  return std::make_unique<SimplePrinter>(options, out, err);
}

}  // namespace keelson::kvctl
