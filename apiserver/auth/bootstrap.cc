#include "apiserver/auth/bootstrap.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/auth/default_roles.h"
#include "apiserver/auth/rules.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using api::Json;

Json NewObject(const Resource& resource, std::string_view name, std::string_view name_space = "") {
  Json metadata = {{"name", name}};
  if (!name_space.empty()) metadata["namespace"] = name_space;
  return {{"apiVersion", resource.group.empty()
                             ? std::string(resource.version)
                             : std::string(resource.group) + "/" + std::string(resource.version)},
          {"kind", resource.kind},
          {"metadata", std::move(metadata)}};
}

// Somebody else may have been faster.
absl::Status CreateUnlessThere(Objects& objects, const Resource& resource, Json object) {
  const std::string name_space = api::NamespaceOf(object);
  const auto created = objects.Create(resource, name_space, std::move(object));
  return created.ok() || api::IsAlreadyExists(created.status()) ? absl::OkStatus()
                                                                : created.status();
}

absl::Status EnsureThere(Objects& objects, const Resource& resource, Json object) {
  if (objects.Find(resource, api::NamespaceOf(object), api::NameOf(object)) != nullptr) {
    return absl::OkStatus();
  }
  return CreateUnlessThere(objects, resource, std::move(object));
}

// Those of `wanted` that are of this resource: there is one list for a cluster's and a namespace's.
absl::Status Reconcile(Objects& objects, const Resource& resource,
                       const std::vector<Json>& wanted) {
  std::map<std::string, Object> there;
  for (const Object& object : objects.List(resource, "")) there[api::KeyOf(*object)] = object;
  for (const Json& object : wanted) {
    if (api::TextAt(object, "kind") != resource.kind) continue;
    const auto found = there.find(api::KeyOf(object));
    if (found == there.end()) {
      KV_RETURN_IF_ERROR(CreateUnlessThere(objects, resource, object));
    } else if (Reconciled(*found->second, object) != *found->second) {
      const auto updated = objects.Update(resource, api::NamespaceOf(object), api::NameOf(object),
                                          [&object](const Json& newest) -> absl::StatusOr<Json> {
                                            return Reconciled(newest, object);
                                          });
      if (!updated.ok()) return updated.status();
    }
  }
  return absl::OkStatus();
}

absl::Status EnsurePriorityClasses(Objects& objects) {
  struct Class {
    std::string_view name;
    int64_t value;
    std::string_view description;
  };
  for (const Class& one :
       {Class{"system-node-critical", 2000001000,
              "For pods that their node needs: they must stay where they are."},
        Class{"system-cluster-critical", 2000000000,
              "For pods that the cluster needs: they must run, wherever that is."}}) {
    Json object = NewObject(kPriorityClasses, one.name);
    object["value"] = one.value;
    object["description"] = one.description;
    KV_RETURN_IF_ERROR(EnsureThere(objects, kPriorityClasses, std::move(object)));
  }
  return absl::OkStatus();
}

Json KubernetesService(const BootstrapOptions& options) {
  Json service = NewObject(kServices, "kubernetes", "default");
  service["metadata"]["labels"] = {{"component", "apiserver"}, {"provider", "kubernetes"}};
  service["spec"] = {{"type", "ClusterIP"},
                     {"clusterIP", options.service_ip},
                     {"sessionAffinity", "None"},
                     {"ports", Json::array({{{"name", "https"},
                                             {"port", 443},
                                             {"protocol", "TCP"},
                                             {"targetPort", options.server_port}}})}};
  return service;
}

void AddMissing(Json& object, std::string_view path, const Json& wanted) {
  for (const auto& [key, value] : wanted.items()) {
    if (api::Member(api::MapAt(object, path), key) == nullptr) api::Make(object, path)[key] = value;
  }
}

}  // namespace

Json Reconciled(const Json& existing, const Json& wanted) {
  const Json* const update = api::Member(api::AnnotationsOf(existing), kAutoUpdate);
  if (update != nullptr && *update == "false") return existing;
  Json result = existing;
  AddMissing(result, "metadata.labels", api::LabelsOf(wanted));
  AddMissing(result, "metadata.annotations", api::AnnotationsOf(wanted));
  if (const Json* const aggregation = api::Find(wanted, "aggregationRule");
      aggregation != nullptr) {
    result["aggregationRule"] = *aggregation;  // whose rules are its controller's from then on
  } else if (api::Find(wanted, "rules") != nullptr) {
    for (const PolicyRule& rule : Compact(NotCovered(RulesOf(existing), RulesOf(wanted)))) {
      if (!api::Find(result, "rules")) result["rules"] = Json::array();
      result["rules"].push_back(rule.ToJson());
    }
  }
  for (const Json& subject : api::ArrayAt(wanted, "subjects")) {
    const Json& subjects = api::ArrayAt(result, "subjects");
    const bool bound = std::any_of(subjects.begin(), subjects.end(), [&](const Json& one) {
      return api::TextAt(one, "kind") == api::TextAt(subject, "kind") &&
             api::TextAt(one, "name") == api::TextAt(subject, "name") &&
             api::TextAt(one, "namespace") == api::TextAt(subject, "namespace");
    });
    if (bound) continue;
    if (!api::Find(result, "subjects")) result["subjects"] = Json::array();
    result["subjects"].push_back(subject);
  }
  return result;
}

absl::Status Bootstrap(Objects& objects, const BootstrapOptions& options) {
  for (std::string_view name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    KV_RETURN_IF_ERROR(EnsureThere(objects, kNamespaces, NewObject(kNamespaces, name)));
  }
  const std::vector<Json> roles = DefaultRoles();
  KV_RETURN_IF_ERROR(Reconcile(objects, kClusterRoles, roles));
  KV_RETURN_IF_ERROR(Reconcile(objects, kRoles, roles));
  const std::vector<Json> bindings = DefaultRoleBindings();
  KV_RETURN_IF_ERROR(Reconcile(objects, kClusterRoleBindings, bindings));
  KV_RETURN_IF_ERROR(Reconcile(objects, kRoleBindings, bindings));
  KV_RETURN_IF_ERROR(EnsurePriorityClasses(objects));
  return EnsureThere(objects, kServices, KubernetesService(options));
}

}  // namespace keelson::auth
