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

#include "http/stream.h"
#include "server/rpc/rpc_server.h"

namespace keelson::rpc {

class PlainHttpCall final : public http::StreamHandler,
                            public std::enable_shared_from_this<PlainHttpCall> {
 public:
  // `handler` outlives the stream.
  PlainHttpCall(http::Stream* stream, const HttpHandler* handler, HttpRequest request,
                uint64_t body_bytes_max)
      : stream_(stream),
        handler_(handler),
        request_(std::move(request)),
        head_(request_.method == "HEAD"),
        body_bytes_max_(body_bytes_max) {}

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
  bool answered_ = false;
};

// Sends a whole answer at once. head: the method is HEAD, the body is only announced.
enum class BodyUse { kSend, kAnnounce };
void SendHttpResponse(http::Stream* stream, const HttpResponse& response, BodyUse body);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_PLAIN_HTTP_H_
