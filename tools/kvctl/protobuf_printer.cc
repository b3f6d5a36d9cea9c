// The protobuf format: the bytes of the answer, for programs that have the messages.
#include "tools/kvctl/printer.h"

namespace keelson::kvctl {
namespace {

class ProtobufPrinter final : public Printer {
 public:
  explicit ProtobufPrinter(std::ostream& out) : Printer("protobuf", out) {}

  Exit Get(const etcdserverpb::RangeResponse& response) override { return Raw(response); }
  Exit Put(const etcdserverpb::PutResponse& response) override { return Raw(response); }
  Exit Del(const etcdserverpb::DeleteRangeResponse& response) override { return Raw(response); }
  Exit Txn(const etcdserverpb::TxnResponse& response) override { return Raw(response); }
  Exit Watch(const etcdserverpb::WatchResponse& response) override { return Raw(response); }
  Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse& response) override {
    return Raw(response);
  }
  Exit LeaseRevoke(int64_t, const etcdserverpb::LeaseRevokeResponse& response) override {
    return Raw(response);
  }
  Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    return Raw(response);
  }
  Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse& response, bool) override {
    return Raw(response);
  }
  Exit LeaseList(const etcdserverpb::LeaseLeasesResponse& response) override {
    return Raw(response);
  }
  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    return Raw(response);
  }
  Exit MemberAdd(const etcdserverpb::MemberAddResponse& response) override { return Raw(response); }
  Exit MemberRemove(uint64_t, const etcdserverpb::MemberRemoveResponse& response) override {
    return Raw(response);
  }
  Exit MemberUpdate(uint64_t, const etcdserverpb::MemberUpdateResponse& response) override {
    return Raw(response);
  }
  Exit MemberPromote(uint64_t, const etcdserverpb::MemberPromoteResponse& response) override {
    return Raw(response);
  }
  Exit MoveLeader(uint64_t, uint64_t, const etcdserverpb::MoveLeaderResponse& response) override {
    return Raw(response);
  }
  Exit Downgrade(const std::string&, const etcdserverpb::DowngradeResponse& response) override {
    return Raw(response);
  }
  Exit Alarm(const etcdserverpb::AlarmResponse& response) override { return Raw(response); }

  Exit AuthStatus(const etcdserverpb::AuthStatusResponse& response) override {
    return Raw(response);
  }
  Exit UserAdd(const std::string&, const etcdserverpb::AuthUserAddResponse& response) override {
    return Raw(response);
  }
  Exit UserGet(const std::string&, const etcdserverpb::AuthUserGetResponse& response) override {
    return Raw(response);
  }
  Exit UserList(const etcdserverpb::AuthUserListResponse& response) override {
    return Raw(response);
  }
  Exit UserDelete(const std::string&, const etcdserverpb::AuthUserDeleteResponse& response) override {
    return Raw(response);
  }
  Exit UserChangePassword(const etcdserverpb::AuthUserChangePasswordResponse& response) override {
    return Raw(response);
  }
  Exit UserGrantRole(const std::string&, const std::string&, const etcdserverpb::AuthUserGrantRoleResponse& response) override {
    return Raw(response);
  }
  Exit UserRevokeRole(const std::string&, const std::string&, const etcdserverpb::AuthUserRevokeRoleResponse& response) override {
    return Raw(response);
  }
  Exit RoleAdd(const std::string&, const etcdserverpb::AuthRoleAddResponse& response) override {
    return Raw(response);
  }
  Exit RoleGet(const std::string&, const etcdserverpb::AuthRoleGetResponse& response) override {
    return Raw(response);
  }
  Exit RoleList(const etcdserverpb::AuthRoleListResponse& response) override {
    return Raw(response);
  }
  Exit RoleDelete(const std::string&, const etcdserverpb::AuthRoleDeleteResponse& response) override {
    return Raw(response);
  }
  Exit RoleGrantPermission(const std::string&, const etcdserverpb::AuthRoleGrantPermissionResponse& response) override {
    return Raw(response);
  }
  Exit RoleRevokePermission(const std::string&, const std::string&, const std::string&, const etcdserverpb::AuthRoleRevokePermissionResponse& response) override {
    return Raw(response);
  }

 private:
  Exit Raw(const google::protobuf::Message& message) {
    if (!message.SerializeToOstream(&out())) return {ExitCode::kIo, "cannot write the answer"};
    return Ok();
  }
};

}  // namespace

std::unique_ptr<Printer> MakeProtobufPrinter(std::ostream& out) {
  return std::make_unique<ProtobufPrinter>(out);
}

}  // namespace keelson::kvctl
