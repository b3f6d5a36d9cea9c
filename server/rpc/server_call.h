// ServerCall: one gRPC call between an HTTP/2 stream and a handler. Internal to server/rpc/.
//
// Thread: the connection's loop. Kept alive by its stream and by whoever holds the Call.
//
//  1. The handler of a unary or server-streaming method runs once the request is whole: exactly one
//     message and the client's half-close.
//  2. After Finish, a passed deadline, or the end of the stream, nothing is sent and no callback
//     comes, but for the one OnCancel of a call that ended without Finish.
//  3. The receiver is destroyed at the end of the stream, never from inside its own methods.
//  4. While more than the high-water mark is queued for the client, the client gets no new window
//     for requests on this stream.
#ifndef KEELSON_SERVER_RPC_SERVER_CALL_H_
#define KEELSON_SERVER_RPC_SERVER_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/shared_bytes.h"
#include "http/stream.h"
#include "server/rpc/call.h"
#include "server/rpc/deadline_queue.h"
#include "server/rpc/message_reader.h"
#include "server/rpc/method_statistics.h"

namespace keelson::rpc {

struct Method {
  std::string path;
  std::variant<UnaryHandler, ServerStreamHandler, BidiHandler> handler;
  std::unique_ptr<MethodStatistics> statistics;
};

// What the calls of a server share; outlives their streams.
struct CallEnvironment {
  const Clock* clock;
  uint64_t request_bytes_max;
  size_t high_water_bytes;
  DeadlineQueue* deadlines;
};

class ServerCall final : public Call,
                         public http::StreamHandler,
                         public DeadlineOwner,
                         public std::enable_shared_from_this<ServerCall> {
 public:
  ServerCall(const CallEnvironment* environment, const Method* method, http::Stream* stream,
             http::HeaderBlock headers);
  ~ServerCall();

  // Reads the request's header; a bidirectional handler begins here.
  void Start();

  std::string_view method() const override { return method_->path; }
  std::optional<std::string_view> metadata(std::string_view name) const override;
  std::optional<absl::Duration> deadline() const override;
  std::string peer() const override;
  std::optional<std::string_view> peer_common_name() const override;
  void Send(ByteChain message) override;
  void Finish(const absl::Status& status) override;
  size_t queued_bytes() const override { return stream_ == nullptr ? 0 : stream_->queued_bytes(); }
  bool cancelled() const override { return cancelled_; }
  void OnCancel(std::function<void()> callback) override;

 private:
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void OnWritable() override;
  void OnClose(http::CloseReason reason) override;
  void OnDeadline() override;

  bool active() const { return stream_ != nullptr && !finished_ && !cancelled_; }
  // False: the call ended.
  bool OnMessage(bool compressed, SharedBytes message);
  void SendHeaders();
  void SendStatus(const absl::Status& status);
  void RemoveDeadline();
  // Ends the call from our side: the request or its deadline is at fault.
  void Fail(const absl::Status& status);
  // The call ended without Finish: tells whoever asked.
  void Cancel();

  const CallEnvironment* const environment_;
  const Method* const method_;
  http::Stream* stream_;  // null once closed
  const http::HeaderBlock headers_;
  std::string peer_, peer_common_name_;                               // once closed
  mutable std::vector<std::pair<std::string, std::string>> decoded_;  // "-bin" values asked for
  MessageReader reader_;
  CallMeter meter_;
  // Unary and server stream: the first message, and how many came.
  SharedBytes request_;
  int request_count_ = 0;
  bool request_gzip_ = false;  // grpc-encoding: gzip
  bool answer_gzip_ = false;
  bool half_closed_ = false;
  bool headers_sent_ = false;
  bool finished_ = false;
  bool cancelled_ = false;
  size_t unconsumed_ = 0;  // window held back, by invariant 4
  std::unique_ptr<StreamReceiver> receiver_;
  std::function<void()> on_cancel_;
  std::optional<DeadlineQueue::Key> deadline_;
  bool deadline_pending_ = false;  // deadline_ is in the queue
};

// Answers a stream that has no call with a status alone ("trailers-only").
void SendStatusOnly(http::Stream* stream, const absl::Status& status);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_SERVER_CALL_H_
