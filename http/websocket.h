// WebSocket (RFC 6455), the server's side: the opening handshake, a reader that makes messages of
// the bytes of an upgraded stream, and the frames to answer with. No extensions. Knows no stream.
//
// Thread: one.
#ifndef KEELSON_HTTP_WEBSOCKET_H_
#define KEELSON_HTTP_WEBSOCKET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "http/header_block.h"

namespace keelson::http {

// The request asks for a WebSocket ("upgrade: websocket", among the things of "connection").
bool IsWebSocketRequest(const HeaderBlock& headers);
// The value of "sec-websocket-accept", or "": the request is no good one of this version.
std::string WebSocketAccept(const HeaderBlock& headers);

enum class WebSocketOpcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Codes of a close frame (RFC 6455 section 7.4).
enum class WebSocketClose : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kNoCode = 1005,  // never sent: the other side's close frame had none
  kNotText = 1007,
  kTooLarge = 1009,
  kInternalError = 1011,
};

// Appends a whole message or control frame. REQUIRES: at most 125 bytes in a control frame.
void AppendWebSocketFrame(WebSocketOpcode opcode, std::string_view payload, std::string* to);
void AppendWebSocketClose(WebSocketClose code, std::string* to);

class WebSocketReader {
 public:
  // Gets whole messages (kText, whose bytes are UTF-8, or kBinary), and kPing, kPong and kClose as
  // they come between. The view ends with the call. False: hear no more.
  using OnMessage = absl::FunctionRef<bool(WebSocketOpcode opcode, std::string_view payload)>;

  explicit WebSocketReader(uint64_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // kNormal: so far so good. Anything else: the client broke the rules, and is to be told this.
  // Nothing may be fed after that, after a close frame, or after on_message said so.
  WebSocketClose Feed(std::string_view bytes, OnMessage on_message);

 private:
  struct Frame {
    bool last;
    WebSocketOpcode opcode;
    uint64_t size;
    size_t header_bytes;
    uint8_t mask[4];
  };
  enum class Parsed : uint8_t { kFrame, kPartial, kBad };
  static Parsed ParseHeader(std::string_view bytes, Frame* frame);
  WebSocketClose CheckFrame(const Frame& frame) const;
  WebSocketClose OnFrame(const Frame& frame, std::string payload, OnMessage on_message,
                         bool* go_on);

  const uint64_t message_bytes_max_;
  std::string input_;    // from the beginning of a frame
  std::string message_;  // of the frames so far
  WebSocketOpcode message_opcode_ = WebSocketOpcode::kContinuation;  // that: none has begun
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_WEBSOCKET_H_
