// Session: the protocol of one connection, HTTP/2 or HTTP/1.1, between the bytes of a Connection
// and the streams of a RequestHandler. Does no I/O. Internal to http/.
//
// Thread: the connection's loop. No method is called from inside one of the session's own
// callbacks.
#ifndef KEELSON_HTTP_SESSION_H_
#define KEELSON_HTTP_SESSION_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "http/gather_buffer.h"
#include "http/server_options.h"
#include "http/stream.h"

namespace keelson::http {

// The connection as its session sees it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // There is something to write; it is asked for once, later in this turn of the loop.
  virtual void ScheduleFlush() = 0;
  // wants_read() became true again.
  virtual void ResumeRead() = 0;
  virtual absl::Duration Now() const = 0;
  virtual const ServerOptions& options() const = 0;
  virtual RequestHandler* handler() = 0;
  virtual const std::string& peer_address() const = 0;
  virtual const PeerCertificate& peer_certificate() const = 0;
  virtual bool secure() const = 0;
};

class Session {
 public:
  virtual ~Session() = default;

  // Bytes from the client. Anything wrong with them is answered and makes finished() true.
  virtual void OnBytes(std::string_view bytes) = 0;
  // The client sends no more.
  virtual void OnEof() = 0;
  // Moves output to `out` until it holds about `limit` bytes or there is no more to send now.
  virtual void Produce(GatherBuffer* out, size_t limit) = 0;
  // Produce would give something.
  virtual bool wants_write() const = 0;
  // False: leave the client's bytes in the socket.
  virtual bool wants_read() const = 0;
  // Nothing will come after what Produce has given: the connection is to be closed once it is out.
  virtual bool finished() const = 0;
  // Looks at the time limits.
  virtual void OnSweep() = 0;
  // No new streams; finished() once the running ones are done.
  virtual void StartShutdown() = 0;
  // The connection is gone: every handler is told. Nothing is called after it.
  virtual void OnConnectionLost() = 0;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_SESSION_H_
