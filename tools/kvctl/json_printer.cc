// The json format: one line per answer. The shapes are those of the Go structs that etcdctl prints,
// which are the wire's messages for some answers and types of the Go client for others.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/kvctl/go_json.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/printer.h"

namespace keelson::kvctl {
namespace {

class JsonPrinter final : public Printer {
 public:
  JsonPrinter(const PrinterOptions& options, std::ostream& out)
      : Printer("json", out), hex_(options.hex) {}

  Exit Get(const etcdserverpb::RangeResponse& response) override { return Whole(response); }
  Exit Put(const etcdserverpb::PutResponse& response) override { return Whole(response); }
  Exit Del(const etcdserverpb::DeleteRangeResponse& response) override { return Whole(response); }
  Exit Txn(const etcdserverpb::TxnResponse& response) override { return Whole(response); }
  Exit Alarm(const etcdserverpb::AlarmResponse& response) override { return Whole(response); }
  Exit LeaseRevoke(int64_t, const etcdserverpb::LeaseRevokeResponse& response) override {
    return Whole(response);
  }

  Exit Watch(const etcdserverpb::WatchResponse& response) override {
    std::vector<std::string> events;
    for (const mvccpb::Event& event : response.events()) events.push_back(GoJson(event));
    return Line(absl::StrCat(
        "{\"Header\":", GoJson(response.header()), ",\"Events\":[", absl::StrJoin(events, ","),
        "],\"CompactRevision\":", response.compact_revision(),
        ",\"Canceled\":", response.canceled() ? "true" : "false", ",\"Created\":false",
        ",\"CancelReason\":", GoJsonString(response.cancel_reason()), "}"));
  }

  Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse& response) override {
    return Flat(response.header(),
                absl::StrCat("\"ID\":", response.id(), ",\"TTL\":", response.ttl(),
                             ",\"Error\":", GoJsonString(response.error())));
  }

  Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    return Flat(response.header(),
                absl::StrCat("\"ID\":", response.id(), ",\"TTL\":", response.ttl()));
  }

  Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse& response, bool) override {
    std::vector<std::string> keys;
    for (const std::string& key : response.keys()) {
      keys.push_back(absl::StrCat("\"", absl::Base64Escape(key), "\""));
    }
    return Flat(
        response.header(),
        absl::StrCat("\"id\":", response.id(), ",\"ttl\":", response.ttl(),
                     ",\"granted-ttl\":", response.grantedttl(), ",\"keys\":",
                     keys.empty() ? "null" : absl::StrCat("[", absl::StrJoin(keys, ","), "]")));
  }

  Exit LeaseList(const etcdserverpb::LeaseLeasesResponse& response) override {
    std::vector<std::string> leases;
    for (const etcdserverpb::LeaseStatus& lease : response.leases()) {
      leases.push_back(absl::StrCat("{\"id\":", lease.id(), "}"));
    }
    return Flat(response.header(), absl::StrCat("\"leases\":[", absl::StrJoin(leases, ","), "]"));
  }

  // With --hex the ids are strings of hexadecimal digits, as people know them.
  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    return MembersOf(response);
  }
  Exit MemberAdd(const etcdserverpb::MemberAddResponse& response) override {
    if (!hex_) return Whole(response);
    return Line(Object({HexHeader(response.header()),
                        absl::StrCat("\"member\":", HexMember(response.member())),
                        HexMembers(response.members())}));
  }
  Exit MemberRemove(uint64_t, const etcdserverpb::MemberRemoveResponse& response) override {
    return MembersOf(response);
  }
  Exit MemberUpdate(uint64_t, const etcdserverpb::MemberUpdateResponse& response) override {
    return MembersOf(response);
  }
  Exit MemberPromote(uint64_t, const etcdserverpb::MemberPromoteResponse& response) override {
    return MembersOf(response);
  }
  Exit MoveLeader(uint64_t, uint64_t, const etcdserverpb::MoveLeaderResponse& response) override {
    return Whole(response);
  }

  Exit Downgrade(const std::string&, const etcdserverpb::DowngradeResponse& response) override {
    return Whole(response);
  }

  Exit Health(const std::vector<EndpointHealth>& endpoints) override {
    return List(endpoints, [](const EndpointHealth& health) {
      std::string json = absl::StrCat("{\"endpoint\":", GoJsonString(health.endpoint),
                                      ",\"health\":", health.error.empty() ? "true" : "false",
                                      ",\"took\":", GoJsonString(FormatGoDuration(health.took)));
      if (!health.error.empty()) absl::StrAppend(&json, ",\"error\":", GoJsonString(health.error));
      return absl::StrCat(json, "}");
    });
  }

  Exit Status(const std::vector<EndpointStatus>& endpoints) override {
    return List(endpoints, [](const EndpointStatus& endpoint) {
      return absl::StrCat("{\"Endpoint\":", GoJsonString(endpoint.endpoint),
                          ",\"Status\":", GoJson(endpoint.status), "}");
    });
  }

  Exit HashKv(const std::vector<EndpointHash>& endpoints) override {
    return List(endpoints, [](const EndpointHash& endpoint) {
      return absl::StrCat("{\"Endpoint\":", GoJsonString(endpoint.endpoint),
                          ",\"HashKV\":", GoJson(endpoint.hash), "}");
    });
  }

  Exit OfflineHash(const struct OfflineHash& hash) override {
    return Line(absl::StrCat("{\"hash\":", hash.hash, ",\"hashRevision\":", hash.revision,
                             ",\"compactRevision\":", hash.compacted, "}"));
  }

  Exit SnapshotStatus(const struct SnapshotStatus& status) override {
    return Line(absl::StrCat("{\"hash\":", status.hash, ",\"revision\":", status.revision,
                             ",\"totalKey\":", status.keys, ",\"totalSize\":", status.bytes, "}"));
  }

  Exit AuthStatus(const etcdserverpb::AuthStatusResponse& response) override {
    return Whole(response);
  }
  Exit UserAdd(const std::string&, const etcdserverpb::AuthUserAddResponse& response) override {
    return Whole(response);
  }
  Exit UserGet(const std::string&, const etcdserverpb::AuthUserGetResponse& response) override {
    return Whole(response);
  }
  Exit UserList(const etcdserverpb::AuthUserListResponse& response) override {
    return Whole(response);
  }
  Exit UserDelete(const std::string&, const etcdserverpb::AuthUserDeleteResponse& response) override {
    return Whole(response);
  }
  Exit UserChangePassword(const etcdserverpb::AuthUserChangePasswordResponse& response) override {
    return Whole(response);
  }
  Exit UserGrantRole(const std::string&, const std::string&, const etcdserverpb::AuthUserGrantRoleResponse& response) override {
    return Whole(response);
  }
  Exit UserRevokeRole(const std::string&, const std::string&, const etcdserverpb::AuthUserRevokeRoleResponse& response) override {
    return Whole(response);
  }
  Exit RoleAdd(const std::string&, const etcdserverpb::AuthRoleAddResponse& response) override {
    return Whole(response);
  }
  Exit RoleGet(const std::string&, const etcdserverpb::AuthRoleGetResponse& response) override {
    return Whole(response);
  }
  Exit RoleList(const etcdserverpb::AuthRoleListResponse& response) override {
    return Whole(response);
  }
  Exit RoleDelete(const std::string&, const etcdserverpb::AuthRoleDeleteResponse& response) override {
    return Whole(response);
  }
  Exit RoleGrantPermission(const std::string&, const etcdserverpb::AuthRoleGrantPermissionResponse& response) override {
    return Whole(response);
  }
  Exit RoleRevokePermission(const std::string&, const std::string&, const std::string&, const etcdserverpb::AuthRoleRevokePermissionResponse& response) override {
    return Whole(response);
  }

 private:
  Exit Line(const std::string& json) {
    out() << json << "\n";
    return Ok();
  }

  Exit Whole(const google::protobuf::Message& message) { return Line(GoJson(message)); }

  template <typename Response>
  Exit MembersOf(const Response& response) {
    if (!hex_) return Whole(response);
    return Line(Object({HexHeader(response.header()), HexMembers(response.members())}));
  }

  static std::string HexHeader(etcdserverpb::ResponseHeader header) {
    const std::string ids =
        absl::StrCat("\"cluster_id\":\"", absl::Hex(header.cluster_id()), "\",\"member_id\":\"",
                     absl::Hex(header.member_id()), "\"");
    header.clear_cluster_id();
    header.clear_member_id();
    return absl::StrCat("\"header\":", Object({ids, GoJsonMembers(header)}));
  }

  static std::string HexMember(etcdserverpb::Member member) {
    const std::string id = absl::StrCat("\"ID\":\"", absl::Hex(member.id()), "\"");
    member.clear_id();
    return Object({id, GoJsonMembers(member)});
  }

  template <typename Members>
  static std::string HexMembers(const Members& members) {
    std::vector<std::string> texts;
    for (const etcdserverpb::Member& member : members) texts.push_back(HexMember(member));
    return absl::StrCat("\"members\":[", absl::StrJoin(texts, ","), "]");
  }

  // The header's fields beside the answer's own.
  Exit Flat(const etcdserverpb::ResponseHeader& header, const std::string& members) {
    return Line(Object({GoJsonMembers(header), members}));
  }

  static std::string Object(std::vector<std::string> members) {
    std::erase(members, "");
    return absl::StrCat("{", absl::StrJoin(members, ","), "}");
  }

  template <typename T, typename ToJson>
  Exit List(const std::vector<T>& items, const ToJson& to_json) {
    std::vector<std::string> texts;
    for (const T& item : items) texts.push_back(to_json(item));
    return Line(absl::StrCat("[", absl::StrJoin(texts, ","), "]"));
  }

  const bool hex_;
};

}  // namespace

std::unique_ptr<Printer> MakeJsonPrinter(const PrinterOptions& options, std::ostream& out) {
  return std::make_unique<JsonPrinter>(options, out);
}

}  // namespace keelson::kvctl
