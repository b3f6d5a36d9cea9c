#include "client/lease.h"

#include "absl/time/clock.h"
#include "client/errors.h"
#include "client/keep_alive_stream.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

using Stub = etcdserverpb::Lease::Stub;

constexpr Method<Stub, etcdserverpb::LeaseGrantRequest, etcdserverpb::LeaseGrantResponse> kGrant = {
    &Endpoint::lease, &Stub::LeaseGrant, &Stub::AsyncLeaseGrant};
constexpr Method<Stub, etcdserverpb::LeaseRevokeRequest, etcdserverpb::LeaseRevokeResponse>
    kRevoke = {&Endpoint::lease, &Stub::LeaseRevoke, &Stub::AsyncLeaseRevoke};
constexpr Method<Stub, etcdserverpb::LeaseTimeToLiveRequest, etcdserverpb::LeaseTimeToLiveResponse>
    kTimeToLive = {&Endpoint::lease, &Stub::LeaseTimeToLive, &Stub::AsyncLeaseTimeToLive};
constexpr Method<Stub, etcdserverpb::LeaseLeasesRequest, etcdserverpb::LeaseLeasesResponse> kLeases =
    {&Endpoint::lease, &Stub::LeaseLeases, &Stub::AsyncLeaseLeases};

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
    grpc::ClientContext context;
    Endpoint* const endpoint = attempts.Begin(context);
    if (endpoint == nullptr) return attempts.status();
    const auto stream = endpoint->lease->LeaseKeepAlive(&context);
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(id);
    etcdserverpb::LeaseKeepAliveResponse response;
    if (stream->Write(request) && stream->Read(&response)) {
      context.TryCancel();
      stream->Finish();
      if (response.ttl() <= 0) return absl::NotFoundError(kLeaseNotFound);
      return response;
    }
    grpc::Status status = stream->Finish();
    if (status.ok()) status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream was closed");
    const Attempts::Next next = attempts.After(status);
    if (!next.again) return attempts.status();
    absl::SleepFor(next.delay);
  }
}

LeaseKeeper::LeaseKeeper(Core& core, int64_t id, LeaseListener* listener)
    : stream_(std::make_shared<KeepAliveStream>(core, id, listener)) {
  stream_->Start();
}

LeaseKeeper::~LeaseKeeper() {
  stream_->CloseGate();
  stream_->PostCancel();
}

}  // namespace keelson::client
