// PodLogs: GET pods/NAME/log: asks the node that runs the pod and passes on what it says, as it
// comes (with follow=true, without end). Each has a thread for as long as it lasts; there is a
// bound on them.
//
// Thread: Start on the loop, Locate on workers.
#ifndef KEELSON_APISERVER_HTTP_POD_LOGS_H_
#define KEELSON_APISERVER_HTTP_POD_LOGS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/http/exchange.h"
#include "apiserver/registry/registry.h"
#include "asio/io_context.hpp"
#include "http/stream.h"

namespace keelson::apiserver {

class PodLogs {
 public:
  PodLogs(asio::io_context* loop, registry::Registry* registry);
  ~PodLogs();
  // Ends all, and those that are still to be started.
  void EndAll();

  // The URL to ask. Errors as kube-apiserver: no such container, a pod that has no node yet.
  absl::StatusOr<std::string> Locate(const ApiRequest& request);
  std::shared_ptr<http::StreamHandler> Start(http::Stream* stream, const std::string& url);

 private:
  class Transfer;
  struct Shared;
  asio::io_context* const loop_;
  registry::Registry* const registry_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_POD_LOGS_H_
