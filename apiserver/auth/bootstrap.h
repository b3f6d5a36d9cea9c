// What every cluster has before anybody has created anything: namespaces, default roles and their
// bindings, the priority classes of the system, and the service `kubernetes`, by which pods find
// the API servers. Made at the start of every server, and brought up to date where it is there
// already; several servers may do so at once, and what an administrator added stays.
#ifndef KEELSON_APISERVER_AUTH_BOOTSTRAP_H_
#define KEELSON_APISERVER_AUTH_BOOTSTRAP_H_

#include <string>

#include "absl/status/status.h"
#include "apiserver/api/json.h"
#include "apiserver/auth/objects.h"

namespace keelson::auth {

struct BootstrapOptions {
  std::string service_ip = "10.96.0.1";  // of default/kubernetes: the first of the services' range
  int server_port = 6443;                // what its port leads to
};

// The first error ends it; what was made stays, and it can be done again.
absl::Status Bootstrap(Objects& objects, const BootstrapOptions& options);

// A role, or a binding, that has all that `wanted` has, and whatever else it had.
api::Json Reconciled(const api::Json& existing, const api::Json& wanted);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_BOOTSTRAP_H_
