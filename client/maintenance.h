// Maintenance: the state of single members. What concerns one member names its endpoint, which need
// not be among the client's own, and goes nowhere else. Thread-safe.
#ifndef KEELSON_CLIENT_MAINTENANCE_H_
#define KEELSON_CLIENT_MAINTENANCE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "client/options.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;

class Maintenance {
 public:
  explicit Maintenance(Core& core) : core_(core) {}

  absl::StatusOr<etcdserverpb::StatusResponse> Status(const std::string& endpoint,
                                                      const CallOptions& options = {});
  // The hash of the member's key space up to `revision`; 0: all of it.
  absl::StatusOr<etcdserverpb::HashKVResponse> HashKv(const std::string& endpoint, int64_t revision,
                                                      const CallOptions& options = {});
  // The member gives back the space of what compactions removed, and answers when that is done.
  absl::Status Defragment(const std::string& endpoint, const CallOptions& options = {});
  // OK when the member takes part in a linearizable read.
  absl::Status CheckHealth(const std::string& endpoint, const CallOptions& options = {});

  // All alarms of the cluster, asked of `endpoint`, or of any when that is empty.
  absl::StatusOr<etcdserverpb::AlarmResponse> AlarmList(const std::string& endpoint = "",
                                                        const CallOptions& options = {});
  // Clears exactly that alarm of that member.
  absl::StatusOr<etcdserverpb::AlarmResponse> AlarmDisarm(const etcdserverpb::AlarmMember& alarm,
                                                          const CallOptions& options = {});

  // Hands leadership over to the voter `target_id`; `endpoint` is the leader's. Answers when the
  // old leader follows the new one.
  absl::StatusOr<etcdserverpb::MoveLeaderResponse> MoveLeader(const std::string& endpoint,
                                                              uint64_t target_id,
                                                              const CallOptions& options = {});

  // Checks whether the cluster could be made one of `version` (VALIDATE), begins that (ENABLE), or
  // gives it up (CANCEL, which has no version). The answer's version is the cluster's.
  absl::StatusOr<etcdserverpb::DowngradeResponse> Downgrade(
      const etcdserverpb::DowngradeRequest& request, const CallOptions& options = {});

  // A snapshot of the member's state, in pieces as they come: what a file of it consists of, its
  // SHA-256 at the end included. `take` returns whether it wants more; Cancelled if not. An error:
  // the snapshot is not whole. Not tried again.
  absl::Status Snapshot(const std::string& endpoint,
                        absl::FunctionRef<bool(std::string_view bytes)> take,
                        const CallOptions& options = {});

 private:
  Core& core_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_MAINTENANCE_H_
