// RequestMetrics: how many requests of which kind ended how, and how long they took, in Prometheus'
// text format under kube-apiserver's names. Thread-safe.
#ifndef KEELSON_APISERVER_HTTP_REQUEST_METRICS_H_
#define KEELSON_APISERVER_HTTP_REQUEST_METRICS_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "apiserver/http/request_info.h"

namespace keelson::apiserver {

class RequestMetrics {
 public:
  RequestMetrics();
  ~RequestMetrics();

  void Record(const RequestInfo& info, int code, absl::Duration took);
  void SetOpenWatches(size_t count);
  std::string Text() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_REQUEST_METRICS_H_
