#include "apiserver/auth/escalation.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using api::Json;
using api::TextAt;
using registry::AdmissionRequest;

const Rules& FullAuthority() {
  static const Rules rules = {{{"*"}, {"*"}, {"*"}}, {.verbs = {"*"}, .urls = {"*"}}};
  return rules;
}

bool HasAggregation(const Json* role) {
  return role != nullptr && !api::ArrayAt(*role, "aggregationRule.clusterRoleSelectors").empty();
}

// What the garbage collector writes to have an object deleted in the end.
bool ChangesOwnersOnly(const Json& object, const Json& old) {
  Json now = object;
  Json before = old;
  for (Json* one : {&now, &before}) {
    for (std::string_view field :
         {"ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"}) {
      api::Erase(*one, Concat("metadata.", field));
    }
  }
  return now == before;
}

bool MayDo(Authorizer& authorizer, const AdmissionRequest& request, std::string verb,
           std::string resource, std::string name) {
  return authorizer
      .Decide({.user = request.user,
               .verb = std::move(verb),
               .group = std::string(kRbacGroup),
               .version = "*",
               .resource = std::move(resource),
               .name_space = request.name_space,
               .name = std::move(name),
               .is_resource = true})
      .allowed;
}

// OK, or an error that tells which rights the user lacks; its text is not whole yet.
absl::Status CheckHolds(Authorizer& authorizer, const AdmissionRequest& request,
                        const Rules& wanted) {
  std::vector<std::string> errors;
  const Rules held = authorizer.RulesFor(request.user, request.name_space, &errors);
  const Rules missing = NotCovered(held, wanted);
  if (missing.empty()) return absl::OkStatus();
  std::set<std::string> lines;
  for (const PolicyRule& rule : Compact(missing)) lines.insert(rule.ToString());
  std::string why = Concat("user ", api::Quoted(request.user.name),
                           " (groups=", QuotedList(request.user.groups, " "),
                           ") is attempting to grant RBAC permissions not currently held:\n",
                           absl::StrJoin(lines, "\n"));
  if (!errors.empty()) {
    Append(&why, "; resolution errors: ",
           errors.size() == 1 ? errors[0] : Concat("[", absl::StrJoin(errors, ", "), "]"));
  }
  return absl::PermissionDeniedError(why);
}

absl::Status Refuse(const AdmissionRequest& request, std::string_view why) {
  return api::Forbidden(request.kind->resource(), api::NameOf(*request.object), why);
}

absl::Status CheckRole(Authorizer& authorizer, const AdmissionRequest& request) {
  const bool update = request.operation == registry::Operation::kUpdate;
  if (MayDo(authorizer, request, "escalate", std::string(request.kind->plural),
            update ? request.name : "")) {
    return absl::OkStatus();
  }
  if (const absl::Status held = CheckHolds(authorizer, request, RulesOf(*request.object));
      !held.ok()) {
    return Refuse(request, std::string(held.message()));
  }
  // What an aggregated role gathers is not known yet: it may be anything.
  if ((HasAggregation(request.object) || HasAggregation(request.old)) &&
      !CheckHolds(authorizer, request, FullAuthority()).ok()) {
    return Refuse(request, "must have cluster-admin privileges to use the aggregationRule");
  }
  return absl::OkStatus();
}

absl::Status CheckBinding(Authorizer& authorizer, const AdmissionRequest& request) {
  const Json& reference = api::MapAt(*request.object, "roleRef");
  const std::string& kind = TextAt(reference, "kind");
  const std::string resource = kind == "ClusterRole" ? "clusterroles"
                               : kind == "Role"      ? "roles"
                                                     : "";
  if (!resource.empty() &&
      MayDo(authorizer, request, "bind", resource, TextAt(reference, "name"))) {
    return absl::OkStatus();
  }
  KV_ASSIGN_OR_RETURN(const Rules rules,
                      authorizer.RulesOfReference(reference, request.name_space));
  const absl::Status held = CheckHolds(authorizer, request, rules);
  return held.ok() ? held : Refuse(request, std::string(held.message()));
}

class EscalationPlugin final : public registry::AdmissionPlugin {
 public:
  explicit EscalationPlugin(Authorizer* const* authorizer) : authorizer_(authorizer) {}
  absl::Status Validate(registry::Registry&, const AdmissionRequest& request) override {
    return CheckEscalation(**authorizer_, request);
  }

 private:
  Authorizer* const* const authorizer_;
};

}  // namespace

absl::Status CheckEscalation(Authorizer& authorizer, const AdmissionRequest& request) {
  if (request.kind->group != kRbacGroup || request.operation == registry::Operation::kDelete ||
      request.object == nullptr || HasGroup(request.user, kMastersGroup)) {
    return absl::OkStatus();
  }
  if (request.old != nullptr && ChangesOwnersOnly(*request.object, *request.old)) {
    return absl::OkStatus();
  }
  const std::string_view plural = request.kind->plural;
  if (plural == kRoles.plural || plural == kClusterRoles.plural) {
    return CheckRole(authorizer, request);
  }
  return CheckBinding(authorizer, request);
}

std::unique_ptr<registry::AdmissionPlugin> MakeEscalationPlugin(Authorizer* const* authorizer) {
  return std::make_unique<EscalationPlugin>(authorizer);
}

}  // namespace keelson::auth
