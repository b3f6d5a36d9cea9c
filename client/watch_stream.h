// WatchStream: the state behind a Watcher: one stream at a time, opened again where it broke.
// Internal to client/. Lives until its last event, whoever has let go of it; everything but the
// gate is touched on the loop's thread only.
//
// States: waiting (a pause before the next attempt) -> open (a stream exists) -> waiting | ended.
#ifndef KEELSON_CLIENT_WATCH_STREAM_H_
#define KEELSON_CLIENT_WATCH_STREAM_H_

#include <memory>
#include <optional>

#include "client/callback_gate.h"
#include "client/core.h"
#include "client/stream.h"
#include "client/watch.h"

namespace keelson::client {

class WatchStream final
    : public Operation,
      public std::enable_shared_from_this<WatchStream>,
      private BidiStream<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>::Owner {
 public:
  WatchStream(Core& core, WatchRequest request, WatchHandler* handler);

  // From any thread.
  void Start();
  void CloseGate() { gate_.Close(core_.loop()); }
  void PostCancel();
  void PostResume();
  void PostProgressRequest();

  void Abort() override { Cancel(); }

 private:
  using Stream = BidiStream<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;

  void Open();
  void Cancel();
  void OnPauseOver(bool ok);
  void OnMessage(etcdserverpb::WatchResponse response) override;
  void OnClosed(const absl::Status& status) override;
  // The response, put together from its fragments; nothing while some are missing.
  std::optional<etcdserverpb::WatchResponse> Assemble(etcdserverpb::WatchResponse response);
  void Deliver(etcdserverpb::WatchResponse response);
  void OnServerCancel(const etcdserverpb::WatchResponse& response);
  void ReopenOrEnd(const absl::Status& status);
  void End(absl::Status status);
  etcdserverpb::WatchRequest CreateRequest() const;

  Core& core_;
  const WatchRequest request_;
  WatchHandler* const handler_;  // called through gate_ only
  CallbackGate gate_;

  std::shared_ptr<WatchStream> self_;  // while enrolled
  std::shared_ptr<Endpoint> endpoint_;
  std::unique_ptr<Stream> stream_;  // null while waiting
  std::unique_ptr<EventLoop::Timer> timer_;
  MemberEvent<WatchStream, &WatchStream::OnPauseOver> pause_over_{this};

  // The first revision not handed out yet; 0: whatever comes next. Only grows.
  int64_t next_revision_;
  std::optional<etcdserverpb::WatchResponse> fragments_;
  bool announced_ = false;  // OnCreated was called
  bool paused_ = false;     // the handler's wish; reading stops
  bool cancelled_ = false;
  std::string token_;             // of the stream
  bool refreshed_token_ = false;  // since the last response
  int failures_ = 0;              // in a row, without a response between
  std::optional<WatchEnd> end_;   // what to say when the stream has closed
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_WATCH_STREAM_H_
