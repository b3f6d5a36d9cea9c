// The fields format: a line `"Name" : value` for everything there is in an answer.
#include "absl/strings/str_join.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/printer.h"

namespace keelson::kvctl {
namespace {

class FieldsPrinter final : public Printer {
 public:
  explicit FieldsPrinter(std::ostream& out) : Printer("fields", out) {}

  Exit Get(const etcdserverpb::RangeResponse& response) override {
    Header(response.header());
    for (const mvccpb::KeyValue& kv : response.kvs()) Pair("", kv);
    Bool("More", response.more());
    Field("Count", response.count());
    return Ok();
  }

  Exit Put(const etcdserverpb::PutResponse& response) override {
    Header(response.header());
    if (response.has_prev_kv()) Pair("Prev", response.prev_kv());
    return Ok();
  }

  Exit Del(const etcdserverpb::DeleteRangeResponse& response) override {
    Header(response.header());
    Field("Deleted", response.deleted());
    for (const mvccpb::KeyValue& kv : response.prev_kvs()) Pair("Prev", kv);
    return Ok();
  }

  Exit Txn(const etcdserverpb::TxnResponse& response) override {
    Header(response.header());
    Bool("Succeeded", response.succeeded());
    for (const etcdserverpb::ResponseOp& op : response.responses()) {
      KVCTL_RETURN_IF_FAILED(Op(op));
    }
    return Ok();
  }

  Exit Watch(const etcdserverpb::WatchResponse& response) override {
    Header(response.header());
    for (const mvccpb::Event& event : response.events()) {
      Field("Type", mvccpb::Event::EventType_Name(event.type()));
      if (event.has_prev_kv()) Pair("Prev", event.prev_kv());
      Pair("", event.kv());
    }
    return Ok();
  }

  Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse& response) override {
    Header(response.header());
    Field("ID", response.id());
    Field("TTL", response.ttl());
    return Ok();
  }

  Exit LeaseRevoke(int64_t, const etcdserverpb::LeaseRevokeResponse& response) override {
    Header(response.header());
    return Ok();
  }

  Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    Header(response.header());
    Field("ID", response.id());
    Field("TTL", response.ttl());
    return Ok();
  }

  Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse& response, bool) override {
    Header(response.header());
    Field("ID", response.id());
    Field("TTL", response.ttl());
    Field("GrantedTTL", response.grantedttl());
    for (const std::string& key : response.keys()) Text("Key", key);
    return Ok();
  }

  Exit LeaseList(const etcdserverpb::LeaseLeasesResponse& response) override {
    Header(response.header());
    for (const etcdserverpb::LeaseStatus& lease : response.leases()) Field("ID", lease.id());
    return Ok();
  }

  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    Header(response.header());
    for (const etcdserverpb::Member& member : response.members()) {
      Field("ID", member.id());
      Text("Name", member.name());
      for (const std::string& url : member.peerurls()) Text("PeerURL", url);
      for (const std::string& url : member.clienturls()) Text("ClientURL", url);
      Bool("IsLearner", member.islearner());
      out() << "\n";
    }
    return Ok();
  }

  Exit Downgrade(const std::string&, const etcdserverpb::DowngradeResponse& response) override {
    Header(response.header());
    Text("Version", response.version());
    return Ok();
  }

  Exit Health(const std::vector<EndpointHealth>& endpoints) override {
    for (const EndpointHealth& health : endpoints) {
      Text("Endpoint", health.endpoint);
      Bool("Health", health.error.empty());
      Field("Took", FormatGoDuration(health.took));
      Field("Error", health.error);
      out() << "\n";
    }
    return Ok();
  }

  Exit Status(const std::vector<EndpointStatus>& endpoints) override {
    for (const EndpointStatus& endpoint : endpoints) {
      const etcdserverpb::StatusResponse& status = endpoint.status;
      Header(status.header());
      Text("Version", status.version());
      Text("StorageVersion", status.storageversion());
      Field("DBSize", status.dbsize());
      Field("DBSizeInUse", status.dbsizeinuse());
      Field("DBSizeQuota", status.dbsizequota());
      Field("Leader", status.leader());
      Bool("IsLearner", status.islearner());
      Field("RaftIndex", status.raftindex());
      Field("RaftTerm", status.raftterm());
      Field("RaftAppliedIndex", status.raftappliedindex());
      Field("Errors", "[" + absl::StrJoin(status.errors(), " ") + "]");
      Text("Endpoint", endpoint.endpoint);
      Text("DowngradeTargetVersion", status.downgradeinfo().targetversion());
      Bool("DowngradeEnabled", status.downgradeinfo().enabled());
      out() << "\n";
    }
    return Ok();
  }

  Exit HashKv(const std::vector<EndpointHash>& endpoints) override {
    for (const EndpointHash& endpoint : endpoints) {
      Header(endpoint.hash.header());
      Text("Endpoint", endpoint.endpoint);
      Field("Hash", endpoint.hash.hash());
      Field("HashRevision", endpoint.hash.hash_revision());
      out() << "\n";
    }
    return Ok();
  }

  Exit OfflineHash(const struct OfflineHash& hash) override {
    Field("Hash", hash.hash);
    Field("HashRevision", hash.revision);
    Field("CompactRevision", hash.compacted);
    return Ok();
  }

  Exit SnapshotStatus(const struct SnapshotStatus& status) override {
    Field("Hash", status.hash);
    Field("Revision", status.revision);
    Field("Keys", status.keys);
    Field("Size", status.bytes);
    return Ok();
  }

  Exit Alarm(const etcdserverpb::AlarmResponse& response) override {
    Header(response.header());
    for (const etcdserverpb::AlarmMember& alarm : response.alarms()) {
      Field("MemberID", alarm.memberid());
      Field("AlarmType", etcdserverpb::AlarmType_Name(alarm.alarm()));
      out() << "\n";
    }
    return Ok();
  }

  Exit AuthStatus(const etcdserverpb::AuthStatusResponse& response) override {
    Header(response.header());
    Bool("Enabled", response.enabled());
    Field("AuthRevision", response.authrevision());
    return Ok();
  }

  Exit RoleGet(const std::string&, const etcdserverpb::AuthRoleGetResponse& response) override {
    Header(response.header());
    for (const authpb::Permission& permission : response.perm()) {
      // etcdctl has two blanks here.
      Field("PermType", " " + authpb::Permission::Type_Name(permission.permtype()));
      Text("Key", permission.key());
      Text("RangeEnd", permission.range_end());
    }
    return Ok();
  }

  Exit RoleList(const etcdserverpb::AuthRoleListResponse& response) override {
    Header(response.header());
    out() << "\"Roles\" :";
    for (const std::string& role : response.roles()) out() << " " << GoQuote(role);
    out() << "\n";
    return Ok();
  }

  Exit UserAdd(const std::string&, const etcdserverpb::AuthUserAddResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit UserDelete(const std::string&, const etcdserverpb::AuthUserDeleteResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit UserChangePassword(const etcdserverpb::AuthUserChangePasswordResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit UserGrantRole(const std::string&, const std::string&, const etcdserverpb::AuthUserGrantRoleResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit UserRevokeRole(const std::string&, const std::string&, const etcdserverpb::AuthUserRevokeRoleResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit RoleAdd(const std::string&, const etcdserverpb::AuthRoleAddResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit RoleDelete(const std::string&, const etcdserverpb::AuthRoleDeleteResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit RoleGrantPermission(const std::string&, const etcdserverpb::AuthRoleGrantPermissionResponse& response) override {
    return HeaderOnly(response.header());
  }
  Exit RoleRevokePermission(const std::string&, const std::string&, const std::string&, const etcdserverpb::AuthRoleRevokePermissionResponse& response) override {
    return HeaderOnly(response.header());
  }

 private:
  template <typename T>
  void Field(const std::string& name, const T& value) {
    out() << "\"" << name << "\" : " << value << "\n";
  }
  void Bool(const std::string& name, bool value) { Field(name, value ? "true" : "false"); }
  void Text(const std::string& name, const std::string& bytes) { Field(name, GoQuote(bytes)); }

  void Header(const etcdserverpb::ResponseHeader& header) {
    Field("ClusterID", header.cluster_id());
    Field("MemberID", header.member_id());
    if (header.revision() > 0) Field("Revision", header.revision());
    Field("RaftTerm", header.raft_term());
  }

  Exit HeaderOnly(const etcdserverpb::ResponseHeader& header) {
    Header(header);
    return Ok();
  }

  void Pair(const std::string& prefix, const mvccpb::KeyValue& kv) {
    Text(prefix + "Key", kv.key());
    Field(prefix + "CreateRevision", kv.create_revision());
    Field(prefix + "ModRevision", kv.mod_revision());
    Field(prefix + "Version", kv.version());
    Text(prefix + "Value", kv.value());
    Field(prefix + "Lease", kv.lease());
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
};

}  // namespace

std::unique_ptr<Printer> MakeFieldsPrinter(std::ostream& out) {
  return std::make_unique<FieldsPrinter>(out);
}

}  // namespace keelson::kvctl
