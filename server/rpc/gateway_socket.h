// GatewaySocket: a call of the JSON gateway over a WebSocket: between the connection and a
// GatewayCall, which it gives the stream that it knows. As etcd's gateway has it:
//
//   a message of the client   a JSON value of the request (or a part of one)
//   a message to the client   a line of the answer; a unary answer is one
//   the end of the call       a close frame, and the end of the connection
//
// The client ends a call by closing. There is no HTTP status: an error is its JSON.
//
// Thread: the connection's loop.
#ifndef KEELSON_SERVER_RPC_GATEWAY_SOCKET_H_
#define KEELSON_SERVER_RPC_GATEWAY_SOCKET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "http/stream.h"
#include "http/websocket.h"
#include "server/rpc/gateway_call.h"

namespace keelson::rpc {

class GatewaySocket final : public http::StreamHandler, private http::Stream {
 public:
  // `stream` is upgraded.
  GatewaySocket(http::Stream* stream, uint64_t message_bytes_max)
      : stream_(stream), reader_(message_bytes_max) {}

  // The stream of the call that Begin is given.
  http::Stream* call_stream() { return this; }
  void Begin(std::shared_ptr<GatewayCall> call);

 private:
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void OnWritable() override;
  void OnClose(http::CloseReason reason) override;

  void SendHeaders(int, absl::Span<const http::Header>, http::EndStream end) override;
  void SendData(std::string_view copied) override;
  void SendData(const ByteChain& data) override;
  void End(absl::Span<const http::Header> trailers) override;
  void Reset(http::ResetCode code) override;
  bool Upgrade(absl::Span<const http::Header>) override { return false; }
  void Consume(size_t bytes) override;
  size_t queued_bytes() const override { return stream_->queued_bytes() + line_.size(); }
  uint64_t taken_bytes() const override { return stream_->taken_bytes(); }
  size_t connection_queued_bytes() const override { return stream_->connection_queued_bytes(); }
  void CountIn(http::OutputMeter* meter) override { stream_->CountIn(meter); }
  const std::string& peer_address() const override { return stream_->peer_address(); }
  const http::PeerCertificate& peer_certificate() const override {
    return stream_->peer_certificate();
  }
  bool secure() const override { return stream_->secure(); }

  bool OnMessage(http::WebSocketOpcode opcode, std::string_view payload);
  void SendLine(std::string_view line);
  // Our last frame; nothing is taken from the client any more.
  void SendClose(http::WebSocketClose code);
  // The client is gone, or is sent away.
  void EndCall(http::CloseReason reason);

  http::Stream* const stream_;  // valid until OnClose returns
  http::WebSocketReader reader_;
  std::shared_ptr<GatewayCall> call_;  // null once it has ended
  std::string line_;                   // of the answer, not whole yet
  bool closing_ = false;               // the close frame is out
  // Bytes of messages that the call has not consumed; until then those of the connection are not.
  size_t unconsumed_ = 0;
  size_t held_ = 0;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_GATEWAY_SOCKET_H_
