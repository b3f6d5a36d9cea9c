// GatewayCall: one call that came as JSON over plain HTTP, as its handler sees it: the same Call as
// gRPC's. JSON values of the body become messages; messages of the answer become one JSON body
// (unary methods) or a line each. What it says and when is what grpc-gateway says in front of etcd:
//
//   unary answer   := message
//   stream answer  := ({"result":message} "\n")* [{"error":{...}}]
//   unary error    := {"error":text,"message":text,"code":number}         HTTP status by code
//
// Thread: the connection's loop.
#ifndef KEELSON_SERVER_RPC_GATEWAY_CALL_H_
#define KEELSON_SERVER_RPC_GATEWAY_CALL_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "http/stream.h"
#include "server/rpc/json_values.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/served_call.h"

namespace keelson::rpc {

class GatewayCall final : public ServedCall {
 public:
  // All but `stream` outlive the stream. allowed_origin: for the CORS headers; empty: none.
  GatewayCall(const CallEnvironment* environment, const Method* method,
              const MessageJson* message_json, http::Stream* stream, http::HeaderBlock headers,
              std::string allowed_origin);

  // Of one JSON value.
  static uint64_t BodyBytesMax(const CallEnvironment& environment);

  // Reads the request's header.
  void Start();
  // A unary call or server stream begins if its value is there, though the body may go on (a
  // WebSocket's has no end).
  void TakeWhatIsWhole();

  // A user's token comes as "authorization"; other metadata is Grpc-Metadata-<name>.
  std::optional<std::string_view> metadata(std::string_view name) const override;
  // Callers are known by their token alone, as in etcd.
  std::optional<std::string_view> peer_common_name() const override { return std::nullopt; }
  void Send(ByteChain message) override;

 private:
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void OnClientClosed() override;
  void SendStatus(const absl::Status& status) override;

  absl::StatusOr<SharedBytes> ToMessage(std::string_view json) const;
  // Bidirectional: hands on the values that have arrived.
  void TakeValues();
  // Bidirectional: the handler begins with the first message, or with none at the end of the body.
  bool BeginStream();
  void BeginCall(absl::StatusOr<std::optional<std::string>> value);
  void SendHeaders(int status, http::EndStream end);
  void SendWhole(const HttpResponse& response);

  const MessageJson* const message_json_;
  const std::string allowed_origin_;
  const uint64_t body_bytes_max_;  // of one JSON value
  JsonValues values_;
  bool input_over_ = false;  // what else comes is not looked at
  bool headers_sent_ = false;
  std::optional<ByteChain> answer_;  // unary: until Finish tells whether it counts
};

// The HTTP status of a gRPC code, as grpc-gateway has it.
int HttpStatus(absl::StatusCode code);
// The answer to a call that did not come about, or to a unary one that failed.
HttpResponse GatewayError(const absl::Status& status);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_GATEWAY_CALL_H_
