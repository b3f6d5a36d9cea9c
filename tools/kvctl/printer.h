// Printer: what a command has to say, in one of the output formats: simple, json, fields, table,
// protobuf, each as etcdctl writes it. A format that has no form for an answer says so with
// kBadFeature, as table does for all but the lists.
#ifndef KEELSON_TOOLS_KVCTL_PRINTER_H_
#define KEELSON_TOOLS_KVCTL_PRINTER_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/etcd/rpc.pb.h"
#include "tools/kvctl/exit.h"

namespace keelson::kvctl {

struct EndpointHealth {
  std::string endpoint = {};
  absl::Duration took = {};
  std::string error = {};  // "": healthy
};
struct EndpointStatus {
  std::string endpoint = {};
  etcdserverpb::StatusResponse status = {};
};
struct EndpointHash {
  std::string endpoint = {};
  etcdserverpb::HashKVResponse hash = {};
};

struct SnapshotStatus {
  uint32_t hash = 0;
  int64_t revision = 0;
  int64_t keys = 0;
  uint64_t bytes = 0;
};

struct OfflineHash {
  uint32_t hash = 0;
  int64_t revision = 0;
  int64_t compacted = 0;
};

struct PrinterOptions {
  bool hex = false;  // keys and values as \x61
};

class Printer {
 public:
  // Prints to `out`; complaints that are part of the output go to `err`. Null: no such format.
  static std::unique_ptr<Printer> Create(absl::string_view format, const PrinterOptions& options,
                                         std::ostream& out, std::ostream& err);

  Printer(std::string format, std::ostream& out) : format_(std::move(format)), out_(out) {}
  virtual ~Printer() = default;

  const std::string& format() const { return format_; }
  // Leaves keys out from now on; only simple can.
  void set_values_only() { values_only_ = true; }

  virtual Exit Get(const etcdserverpb::RangeResponse&) { return Unsupported(); }
  virtual Exit Put(const etcdserverpb::PutResponse&) { return Unsupported(); }
  virtual Exit Del(const etcdserverpb::DeleteRangeResponse&) { return Unsupported(); }
  virtual Exit Txn(const etcdserverpb::TxnResponse&) { return Unsupported(); }
  virtual Exit Watch(const etcdserverpb::WatchResponse&) { return Unsupported(); }
  virtual Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse&) { return Unsupported(); }
  virtual Exit LeaseRevoke(int64_t id, const etcdserverpb::LeaseRevokeResponse&) {
    return Unsupported();
  }
  virtual Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse&) { return Unsupported(); }
  virtual Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse&, bool with_keys) {
    return Unsupported();
  }
  virtual Exit LeaseList(const etcdserverpb::LeaseLeasesResponse&) { return Unsupported(); }
  virtual Exit MemberList(const etcdserverpb::MemberListResponse&) { return Unsupported(); }
  virtual Exit MemberAdd(const etcdserverpb::MemberAddResponse&) { return Unsupported(); }
  virtual Exit MemberRemove(uint64_t id, const etcdserverpb::MemberRemoveResponse&) {
    return Unsupported();
  }
  virtual Exit MemberUpdate(uint64_t id, const etcdserverpb::MemberUpdateResponse&) {
    return Unsupported();
  }
  virtual Exit MemberPromote(uint64_t id, const etcdserverpb::MemberPromoteResponse&) {
    return Unsupported();
  }
  virtual Exit MoveLeader(uint64_t from, uint64_t to, const etcdserverpb::MoveLeaderResponse&) {
    return Unsupported();
  }
  // `what`: "validate", "enable" or "cancel".
  virtual Exit Downgrade(const std::string& what, const etcdserverpb::DowngradeResponse&) {
    return Unsupported();
  }
  virtual Exit Health(const std::vector<EndpointHealth>&) { return Unsupported(); }
  virtual Exit Status(const std::vector<EndpointStatus>&) { return Unsupported(); }
  virtual Exit HashKv(const std::vector<EndpointHash>&) { return Unsupported(); }
  virtual Exit Alarm(const etcdserverpb::AlarmResponse&) { return Unsupported(); }
  virtual Exit SnapshotStatus(const struct SnapshotStatus&) { return Unsupported(); }

  virtual Exit OfflineHash(const struct OfflineHash&) { return Unsupported(); }

  virtual Exit AuthStatus(const etcdserverpb::AuthStatusResponse&) { return Unsupported(); }
  virtual Exit UserAdd(const std::string& user, const etcdserverpb::AuthUserAddResponse&) {
    return Unsupported();
  }
  virtual Exit UserGet(const std::string& user, const etcdserverpb::AuthUserGetResponse&) {
    return Unsupported();
  }
  virtual Exit UserList(const etcdserverpb::AuthUserListResponse&) { return Unsupported(); }
  virtual Exit UserDelete(const std::string& user, const etcdserverpb::AuthUserDeleteResponse&) {
    return Unsupported();
  }
  virtual Exit UserChangePassword(const etcdserverpb::AuthUserChangePasswordResponse&) {
    return Unsupported();
  }
  virtual Exit UserGrantRole(const std::string& user, const std::string& role,
                             const etcdserverpb::AuthUserGrantRoleResponse&) {
    return Unsupported();
  }
  virtual Exit UserRevokeRole(const std::string& user, const std::string& role,
                              const etcdserverpb::AuthUserRevokeRoleResponse&) {
    return Unsupported();
  }
  virtual Exit RoleAdd(const std::string& role, const etcdserverpb::AuthRoleAddResponse&) {
    return Unsupported();
  }
  virtual Exit RoleGet(const std::string& role, const etcdserverpb::AuthRoleGetResponse&) {
    return Unsupported();
  }
  virtual Exit RoleList(const etcdserverpb::AuthRoleListResponse&) { return Unsupported(); }
  virtual Exit RoleDelete(const std::string& role, const etcdserverpb::AuthRoleDeleteResponse&) {
    return Unsupported();
  }
  virtual Exit RoleGrantPermission(const std::string& role,
                                   const etcdserverpb::AuthRoleGrantPermissionResponse&) {
    return Unsupported();
  }
  // The key as it was given.
  virtual Exit RoleRevokePermission(const std::string& role, const std::string& key,
                                    const std::string& range_end,
                                    const etcdserverpb::AuthRoleRevokePermissionResponse&) {
    return Unsupported();
  }

 protected:
  Exit Unsupported() const { return BadFeature(format_ + " not supported as output format"); }

  std::ostream& out() { return out_; }
  bool values_only() const { return values_only_; }

 private:
  const std::string format_;
  std::ostream& out_;
  bool values_only_ = false;
};

std::unique_ptr<Printer> MakeSimplePrinter(const PrinterOptions& options, std::ostream& out,
                                           std::ostream& err);
std::unique_ptr<Printer> MakeJsonPrinter(const PrinterOptions& options, std::ostream& out);
std::unique_ptr<Printer> MakeFieldsPrinter(std::ostream& out);
std::unique_ptr<Printer> MakeTablePrinter(std::ostream& out);
std::unique_ptr<Printer> MakeProtobufPrinter(std::ostream& out);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_PRINTER_H_
