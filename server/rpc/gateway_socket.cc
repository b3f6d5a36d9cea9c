#include "server/rpc/gateway_socket.h"

#include <algorithm>
#include <utility>

namespace keelson::rpc {

using http::WebSocketClose;
using http::WebSocketOpcode;

void GatewaySocket::Begin(std::shared_ptr<GatewayCall> call) {
  call_ = std::move(call);
  call_->Start();
}

void GatewaySocket::OnData(std::string_view bytes) {
  if (closing_) return stream_->Consume(bytes.size());
  held_ += bytes.size();
  const WebSocketClose outcome =
      reader_.Feed(bytes, [this](WebSocketOpcode opcode, std::string_view payload) {
        return OnMessage(opcode, payload);
      });
  if (outcome != WebSocketClose::kNormal && !closing_) {
    SendClose(outcome);
    EndCall(http::CloseReason::kReset);
  }
  if (unconsumed_ == 0) stream_->Consume(std::exchange(held_, 0));
}

bool GatewaySocket::OnMessage(WebSocketOpcode opcode, std::string_view payload) {
  std::string frame;
  switch (opcode) {
    case WebSocketOpcode::kPing:
      http::AppendWebSocketFrame(WebSocketOpcode::kPong, payload, &frame);
      stream_->SendData(std::string_view(frame));
      return true;
    case WebSocketOpcode::kClose:
      SendClose(WebSocketClose::kNormal);
      EndCall(http::CloseReason::kReset);
      return false;
    case WebSocketOpcode::kText:
    case WebSocketOpcode::kBinary: {
      const std::shared_ptr<GatewayCall> call = call_;
      const std::string value = std::string(payload) + "\n";
      unconsumed_ += value.size();
      static_cast<http::StreamHandler&>(*call).OnData(value);
      if (!closing_) call->TakeWhatIsWhole();
      return !closing_;
    }
    default:
      return true;
  }
}

// Half an open WebSocket is none.
void GatewaySocket::OnEnd() {
  if (!closing_) SendClose(WebSocketClose::kGoingAway);
  EndCall(http::CloseReason::kConnectionLost);
}

void GatewaySocket::OnWritable() {
  if (call_ != nullptr) static_cast<http::StreamHandler&>(*call_).OnWritable();
}

void GatewaySocket::OnClose(http::CloseReason reason) {
  closing_ = true;
  EndCall(reason);
}

void GatewaySocket::EndCall(http::CloseReason reason) {
  if (const std::shared_ptr<GatewayCall> call = std::exchange(call_, nullptr)) {
    static_cast<http::StreamHandler&>(*call).OnClose(reason);
  }
}

void GatewaySocket::SendHeaders(int, absl::Span<const http::Header>, http::EndStream end) {
  if (end == http::EndStream::kYes) End({});
}

void GatewaySocket::SendData(std::string_view copied) {
  while (!closing_ && !copied.empty()) {
    const size_t end = copied.find('\n');
    line_.append(copied.substr(0, end));
    if (end == std::string_view::npos) return;
    copied.remove_prefix(end + 1);
    SendLine(std::exchange(line_, {}));
  }
}

void GatewaySocket::SendData(const ByteChain& data) {
  for (const SharedBytes& piece : data.pieces()) SendData(piece.view());
}

void GatewaySocket::SendLine(std::string_view line) {
  if (line.empty()) return;
  std::string frame;
  http::AppendWebSocketFrame(WebSocketOpcode::kText, line, &frame);
  stream_->SendData(std::string_view(frame));
}

void GatewaySocket::End(absl::Span<const http::Header>) {
  if (closing_) return;
  SendLine(std::exchange(line_, {}));
  SendClose(WebSocketClose::kNormal);
}

void GatewaySocket::SendClose(WebSocketClose code) {
  closing_ = true;
  std::string frame;
  http::AppendWebSocketClose(code, &frame);
  stream_->SendData(std::string_view(frame));
  stream_->End({});
}

void GatewaySocket::Reset(http::ResetCode code) {
  closing_ = true;
  stream_->Reset(code);
}

void GatewaySocket::Consume(size_t bytes) {
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (unconsumed_ == 0 && held_ > 0) stream_->Consume(std::exchange(held_, 0));
}

}  // namespace keelson::rpc
