// HttpGet: the body of a web page, for what servers tell by plain HTTP only, such as their metrics.
#ifndef KEELSON_TOOLS_KVCTL_HTTP_GET_H_
#define KEELSON_TOOLS_KVCTL_HTTP_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/options.h"

namespace keelson::kvctl {

// Blocks for at most `timeout`. Unavailable: no answer, or another status than 200.
absl::StatusOr<std::string> HttpGet(const std::string& url, const client::TlsOptions& tls,
                                    absl::Duration timeout);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_HTTP_GET_H_
