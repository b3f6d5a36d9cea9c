#include "client/endpoint.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace keelson::client {
namespace {

using Security = EndpointAddress::Security;

absl::Status Malformed(absl::string_view endpoint, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("endpoint \"", endpoint, "\": ", why));
}

}  // namespace

absl::StatusOr<EndpointAddress> ParseEndpoint(absl::string_view endpoint) {
  absl::string_view rest = endpoint;
  Security security = Security::kByOptions;
  if (absl::ConsumePrefix(&rest, "unix://") || absl::ConsumePrefix(&rest, "unix:")) {
    if (rest.empty()) return Malformed(endpoint, "the path of the socket is missing");
    return EndpointAddress{absl::StrCat("unix:", rest), Security::kClearText};
  }
  if (absl::ConsumePrefix(&rest, "unixs://") || absl::ConsumePrefix(&rest, "unixs:")) {
    if (rest.empty()) return Malformed(endpoint, "the path of the socket is missing");
    return EndpointAddress{absl::StrCat("unix:", rest), Security::kTls};
  }
  if (absl::ConsumePrefix(&rest, "http://")) {
    security = Security::kClearText;
  } else if (absl::ConsumePrefix(&rest, "https://")) {
    security = Security::kTls;
  } else if (absl::StrContains(rest, "://")) {
    return Malformed(endpoint, "the scheme is none of http, https, unix, unixs");
  }
  absl::ConsumeSuffix(&rest, "/");
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos || absl::EndsWith(rest, "]")) {
    return Malformed(endpoint, "want host:port");
  }
  const absl::string_view host = rest.substr(0, colon);
  uint32_t port;
  if (!absl::SimpleAtoi(rest.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return Malformed(endpoint, "the port is not a number from 1 to 65535");
  }
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (host.empty() || host.find_first_of("/?#@ ") != absl::string_view::npos ||
      (absl::StrContains(host, ":") && !bracketed)) {
    return Malformed(endpoint, "want host:port");
  }
  return EndpointAddress{absl::StrCat("dns:///", rest), security};
}

}  // namespace keelson::client
