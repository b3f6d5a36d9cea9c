#include "server/rpc/plain_http.h"

#include <utility>

namespace keelson::rpc {

void AppendCors(std::string_view allowed_origin, PlainHeaders* headers) {
  if (allowed_origin.empty()) return;
  constexpr auto kStatic = http::Header::Storage::kStatic;
  headers->push_back(
      {"access-control-allow-headers", "accept, content-type, authorization", kStatic});
  headers->push_back({"access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE", kStatic});
  headers->push_back({"access-control-allow-origin", allowed_origin});
}

void SendHttpResponse(http::Stream* stream, const HttpResponse& response, BodyUse body,
                      std::string_view allowed_origin) {
  const std::string length = std::to_string(response.body.size());
  PlainHeaders headers;
  AppendCors(allowed_origin, &headers);
  if (!response.content_type.empty()) headers.push_back({"content-type", response.content_type});
  headers.push_back({"content-length", length});
  if (!response.allow.empty()) headers.push_back({"allow", response.allow});
  const bool send = body == BodyUse::kSend && !response.body.empty();
  stream->SendHeaders(response.status, headers,
                      send ? http::EndStream::kNo : http::EndStream::kYes);
  if (!send) return;
  stream->SendData(ByteChain(response.body));
  stream->End({});
}

void PlainHttpCall::OnData(std::string_view bytes) {
  stream_->Consume(bytes.size());
  if (answered_) return;
  if (request_.body.size() + bytes.size() > body_bytes_max_) {
    request_.body.clear();
    return Answer({.status = 413, .body = "Request Entity Too Large\n"});
  }
  request_.body.append(bytes);
}

void PlainHttpCall::OnEnd() {
  if (answered_) return;
  (*handler_)(std::move(request_),
              [self = shared_from_this()](HttpResponse response) { self->Answer(response); });
}

void PlainHttpCall::Answer(const HttpResponse& response) {
  if (stream_ == nullptr || std::exchange(answered_, true)) return;
  SendHttpResponse(stream_, response, head_ ? BodyUse::kAnnounce : BodyUse::kSend, allowed_origin_);
}

}  // namespace keelson::rpc
