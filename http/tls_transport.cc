#include "http/tls_transport.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "http/address.h"

namespace keelson::http {
namespace {

class TlsTransport final : public Transport {
 public:
  // `host`: whom we connected to; null: the connection was accepted.
  TlsTransport(TcpSocket socket, std::shared_ptr<TlsCredentials> credentials,
               const std::string* host)
      : socket_(std::move(socket)),
        credentials_(std::move(credentials)),
        failed_(host == nullptr ? "rejected connection from " : "cannot use connection to ") {
    asio::error_code error;  // a socket that is already dead shows it at the first read
    socket_.native_non_blocking(true, error);
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    peer_address_ = FormatEndpoint(socket_.remote_endpoint(error));
    channel_ = host == nullptr ? credentials_->Accept(socket_.native_handle())
                               : credentials_->Connect(socket_.native_handle(), *host);
  }

  Result Read(char* to, size_t size) override {
    return Translate(channel_->Read(to, size), &read_waits_for_);
  }
  Result Write(const iovec* pieces, size_t count) override {
    return Translate(channel_->Write(pieces, count), &write_waits_for_);
  }

  void WaitReadable(std::shared_ptr<TransportEvents> events) override {
    if (channel_->maybe_buffered()) {
      asio::post(socket_.get_executor(), [this, events = std::move(events)] {
        if (socket_.is_open()) events->OnReadable();
      });
      return;
    }
    socket_.async_wait(read_waits_for_,
                       [events = std::move(events)](const asio::error_code& error) {
                         if (error != asio::error::operation_aborted) events->OnReadable();
                       });
  }
  void WaitWritable(std::shared_ptr<TransportEvents> events) override {
    socket_.async_wait(write_waits_for_,
                       [events = std::move(events)](const asio::error_code& error) {
                         if (error != asio::error::operation_aborted) events->OnWritable();
                       });
  }

  void CloseWrite() override {
    channel_->Shutdown();
    asio::error_code error;
    socket_.shutdown(TcpSocket::shutdown_send, error);
  }
  void Close() override {
    if (!socket_.is_open()) return;
    channel_->Shutdown();
    asio::error_code error;
    socket_.close(error);
  }
  const std::string& peer_address() const override { return peer_address_; }
  const PeerCertificate& peer_certificate() const override { return channel_->peer_certificate(); }
  bool secure() const override { return true; }

 private:
  Result Translate(TlsChannel::Result result, TcpSocket::wait_type* waits_for) {
    using From = TlsChannel::Outcome;
    switch (result.outcome) {
      case From::kOk:
        *waits_for = waits_for == &read_waits_for_ ? TcpSocket::wait_read : TcpSocket::wait_write;
        return {Outcome::kOk, result.bytes};
      case From::kWaitReadable:
        *waits_for = TcpSocket::wait_read;
        return {Outcome::kWouldBlock};
      case From::kWaitWritable:
        *waits_for = TcpSocket::wait_write;
        return {Outcome::kWouldBlock};
      case From::kEof:
        return {Outcome::kEof};
      case From::kError:
        break;
    }
    if (!channel_->handshake_done()) {
      credentials_->Log(absl::StrCat(failed_, peer_address_, ": tls: ", channel_->error()));
    }
    return {Outcome::kError};
  }

  TcpSocket socket_;
  const std::shared_ptr<TlsCredentials> credentials_;
  const char* const failed_;
  std::unique_ptr<TlsChannel> channel_;
  TcpSocket::wait_type read_waits_for_ = TcpSocket::wait_read;
  TcpSocket::wait_type write_waits_for_ = TcpSocket::wait_write;
  std::string peer_address_;
};

}  // namespace

std::unique_ptr<Transport> MakeTlsTransport(TcpSocket socket,
                                            std::shared_ptr<TlsCredentials> credentials) {
  return std::make_unique<TlsTransport>(std::move(socket), std::move(credentials), nullptr);
}

std::unique_ptr<Transport> MakeTlsClientTransport(TcpSocket socket,
                                                  std::shared_ptr<TlsCredentials> credentials,
                                                  const std::string& host) {
  return std::make_unique<TlsTransport>(std::move(socket), std::move(credentials), &host);
}

}  // namespace keelson::http
