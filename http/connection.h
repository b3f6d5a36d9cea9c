// Connection: one accepted connection: reads, tells HTTP/2 from HTTP/1.1 by the first bytes, feeds
// the session, and writes what all of its streams produced with one gathered write. Internal to
// http/.
//
// Thread: the server's loop. Kept alive by the server's set and by its own waits.
//
//  1. Output is written at the end of the turn of the loop in which it arose: right after the bytes
//     that were read have been handled, else from one posted flush, however many streams spoke.
//  2. At most about kOutputMax bytes leave their streams ahead of the socket; the rest waits where
//     the handlers see it (Stream::queued_bytes).
//  3. While output waits for a client that does not read, input is still read: it carries the
//     WINDOW_UPDATEs and RST_STREAMs.
#ifndef KEELSON_HTTP_CONNECTION_H_
#define KEELSON_HTTP_CONNECTION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "http/gather_buffer.h"
#include "http/server_options.h"
#include "http/session.h"
#include "http/stream.h"
#include "http/transport.h"

namespace keelson::http {

// What the connections of a server share.
struct ConnectionEnvironment {
  asio::io_context* loop;
  const Clock* clock;
  ServerOptions options;
  RequestHandler* handler;
  BlockPool blocks;
  std::string read_buffer;  // one for all: what is read is handled before the next read
};

class Connection final : public std::enable_shared_from_this<Connection>,
                         public TransportEvents,
                         private SessionHost {
 public:
  Connection(std::shared_ptr<ConnectionEnvironment> environment,
             std::unique_ptr<Transport> transport, std::function<void(Connection*)> on_closed);

  void Start();
  // Looks at the time limits; called every sweep_interval.
  void Sweep();
  void StartShutdown();
  // Closes at once; streams end with kConnectionLost. Safe from inside a callback.
  void Close();

 private:
  enum class State {
    kSniffing,   // no session yet: a handshake of TLS, or too few bytes to tell which
    kRunning,    // session_ set
    kLingering,  // all output is out; reads and drops, so that the client sees our last bytes
    kClosed,
  };

  void OnReadable() override;
  void OnWritable() override;
  void ScheduleFlush() override;
  void ResumeRead() override;
  absl::Duration Now() const override { return environment_->clock->Now(); }
  const ServerOptions& options() const override { return environment_->options; }
  RequestHandler* handler() override { return environment_->handler; }
  const std::string& peer_address() const override { return transport_->peer_address(); }
  const PeerCertificate& peer_certificate() const override { return transport_->peer_certificate(); }
  bool secure() const override { return transport_->secure(); }

  void WaitReadable();
  void OnBytes(std::string_view bytes);
  void OnEof();
  void Sniff(std::string_view bytes);
  void Flush();
  // Writes buffered output, until it is out or the socket takes no more (then writing_).
  void WriteOut();
  void Linger();
  void CloseNow();
  // Runs `call` on the session; a Close asked for meanwhile happens after it.
  template <typename F>
  void InSession(F call);

  const std::shared_ptr<ConnectionEnvironment> environment_;
  const std::unique_ptr<Transport> transport_;
  std::function<void(Connection*)> on_closed_;
  State state_ = State::kSniffing;
  std::string sniffed_;  // kSniffing only
  std::unique_ptr<Session> session_;
  GatherBuffer output_;
  absl::Duration state_since_;
  bool in_session_ = false;
  bool close_asked_ = false;  // in_session_ was true when Close came
  bool shutting_down_ = false;
  bool eof_ = false;
  bool reading_ = false;  // a WaitReadable is out
  bool writing_ = false;  // a WaitWritable is out
  bool flush_scheduled_ = false;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_CONNECTION_H_
