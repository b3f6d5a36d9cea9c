#include "server/rpc/plain_http.h"

#include <utility>

namespace keelson::rpc {

void SendHttpResponse(http::Stream* stream, const HttpResponse& response, BodyUse body) {
  const std::string length = std::to_string(response.body.size());
  const http::Header headers[] = {{"content-type", response.content_type},
                                  {"content-length", length}};
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
  SendHttpResponse(stream_, response, head_ ? BodyUse::kAnnounce : BodyUse::kSend);
}

}  // namespace keelson::rpc
