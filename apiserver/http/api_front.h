// ApiFront: every request to an API server: takes it in whole, finds out who asks, whether he may,
// and has it answered, on a worker thread, since it may wait for the store.
//
//  1. A request's body is bounded (3 MiB), and so are the requests that run or wait; what is more
//  is
//     refused at once (413, 429).
//  2. Nothing of a request outlives its stream: an answer that comes after the client has gone is
//     dropped.
//
// Thread: the loop, but for what workers run.
#ifndef KEELSON_APISERVER_HTTP_API_FRONT_H_
#define KEELSON_APISERVER_HTTP_API_FRONT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/auth/authenticator.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/auth/service_account_tokens.h"
#include "apiserver/http/exchange.h"
#include "apiserver/http/object_handlers.h"
#include "apiserver/http/pod_handlers.h"
#include "apiserver/http/pod_logs.h"
#include "apiserver/http/request_metrics.h"
#include "apiserver/http/resource_metrics.h"
#include "apiserver/http/watch_stream.h"
#include "apiserver/http/worker_pool.h"
#include "apiserver/registry/registry.h"
#include "asio/io_context.hpp"
#include "http/stream.h"

namespace keelson::apiserver {

class ApiFront final : public http::RequestHandler {
 public:
  struct Parts {
    asio::io_context* loop = nullptr;
    WorkerPool* workers = nullptr;
    registry::Registry* registry = nullptr;
    const auth::Authenticator* authenticator = nullptr;
    auth::Authorizer* authorizer = nullptr;
    const auth::ServiceAccountTokens* tokens = nullptr;
    PodLogs* logs = nullptr;
    std::string version;  // "v1.33.1", what clients are told
    // Whether requests can be answered: the store serves, and who may do what is known. On the
    // loop.
    std::function<bool()> ready;
  };

  // All of `parts` outlive it, and the server that calls it.
  explicit ApiFront(const Parts& parts);
  ~ApiFront() override;

  std::shared_ptr<http::StreamHandler> OnRequest(http::Stream* stream,
                                                 http::Request request) override;
  // Ends what has no end of its own, so that connections can be closed.
  void EndWatches() { watches_.EndAll(); }

 private:
  class Exchange;
  // One of: an answer, a watch to begin, a log to stream.
  struct Outcome;

  bool ServeAtOnce(http::Stream* stream, const RequestInfo& info);
  // On a worker.
  Outcome Serve(ApiRequest& request, const http::PeerCertificate& certificate,
                const http::HeaderBlock& headers);
  absl::Status CheckAccess(ApiRequest& request, const http::PeerCertificate& certificate,
                           const http::HeaderBlock& headers);
  absl::StatusOr<ApiResponse> ServeObjects(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> ServeReview(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> ServePath(const ApiRequest& request);

  const Parts parts_;
  ObjectHandlers objects_;
  PodHandlers pods_;
  ResourceMetrics resource_metrics_;
  RequestMetrics metrics_;
  WatchStreams watches_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_API_FRONT_H_
