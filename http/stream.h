// What http/ and its users say to each other: a Stream is one request and its answer, on whichever
// protocol it came; a StreamHandler is the user's side of it; a RequestHandler makes one for each
// request.
//
// Thread: a connection's streams, and all callbacks about them, run on its server's loop. Stream
// methods may be called from inside any callback.
//
// A Stream* is valid from OnRequest until its handler's OnClose returns. OnClose comes exactly once
// for every handler, as the last callback, however the stream ends.
#ifndef KEELSON_HTTP_STREAM_H_
#define KEELSON_HTTP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "base/shared_bytes.h"
#include "http/header_block.h"
#include "http/peer_certificate.h"

namespace keelson::http {

enum class Version { kHttp10, kHttp11, kHttp2 };

// Whether more follows on this side of the stream.
enum class EndStream { kNo, kYes };

// Error codes of RST_STREAM (RFC 9113 section 7). On HTTP/1.1 any of them closes the connection.
enum class ResetCode : uint32_t {
  kNoError = 0,
  kInternalError = 2,
  kRefusedStream = 7,
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

// A header field to send; the name in lower case. kStatic: name and value outlive the connection
// (literals) and are not copied.
struct Header {
  enum class Storage : uint8_t { kCopied, kStatic };
  std::string_view name;
  std::string_view value;
  Storage storage = Storage::kCopied;
};

struct Request {
  Version version;
  HeaderBlock headers;  // with ":method", ":path" (and query), ":authority", ":scheme"
};

// What streams hold back for their clients, summed over those that count in it.
struct OutputMeter {
  size_t queued_bytes = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  // Begins the answer; with kYes the answer is only this. Once a stream, before SendData and End; a
  // second call is ignored. HTTP/1.1: without a content-length field the body goes out chunked (or
  // ends with the connection, for HTTP/1.0).
  virtual void SendHeaders(int status, absl::Span<const Header> headers, EndStream end) = 0;
  // Queues bytes of the answer's body. `copied` is copied; pieces of a chain are shared from about
  // 256 bytes up. Ignored before SendHeaders, after End, and on a stream that was reset.
  virtual void SendData(std::string_view copied) = 0;
  virtual void SendData(const ByteChain& data) = 0;
  // Ends the answer after what is queued. Trailers are dropped on HTTP/1.1.
  virtual void End(absl::Span<const Header> trailers) = 0;
  // HTTP/1.1: answers 101 with these headers, "upgrade" among them. From then on both sides are
  // bytes of no form: OnData gets them as they come, SendData sends them, OnEnd is the end of
  // theirs and End that of ours. False, and nothing is sent: not this protocol, or the request has
  // a body. REQUIRES: from inside OnRequest, before any answer.
  virtual bool Upgrade(absl::Span<const Header> headers) = 0;
  // Abandons the stream; what is still queued is dropped. OnClose follows from the loop.
  virtual void Reset(ResetCode code) = 0;

  // Gives `bytes` of what OnData delivered back to the client as window; a handler that falls
  // behind calls it late, and the client stops at the stream's window (ServerOptions).
  virtual void Consume(size_t bytes) = 0;
  // Bytes given to SendData that wait for the client's window or the network.
  virtual size_t queued_bytes() const = 0;
  // Bytes that queued_bytes() counted and that have gone to the network; only grows. A client that
  // does not read is known by it.
  virtual uint64_t taken_bytes() const = 0;
  // queued_bytes() of all streams of the connection.
  virtual size_t connection_queued_bytes() const = 0;
  // Has queued_bytes() counted in `meter` too, until the stream ends or another one is named.
  // `meter` outlives the connection.
  virtual void CountIn(OutputMeter* meter) = 0;
  // "address:port" of the client; lives as long as the connection.
  virtual const std::string& peer_address() const = 0;
  // What the client proved of itself by a certificate; empty when it did not. Lives as long.
  virtual const PeerCertificate& peer_certificate() const = 0;
  // The connection is encrypted.
  virtual bool secure() const = 0;
};

enum class CloseReason {
  kFinished,        // the answer went out whole
  kReset,           // the client reset it (RST_STREAM), or broke the protocol on this stream
  kConnectionLost,  // before the answer was out
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // A part of the request's body, valid during the call. Answer with Stream::Consume, now or later.
  virtual void OnData(std::string_view bytes) = 0;
  // The request is complete.
  virtual void OnEnd() = 0;
  // queued_bytes() went down to the low-water mark after having been above the high-water mark.
  virtual void OnWritable() {}
  // HTTP/1.1: the client closed its side after its request. It may still read the answer, but most
  // are gone; a handler whose answer has no end ends it here.
  virtual void OnClientClosed() {}
  virtual void OnClose(CloseReason reason) = 0;
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // A request's header is complete. The handler may use `stream` at once. nullptr: the request was
  // answered (or reset) right here, and the rest of it interests nobody.
  virtual std::shared_ptr<StreamHandler> OnRequest(Stream* stream, Request request) = 0;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_STREAM_H_
