// ClientConnection: the client's side of one HTTP/2 connection (prior knowledge, in clear or TLS)
// for those who need millions of requests cheaply: load generators and tests. Opens streams with
// given header fields and body bytes, and hands what comes back to a handler a stream. Knows
// nothing of what the streams mean.
//
// PreparedHeaders: the header fields of many equal requests, built once.
//
// Thread: one loop; all calls and callbacks. Handlers may call every method, and destroy the
// connection, from inside a callback.
//
//  1. Frames of all streams that arise in one turn of the loop go out in one write.
//  2. Every handler of an opened stream gets exactly one OnClose, as its last callback, unless the
//     connection is destroyed first: then nothing is called any more.
//  3. Windows are wide and reopened as data arrives: the connection never makes the server wait,
//     however slow its user; what it does not want it must Reset.
#ifndef KEELSON_HTTP_CLIENT_CONNECTION_H_
#define KEELSON_HTTP_CLIENT_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "asio/io_context.hpp"
#include "http/stream.h"
#include "http/tls.h"

namespace keelson::http {

class PreparedHeaders {
 public:
  // The fields as they are to be sent: ":method", ":scheme", ":path" and ":authority" first, names
  // in lower case. Everything is copied, once.
  explicit PreparedHeaders(absl::Span<const Header> fields);
  ~PreparedHeaders();
  PreparedHeaders(const PreparedHeaders&) = delete;
  PreparedHeaders& operator=(const PreparedHeaders&) = delete;

 private:
  friend class ClientConnection;
  struct Fields;
  const std::unique_ptr<const Fields> fields_;
};

enum class FieldBlock { kHeader, kTrailer };

struct ClientStreamEnd {
  enum class Reason {
    kAnswered,        // the answer is complete
    kReset,           // by either side, or refused, before the answer was complete
    kConnectionLost,  // before the answer was complete
  };
  Reason reason;
  uint32_t error_code;  // of RST_STREAM, with kReset
};

class ClientStreamHandler {
 public:
  virtual ~ClientStreamHandler() = default;
  // One field of the answer's header (":status" is one) or trailers. The views end with the call.
  virtual void OnField(FieldBlock block, std::string_view name, std::string_view value) = 0;
  // A part of the answer's body. The view ends with the call.
  virtual void OnData(std::string_view bytes) = 0;
  virtual void OnClose(ClientStreamEnd end) = 0;
};

struct ClientOptions {
  uint32_t stream_window_bytes = 16 << 20;
  uint32_t connection_window_bytes = 1 << 30;
  size_t read_bytes = 256 * 1024;  // at most, in one read
  // With them the connection is TLS; null: in clear. A handshake that fails ends the connection,
  // and the credentials' notice says why.
  std::shared_ptr<TlsCredentials> tls = nullptr;
};

class ClientConnection {
 public:
  // `loop` outlives the connection.
  explicit ClientConnection(asio::io_context* loop, ClientOptions options = {});
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Connects to host:port (a name or an address). `on_connected` gets OK, or Unavailable with the
  // system's reason; then the connection is of no further use. `on_closed` runs once when a
  // connection that was established ends, after the OnClose of its streams, with the reason.
  // REQUIRES: called once.
  void Connect(const std::string& host, uint16_t port,
               std::function<void(const absl::Status&)> on_connected,
               std::function<void(const absl::Status&)> on_closed);

  // Opens a stream and sends `body` on it, which is copied. kYes: that is the whole request.
  // Returns the stream's id, or 0 when the connection takes no more streams (not connected, closed,
  // GOAWAY received, ids used up); the handler is then not called. Streams above the server's limit
  // wait for others to end. REQUIRES: `headers` outlives the connection, `handler` its OnClose.
  int32_t Open(const PreparedHeaders& headers, std::string_view body, EndStream end,
               ClientStreamHandler* handler);
  // More of the body of a stream that was opened with kNo. Ignored once it ended.
  void Send(int32_t stream, std::string_view body, EndStream end);
  // Gives up a stream (RST_STREAM with CANCEL); its OnClose follows from the loop.
  void Reset(int32_t stream);
  // Closes at once; open streams end with kConnectionLost.
  void Close();

  // Streams opened whose OnClose has not been called.
  size_t open_streams() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_CLIENT_CONNECTION_H_
