#include "apiserver/http/api_front.h"

#include <zlib.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "apiserver/api/decode.h"
#include "apiserver/api/discovery.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/openapi.h"
#include "apiserver/auth/reviews.h"
#include "apiserver/runtime/log.h"
#include "asio/post.hpp"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;
using api::Kind;

namespace {

constexpr size_t kGzipBytesMin = 128 << 10;

// gzip, level 1, as upstream: network for little work.
std::optional<std::string> Gzip(std::string_view bytes) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) return std::nullopt;
  return out;
}

void Compress(const ApiRequest& request, ApiResponse* response) {
  if (!request.takes_gzip || response->body.size() < kGzipBytesMin) return;
  std::optional<std::string> packed = Gzip(response->body.Flatten());
  if (!packed) return;
  response->body = ByteChain(*std::move(packed));
  response->headers.emplace_back("content-encoding", "gzip");
  response->headers.emplace_back("vary", "Accept-Encoding");
}

void Send(http::Stream* stream, const ApiResponse& response) {
  std::vector<http::Header> headers;
  const std::string length = std::to_string(response.body.size());
  headers.push_back({"content-type", response.content_type});
  headers.push_back({"content-length", length});
  bool cacheable = false;
  for (const auto& [name, value] : response.headers) {
    headers.push_back({name, value});
    cacheable |= name == "cache-control";
  }
  if (!cacheable) headers.push_back({"cache-control", "no-cache, private"});
  std::vector<std::string> warnings;
  warnings.reserve(response.warnings.size());
  for (const std::string& warning : response.warnings) {
    warnings.push_back(WarningValue(warning));
    headers.push_back({"warning", warnings.back()});
  }
  const bool empty = response.body.empty();
  stream->SendHeaders(response.code, headers, empty ? http::EndStream::kYes : http::EndStream::kNo);
  if (empty) return;
  stream->SendData(response.body);
  stream->End({});
}

bool IsKept(const Kind& kind) { return !kind.stored().storage_prefix.empty(); }

}  // namespace

struct ApiFront::Outcome {
  std::optional<ApiResponse> response = {};
  std::optional<WatchPlan> watch = {};
  std::optional<std::string> log_url = {};

  static Outcome Of(absl::StatusOr<ApiResponse> answer) {
    Outcome outcome;
    outcome.response = answer.ok() ? *std::move(answer) : ApiResponse::Of(answer.status());
    return outcome;
  }
};

// One request, until it is handed to a watch or a log, which then get what comes of the stream.
class ApiFront::Exchange final : public http::StreamHandler,
                                 public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(ApiFront* front, http::Stream* stream, http::Request request, RequestInfo info)
      : front_(front),
        stream_(stream),
        headers_(std::move(request.headers)),
        certificate_(stream->peer_certificate()) {
    request_.info = std::move(info);
    request_.accept = headers_.Get("accept");
    request_.content_type = headers_.Get("content-type");
    request_.user_agent = headers_.Get("user-agent");
    request_.if_none_match = headers_.Get("if-none-match");
    request_.takes_gzip = absl::StrContains(std::string(headers_.Get("accept-encoding")), "gzip");
  }

  void OnData(std::string_view bytes) override {
    if (handed_to_ != nullptr) return handed_to_->OnData(bytes);
    if (stream_ == nullptr) return;
    stream_->Consume(bytes.size());
    if (answered_) return;
    if (request_.body.size() + bytes.size() > api::kBodyBytesMax) {
      Answer(ApiResponse::Of(api::TooLarge("limit is 3145728")));
      return;
    }
    request_.body.append(bytes);
  }

  void OnEnd() override {
    if (handed_to_ != nullptr) return handed_to_->OnEnd();
    if (stream_ == nullptr || answered_) return;
    began_ = absl::Now();
    const bool taken = front_->parts_.workers->TryRun([self = shared_from_this()] {
      auto outcome = std::make_shared<Outcome>(self->Serve());
      asio::post(*self->front_->parts_.loop, [self, outcome] { self->Finish(*outcome); });
    });
    if (!taken) {
      Answer(
          ApiResponse::Of(api::TooManyRequests("too many requests, please try again later.", 1)));
    }
  }

  void OnWritable() override {
    if (handed_to_ != nullptr) handed_to_->OnWritable();
  }
  void OnClientClosed() override {
    if (handed_to_ != nullptr) handed_to_->OnClientClosed();
  }
  void OnClose(http::CloseReason reason) override {
    stream_ = nullptr;
    if (handed_to_ == nullptr) return;
    std::exchange(handed_to_, nullptr)->OnClose(reason);
    front_->metrics_.SetOpenWatches(front_->watches_.size());
  }

 private:
  // On a worker. Whatever is wrong with what serves a request, it ends this request alone.
  Outcome Serve() {
    try {
      Outcome outcome = front_->Serve(request_, certificate_, headers_);
      if (outcome.response) Compress(request_, &*outcome.response);
      return outcome;
    } catch (const std::exception& error) {
      runtime::LogWarning(
          Concat(request_.info.method, ' ', request_.info.path, " failed: ", error.what()));
      return Outcome::Of(api::Internal(error.what()));
    }
  }
  void Finish(Outcome& outcome) {
    if (stream_ == nullptr || answered_) return;
    if (outcome.response) {
      Answer(*outcome.response);
      return;
    }
    answered_ = true;
    front_->metrics_.Record(request_.info, 200, absl::Now() - began_);
    if (outcome.watch) {
      handed_to_ = front_->watches_.Start(stream_, *std::move(outcome.watch));
      front_->metrics_.SetOpenWatches(front_->watches_.size());
    } else {
      handed_to_ = front_->parts_.logs->Start(stream_, *outcome.log_url);
    }
  }
  void Answer(const ApiResponse& response) {
    answered_ = true;
    if (began_ != absl::InfinitePast()) {
      front_->metrics_.Record(request_.info, response.code, absl::Now() - began_);
    }
    Send(stream_, response);
  }

  ApiFront* const front_;
  http::Stream* stream_;  // null once closed
  const http::HeaderBlock headers_;
  const http::PeerCertificate certificate_;
  ApiRequest request_;  // of the worker from OnEnd until Finish
  bool answered_ = false;
  absl::Time began_ = absl::InfinitePast();
  std::shared_ptr<http::StreamHandler> handed_to_;
};

ApiFront::ApiFront(const Parts& parts)
    : parts_(parts),
      objects_(parts.registry, parts.authorizer),
      pods_(parts.registry),
      resource_metrics_(parts.registry),
      watches_(parts.loop) {}
ApiFront::~ApiFront() = default;

std::shared_ptr<http::StreamHandler> ApiFront::OnRequest(http::Stream* stream,
                                                         http::Request request) {
  absl::StatusOr<RequestInfo> info =
      ParseRequest(request.headers.Get(":method"), request.headers.Get(":path"));
  if (!info.ok()) {
    Send(stream, ApiResponse::Of(info.status()));
    return nullptr;
  }
  if (ServeAtOnce(stream, *info)) return nullptr;
  return std::make_shared<Exchange>(this, stream, std::move(request), *std::move(info));
}

// What must be answered while workers wait for a store that does not: health, for whoever asks.
bool ApiFront::ServeAtOnce(http::Stream* stream, const RequestInfo& info) {
  if (info.method != "GET" && info.method != "HEAD") return false;
  if (info.path == "/livez" || info.path == "/healthz" || info.path == "/readyz") {
    const bool ready = parts_.ready();
    const bool good = info.path == "/livez" || ready;
    std::string text = good ? "ok" : Concat(info.path.substr(1), " check failed");
    if (info.Has("verbose") || !good) {
      text = Concat("[+]ping ok\n", ready ? "[+]etcd ok\n" : "[-]etcd failed: reason withheld\n",
                    info.path.substr(1), good ? " check passed\n" : " check failed\n");
    }
    Send(stream, ApiResponse::Text(std::move(text), good ? 200 : 500));
    return true;
  }
  return false;
}

absl::Status ApiFront::CheckAccess(ApiRequest& request, const http::PeerCertificate& certificate,
                                   const http::HeaderBlock& headers) {
  KV_ASSIGN_OR_RETURN(request.user, parts_.authenticator->Authenticate(certificate, headers));
  KV_ASSIGN_OR_RETURN(request.user, auth::Impersonate(request.user, headers, *parts_.authorizer));
  return parts_.authorizer->Authorize(AttributesOf(request));
}

ApiFront::Outcome ApiFront::Serve(ApiRequest& request, const http::PeerCertificate& certificate,
                                  const http::HeaderBlock& headers) {
  if (const absl::Status access = CheckAccess(request, certificate, headers); !access.ok()) {
    return Outcome::Of(access);
  }
  RequestInfo& info = request.info;
  if (!info.is_resource) return Outcome::Of(ServePath(request));
  const absl::StatusOr<const Kind*> kind = FindKind(info);
  if (!kind.ok()) return Outcome::Of(kind.status());
  // A namespace is in itself where access is asked for, and in none where it is kept.
  if (!(*kind)->namespaced) request.info.name_space.clear();
  if (info.verb == "watch") {
    absl::StatusOr<WatchPlan> plan = objects_.PlanWatch(**kind, request);
    if (!plan.ok()) return Outcome::Of(plan.status());
    Outcome outcome;
    outcome.watch = *std::move(plan);
    return outcome;
  }
  if (info.resource == "pods" && info.subresource == "log" && info.verb == "get") {
    absl::StatusOr<std::string> url = parts_.logs->Locate(request);
    if (!url.ok()) return Outcome::Of(url.status());
    Outcome outcome;
    outcome.log_url = *std::move(url);
    return outcome;
  }
  return Outcome::Of(ServeObjects(**kind, request));
}

absl::StatusOr<ApiResponse> ApiFront::ServeObjects(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  if (info.resource == "bindings" && info.group.empty()) return pods_.Bind(request);
  if (kind.group == "metrics.k8s.io") return resource_metrics_.Serve(kind, request);
  if (!IsKept(kind)) return ServeReview(kind, request);
  if (info.group.empty() && info.verb == "create" && !info.subresource.empty()) {
    if (info.resource == "pods" && info.subresource == "binding") return pods_.Bind(request);
    if (info.resource == "pods" && info.subresource == "eviction") return pods_.Evict(request);
    if (info.resource == "serviceaccounts" && info.subresource == "token") {
      KV_ASSIGN_OR_RETURN(Json body, DecodePart(request, "authentication.v1.TokenRequest"));
      KV_ASSIGN_OR_RETURN(const Json granted,
                          parts_.tokens->Request(info.name_space, info.name, std::move(body)));
      return ApiResponse::Of(granted, 201);
    }
  }
  if (info.resource == "pods" && (info.subresource == "exec" || info.subresource == "attach" ||
                                  info.subresource == "portforward")) {
    return api::BadRequest(Concat("the nodes of this cluster do not offer ", info.subresource));
  }
  return objects_.Handle(kind, request);
}

absl::StatusOr<ApiResponse> ApiFront::ServeReview(const Kind& kind, const ApiRequest& request) {
  if (request.info.verb != "create") {
    return api::MethodNotAllowed(kind.resource(), request.info.verb);
  }
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(Json review, DecodeObject(request, kind, &warnings));
  auth::Authorizer& authorizer = *parts_.authorizer;
  absl::StatusOr<Json> answer = [&]() -> absl::StatusOr<Json> {
    if (kind.kind == "SelfSubjectAccessReview") {
      return auth::ReviewSelfAccess(authorizer, request.user, std::move(review));
    }
    if (kind.kind == "SubjectAccessReview") {
      return auth::ReviewAccess(authorizer, std::move(review));
    }
    if (kind.kind == "LocalSubjectAccessReview") {
      return auth::ReviewLocalAccess(authorizer, request.info.name_space, std::move(review));
    }
    if (kind.kind == "SelfSubjectRulesReview") {
      return auth::ReviewSelfRules(authorizer, request.user, std::move(review));
    }
    if (kind.kind == "SelfSubjectReview") {
      return auth::ReviewSelf(request.user, absl::Now(), std::move(review));
    }
    if (kind.kind == "TokenReview") {
      return auth::ReviewToken(*parts_.authenticator, std::move(review));
    }
    return api::NoSuchPath();
  }();
  if (!answer.ok()) return answer.status();
  (*answer)["apiVersion"] = kind.api_version();
  (*answer)["kind"] = kind.kind;
  ApiResponse response = ApiResponse::Of(*answer, 201);
  response.warnings = std::move(warnings);
  return response;
}

absl::StatusOr<ApiResponse> ApiFront::ServePath(const ApiRequest& request) {
  const RequestInfo& info = request.info;
  if (info.method != "GET" && info.method != "HEAD") return api::NoSuchPath();
  const std::string& path = info.path;
  if (path == "/version") {
    const size_t dot = parts_.version.find('.');
    const size_t second = parts_.version.find('.', dot + 1);
    return ApiResponse::Of(Json{{"major", parts_.version.substr(1, dot - 1)},
                                {"minor", parts_.version.substr(dot + 1, second - dot - 1)},
                                {"gitVersion", parts_.version},
                                {"gitCommit", ""},
                                {"gitTreeState", "clean"},
                                {"buildDate", "1970-01-01T00:00:00Z"},
                                {"goVersion", ""},
                                {"compiler", "gcc"},
                                {"platform", "linux/amd64"}});
  }
  if (path == "/metrics") {
    return ApiResponse::Text(metrics_.Text(), 200, "text/plain; version=0.0.4; charset=utf-8");
  }
  if (path == "/.well-known/openid-configuration") {
    return ApiResponse::Text(parts_.tokens->OpenIdConfiguration("/openid/v1/jwks"), 200,
                             "application/json");
  }
  if (path == "/openid/v1/jwks") {
    return ApiResponse::Text(parts_.tokens->Jwks(), 200, "application/jwk-set+json");
  }
  std::optional<api::Document> document = api::DiscoveryDocument(path, request.accept);
  if (!document) {
    document = api::OpenApiDocument({.path = path,
                                     .hash = info.Parameter("hash"),
                                     .accept = request.accept,
                                     .if_none_match = request.if_none_match});
  }
  if (document) {
    ApiResponse response = ApiResponse::Text(std::move(document->body), document->code,
                                             std::move(document->content_type));
    response.headers = std::move(document->headers);
    return response;
  }
  return api::NoSuchPath();
}

}  // namespace keelson::apiserver
