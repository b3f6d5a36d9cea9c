// Lease: keys that vanish when nobody renews them.
//
// Grant a lease, attach keys to it (PutRequest.lease), and keep it with a LeaseKeeper. The keeper
// renews at a third of the TTL, from whichever endpoint answers, and says when the lease is lost:
// when the store no longer has it, or when it went unrenewed for its TTL, so that it must be taken
// for lost. Whoever acts on the strength of a lease stops then.
#ifndef KEELSON_CLIENT_LEASE_H_
#define KEELSON_CLIENT_LEASE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/options.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;
class KeepAliveStream;

// Thread-safe.
class Lease {
 public:
  explicit Lease(Core& core) : core_(core) {}

  // The answer's TTL counts; the server may raise the one asked for. id 0: the server chooses.
  absl::StatusOr<etcdserverpb::LeaseGrantResponse> Grant(int64_t ttl_seconds, int64_t id = 0,
                                                         const CallOptions& options = {});
  // Deletes the lease and its keys. IsLeaseNotFound() when there is none.
  absl::StatusOr<etcdserverpb::LeaseRevokeResponse> Revoke(int64_t id,
                                                           const CallOptions& options = {});
  // TTL -1 in the answer: there is no such lease.
  absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> TimeToLive(
      const etcdserverpb::LeaseTimeToLiveRequest& request, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::LeaseLeasesResponse> List(const CallOptions& options = {});
  // Renews once. IsLeaseNotFound() when there is none.
  absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> KeepAliveOnce(
      int64_t id, const CallOptions& options = {});

 private:
  Core& core_;
};

// Called on the client's loop; must not block.
class LeaseListener {
 public:
  virtual ~LeaseListener() = default;
  virtual void OnRenewed(const etcdserverpb::LeaseKeepAliveResponse& response) {}
  // Called once, last. IsLeaseNotFound(): expired or revoked. DeadlineExceeded: not renewed within
  // its TTL. Anything else: refused for good, as for want of permission.
  virtual void OnLost(const absl::Status& why) = 0;
};

// What is known of a lease before its first renewal: its TTL, and when it was asked for, by the
// core's clock.
struct LeaseGrant {
  absl::Duration ttl;
  absl::Duration asked_at;
};

// Keeps one lease alive for as long as it exists.
class LeaseKeeper {
 public:
  // `listener` may be null; it must stay until OnLost was called or the keeper is gone; the client,
  // until the keeper is gone. Without `grant` the lease is believed in for the client's
  // request_timeout before it was renewed once, however short it is.
  LeaseKeeper(Core& core, int64_t id, LeaseListener* listener,
              const std::optional<LeaseGrant>& grant = std::nullopt);
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;
  // Stops renewing; the lease lives on until its TTL is over. No callback runs after that.
  ~LeaseKeeper();

 private:
  const std::shared_ptr<KeepAliveStream> stream_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_LEASE_H_
