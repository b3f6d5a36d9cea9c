// FailpointHttp: tells failpoints what to do over HTTP, as gofail does:
//
//   GET /              all: a line "name=terms" each
//   GET /name          terms; 404 while it is told nothing
//   GET /name/count    how often it was reached since it was told
//   PUT /name          terms in the body
//   PUT /failpoints    several: "name=terms;name=terms"
//   DELETE /name       is told nothing any more
//
// On a thread and a loop of its own: it answers while the member's loop sleeps in a failpoint.
#ifndef KEELSON_SERVER_FAILPOINT_HTTP_H_
#define KEELSON_SERVER_FAILPOINT_HTTP_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/failpoint.h"

namespace keelson::server {

class FailpointHttp {
 public:
  // `address`: "host:port". The registry outlives this.
  static absl::StatusOr<std::unique_ptr<FailpointHttp>> Start(FailpointRegistry* registry,
                                                              const std::string& address);
  ~FailpointHttp();

  uint16_t port() const;

 private:
  class Impl;
  explicit FailpointHttp(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_FAILPOINT_HTTP_H_
