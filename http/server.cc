#include "http/server.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "asio/ip/v6_only.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "base/check.h"
#include "http/address.h"
#include "http/connection.h"
#include "http/tls_transport.h"
#include "http/transport.h"

namespace keelson::http {
namespace {

constexpr size_t kReadBufferBytes = 128 * 1024;
// After accept failed for want of file descriptors or memory.
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, LoopExecutor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, LoopExecutor>;

struct Listener {
  Listener(const LoopExecutor& executor, std::shared_ptr<TlsCredentials> credentials)
      : acceptor(executor), retry(executor), tls(std::move(credentials)) {}
  Acceptor acceptor;
  Timer retry;
  const std::shared_ptr<TlsCredentials> tls;  // null: in clear
};

// Errors after which the listener is still good, but the next accept would fail at once.
bool IsShortage(const asio::error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_memory ||
         error == asio::error::no_buffer_space || error.value() == ENFILE;
}

absl::Status ListenError(const std::string& where, const char* step,
                         const asio::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat("listen tcp ", where, ": ", step, ": ", absl::AsciiStrToLower(error.message())));
}

}  // namespace

class Server::Impl final : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context* loop, const Clock* clock, RequestHandler* handler, ServerOptions options)
      : environment_(new ConnectionEnvironment{
            loop, clock, options, handler, {}, std::string(kReadBufferBytes, '\0')}),
        sweep_timer_(loop->get_executor()),
        grace_timer_(loop->get_executor()) {}

  absl::Status Listen(std::string host, uint16_t port, std::shared_ptr<TlsCredentials> tls);
  void Accept(const std::shared_ptr<Listener>& listener);
  void OnAccept(const std::shared_ptr<Listener>& listener, const asio::error_code& error,
                TcpSocket socket);
  void Sweep();
  void Shutdown(absl::Duration grace, std::function<void()> done);
  void CloseAll();
  void MaybeDone();
  void OnConnectionClosed(Connection* connection);

  const std::shared_ptr<ConnectionEnvironment> environment_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  absl::flat_hash_map<Connection*, std::shared_ptr<Connection>> connections_;
  Timer sweep_timer_;
  Timer grace_timer_;
  uint16_t port_ = 0;
  bool sweeping_ = false;
  bool stopping_ = false;  // Shutdown or destruction began
  std::function<void()> done_;
};

absl::Status Server::Impl::Listen(std::string host, uint16_t port,
                                  std::shared_ptr<TlsCredentials> tls) {
  using asio::ip::tcp;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const bool is_v6 = host.find(':') != std::string::npos;
  const std::string where = absl::StrCat(is_v6 ? absl::StrCat("[", host, "]") : host, ":", port);
  asio::error_code error;
  std::vector<tcp::endpoint> candidates;
  if (host.empty()) {
    candidates = {tcp::endpoint(tcp::v6(), port), tcp::endpoint(tcp::v4(), port)};
  } else if (const auto address = asio::ip::make_address(host, error); !error) {
    candidates = {tcp::endpoint(address, port)};
  } else {
    asio::ip::basic_resolver<tcp, LoopExecutor> resolver(environment_->loop->get_executor());
    error.clear();
    const auto results = resolver.resolve(host, "", tcp::resolver::passive, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("listen tcp: lookup ", host, ": no such host"));
    }
    for (const auto& result : results) candidates.emplace_back(result.endpoint().address(), port);
    // As Go: IPv4 first, when a name has both.
    std::stable_partition(candidates.begin(), candidates.end(),
                          [](const tcp::endpoint& endpoint) { return endpoint.address().is_v4(); });
  }
  auto listener = std::make_shared<Listener>(environment_->loop->get_executor(), std::move(tls));
  Acceptor& acceptor = listener->acceptor;
  const char* step = nullptr;
  for (const tcp::endpoint& endpoint : candidates) {
    asio::error_code ignored;
    acceptor.close(ignored);
    step = "socket";
    if (acceptor.open(endpoint.protocol(), error); error) continue;
    acceptor.set_option(tcp::acceptor::reuse_address(true), ignored);
    if (environment_->options.reuse_port) acceptor.set_option(ReusePort(true), ignored);
    if (endpoint.address().is_v6()) {
      // The unspecified address serves IPv4 too, as in Go.
      acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), ignored);
    }
    step = "bind";
    if (acceptor.bind(endpoint, error); error) continue;
    step = "listen";
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    break;
  }
  if (error) return ListenError(where, step, error);
  port_ = acceptor.local_endpoint(error).port();
  listeners_.push_back(listener);
  Accept(listener);
  if (!std::exchange(sweeping_, true)) Sweep();
  return absl::OkStatus();
}

void Server::Impl::Accept(const std::shared_ptr<Listener>& listener) {
  if (stopping_) return;
  listener->acceptor.async_accept(
      environment_->loop->get_executor(),
      [self = shared_from_this(), listener](const asio::error_code& error, TcpSocket socket) {
        self->OnAccept(listener, error, std::move(socket));
      });
}

void Server::Impl::OnAccept(const std::shared_ptr<Listener>& listener,
                            const asio::error_code& error, TcpSocket socket) {
  if (stopping_ || error == asio::error::operation_aborted) return;
  if (IsShortage(error)) {
    // The connection stays in the backlog until others close.
    listener->retry.expires_after(kAcceptRetry);
    listener->retry.async_wait([self = shared_from_this(), listener](const asio::error_code& e) {
      if (!e) self->Accept(listener);
    });
    return;
  }
  // Any other error is about the one connection that was just accepted, and gone.
  if (!error && connections_.size() < environment_->options.connections_max) {
    auto transport = listener->tls == nullptr ? MakeTcpTransport(std::move(socket))
                                              : MakeTlsTransport(std::move(socket), listener->tls);
    auto connection =
        std::make_shared<Connection>(environment_, std::move(transport),
                                     [this](Connection* closed) { OnConnectionClosed(closed); });
    connections_.emplace(connection.get(), connection);
    connection->Start();
  }
  Accept(listener);
}

void Server::Impl::Sweep() {
  sweep_timer_.expires_after(absl::ToChronoNanoseconds(environment_->options.sweep_interval));
  sweep_timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const std::shared_ptr<Impl> self = weak.lock();
    if (error || self == nullptr) return;
    // A sweep may close connections.
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(self->connections_.size());
    for (const auto& [raw, connection] : self->connections_) all.push_back(connection);
    for (const auto& connection : all) connection->Sweep();
    self->Sweep();
  });
}

void Server::Impl::OnConnectionClosed(Connection* connection) {
  connections_.erase(connection);
  MaybeDone();
}

void Server::Impl::Shutdown(absl::Duration grace, std::function<void()> done) {
  stopping_ = true;
  done_ = std::move(done);
  asio::error_code ignored;
  for (const auto& listener : listeners_) {
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  listeners_.clear();
  if (grace > absl::ZeroDuration() && !connections_.empty()) {
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [raw, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->StartShutdown();
    if (grace == absl::InfiniteDuration()) return;
    grace_timer_.expires_after(absl::ToChronoNanoseconds(grace));
    grace_timer_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
      const std::shared_ptr<Impl> self = weak.lock();
      if (!error && self != nullptr) self->CloseAll();
    });
    return;
  }
  // From the loop, so that `done` never runs inside Shutdown.
  asio::post(environment_->loop->get_executor(), [weak = weak_from_this()] {
    const std::shared_ptr<Impl> self = weak.lock();
    if (self == nullptr) return;
    self->CloseAll();
    self->MaybeDone();
  });
}

void Server::Impl::CloseAll() {
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [raw, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->Close();
}

void Server::Impl::MaybeDone() {
  if (!stopping_ || !connections_.empty() || done_ == nullptr) return;
  sweep_timer_.cancel();
  grace_timer_.cancel();
  // Not from inside the last connection's own code.
  asio::post(environment_->loop->get_executor(), std::exchange(done_, nullptr));
}

Server::Server(asio::io_context* loop, const Clock* clock, RequestHandler* handler,
               ServerOptions options)
    : impl_(std::make_shared<Impl>(loop, clock, handler, options)) {}

Server::~Server() {
  impl_->stopping_ = true;
  impl_->done_ = nullptr;
  asio::error_code ignored;
  for (const auto& listener : impl_->listeners_) {
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  impl_->sweep_timer_.cancel();
  impl_->grace_timer_.cancel();
  impl_->CloseAll();
}

absl::Status Server::Listen(const std::string& host, uint16_t port,
                            std::shared_ptr<TlsCredentials> tls) {
  return impl_->Listen(host, port, std::move(tls));
}
uint16_t Server::port() const { return impl_->port_; }
void Server::Shutdown(absl::Duration grace, std::function<void()> done) {
  impl_->Shutdown(grace, std::move(done));
}
size_t Server::connection_count() const { return impl_->connections_.size(); }

}  // namespace keelson::http
