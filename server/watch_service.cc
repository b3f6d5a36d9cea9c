#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/etcd/rpc.pb.h"
#include "server/errors.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using rpc::Call;

// Above this the stream's watchers lag and catch up from the store when the client has read.
constexpr size_t kQueuedBytesMax = 1 << 20;
// With `hasleader: true`, a stream ends after this many election timeouts without a leader (etcd).
constexpr int kNoLeaderTimeouts = 3;

// As Go's gRPC prints an error, for that is what etcd puts into the answer.
std::string GoErrorText(const absl::Status& status) {
  const char* const code = absl::IsPermissionDenied(status)  ? "PermissionDenied"
                           : absl::IsUnauthenticated(status) ? "Unauthenticated"
                                                             : "InvalidArgument";
  return absl::StrCat("rpc error: code = ", code, " desc = ", status.message());
}

class WatchReceiver final : public rpc::StreamReceiver, public WatchSink {
 public:
  WatchReceiver(MemberCore* core, std::shared_ptr<Call> call)
      : core_(core), call_(std::move(call)), stream_(core->watch_hub().Open(this)) {
    if (const auto value = call_->metadata("hasleader"); value && *value == "true") {
      leader_timer_ = core_->NewTimer();
      WatchLeader(0);
    }
  }

  void Send(ByteChain response) override { call_->Send(std::move(response)); }
  bool writable() const override {
    return call_->queued_bytes() < kQueuedBytesMax && !call_->congested();
  }

  void OnMessage(SharedBytes bytes) override {
    etcdserverpb::WatchRequest request;
    if (!ParseRequest(*call_, bytes, request)) return;
    switch (request.request_union_case()) {
      case etcdserverpb::WatchRequest::kCreateRequest:
        return Create(request.create_request());
      case etcdserverpb::WatchRequest::kCancelRequest:
        return stream_->Cancel(request.cancel_request().watch_id());
      case etcdserverpb::WatchRequest::kProgressRequest:
        return stream_->RequestProgress();
      default:
        return;  // of a newer client; etcd ignores it too
    }
  }
  // The stream goes on after a half-close, as in etcd.
  void OnHalfClose() override {}
  void OnCancel() override { stream_.reset(); }
  void OnWritable() override {
    if (stream_) stream_->OnWritable();
  }

 private:
  // Whether the client may see the range is asked once, here; what it may see no more later on it
  // goes on to see, as in etcd.
  void Create(const etcdserverpb::WatchCreateRequest& request) {
    const absl::StatusOr<Caller> caller = core_->auth_gate().Identify(*call_);
    const absl::Status status =
        caller.ok() ? CheckPermission(core_->auth_view(), *caller, request) : caller.status();
    if (!status.ok()) return stream_->Refuse(GoErrorText(status));
    stream_->Create(request);
  }

  void WatchLeader(int timeouts_without) {
    leader_timer_->Arm(core_->options().election_timeout(), [this, timeouts_without] {
      if (!stream_) return;
      const int without = core_->node().leader() ? 0 : timeouts_without + 1;
      if (without >= kNoLeaderTimeouts) {
        stream_.reset();
        return call_->Finish(ErrNoLeader());
      }
      WatchLeader(without);
    });
  }

  MemberCore* const core_;
  const std::shared_ptr<Call> call_;
  std::unique_ptr<WatchHub::Stream> stream_;  // null once the call has ended
  std::unique_ptr<Timer> leader_timer_;
};

}  // namespace

void RegisterWatch(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterBidi("/etcdserverpb.Watch/Watch", [core](std::shared_ptr<Call> call) {
    return std::make_unique<WatchReceiver>(core, std::move(call));
  });
}

}  // namespace keelson::server
