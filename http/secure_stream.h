// SecureStream: one TCP connection for asio's composed operations (asio::async_read,
// asio::async_write), in clear until StartTls, encrypted from then on.
//
// Thread: its loop's. It can be moved to another loop between operations (Detach).
#ifndef KEELSON_HTTP_SECURE_STREAM_H_
#define KEELSON_HTTP_SECURE_STREAM_H_

#include <sys/uio.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "asio/buffer.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "http/tls.h"

namespace keelson::http {

class SecureStream {
 public:
  using Socket = asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using Completion = absl::AnyInvocable<void(const asio::error_code&, size_t)>;

  explicit SecureStream(asio::io_context& loop) : socket_(loop) {}
  explicit SecureStream(Socket socket) : socket_(std::move(socket)) {}

  // For connecting and for options.
  Socket& socket() { return socket_; }
  executor_type get_executor() { return socket_.get_executor(); }

  // What comes next on the connected socket is TLS.
  void StartTls(std::shared_ptr<TlsChannel> channel);
  // `done` is called from the loop, at once when there is no TLS.
  void AsyncHandshake(std::function<void(const asio::error_code&)> done);
  // Operations under way end with operation_aborted.
  void Close();
  // An error for people: what TLS has to say where the connection is closed for its sake.
  std::string Describe(const asio::error_code& error) const;

  // A connection taken from its loop. REQUIRES of Detach: no operation is under way. nullopt: it is
  // gone already.
  struct Detached {
    asio::ip::tcp protocol = asio::ip::tcp::v4();
    int handle = -1;
    std::shared_ptr<TlsChannel> channel;  // null: in clear
  };
  std::optional<Detached> Detach();
  // Closes the socket on failure.
  asio::error_code Attach(Detached detached);

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (channel_ == nullptr) {
      socket_.async_read_some(buffers, std::forward<Handler>(handler));
      return;
    }
    std::vector<iovec> pieces;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
      const asio::mutable_buffer piece(*it);
      if (piece.size() > 0) pieces.push_back({piece.data(), piece.size()});
    }
    Begin(Direction::kRead, std::move(pieces), Completion(std::forward<Handler>(handler)));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (channel_ == nullptr) {
      socket_.async_write_some(buffers, std::forward<Handler>(handler));
      return;
    }
    std::vector<iovec> pieces;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
      const asio::const_buffer piece(*it);
      if (piece.size() > 0) pieces.push_back({const_cast<void*>(piece.data()), piece.size()});
    }
    Begin(Direction::kWrite, std::move(pieces), Completion(std::forward<Handler>(handler)));
  }

 private:
  enum class Direction { kHandshake, kRead, kWrite };
  struct Operation;

  void Begin(Direction direction, std::vector<iovec> pieces, Completion done);
  // Goes on until the operation is complete, or waits.
  void Drive(std::shared_ptr<Operation> operation);
  void Wait(std::shared_ptr<Operation> operation, Socket::wait_type what);
  static void Complete(const std::shared_ptr<Operation>& operation, const asio::error_code& error,
                       size_t bytes);

  Socket socket_;
  // Shared with the operations under way, which thereby notice when another one took its place.
  std::shared_ptr<TlsChannel> channel_;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_SECURE_STREAM_H_
