// Transport: the bytes of one accepted connection, without waiting: TCP, or TLS over it
// (tls_transport.h). A session never sees which.
//
// Thread: the loop the socket belongs to.
#ifndef KEELSON_HTTP_TRANSPORT_H_
#define KEELSON_HTTP_TRANSPORT_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "http/peer_certificate.h"

namespace keelson::http {

// Sockets that know their executor's type: no type erasure on the hot path.
using LoopExecutor = asio::io_context::executor_type;
using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, LoopExecutor>;

// Who is told about readiness; kept alive by the wait.
class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
};

class Transport {
 public:
  enum class Outcome { kOk, kWouldBlock, kEof, kError };
  struct Result {
    Outcome outcome;
    size_t bytes = 0;  // with kOk
  };

  virtual ~Transport() = default;
  // Reads what is there, at most `size` bytes (> 0).
  virtual Result Read(char* to, size_t size) = 0;
  // Writes what fits.
  virtual Result Write(const iovec* pieces, size_t count) = 0;
  // One callback each time; none after Close.
  virtual void WaitReadable(std::shared_ptr<TransportEvents> events) = 0;
  virtual void WaitWritable(std::shared_ptr<TransportEvents> events) = 0;
  // No more output from us; the other side reads to the end of what was written.
  virtual void CloseWrite() = 0;
  virtual void Close() = 0;
  // "address:port".
  virtual const std::string& peer_address() const = 0;
  // As Stream::peer_certificate.
  virtual const PeerCertificate& peer_certificate() const = 0;
  virtual bool secure() const = 0;
};

// Takes over an accepted socket: non-blocking, TCP_NODELAY.
std::unique_ptr<Transport> MakeTcpTransport(TcpSocket socket);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TRANSPORT_H_
