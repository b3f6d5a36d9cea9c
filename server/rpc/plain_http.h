// PlainHttpCall: a request that is not gRPC, for a RegisterHttp handler. Collects the body, answers
// once. Internal to server/rpc/.
//
// Thread: the connection's loop.
#ifndef KEELSON_SERVER_RPC_PLAIN_HTTP_H_
#define KEELSON_SERVER_RPC_PLAIN_HTTP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "http/stream.h"
#include "server/rpc/rpc_server.h"

namespace keelson::rpc {

using PlainHeaders = absl::InlinedVector<http::Header, 8>;
// The headers that let pages of `allowed_origin` read the answer (CORS); none when it is empty. The
// view must outlive `headers`.
void AppendCors(std::string_view allowed_origin, PlainHeaders* headers);

// Sends a whole answer at once. kAnnounce: the method is HEAD, the body is only announced.
enum class BodyUse { kSend, kAnnounce };
void SendHttpResponse(http::Stream* stream, const HttpResponse& response, BodyUse body,
                      std::string_view allowed_origin);

class PlainHttpCall final : public http::StreamHandler,
                            public std::enable_shared_from_this<PlainHttpCall> {
 public:
  // `handler` outlives the stream.
  PlainHttpCall(http::Stream* stream, const HttpHandler* handler, HttpRequest request,
                uint64_t body_bytes_max, std::string allowed_origin)
      : stream_(stream),
        handler_(handler),
        request_(std::move(request)),
        head_(request_.method == "HEAD"),
        body_bytes_max_(body_bytes_max),
        allowed_origin_(std::move(allowed_origin)) {}

 private:
  void OnData(std::string_view bytes) override;
  void OnEnd() override;
  void OnClose(http::CloseReason) override { stream_ = nullptr; }
  void Answer(const HttpResponse& response);

  http::Stream* stream_;  // null once closed
  const HttpHandler* const handler_;
  HttpRequest request_;
  const bool head_;
  const uint64_t body_bytes_max_;
  const std::string allowed_origin_;
  bool answered_ = false;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_PLAIN_HTTP_H_
