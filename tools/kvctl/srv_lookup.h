// Servers that DNS has for a domain in SRV records, under etcd's service names: etcd-client-ssl for
// those behind TLS and etcd-client for those that speak in clear, each followed by "-NAME" where
// the services of several clusters share a domain.
#ifndef KEELSON_TOOLS_KVCTL_SRV_LOOKUP_H_
#define KEELSON_TOOLS_KVCTL_SRV_LOOKUP_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace keelson::kvctl {

// Target and port of each record of an answer from a name server, "host:port", by priority and then
// from the heaviest. InvalidArgument: it is not whole.
absl::StatusOr<std::vector<std::string>> ParseSrvAnswer(std::string_view message);

// URLs, those with https first. NotFound: there are none of either kind, or nobody answers; the
// message is one line.
absl::StatusOr<std::vector<std::string>> LookUpServers(const std::string& domain,
                                                       const std::string& name);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_SRV_LOOKUP_H_
