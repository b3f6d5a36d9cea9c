#include "client/lease.h"

#include "client/errors.h"
#include "client/keep_alive_stream.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

constexpr Method<etcdserverpb::LeaseGrantRequest, etcdserverpb::LeaseGrantResponse> kGrant = {
    "/etcdserverpb.Lease/LeaseGrant"};
constexpr Method<etcdserverpb::LeaseRevokeRequest, etcdserverpb::LeaseRevokeResponse> kRevoke = {
    "/etcdserverpb.Lease/LeaseRevoke"};
constexpr Method<etcdserverpb::LeaseTimeToLiveRequest, etcdserverpb::LeaseTimeToLiveResponse>
    kTimeToLive = {"/etcdserverpb.Lease/LeaseTimeToLive"};
constexpr Method<etcdserverpb::LeaseLeasesRequest, etcdserverpb::LeaseLeasesResponse> kLeases = {
    "/etcdserverpb.Lease/LeaseLeases"};

}  // namespace

absl::StatusOr<etcdserverpb::LeaseGrantResponse> Lease::Grant(int64_t ttl_seconds, int64_t id,
                                                              const CallOptions& options) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_seconds);
  request.set_id(id);
  return CallBlocking(core_, kGrant, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::LeaseRevokeResponse> Lease::Revoke(int64_t id,
                                                                const CallOptions& options) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id);
  return CallBlocking(core_, kRevoke, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> Lease::TimeToLive(
    const etcdserverpb::LeaseTimeToLiveRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kTimeToLive, CallKind::kRead, request, options);
}

absl::StatusOr<etcdserverpb::LeaseLeasesResponse> Lease::List(const CallOptions& options) {
  return CallBlocking(core_, kLeases, CallKind::kRead, {}, options);
}

absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> Lease::KeepAliveOnce(
    int64_t id, const CallOptions& options) {
  // To renew twice is to renew once, so this may be repeated as a read is.
  Attempts attempts(core_, CallKind::kRead, options);
  for (;;) {
    CallHeader header;
    Endpoint* const endpoint = attempts.Begin(header);
    if (endpoint == nullptr) return attempts.status();
    const auto stream = endpoint->channel->OpenBlocking(kLeaseKeepAlive, header);
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(id);
    etcdserverpb::LeaseKeepAliveResponse response;
    if (stream->Write(request) && stream->Read(&response)) {
      stream->Cancel();
      stream->Finish().IgnoreError();  // it was cancelled
      if (response.ttl() <= 0) return absl::NotFoundError(kLeaseNotFound);
      return response;
    }
    absl::Status status = stream->Finish();
    if (status.ok()) status = absl::UnavailableError("the stream was closed");
    const Attempts::Next next = attempts.After(status);
    if (!next.again) return attempts.status();
    core_.runtime().Sleep(next.delay);
  }
}

LeaseKeeper::LeaseKeeper(Core& core, int64_t id, LeaseListener* listener,
                         const std::optional<LeaseGrant>& grant)
    : stream_(std::make_shared<KeepAliveStream>(core, id, listener, grant)) {
  stream_->Start();
}

LeaseKeeper::~LeaseKeeper() {
  stream_->CloseGate();
  stream_->PostCancel();
}

}  // namespace keelson::client
