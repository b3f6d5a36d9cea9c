// Authorizer: who may do what. Whoever is in system:masters may do everything; nodes what concerns
// them (node_authorizer.h); everybody what roles grant that are bound to him (RBAC).
//
// Roles and bindings are read as the caches have them, and are compiled once: what is compiled
// counts as long as the caches hand out the same objects.
//
// Thread: any.
#ifndef KEELSON_APISERVER_AUTH_AUTHORIZER_H_
#define KEELSON_APISERVER_AUTH_AUTHORIZER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/auth/objects.h"
#include "apiserver/auth/rules.h"

namespace keelson::auth {

struct Decision {
  bool allowed = false;
  std::string reason = {};  // for people: which binding allows it, or what kept it from being found
};

class Authorizer {
 public:
  explicit Authorizer(Objects* objects);
  ~Authorizer();
  Authorizer(const Authorizer&) = delete;
  Authorizer& operator=(const Authorizer&) = delete;

  Decision Decide(const Attributes& attributes);
  // OK, or 403 with kube-apiserver's text.
  absl::Status Authorize(const Attributes& attributes);

  // What the user may do in a namespace, cluster-wide grants included; with an empty namespace the
  // latter alone. `errors`: of bindings to roles that are not there.
  Rules RulesFor(const registry::User& user, std::string_view name_space,
                 std::vector<std::string>* errors);
  // Those of a {apiGroup, kind, name}; `name_space`: of the binding. NotFound, or Invalid.
  absl::StatusOr<Rules> RulesOfReference(const api::Json& role_ref, std::string_view name_space);

 private:
  class Rbac;
  Objects* const objects_;
  const std::unique_ptr<Rbac> rbac_;
};

// 403 for what was decided so.
absl::Status ForbiddenStatus(const Attributes& attributes, std::string_view reason);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_AUTHORIZER_H_
