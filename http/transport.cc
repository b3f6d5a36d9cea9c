#include "http/transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "http/address.h"

namespace keelson::http {
namespace {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(TcpSocket socket) : socket_(std::move(socket)) {
    asio::error_code error;  // a socket that is already dead shows it at the first read
    socket_.native_non_blocking(true, error);
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    peer_address_ = FormatEndpoint(socket_.remote_endpoint(error));
  }

  Result Read(char* to, size_t size) override {
    for (;;) {
      const ssize_t n = ::recv(socket_.native_handle(), to, size, 0);
      if (n > 0) return {Outcome::kOk, static_cast<size_t>(n)};
      if (n == 0) return {Outcome::kEof};
      if (errno == EINTR) continue;
      return {errno == EAGAIN ? Outcome::kWouldBlock : Outcome::kError};
    }
  }

  Result Write(const iovec* pieces, size_t count) override {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = count;
    for (;;) {
      const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
      if (n >= 0) return {Outcome::kOk, static_cast<size_t>(n)};
      if (errno == EINTR) continue;
      return {errno == EAGAIN ? Outcome::kWouldBlock : Outcome::kError};
    }
  }

  void WaitReadable(std::shared_ptr<TransportEvents> events) override {
    socket_.async_wait(TcpSocket::wait_read,
                       [events = std::move(events)](const asio::error_code& error) {
                         if (error != asio::error::operation_aborted) events->OnReadable();
                       });
  }
  void WaitWritable(std::shared_ptr<TransportEvents> events) override {
    socket_.async_wait(TcpSocket::wait_write,
                       [events = std::move(events)](const asio::error_code& error) {
                         if (error != asio::error::operation_aborted) events->OnWritable();
                       });
  }

  void CloseWrite() override {
    asio::error_code error;
    socket_.shutdown(TcpSocket::shutdown_send, error);
  }
  void Close() override {
    asio::error_code error;
    socket_.close(error);
  }
  const std::string& peer_address() const override { return peer_address_; }
  const PeerCertificate& peer_certificate() const override { return nobody_; }
  bool secure() const override { return false; }

 private:
  TcpSocket socket_;
  std::string peer_address_;
  const PeerCertificate nobody_;
};

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(TcpSocket socket) {
  return std::make_unique<TcpTransport>(std::move(socket));
}

}  // namespace keelson::http
