#include "tools/kvbench/link.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "tools/kvbench/etcd_messages.h"

namespace keelson::kvbench {
namespace {

std::unique_ptr<http::PreparedHeaders> Method(const Endpoint& endpoint, const TlsCredentials& tls,
                                              std::string_view path) {
  const std::string authority = endpoint.text();
  const http::Header fields[] = {
      {":method", "POST"},       {":scheme", tls ? "https" : "http"},  {":path", path},
      {":authority", authority}, {"content-type", "application/grpc"}, {"user-agent", "kvbench"},
      {"te", "trailers"}};
  return std::make_unique<http::PreparedHeaders>(fields);
}

int ParseInt(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Asks one member for its status.
class StatusCall final : public UnaryCall {
 public:
  bool done() const { return done_; }
  bool leads() const {
    return member_ && member_->leader != 0 && member_->leader == member_->member_id;
  }
  const absl::Status& status() const { return status_; }
  void Fail(absl::Status status) {
    status_ = std::move(status);
    done_ = true;
  }

 private:
  void OnAnswer(const absl::Status& status, std::string_view answer) override {
    status_ = status;
    if (status.ok()) member_ = ReadStatus(answer);
    done_ = true;
  }

  bool done_ = false;
  absl::Status status_;
  std::optional<MemberStatus> member_;
};

}  // namespace

void AnswerStatus::Clear() {
  http_status_ = 0;
  grpc_status_ = -1;
  message_.clear();
}

void AnswerStatus::OnField(std::string_view name, std::string_view value) {
  if (name == ":status") {
    http_status_ = ParseInt(value);
  } else if (name == "grpc-status") {
    grpc_status_ = ParseInt(value);
  } else if (name == "grpc-message") {
    message_ = value;
  }
}

absl::Status AnswerStatus::Get(http::ClientStreamEnd end) const {
  if (grpc_status_ == 0 && http_status_ == 200) return absl::OkStatus();
  if (grpc_status_ > 0) return {static_cast<absl::StatusCode>(grpc_status_), message_};
  switch (end.reason) {
    case http::ClientStreamEnd::Reason::kConnectionLost:
      return absl::UnavailableError("the connection was lost");
    case http::ClientStreamEnd::Reason::kReset:
      return absl::UnavailableError("the stream was reset, HTTP/2 error " +
                                    std::to_string(end.error_code));
    case http::ClientStreamEnd::Reason::kAnswered:
      break;
  }
  if (http_status_ != 200) {
    return absl::InternalError("HTTP status " + std::to_string(http_status_));
  }
  return absl::InternalError("no grpc-status");
}

bool UnaryCall::Start(Link* link, const http::PreparedHeaders& headers, std::string_view request) {
  status_.Clear();
  body_.clear();
  return link->connection->Open(headers, request, http::EndStream::kYes, this) != 0;
}

void UnaryCall::OnClose(http::ClientStreamEnd end) {
  const absl::Status status = status_.Get(end);
  if (!status.ok()) return OnAnswer(status, {});
  const std::string_view body = body_;
  if (body.size() < kMessagePrefixBytes || body[0] != 0 ||
      LoadBig32(body.data() + 1) != body.size() - kMessagePrefixBytes) {
    return OnAnswer(absl::InternalError("the answer is not one message"), {});
  }
  OnAnswer(status, body.substr(kMessagePrefixBytes));
}

absl::StatusOr<TlsCredentials> LoadTls(const Tls& tls) {
  if (!tls.on) return TlsCredentials();
  http::TlsOptions options;
  options.trusted_ca_file = tls.ca;
  options.client_cert_file = tls.cert;
  options.client_key_file = tls.key;
  options.client_protocols = {"h2"};
  return http::TlsCredentials::Load(options, [](const std::string& line) {
    std::fprintf(stderr, "kvbench: %s\n", line.c_str());
  });
}

absl::StatusOr<Links> Connect(asio::io_context* loop, const std::vector<Endpoint>& endpoints,
                              size_t count, absl::Duration timeout, const TlsCredentials& tls) {
  Links links;
  http::ClientOptions options;
  options.tls = tls;
  size_t connected = 0;
  absl::Status failure;
  for (size_t i = 0; i < count; ++i) {
    auto link = std::make_unique<Link>();
    link->endpoint = endpoints[i % endpoints.size()];
    link->put = Method(link->endpoint, tls, "/etcdserverpb.KV/Put");
    link->get = Method(link->endpoint, tls, "/etcdserverpb.KV/Range");
    link->watch = Method(link->endpoint, tls, "/etcdserverpb.Watch/Watch");
    link->member_status = Method(link->endpoint, tls, "/etcdserverpb.Maintenance/Status");
    link->connection = std::make_unique<http::ClientConnection>(loop, options);
    link->connection->Connect(
        link->endpoint.host, link->endpoint.port,
        [&connected, &failure](const absl::Status& status) {
          if (!status.ok()) failure = status;
          ++connected;
        },
        [link = link.get()](const absl::Status& status) { link->status = status; });
    links.push_back(std::move(link));
  }
  const bool in_time = RunLoop(loop, timeout, [&] { return connected == count || !failure.ok(); });
  if (!in_time) failure = absl::UnavailableError("connecting takes too long");
  if (!failure.ok()) return failure;  // destroys the connections, which then call nobody
  return links;
}

absl::StatusOr<Endpoint> FindLeader(asio::io_context* loop, const std::vector<Endpoint>& endpoints,
                                    absl::Duration timeout, const TlsCredentials& tls) {
  absl::Status failure = absl::UnavailableError("no endpoint is the leader");
  for (const Endpoint& endpoint : endpoints) {
    StatusCall call;  // outlives its connection
    absl::StatusOr<Links> links = Connect(loop, {endpoint}, 1, timeout, tls);
    if (!links.ok()) {
      call.Fail(links.status());
    } else {
      Link* link = links->front().get();
      std::string request;
      AppendStatus(request);
      call.Start(link, *link->member_status, request);
      if (!RunLoop(loop, timeout, [&call] { return call.done(); })) {
        call.Fail(absl::UnavailableError(endpoint.text() + ": no answer"));
      }
    }
    if (call.leads()) return endpoint;
    if (!call.status().ok()) failure = call.status();
  }
  return failure;
}

}  // namespace keelson::kvbench
