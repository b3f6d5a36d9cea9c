#include "apiserver/auth/node_restriction.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/auth/node_authorizer.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using api::Json;
using api::TextAt;
using registry::AdmissionRequest;
using registry::Operation;

constexpr std::string_view kMirror = "kubernetes.io/config.mirror";
constexpr std::string_view kRestrictedLabel = "node-restriction.kubernetes.io/";

absl::Status Refuse(const AdmissionRequest& request, std::string_view why) {
  return api::Forbidden(request.kind->resource(), api::NameOf(*request.object), why);
}

bool VolumesNeed(const Json& spec, std::string_view source) {
  const Json& volumes = api::ArrayAt(spec, "volumes");
  return std::any_of(volumes.begin(), volumes.end(),
                     [source](const Json& volume) { return api::Find(volume, source) != nullptr; });
}

// A mirror of a pod that the node runs from a file of its own. It must not get at anything by it.
absl::Status CheckMirrorPod(const AdmissionRequest& request, const std::string& node) {
  const Json& pod = *request.object;
  const std::string me = Concat("node ", api::Quoted(node));
  if (api::Member(api::AnnotationsOf(pod), kMirror) == nullptr) {
    return Refuse(request, Concat("pod does not have ", api::Quoted(kMirror), " annotation, ", me,
                                  " can only create mirror pods"));
  }
  if (TextAt(pod, "spec.nodeName") != node) {
    return Refuse(request, Concat(me, " can only create pods with spec.nodeName set to itself"));
  }
  const Json& owners = api::ArrayAt(pod, "metadata.ownerReferences");
  const bool owned = owners.size() == 1 && TextAt(owners[0], "kind") == "Node" &&
                     TextAt(owners[0], "name") == node && api::FlagAt(owners[0], "controller") &&
                     !api::FlagAt(owners[0], "blockOwnerDeletion");
  if (!owned) {
    return Refuse(request,
                  Concat(me, " can only create pods with an owner reference set to itself"));
  }
  const Json& spec = api::MapAt(pod, "spec");
  if (!TextAt(spec, "serviceAccountName").empty()) {
    return Refuse(request, Concat(me, " can not create pods that reference a service account"));
  }
  for (const auto& [source, what] :
       {std::pair("secret", "secrets"), std::pair("configMap", "configmaps"),
        std::pair("projected", "projected volumes"),
        std::pair("persistentVolumeClaim", "persistentvolumeclaims")}) {
    if (VolumesNeed(spec, source)) {
      return Refuse(request, Concat(me, " can not create pods that reference ", what));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNode(const AdmissionRequest& request, const std::string& node) {
  const Json& object = *request.object;
  const std::string me = Concat("node ", api::Quoted(node));
  if (api::NameOf(object) != node) {
    return Refuse(request,
                  Concat(me, " is not allowed to modify node ", api::Quoted(api::NameOf(object))));
  }
  if (request.old != nullptr &&
      api::ArrayAt(object, "spec.taints") != api::ArrayAt(*request.old, "spec.taints")) {
    return Refuse(request, Concat(me, " is not allowed to modify taints"));
  }
  const Json none = Json::object();
  const Json& before = request.old != nullptr ? api::LabelsOf(*request.old) : none;
  for (const Json* labels : {&api::LabelsOf(object), &before}) {
    for (const auto& [key, value] : labels->items()) {
      if (!std::string_view(key).starts_with(kRestrictedLabel)) continue;
      const Json* const is = api::Member(api::LabelsOf(object), key);
      const Json* const was = api::Member(before, key);
      if (is == nullptr || was == nullptr || *is != *was) {
        return Refuse(request, Concat("is not allowed to modify labels: ", key));
      }
    }
  }
  return absl::OkStatus();
}

class NodeRestrictionPlugin final : public registry::AdmissionPlugin {
 public:
  absl::Status Validate(registry::Registry&, const AdmissionRequest& request) override {
    return CheckNodeRestriction(request);
  }
};

}  // namespace

absl::Status CheckNodeRestriction(const AdmissionRequest& request) {
  if (request.object == nullptr || !IsNode(request.user)) return absl::OkStatus();
  const std::string node = request.user.name.substr(kNodeUserPrefix.size());
  const std::string_view kind = request.kind->kind;
  const bool create = request.operation == Operation::kCreate;
  if (kind == "Node") return CheckNode(request, node);
  if (kind == "Pod" && create && request.subresource.empty()) return CheckMirrorPod(request, node);
  if (kind == "Lease" && create && api::NameOf(*request.object) != node) {
    return Refuse(request, "can only access node lease with the same name as the requesting node");
  }
  if (kind == "CSINode" && create && api::NameOf(*request.object) != node) {
    return Refuse(request, "can only access CSINode with the same name as the requesting node");
  }
  return absl::OkStatus();
}

std::unique_ptr<registry::AdmissionPlugin> MakeNodeRestrictionPlugin() {
  return std::make_unique<NodeRestrictionPlugin>();
}

}  // namespace keelson::auth
