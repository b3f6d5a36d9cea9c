// ServerCall: one gRPC call between an HTTP/2 stream and a handler. Internal to server/rpc/.
//
// Thread: the connection's loop.
//
//  1. A unary or server-streaming request is whole with exactly one message and the client's
//     half-close.
#ifndef KEELSON_SERVER_RPC_SERVER_CALL_H_
#define KEELSON_SERVER_RPC_SERVER_CALL_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/shared_bytes.h"
#include "server/rpc/message_reader.h"
#include "server/rpc/served_call.h"

namespace keelson::rpc {

class ServerCall final : public ServedCall {
 public:
  ServerCall(const CallEnvironment* environment, const Method* method, http::Stream* stream,
             http::HeaderBlock headers);

  // Reads the request's header; a bidirectional handler begins here.
  void Start();

  std::optional<std::string_view> metadata(std::string_view name) const override;
  void Send(ByteChain message) override;

 private:
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void SendStatus(const absl::Status& status) override;

  // False: the call ended.
  bool OnMessage(bool compressed, SharedBytes message);
  void SendHeaders();

  mutable std::vector<std::pair<std::string, std::string>> decoded_;  // "-bin" values asked for
  MessageReader reader_;
  // Unary and server stream: the first message, and how many came.
  SharedBytes request_;
  int request_count_ = 0;
  bool request_gzip_ = false;  // grpc-encoding: gzip
  bool answer_gzip_ = false;
  bool headers_sent_ = false;
};

// Answers a stream that has no call with a status alone ("trailers-only").
void SendStatusOnly(http::Stream* stream, const absl::Status& status);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_SERVER_CALL_H_
