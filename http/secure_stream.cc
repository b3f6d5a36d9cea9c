#include "http/secure_stream.h"

#include "asio/error.hpp"
#include "asio/post.hpp"

namespace keelson::http {

struct SecureStream::Operation {
  Direction direction;
  std::vector<iovec> pieces;
  Completion done;
  std::shared_ptr<TlsChannel> channel;
};

void SecureStream::StartTls(std::shared_ptr<TlsChannel> channel) {
  asio::error_code ignored;  // a socket that is dead shows it at the first operation
  socket_.native_non_blocking(true, ignored);
  channel_ = std::move(channel);
}

void SecureStream::AsyncHandshake(std::function<void(const asio::error_code&)> done) {
  if (channel_ == nullptr) return done({});
  Begin(Direction::kHandshake, {},
        [done = std::move(done)](const asio::error_code& error, size_t) { done(error); });
}

void SecureStream::Close() {
  if (channel_ != nullptr && socket_.is_open()) channel_->Shutdown();
  asio::error_code ignored;  // closing a broken socket fails and has no further effect
  socket_.close(ignored);
}

std::string SecureStream::Describe(const asio::error_code& error) const {
  if (channel_ == nullptr || channel_->error().empty()) return error.message();
  return "tls: " + channel_->error();
}

std::optional<SecureStream::Detached> SecureStream::Detach() {
  Detached detached;
  asio::error_code error;
  const asio::ip::tcp::endpoint local = socket_.local_endpoint(error);
  if (error) return std::nullopt;
  detached.protocol = local.protocol();
  detached.channel = std::move(channel_);
  detached.handle = socket_.release(error);
  if (error) return std::nullopt;
  return detached;
}

asio::error_code SecureStream::Attach(Detached detached) {
  asio::error_code error;
  socket_.assign(detached.protocol, detached.handle, error);
  channel_ = std::move(detached.channel);
  return error;
}

void SecureStream::Begin(Direction direction, std::vector<iovec> pieces, Completion done) {
  auto operation = std::make_shared<Operation>();
  operation->direction = direction;
  operation->pieces = std::move(pieces);
  operation->done = std::move(done);
  operation->channel = channel_;
  // Completions never run inside the call that began the operation.
  asio::post(socket_.get_executor(),
             [this, operation = std::move(operation)]() mutable { Drive(std::move(operation)); });
}

void SecureStream::Drive(std::shared_ptr<Operation> operation) {
  if (operation->channel != channel_ || !socket_.is_open()) {
    return Complete(operation, asio::error::operation_aborted, 0);
  }
  TlsChannel::Result result;
  if (operation->direction == Direction::kHandshake) {
    result = channel_->Handshake();
  } else if (operation->pieces.empty()) {
    result = {TlsChannel::Outcome::kOk, 0};
  } else if (operation->direction == Direction::kRead) {
    iovec& piece = operation->pieces.front();
    result = channel_->Read(static_cast<char*>(piece.iov_base), piece.iov_len);
  } else {
    result = channel_->Write(operation->pieces.data(), operation->pieces.size());
  }
  switch (result.outcome) {
    case TlsChannel::Outcome::kOk:
      return Complete(operation, {}, result.bytes);
    case TlsChannel::Outcome::kWaitReadable:
      return Wait(std::move(operation), Socket::wait_read);
    case TlsChannel::Outcome::kWaitWritable:
      return Wait(std::move(operation), Socket::wait_write);
    case TlsChannel::Outcome::kEof:
      return Complete(operation, asio::error::eof, 0);
    case TlsChannel::Outcome::kError:
      return Complete(operation, asio::error::connection_aborted, 0);
  }
}

void SecureStream::Wait(std::shared_ptr<Operation> operation, Socket::wait_type what) {
  socket_.async_wait(
      what, [this, operation = std::move(operation)](const asio::error_code& error) mutable {
        if (error) return Complete(operation, error, 0);
        Drive(std::move(operation));
      });
}

void SecureStream::Complete(const std::shared_ptr<Operation>& operation,
                            const asio::error_code& error, size_t bytes) {
  Completion done = std::move(operation->done);
  done(error, bytes);
}

}  // namespace keelson::http
