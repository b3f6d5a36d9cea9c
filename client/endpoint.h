// ParseEndpoint: what a user writes for a server, as what gRPC dials.
#ifndef KEELSON_CLIENT_ENDPOINT_H_
#define KEELSON_CLIENT_ENDPOINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keelson::client {

struct EndpointAddress {
  enum class Security {
    kByOptions,  // no scheme was given
    kClearText,
    kTls,
  };
  std::string target;  // a gRPC target: "dns:///host:port" or "unix:path"
  Security security = Security::kByOptions;
};

// Accepts host:port, http://, https://, unix:// and unixs://, with an ignored trailing slash.
// InvalidArgument, naming the endpoint, when the host or the port is missing or malformed.
absl::StatusOr<EndpointAddress> ParseEndpoint(absl::string_view endpoint);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_ENDPOINT_H_
