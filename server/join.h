// Join: how a member that was added to a running cluster learns, on its first start, which cluster
// that is and who it is itself (--initial-cluster-state existing).
#ifndef KEELSON_SERVER_JOIN_H_
#define KEELSON_SERVER_JOIN_H_

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "http/tls.h"
#include "server/config.h"
#include "server/membership.h"
#include "server/url.h"

namespace keelson::server {

// Asks the member at `url` for the cluster and its members; blocks for at most `timeout`.
// `tls` is for https URLs, and used during the call.
absl::StatusOr<Bootstrap> AskForMembers(const Url& url, http::TlsCredentials& tls,
                                        absl::Duration timeout);

// The members that the flags name, with their ids, as a running member of the cluster knows them.
// Asks every URL in --initial-cluster but the own ones until one answers with a list that fits, for
// some seconds: the one that answers may not have applied yet that this member was added.
// FailedPrecondition: none does; the message says what the last one said.
using MembersSource = std::function<absl::StatusOr<Bootstrap>(const Url&)>;
absl::StatusOr<Bootstrap> FindCluster(const Config& config, const MembersSource& ask);
absl::StatusOr<Bootstrap> FindCluster(const Config& config, http::TlsCredentials& tls);

// For the first start of a member of a new cluster: refuses if the cluster runs and knows this
// member already, which then has lost its data and must not vote again as if nothing had happened.
// Asks every other member once; those that do not answer say nothing.
absl::Status CheckNotBootstrapped(const Config& config, const Bootstrap& bootstrap,
                                  const MembersSource& ask);
absl::Status CheckNotBootstrapped(const Config& config, const Bootstrap& bootstrap,
                                  http::TlsCredentials& tls);

// FailedPrecondition: the running cluster has other members than --initial-cluster.
absl::Status CheckMembers(const Config& config, const Bootstrap& running);

// The member of `bootstrap` that the flags name. REQUIRES: there is one.
NodeId OwnId(const Config& config, const Bootstrap& bootstrap);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_JOIN_H_
