// ServedCall: what a call of gRPC and one of the JSON gateway have in common: its place among other
// calls, its deadline, its handler and its end. Internal to server/rpc/.
//
// Thread: the connection's loop. Kept alive by its stream and by whoever holds the Call.
//
//  1. The handler of a unary or server-streaming method runs once the request is whole and its lane
//     has room; that of a bidirectional one at its beginning.
//  2. After Finish, a passed deadline, or the end of the stream, nothing is sent and no callback
//     comes, but for the one OnCancel of a call that ended without Finish.
//  3. The receiver is destroyed at the end of the stream, never from inside its own methods.
//  4. While more than the high-water mark is queued for the client, the client gets no new window
//     for requests on this stream.
//  5. A call holds its place until Finish; one that was cancelled, until its handler has let go of
//     it, for so long the work goes on.
#ifndef KEELSON_SERVER_RPC_SERVED_CALL_H_
#define KEELSON_SERVER_RPC_SERVED_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/shared_bytes.h"
#include "http/stream.h"
#include "server/rpc/call.h"
#include "server/rpc/deadline_queue.h"
#include "server/rpc/load_control.h"
#include "server/rpc/method_statistics.h"

namespace keelson::rpc {

// Which lane the calls of a method are of: always the same, or by the request.
struct LaneRule {
  Lane lane = Lane::kVital;
  Lane (*by_request)(std::string_view request) = nullptr;

  Lane Of(std::string_view request) const {
    return by_request == nullptr ? lane : by_request(request);
  }
};

struct Method {
  std::string path;
  Handler handler;
  LaneRule lane;
  std::unique_ptr<MethodStatistics> statistics;
};

// A unary call at its end.
struct EndedCall {
  std::string_view method;
  std::string peer;
  uint64_t request_bytes;
  uint64_t answer_bytes;
  absl::StatusCode code;
  const CallTimes& times;
};

// What the calls of a server share; outlives their streams.
struct CallEnvironment {
  const Clock* clock;
  uint64_t request_bytes_max;
  size_t high_water_bytes;
  DeadlineQueue* deadlines;
  std::shared_ptr<LoadControl> load;  // outlives the calls, too
  absl::Status refusal;               // of what there is no room for
  // Told of unary calls that took so long or longer.
  absl::Duration slow_after;
  std::function<void(const EndedCall&)> on_slow;
};

class ServedCall : public Call,
                   public http::StreamHandler,
                   public DeadlineOwner,
                   protected LoadControl::Guest,
                   public std::enable_shared_from_this<ServedCall> {
 public:
  ServedCall(const CallEnvironment* environment, const Method* method, http::Stream* stream,
             http::HeaderBlock headers);
  ~ServedCall() override;

  std::string_view method() const override { return method_->path; }
  std::optional<absl::Duration> deadline() const override;
  std::string peer() const override;
  std::optional<std::string_view> peer_common_name() const override;
  void Finish(const absl::Status& status) override;
  size_t queued_bytes() const override { return stream_ == nullptr ? 0 : stream_->queued_bytes(); }
  bool cancelled() const override { return cancelled_; }
  void OnCancel(std::function<void()> callback) override;
  bool congested() override;
  void Hold(size_t bytes) override;
  CallTimes* times() override { return &times_; }

 protected:
  virtual void SendStatus(const absl::Status& status) = 0;

  bool active() const { return stream_ != nullptr && !finished_ && !cancelled_; }
  bool unary() const { return std::holds_alternative<UnaryHandler>(method_->handler); }
  bool bidi() const { return std::holds_alternative<BidiHandler>(method_->handler); }
  // The handler knows of the call.
  bool begun() const { return begun_; }
  StreamReceiver* receiver() const { return receiver_.get(); }

  void SetDeadline(absl::Duration timeout);
  // The call's handler may run, at once or later.
  void Begin(SharedBytes request);
  // Gives window back to the client, or keeps it by invariant 4.
  void TakeWindow(size_t bytes);
  // The request holds `bytes` and is not whole. False: too much; the call has ended.
  bool CountPartial(uint64_t bytes);
  // To be called after something was queued for the client.
  void NoteUnsent();
  // Ends the call from our side: the request or its deadline is at fault.
  void Fail(const absl::Status& status);

  const CallEnvironment* const environment_;
  const Method* const method_;
  http::Stream* stream_;  // null once closed
  const http::HeaderBlock headers_;
  CallMeter meter_;

 private:
  void OnWritable() override;
  void OnClose(http::CloseReason reason) override;
  void OnDeadline() override;
  // Guest
  void OnAdmitted() override {
    times_.begun = environment_->clock->Now();
    RunHandler();
  }
  void OnRefused() override { Finish(environment_->refusal); }
  void OnShed() override;
  void OnUncongested() override;
  uint64_t unsent_bytes() const override { return queued_bytes(); }
  uint64_t taken_bytes() const override { return stream_ == nullptr ? 0 : stream_->taken_bytes(); }
  uint64_t connection_unsent_bytes() const override {
    return stream_ == nullptr ? 0 : stream_->connection_queued_bytes();
  }

  const void* connection() const override {
    return stream_ == nullptr ? nullptr : &stream_->peer_address();
  }

  void RunHandler();
  void TellIfSlow();
  void RemoveDeadline();
  void ReleaseHeld();
  // The call ended without Finish: tells whoever asked.
  void Cancel();

  const std::shared_ptr<LoadControl> load_;
  std::string peer_, peer_common_name_;  // once closed without Finish
  SharedBytes request_;                  // while it waits for its turn
  uint64_t request_bytes_ = 0;
  CallTimes times_;
  absl::StatusCode code_ = absl::StatusCode::kCancelled;  // until it ends otherwise
  uint64_t partial_bytes_ = 0;                            // counted, of a request that is not whole
  uint64_t held_bytes_ = 0;                               // by Hold
  bool begun_ = false;
  bool finished_ = false;
  bool cancelled_ = false;
  size_t unconsumed_ = 0;  // window held back, by invariant 4
  std::unique_ptr<StreamReceiver> receiver_;
  std::function<void()> on_cancel_;
  std::optional<DeadlineQueue::Key> deadline_;
  bool deadline_pending_ = false;  // deadline_ is in the queue
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_SERVED_CALL_H_
