// RpcServer: the server side of the gRPC protocol (grpc/doc/PROTOCOL-HTTP2) over http/, plus plain
// HTTP handlers on the same port. Registers methods; accepts on listeners; shuts down gracefully.
//
// Thread: the executor it is given; all handlers run there.
#ifndef KEELSON_SERVER_RPC_RPC_SERVER_H_
#define KEELSON_SERVER_RPC_RPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "http/tls.h"
#include "server/rpc/admission.h"
#include "server/rpc/call.h"
#include "server/rpc/load_control.h"
#include "server/rpc/method_statistics.h"
#include "server/rpc/served_call.h"

namespace keelson::rpc {

struct RpcServerOptions {
  uint64_t request_bytes_max = 1572864 + 524288;         // one message, after decompression
  uint32_t concurrent_streams_max = 0x7fffffff;          // a connection
  absl::Duration keepalive_min_time = absl::Seconds(5);  // client pings more often: too_many_pings
  absl::Duration keepalive_interval = absl::Hours(2);    // our ping to a silent client
  absl::Duration keepalive_timeout = absl::Seconds(20);
  // Whose pages may read plain HTTP answers (CORS); "*": everybody's.
  std::vector<std::string> cors_origins = {"*"};
  // By what names plain HTTP requests that are not encrypted may call this server (against DNS
  // rebinding, CVE-2018-5702); "*": any.
  std::vector<std::string> host_whitelist = {"*"};
  bool reuse_port = false;         // listen beside other processes
  bool measures_handling = false;  // MethodStatistics::handling
  LoadLimits load;
  // The lane of a method's calls; without it all are vital ones.
  std::function<LaneRule(std::string_view method)> lanes = nullptr;
  // What a call hears that there is no room for.
  absl::Status refusal = absl::ResourceExhaustedError("too many requests");
  // Told, at their end, of unary calls that took so long or longer, sending included.
  absl::Duration slow_after = absl::InfiniteDuration();
  std::function<void(const EndedCall&)> on_slow = nullptr;
};

struct HttpRequest {
  std::string method;
  std::string path;   // without the query
  std::string query;  // without '?'
  std::string body;
};
struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow = {};  // the methods there are, with a 405
};
// Answers a plain HTTP request (HTTP/1.1, or HTTP/2 that is not gRPC); `respond` may be called
// later, once.
using HttpHandler =
    std::function<void(HttpRequest request, std::function<void(HttpResponse)> respond)>;

// The JSON form of a method's messages.
struct MessageJson {
  // The message's bytes. Error: InvalidArgument.
  std::function<absl::StatusOr<std::string>(std::string_view json)> to_request;
  std::function<absl::StatusOr<std::string>(const ByteChain& answer)> from_answer;
};

class RpcServer {
 public:
  RpcServer(asio::io_context* loop, const Clock* clock, RpcServerOptions options);
  ~RpcServer();

  // Asked before the handlers of what is registered from now on; outlives the server.
  void SetAdmission(Admission* admission);
  // REQUIRES: before the first Listen. `method` is "/package.Service/Method".
  void RegisterUnary(std::string method, UnaryHandler handler);
  void RegisterServerStream(std::string method, ServerStreamHandler handler);
  void RegisterBidi(std::string method, BidiHandler handler);
  // For calls that come over no connection: what a registered method is served by, behind its
  // admission; null: there is no such method. Valid as long as the server.
  const Handler* FindHandler(std::string_view method) const;
  // POST `path`, with JSON, is `method` (which may be registered before or after); at /v3beta too
  // what is at /v3.
  void RegisterGateway(std::string path, std::string method, MessageJson message_json);
  // Asked for each call of the gateway whose client's certificate has a common name: true refuses
  // it, for the name would not count there.
  void SetCertificatesRefused(std::function<bool()> refused);
  // Exact path; anything else is 404.
  void RegisterHttp(std::string path, HttpHandler handler);
  // Asked for each gRPC call of a registered method before all else; an error ends the call.
  void SetMethodCheck(std::function<absl::Status(std::string_view method)> check);

  // Accepts on host:port (host may be a name, an IPv4 or a bracketed IPv6 address; port 0 picks
  // one). May be called several times. Error: the address cannot be resolved or bound ("listen tcp
  // 127.0.0.1:2379: bind: address already in use").
  absl::Status Listen(const std::string& host, uint16_t port,
                      std::shared_ptr<http::TlsCredentials> tls = nullptr);
  // What was counted so far, by service and method. Valid as long as the server.
  std::vector<const MethodStatistics*> statistics() const;
  const LoadControl& load() const;

  // The port of the last Listen, for tests.
  uint16_t port() const;

  // Stops accepting, sends GOAWAY, lets running calls end for at most `grace`, then closes what is
  // left and calls `done`.
  void Shutdown(absl::Duration grace, std::function<void()> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_RPC_SERVER_H_
