#include "tools/keelson/front.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <set>
#include <utility>

#include "asio/buffer.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/read.hpp"
#include "asio/steady_timer.hpp"
#include "asio/write.hpp"
#include "base/concat.h"
#include "http/secure_stream.h"
#include "http/tls.h"

namespace keelson::program {
namespace {

using asio::ip::tcp;

constexpr size_t kBufferBytes = 32 * 1024;
constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);  // when no descriptor is left

auto AfterTime(absl::Duration time) { return absl::ToChronoMilliseconds(time); }

struct Server {
  uint16_t port;
  bool serves = true;  // until a check says otherwise
  int failures = 0;
  size_t connections = 0;
};

void Prepare(tcp::socket& socket) {
  asio::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
}

// A client and its server, joined. Lives as long as one of its operations is under way.
class Joint : public std::enable_shared_from_this<Joint> {
 public:
  Joint(tcp::socket client, asio::io_context& loop)
      : client_(std::move(client)), server_(loop), timer_(loop) {
    Prepare(client_);
  }

  tcp::socket& server() { return server_; }
  asio::steady_timer& timer() { return timer_; }

  void Begin() {
    Prepare(server_);
    Pump(client_, server_, up_);
    Pump(server_, client_, down_);
  }
  void Close() {
    asio::error_code ignored;
    timer_.cancel();
    client_.close(ignored);
    server_.close(ignored);
  }

 private:
  struct Direction {
    std::array<char, kBufferBytes> buffer;
    bool ended = false;
  };

  void Pump(tcp::socket& from, tcp::socket& to, Direction& direction) {
    from.async_read_some(
        asio::buffer(direction.buffer), [this, self = shared_from_this(), &from, &to, &direction](
                                            const asio::error_code& error, size_t bytes) {
          if (error) return End(to, direction, error);
          asio::async_write(
              to, asio::buffer(direction.buffer.data(), bytes),
              [this, self, &from, &to, &direction](const asio::error_code& failed, size_t) {
                if (failed) return Close();
                Pump(from, to, direction);
              });
        });
  }

  // One side said its last word; the other one may go on.
  void End(tcp::socket& to, Direction& direction, const asio::error_code& error) {
    direction.ended = true;
    if (error != asio::error::eof || (up_.ended && down_.ended)) return Close();
    asio::error_code ignored;
    to.shutdown(tcp::socket::shutdown_send, ignored);
  }

  tcp::socket client_;
  tcp::socket server_;
  asio::steady_timer timer_;  // of connecting
  Direction up_, down_;
};

}  // namespace

class Front::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context* loop, FrontOptions options, Check check)
      : loop_(*loop),
        options_(std::move(options)),
        check_(std::move(check)),
        acceptor_(loop_),
        timer_(loop_),
        pause_(loop_) {
    for (const uint16_t port : options_.servers) servers_.push_back({port});
  }

  absl::Status Listen() {
    asio::error_code error;
    const auto address = asio::ip::make_address(options_.host, error);
    if (error) return absl::InvalidArgumentError(Concat(options_.host, " is no address"));
    acceptor_.open(tcp::v4(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind({address, options_.port}, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return absl::UnavailableError(
          Concat("cannot listen on ", options_.host, ":", options_.port, ": ", error.message()));
    }
    Accept();
    CheckAll();
    return absl::OkStatus();
  }

  uint16_t port() const {
    asio::error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }
  size_t connections() const { return joints_.size(); }

  void Close() {
    closed_ = true;
    asio::error_code ignored;
    acceptor_.close(ignored);
    timer_.cancel();
    pause_.cancel();
    for (const auto& [joint, server] : std::exchange(joints_, {})) {
      if (const auto alive = joint.lock()) alive->Close();
    }
  }

 private:
  // Joints by themselves live by their operations; this is who they are.
  using Joints = std::list<std::pair<std::weak_ptr<Joint>, Server*>>;

  void Accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
          if (self->closed_) return;
          if (error) {
            self->pause_.expires_after(AfterTime(kAcceptPause));
            self->pause_.async_wait([self](const asio::error_code&) {
              if (!self->closed_) self->Accept();
            });
            return;
          }
          if (self->joints_.size() < self->options_.connections_max) self->Join(std::move(socket));
          self->Accept();
        });
  }

  void Join(tcp::socket client) {
    // Every joint takes itself off the list when its last operation has let go of it.
    const auto place = joints_.emplace(joints_.end(), std::weak_ptr<Joint>(), nullptr);
    std::weak_ptr<Impl> front = shared_from_this();
    const std::shared_ptr<Joint> joint(new Joint(std::move(client), loop_),
                                       [front, place](Joint* ended) {
                                         delete ended;
                                         if (const auto self = front.lock()) self->Forget(place);
                                       });
    place->first = joint;
    Connect(joint, place, {});
  }

  void Forget(Joints::iterator place) {
    if (closed_) return;
    if (place->second != nullptr) --place->second->connections;
    joints_.erase(place);
  }

  // The server for the next attempt: one that serves, with the fewest connections; when none
  // serves, any, for a check may be behind.
  Server* Choose(const std::set<const Server*>& tried) {
    Server* best = nullptr;
    for (Server& server : servers_) {
      if (tried.count(&server) > 0) continue;
      if (best == nullptr || (server.serves && !best->serves) ||
          (server.serves == best->serves && server.connections < best->connections)) {
        best = &server;
      }
    }
    return best;
  }

  void Connect(const std::shared_ptr<Joint>& joint, Joints::iterator place,
               std::set<const Server*> tried) {
    Server* const server = Choose(tried);
    if (server == nullptr) return joint->Close();
    tried.insert(server);
    place->second = server;
    ++server->connections;
    joint->timer().expires_after(AfterTime(options_.connect_timeout));
    joint->timer().async_wait([joint](const asio::error_code& error) {
      asio::error_code ignored;
      if (!error) joint->server().close(ignored);
    });
    joint->server().async_connect(
        {asio::ip::make_address(options_.host), server->port},
        [self = shared_from_this(), joint, place, server,
         tried = std::move(tried)](const asio::error_code& error) mutable {
          joint->timer().cancel();
          if (self->closed_) return;
          if (!error) return joint->Begin();
          --server->connections;
          place->second = nullptr;
          server->serves = false;
          asio::error_code ignored;
          joint->server().close(ignored);
          self->Connect(joint, place, std::move(tried));
        });
  }

  void CheckAll() {
    for (Server& server : servers_) {
      check_(server.port, [self = shared_from_this(), &server](bool serves) {
        if (!self->closed_) self->OnChecked(server, serves);
      });
    }
    timer_.expires_after(AfterTime(options_.check_interval));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error && !self->closed_) self->CheckAll();
    });
  }

  void OnChecked(Server& server, bool serves) {
    server.serves = serves;
    server.failures = serves ? 0 : server.failures + 1;
    if (server.failures < options_.failures_max) return;
    for (const auto& [joint, of] : Joints(joints_)) {
      const auto alive = of == &server ? joint.lock() : nullptr;
      if (alive != nullptr) alive->Close();
    }
  }

  asio::io_context& loop_;
  const FrontOptions options_;
  const Check check_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  asio::steady_timer pause_;
  std::vector<Server> servers_;  // never grows: it is pointed into
  Joints joints_;
  bool closed_ = false;
};

Front::Front(asio::io_context* loop, FrontOptions options, Check check)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(check))) {}
Front::~Front() { impl_->Close(); }
absl::Status Front::Listen() { return impl_->Listen(); }
uint16_t Front::port() const { return impl_->port(); }
size_t Front::connections() const { return impl_->connections(); }

// ----------------------------------------------------------------------------------- ready check

namespace {

// One GET /readyz. Lives as long as its operations.
class ReadyRequest : public std::enable_shared_from_this<ReadyRequest> {
 public:
  ReadyRequest(asio::io_context& loop, std::shared_ptr<http::TlsCredentials> credentials,
               std::string host, Front::Answer answer)
      : stream_(loop),
        timer_(loop),
        credentials_(std::move(credentials)),
        host_(std::move(host)),
        answer_(std::move(answer)) {}

  void Begin(uint16_t port, absl::Duration timeout) {
    timer_.expires_after(AfterTime(timeout));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->Finish(false);
    });
    stream_.socket().async_connect({asio::ip::make_address(host_), port},
                                   [self = shared_from_this()](const asio::error_code& error) {
                                     if (error) return self->Finish(false);
                                     self->Greet();
                                   });
  }

 private:
  void Greet() {
    if (answer_ == nullptr) return;
    asio::error_code error;
    stream_.socket().native_non_blocking(true, error);
    stream_.StartTls(credentials_->Connect(stream_.socket().native_handle(), host_));
    stream_.AsyncHandshake([self = shared_from_this()](const asio::error_code& failed) {
      if (failed || self->answer_ == nullptr) return self->Finish(false);
      self->text_ = Concat("GET /readyz HTTP/1.1\r\nhost: ", self->host_,
                           "\r\nuser-agent: keelson-front\r\nconnection: close\r\n\r\n");
      asio::async_write(self->stream_, asio::buffer(self->text_),
                        [self](const asio::error_code& broken, size_t) {
                          if (broken) return self->Finish(false);
                          self->ReadStatus();
                        });
    });
  }

  void ReadStatus() {
    asio::async_read(stream_, asio::buffer(status_),
                     [self = shared_from_this()](const asio::error_code& error, size_t) {
                       const std::string_view line(self->status_.data(), self->status_.size());
                       self->Finish(!error && line == "HTTP/1.1 200");
                     });
  }

  void Finish(bool serves) {
    if (answer_ == nullptr) return;
    std::exchange(answer_, nullptr)(serves);
    timer_.cancel();
    stream_.Close();
  }

  http::SecureStream stream_;
  asio::steady_timer timer_;
  const std::shared_ptr<http::TlsCredentials> credentials_;
  const std::string host_;
  Front::Answer answer_;  // null once it was given
  std::string text_;
  std::array<char, 12> status_{};  // "HTTP/1.1 200"
};

}  // namespace

absl::StatusOr<Front::Check> MakeReadyCheck(asio::io_context* loop, const std::string& host,
                                            const std::string& authority_file,
                                            absl::Duration timeout) {
  http::TlsOptions options;
  options.trusted_ca_file = authority_file;
  options.client_protocols = {"http/1.1"};
  auto credentials = http::TlsCredentials::Load(options, [](const std::string&) {});
  if (!credentials.ok()) return credentials.status();
  return [loop, host, timeout, shared = *std::move(credentials)](uint16_t server,
                                                                 Front::Answer answer) {
    std::make_shared<ReadyRequest>(*loop, shared, host, std::move(answer))->Begin(server, timeout);
  };
}

}  // namespace keelson::program
