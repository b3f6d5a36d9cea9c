#include "server/rpc/gateway_call.h"

#include <utility>

#include "base/check.h"
#include "http/status_text.h"
#include "nlohmann/json.hpp"
#include "server/rpc/metadata.h"
#include "server/rpc/plain_http.h"

namespace keelson::rpc {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMetadataPrefix = "grpc-metadata-";
// Of a body beyond the base64 of its message.
constexpr uint64_t kJsonOverheadBytes = 64 << 10;

// Go's encoder writes these so that the text may stand in HTML.
std::string Dump(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "\\u003c";
        break;
      case '>':
        escaped += "\\u003e";
        break;
      case '&':
        escaped += "\\u0026";
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

int CodeOf(const absl::Status& status) {
  const int code = status.raw_code();
  return code >= 0 && code <= 16 ? code : 2;
}

std::string TextOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

HttpResponse GatewayError(const absl::Status& status) {
  const std::string text = TextOf(status);
  return {.status = HttpStatus(status.code()),
          .content_type = "application/json",
          .body = Dump({{"error", text}, {"message", text}, {"code", CodeOf(status)}})};
}

GatewayCall::GatewayCall(const CallEnvironment* environment, const Method* method,
                         const MessageJson* message_json, http::Stream* stream,
                         http::HeaderBlock headers, std::string allowed_origin)
    : ServedCall(environment, method, stream, std::move(headers)),
      message_json_(message_json),
      allowed_origin_(std::move(allowed_origin)),
      body_bytes_max_(BodyBytesMax(*environment)) {}

uint64_t GatewayCall::BodyBytesMax(const CallEnvironment& environment) {
  // Base64 makes four bytes of three.
  return environment.request_bytes_max / 3 * 4 * 2 + kJsonOverheadBytes;
}

void GatewayCall::Start() {
  const std::optional<std::string_view> text = headers_.Find("grpc-timeout");
  if (!text.has_value()) return;
  const std::optional<absl::Duration> timeout = ParseTimeout(*text);
  if (!timeout.has_value()) {
    return Fail(absl::InvalidArgumentError("invalid grpc-timeout: " + std::string(*text)));
  }
  SetDeadline(*timeout);
}

std::optional<std::string_view> GatewayCall::metadata(std::string_view name) const {
  const std::string field = std::string(kMetadataPrefix) + std::string(name);
  if (const auto value = headers_.Find(field); value.has_value()) return value;
  if (name == "authorization") return headers_.Find("authorization");
  if (name == "grpcgateway-accept") return headers_.Find("accept").value_or("");
  return std::nullopt;
}

// --- request ------------------------------------------------------------------------------------

absl::StatusOr<SharedBytes> GatewayCall::ToMessage(std::string_view json) const {
  absl::StatusOr<std::string> bytes = message_json_->to_request(json);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() > environment_->request_bytes_max) {
    return absl::ResourceExhaustedError("grpc: received message larger than max (" +
                                        std::to_string(bytes->size()) + " vs. " +
                                        std::to_string(environment_->request_bytes_max) + ")");
  }
  return SharedBytes(*std::move(bytes));
}

void GatewayCall::OnData(std::string_view bytes) {
  TakeWindow(bytes.size());
  if (!active() || input_over_) return;
  values_.Feed(bytes);
  if (bidi()) TakeValues();
  if (!active() || !CountPartial(values_.waiting())) return;
  if (values_.waiting() <= body_bytes_max_) return;
  Fail(absl::ResourceExhaustedError("grpc: received message larger than max (" +
                                    std::to_string(values_.waiting()) + " vs. " +
                                    std::to_string(body_bytes_max_) + ")"));
}

void GatewayCall::TakeValues() {
  while (active() && !input_over_) {
    absl::StatusOr<std::optional<std::string>> value = values_.Next();
    if (value.ok() && !value->has_value()) return;
    absl::StatusOr<SharedBytes> message =
        value.ok() ? ToMessage(**value) : absl::StatusOr<SharedBytes>(value.status());
    if (message.ok()) {
      meter_.Received(message->size());
      if (BeginStream()) receiver()->OnMessage(*std::move(message));
      continue;
    }
    input_over_ = true;
    // The first one is answered, by grpc-gateway with this code; a later one ends the requests.
    if (!begun()) return Fail(absl::UnknownError(TextOf(message.status())));
    if (receiver() != nullptr) receiver()->OnHalfClose();
  }
}

bool GatewayCall::BeginStream() {
  if (!begun() && active()) Begin({});
  return active() && receiver() != nullptr;
}

void GatewayCall::OnEnd() {
  if (!active() || input_over_) return;
  values_.End();
  if (!bidi()) return BeginCall(values_.Next());
  TakeValues();
  if (!active() || input_over_) return;
  input_over_ = true;
  if (BeginStream()) receiver()->OnHalfClose();
}

void GatewayCall::TakeWhatIsWhole() {
  if (!active() || input_over_ || bidi()) return;
  absl::StatusOr<std::optional<std::string>> value = values_.Next();
  if (!value.ok() || value->has_value()) BeginCall(std::move(value));
}

void GatewayCall::BeginCall(absl::StatusOr<std::optional<std::string>> value) {
  input_over_ = true;
  if (!value.ok()) return Fail(value.status());
  // No body is an empty message; what follows the first value is not looked at.
  absl::StatusOr<SharedBytes> message =
      value->has_value() ? ToMessage(**value) : absl::StatusOr<SharedBytes>(SharedBytes());
  if (!message.ok()) return Fail(message.status());
  meter_.Received(message->size());
  Begin(*std::move(message));
}

// --- answer -------------------------------------------------------------------------------------

void GatewayCall::SendHeaders(int status, http::EndStream end) {
  headers_sent_ = true;
  PlainHeaders headers = {{"content-type", "application/json", http::Header::Storage::kStatic}};
  AppendCors(allowed_origin_, &headers);
  stream_->SendHeaders(status, headers, end);
}

void GatewayCall::SendWhole(const HttpResponse& response) {
  headers_sent_ = true;
  SendHttpResponse(stream_, response, BodyUse::kSend, allowed_origin_);
}

void GatewayCall::Send(ByteChain message) {
  if (!active()) return;
  meter_.Sent(message.size());
  if (unary()) {
    answer_ = std::move(message);
    return;
  }
  const absl::StatusOr<std::string> json = message_json_->from_answer(message);
  if (!json.ok()) return Fail(json.status());
  if (!headers_sent_) SendHeaders(200, http::EndStream::kNo);
  stream_->SendData("{\"result\":" + *json + "}\n");
  NoteUnsent();
}

void GatewayCall::SendStatus(const absl::Status& status) {
  absl::Status result = status;
  if (result.ok() && unary()) {
    const absl::StatusOr<std::string> json =
        answer_.has_value() ? message_json_->from_answer(*answer_)
                            : absl::InternalError("the handler gave no answer");
    if (json.ok()) {
      SendWhole({.content_type = "application/json", .body = *json});
      return NoteUnsent();
    }
    result = json.status();
  }
  if (result.ok()) {
    if (!headers_sent_) SendHeaders(200, http::EndStream::kNo);
    return stream_->End({});
  }
  const int http_status = HttpStatus(result.code());
  const std::string text = TextOf(result);
  if (unary() || !begun()) {
    return SendWhole(GatewayError(result));
  }
  if (!headers_sent_) SendHeaders(http_status, http::EndStream::kNo);
  // The fields of both generations of grpc-gateway.
  stream_->SendData(Dump({{"error",
                           {{"grpc_code", CodeOf(result)},
                            {"http_code", http_status},
                            {"message", text},
                            {"http_status", std::string(http::StatusReason(http_status))},
                            {"code", CodeOf(result)}}}}));
  stream_->End({});
}

// --- end ----------------------------------------------------------------------------------------

// A client of HTTP/1.1 that has closed its side is most often gone: a stream ends for it.
void GatewayCall::OnClientClosed() {
  if (active() && !unary()) Fail(absl::CancelledError("context canceled"));
}

}  // namespace keelson::rpc
