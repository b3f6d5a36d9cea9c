// KeepAliveStream: the state behind a LeaseKeeper. Internal to client/. Lives until its last event;
// everything but the gate is touched on the loop's thread only.
//
// One timer runs at all times; what it means is `wait_`:
//   kReopen   no stream; open one
//   kRenew    a stream, its last renewal answered; send the next one
//   kAnswer   a renewal is out; when the timer fires first, this endpoint is given up
// Every wait is cut at lost_at_, when the lease must be taken for expired.
#ifndef KEELSON_CLIENT_KEEP_ALIVE_STREAM_H_
#define KEELSON_CLIENT_KEEP_ALIVE_STREAM_H_

#include <memory>
#include <optional>

#include "client/callback_gate.h"
#include "client/core.h"
#include "client/lease.h"
#include "client/stream.h"

namespace keelson::client {

inline constexpr char kLeaseKeepAlive[] = "/etcdserverpb.Lease/LeaseKeepAlive";

class KeepAliveStream final : public Operation,
                              public std::enable_shared_from_this<KeepAliveStream>,
                              private BidiStream<etcdserverpb::LeaseKeepAliveRequest,
                                                 etcdserverpb::LeaseKeepAliveResponse>::Owner {
 public:
  KeepAliveStream(Core& core, int64_t id, LeaseListener* listener,
                  const std::optional<LeaseGrant>& grant);

  // From any thread.
  void Start();
  void CloseGate() { gate_.Close(core_.loop()); }
  void PostCancel();

  void Abort() override { Stop(absl::CancelledError("the client was closed")); }

 private:
  using Stream =
      BidiStream<etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse>;
  enum class Wait { kReopen, kRenew, kAnswer };

  void Open();
  void Renew();
  void SetTimer(Wait wait, absl::Duration delay);
  void OnTimer(bool ok);
  void OnMessage(etcdserverpb::LeaseKeepAliveResponse response) override;
  void OnClosed(const absl::Status& status) override;
  void ReopenOrStop(const absl::Status& status);
  // Ends everything that is in flight, then says why.
  void Stop(absl::Status why);
  void MaybeEnd();

  Core& core_;
  const int64_t id_;
  LeaseListener* const listener_;  // called through gate_ only; may be null
  CallbackGate gate_;

  std::shared_ptr<KeepAliveStream> self_;  // while enrolled
  std::shared_ptr<Endpoint> endpoint_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<EventLoop::Timer> timer_;
  MemberEvent<KeepAliveStream, &KeepAliveStream::OnTimer> timer_over_{this};
  bool timer_running_ = false;
  // The timer that was cancelled in favour of a new wait is followed by this one.
  std::optional<absl::Duration> next_delay_;
  Wait wait_ = Wait::kReopen;
  // On core_.clock(): until when the lease is certainly there, as far as we know.
  absl::Duration lost_at_;
  absl::Duration asked_at_;  // for the renewal that is out
  absl::Duration ttl_;
  int failures_ = 0;
  std::string token_;  // of the stream
  bool refreshed_token_ = false;
  std::optional<absl::Status> stopped_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_KEEP_ALIVE_STREAM_H_
