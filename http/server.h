// Server: accepts connections on any number of listeners, in clear or under TLS, and serves HTTP/2
// and HTTP/1.1 on each, told apart by the first bytes. Hands every request to one RequestHandler.
//
// Thread: the loop it is given, except the constructor and Listen, which may run before the loop
// does. One thread runs the loop.
//
//  1. A connection's output of one turn of the loop goes out in one write (connection.h).
//  2. No client can make it hold more than the options say: header, streams, unread input, output
//     ahead of the socket.
//  3. After Shutdown's `done`, no handler is called any more.
#ifndef KEELSON_HTTP_SERVER_H_
#define KEELSON_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "http/server_options.h"
#include "http/stream.h"
#include "http/tls.h"

namespace keelson::http {

class Server {
 public:
  // `loop`, `clock` and `handler` outlive the server.
  Server(asio::io_context* loop, const Clock* clock, RequestHandler* handler,
         ServerOptions options);
  // Closes everything at once; handlers of open streams get OnClose. The loop must not run at the
  // same time on another thread.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Accepts on host:port. host: a name, an IPv4 address, an IPv6 address with or without brackets;
  // "" is every address of the machine. Port 0 picks one. Error: InvalidArgument or Unavailable
  // with the text Go has ("listen tcp 127.0.0.1:2379: bind: address already in use").
  // With `tls` the connections are encrypted, and the client chooses the protocol by ALPN too;
  // handshakes are held to ServerOptions::header_timeout.
  absl::Status Listen(const std::string& host, uint16_t port,
                      std::shared_ptr<TlsCredentials> tls = nullptr);
  // The port of the last successful Listen.
  uint16_t port() const;

  // Stops accepting, tells the clients (GOAWAY), lets open streams end, at most for `grace` (0:
  // none of that), closes what is left, calls `done`. REQUIRES: called once, on the loop.
  void Shutdown(absl::Duration grace, std::function<void()> done);

  size_t connection_count() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_SERVER_H_
