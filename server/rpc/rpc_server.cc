#include "server/rpc/rpc_server.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/check.h"
#include "http/ascii.h"
#include "http/server.h"
#include "http/websocket.h"
#include "server/rpc/deadline_queue.h"
#include "server/rpc/gateway_call.h"
#include "server/rpc/gateway_socket.h"
#include "server/rpc/load_loop.h"
#include "server/rpc/plain_http.h"
#include "server/rpc/server_call.h"

namespace keelson::rpc {
namespace {

// A map by string that is asked with string_views. (absl's own lookup takes absl::string_view,
// which in Debian's build is a type of its own.)
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <typename Value>
using TextMap = absl::flat_hash_map<std::string, Value, TextHash, std::equal_to<>>;
using TextSet = absl::flat_hash_set<std::string, TextHash, std::equal_to<>>;

constexpr absl::Duration kHandlingFirst = absl::Milliseconds(1);
constexpr int kHandlingBounds = 14;
// The former place of /v3/.
constexpr std::string_view kV3Beta = "/v3beta/";

http::ServerOptions HttpOptions(const RpcServerOptions& options) {
  http::ServerOptions http;
  http.concurrent_streams_max = options.concurrent_streams_max;
  http.ping_interval_min = options.keepalive_min_time;
  http.keepalive_interval = options.keepalive_interval;
  http.keepalive_timeout = options.keepalive_timeout;
  http.reuse_port = options.reuse_port;
  return http;
}

// "application/grpc", "application/grpc+proto", "application/grpc;charset=x"; not
// "application/grpc-web".
bool IsGrpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  content_type.remove_prefix(kGrpc.size());
  return content_type.empty() || content_type.front() == '+' || content_type.front() == ';';
}

// What grpc-go says about a path that nobody registered.
absl::Status UnknownMethod(std::string_view path, const TextSet& services) {
  const size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash == 0) {
    return absl::UnimplementedError("malformed method name: \"" + std::string(path) + "\"");
  }
  const std::string service(path.substr(1, slash - 1));
  if (!services.contains(service)) return absl::UnimplementedError("unknown service " + service);
  return absl::UnimplementedError("unknown method " + std::string(path.substr(slash + 1)) +
                                  " for service " + service);
}

}  // namespace

// Of "host:port", "[address]:port" or without the port.
std::string HostOf(std::string_view authority) {
  if (authority.starts_with('[')) {
    return std::string(authority.substr(1, authority.find(']') - 1));
  }
  return std::string(authority.substr(0, authority.find(':')));
}

HttpResponse WrongHost(const std::string& host) {
  return {.status = 421,
          .body = "The host name of this request, \"" + host +
                  "\", is not one of --host-whitelist.\n"
                  "That list keeps web pages from reaching the server under names of their own "
                  "(CVE-2018-5702, DNS rebinding).\n"
                  "Add the name to the list, or use TLS, where the list does not count.\n"};
}

class RpcServer::Impl final : public http::RequestHandler {
 public:
  Impl(asio::io_context* loop, const Clock* clock, RpcServerOptions options)
      : deadlines_(loop, clock),
        cors_origins_(options.cors_origins),
        host_whitelist_(options.host_whitelist),
        measures_handling_(options.measures_handling),
        lanes_(options.lanes),
        load_loop_(loop, clock, options.load),
        environment_{clock,
                     options.request_bytes_max,
                     http::ServerOptions().stream_high_water_bytes,
                     &deadlines_,
                     load_loop_.load(),
                     options.refusal,
                     options.slow_after,
                     options.on_slow},
        http_(loop, clock, this, HttpOptions(options)) {}

  template <typename Handler>
  void Register(std::string path, Handler handler) {
    if (admission_ != nullptr) handler = Admitted(admission_, std::move(handler));
    const LaneRule lane = lanes_ ? lanes_(path) : LaneRule();
    Register(Method{std::move(path), std::move(handler), lane, nullptr});
  }
  void Register(Method method) {
    const size_t slash = method.path.rfind('/');
    KV_CHECK(method.path.starts_with('/') && slash > 0) << method.path;
    services_.insert(method.path.substr(1, slash - 1));
    method.statistics = std::make_unique<MethodStatistics>();
    method.statistics->service = method.path.substr(1, slash - 1);
    method.statistics->method = method.path.substr(slash + 1);
    constexpr const char* kTypes[] = {"unary", "server_stream", "bidi_stream"};
    method.statistics->type = kTypes[method.handler.index()];
    if (measures_handling_) {
      method.statistics->handling =
          std::make_unique<DurationHistogram>(kHandlingFirst, kHandlingBounds);
    }
    std::string path = method.path;
    const bool added =
        methods_.emplace(std::move(path), std::make_unique<Method>(std::move(method))).second;
    KV_CHECK(added) << "registered twice";
  }

  std::shared_ptr<http::StreamHandler> OnRequest(http::Stream* stream,
                                                 http::Request request) override;
  std::shared_ptr<http::StreamHandler> OnPlainRequest(http::Stream* stream, http::Request request);
  std::shared_ptr<http::StreamHandler> OnGatewayRequest(http::Stream* stream, http::Request request,
                                                        const std::string& path,
                                                        const std::string& allowed_origin);
  // Why no call of `method` is taken at all.
  absl::Status CheckCall(const Method& method);
  // A name by which the request may call us.
  bool IsHostAllowed(const std::string& host) const;
  // The stream of the call that begins over a WebSocket; null: it was answered.
  std::shared_ptr<http::StreamHandler> OnSocketRequest(http::Stream* stream, http::Request request,
                                                       const Method* method,
                                                       const MessageJson* message_json);
  // The origin to name in CORS headers; empty: none is allowed.
  std::string AllowedOrigin(const http::Request& request) const;

  struct GatewayMethod {
    std::string path;  // of the gRPC method
    MessageJson message_json;
  };

  Admission* admission_ = nullptr;
  TextMap<std::unique_ptr<Method>> methods_;
  TextSet services_;
  TextMap<HttpHandler> http_handlers_;
  std::function<absl::Status(std::string_view method)> method_check_;  // null: all may be called
  TextMap<std::unique_ptr<GatewayMethod>> gateway_;
  DeadlineQueue deadlines_;
  const std::vector<std::string> cors_origins_;
  const std::vector<std::string> host_whitelist_;
  std::function<bool()> certificates_refused_;  // null: they may come
  const bool measures_handling_;
  const std::function<LaneRule(std::string_view method)> lanes_;
  LoadLoop load_loop_;
  const CallEnvironment environment_;
  http::Server http_;  // last: its destruction ends all calls
};

std::shared_ptr<http::StreamHandler> RpcServer::Impl::OnRequest(http::Stream* stream,
                                                                http::Request request) {
  if (request.version != http::Version::kHttp2 || !IsGrpc(request.headers.Get("content-type"))) {
    return OnPlainRequest(stream, std::move(request));
  }
  if (request.headers.Get(":method") != "POST") {
    SendHttpResponse(stream, {.status = 405, .body = ""}, BodyUse::kSend, "");
    return nullptr;
  }
  const std::string_view path = request.headers.Get(":path");
  const auto method = methods_.find(path);
  if (method == methods_.end()) {
    SendStatusOnly(stream, UnknownMethod(path, services_));
    return nullptr;
  }
  if (const absl::Status status = CheckCall(*method->second); !status.ok()) {
    SendStatusOnly(stream, status);
    return nullptr;
  }
  auto call = std::make_shared<ServerCall>(&environment_, method->second.get(), stream,
                                           std::move(request.headers));
  call->Start();
  return call;
}

absl::Status RpcServer::Impl::CheckCall(const Method& method) {
  const Lane lane = method.lane.lane;
  if (lane != Lane::kVital && !environment_.load->HasRoomForCall()) {
    environment_.load->CountRefusal(lane);
    return environment_.refusal;
  }
  return method_check_ ? method_check_(method.path) : absl::OkStatus();
}

bool RpcServer::Impl::IsHostAllowed(const std::string& host) const {
  return host_whitelist_.empty() ||
         std::any_of(host_whitelist_.begin(), host_whitelist_.end(),
                     [&host](const std::string& name) { return name == "*" || name == host; });
}

std::string RpcServer::Impl::AllowedOrigin(const http::Request& request) const {
  const std::string origin(request.headers.Get("origin"));
  for (const std::string& allowed : cors_origins_) {
    if (allowed == "*") return "*";
    if (allowed == origin) return origin;
  }
  return "";
}

std::shared_ptr<http::StreamHandler> RpcServer::Impl::OnPlainRequest(http::Stream* stream,
                                                                     http::Request request) {
  const std::string_view target = request.headers.Get(":path");
  const size_t question = target.find('?');
  const std::string allowed_origin = AllowedOrigin(request);
  HttpRequest plain;
  plain.method = request.headers.Get(":method");
  plain.path = target.substr(0, question);
  if (question != std::string_view::npos) plain.query = target.substr(question + 1);
  const BodyUse body = plain.method == "HEAD" ? BodyUse::kAnnounce : BodyUse::kSend;
  const auto answer = [&](HttpResponse response) {
    SendHttpResponse(stream, response, body, allowed_origin);
    return nullptr;
  };
  if (!stream->secure()) {
    const std::string host = HostOf(request.headers.Get(":authority"));
    if (!IsHostAllowed(host)) {
      SendHttpResponse(stream, WrongHost(host), body, "");
      return nullptr;
    }
  }
  if (plain.method == "OPTIONS") return answer({.content_type = "", .body = ""});
  if (!gateway_.empty() && (plain.path.starts_with("/v3/") || plain.path.starts_with(kV3Beta))) {
    return OnGatewayRequest(stream, std::move(request), plain.path, allowed_origin);
  }
  if (const auto handler = http_handlers_.find(plain.path); handler != http_handlers_.end()) {
    return std::make_shared<PlainHttpCall>(stream, &handler->second, std::move(plain),
                                           environment_.request_bytes_max, allowed_origin);
  }
  if (methods_.contains(plain.path)) {
    const std::string type(request.headers.Get("content-type"));
    return answer({.status = 415, .body = "invalid gRPC request content-type \"" + type + "\"\n"});
  }
  return answer({.status = 404, .body = "404 page not found\n"});
}

std::shared_ptr<http::StreamHandler> RpcServer::Impl::OnGatewayRequest(
    http::Stream* stream, http::Request request, const std::string& path,
    const std::string& allowed_origin) {
  const auto found =
      gateway_.find(path.starts_with(kV3Beta) ? "/v3/" + path.substr(kV3Beta.size()) : path);
  const bool socket =
      request.version == http::Version::kHttp11 && http::IsWebSocketRequest(request.headers);
  // Over a WebSocket it counts as a POST.
  const std::string_view http_method = socket ? "POST" : request.headers.Get(":method");
  const BodyUse body = http_method == "HEAD" ? BodyUse::kAnnounce : BodyUse::kSend;
  if (found == gateway_.end()) {
    SendHttpResponse(stream, {.status = 404, .body = "Not Found\n"}, body, allowed_origin);
    return nullptr;
  }
  if (!stream->peer_certificate().common_name.empty() && certificates_refused_ &&
      certificates_refused_()) {
    const char* kText =
        "the common name of a client's certificate does not count here: use a token\n";
    SendHttpResponse(stream, {.status = 400, .body = kText}, body, allowed_origin);
    return nullptr;
  }
  if (http_method != "POST") {
    SendHttpResponse(stream, {.status = 405, .body = "Method Not Allowed\n"}, body, allowed_origin);
    return nullptr;
  }
  const GatewayMethod& gateway = *found->second;
  const auto method = methods_.find(gateway.path);
  if (method == methods_.end()) {
    SendHttpResponse(stream, GatewayError(UnknownMethod(gateway.path, services_)), body,
                     allowed_origin);
    return nullptr;
  }
  if (const absl::Status status = CheckCall(*method->second); !status.ok()) {
    SendHttpResponse(stream, GatewayError(status), body, allowed_origin);
    return nullptr;
  }
  if (socket) {
    return OnSocketRequest(stream, std::move(request), method->second.get(), &gateway.message_json);
  }
  auto call =
      std::make_shared<GatewayCall>(&environment_, method->second.get(), &gateway.message_json,
                                    stream, std::move(request.headers), allowed_origin);
  call->Start();
  return call;
}

std::shared_ptr<http::StreamHandler> RpcServer::Impl::OnSocketRequest(
    http::Stream* stream, http::Request request, const Method* method,
    const MessageJson* message_json) {
  const std::string accept = http::WebSocketAccept(request.headers);
  http::HeaderBlock& headers = request.headers;
  PlainHeaders answer = {{"upgrade", "websocket", http::Header::Storage::kStatic},
                         {"sec-websocket-accept", accept}};
  // Pages cannot set a header; the token comes as the second of two protocols.
  constexpr std::string_view kBearer = "Bearer,";
  const std::string protocol(headers.Get("sec-websocket-protocol"));
  if (protocol.starts_with(kBearer)) {
    answer.push_back({"sec-websocket-protocol", "Bearer", http::Header::Storage::kStatic});
    headers.Add("authorization",
                "Bearer " + std::string(http::StripSpace(
                                std::string_view(protocol).substr(kBearer.size()))));
  }
  if (accept.empty() || !stream->Upgrade(answer)) {
    SendHttpResponse(stream, {.status = 400, .body = "Bad Request\n"}, BodyUse::kSend, "");
    return nullptr;
  }
  auto connection =
      std::make_shared<GatewaySocket>(stream, GatewayCall::BodyBytesMax(environment_));
  connection->Begin(std::make_shared<GatewayCall>(
      &environment_, method, message_json, connection->call_stream(), std::move(headers), ""));
  return connection;
}

RpcServer::RpcServer(asio::io_context* loop, const Clock* clock, RpcServerOptions options)
    : impl_(std::make_unique<Impl>(loop, clock, options)) {}
RpcServer::~RpcServer() = default;

void RpcServer::SetAdmission(Admission* admission) { impl_->admission_ = admission; }
void RpcServer::RegisterUnary(std::string method, UnaryHandler handler) {
  impl_->Register(std::move(method), std::move(handler));
}
void RpcServer::RegisterServerStream(std::string method, ServerStreamHandler handler) {
  impl_->Register(std::move(method), std::move(handler));
}
void RpcServer::RegisterBidi(std::string method, BidiHandler handler) {
  impl_->Register(std::move(method), std::move(handler));
}
const Handler* RpcServer::FindHandler(std::string_view method) const {
  const auto found = impl_->methods_.find(method);
  return found == impl_->methods_.end() ? nullptr : &found->second->handler;
}
void RpcServer::RegisterGateway(std::string path, std::string method, MessageJson message_json) {
  KV_CHECK(path.starts_with("/v3/")) << path;
  impl_->gateway_.insert_or_assign(
      std::move(path), std::make_unique<Impl::GatewayMethod>(
                           Impl::GatewayMethod{std::move(method), std::move(message_json)}));
}
void RpcServer::RegisterHttp(std::string path, HttpHandler handler) {
  impl_->http_handlers_.insert_or_assign(std::move(path), std::move(handler));
}

void RpcServer::SetCertificatesRefused(std::function<bool()> refused) {
  impl_->certificates_refused_ = std::move(refused);
}
void RpcServer::SetMethodCheck(std::function<absl::Status(std::string_view method)> check) {
  impl_->method_check_ = std::move(check);
}

absl::Status RpcServer::Listen(const std::string& host, uint16_t port,
                               std::shared_ptr<http::TlsCredentials> tls) {
  return impl_->http_.Listen(host, port, std::move(tls));
}
std::vector<const MethodStatistics*> RpcServer::statistics() const {
  std::vector<const MethodStatistics*> all;
  for (const auto& [path, method] : impl_->methods_) all.push_back(method->statistics.get());
  std::sort(all.begin(), all.end(), [](const MethodStatistics* a, const MethodStatistics* b) {
    return std::tie(a->service, a->method) < std::tie(b->service, b->method);
  });
  return all;
}
const LoadControl& RpcServer::load() const { return *impl_->environment_.load; }
uint16_t RpcServer::port() const { return impl_->http_.port(); }
void RpcServer::Shutdown(absl::Duration grace, std::function<void()> done) {
  impl_->http_.Shutdown(grace, std::move(done));
}

}  // namespace keelson::rpc
