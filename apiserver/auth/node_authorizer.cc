#include "apiserver/auth/node_authorizer.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "apiserver/api/object.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"

namespace keelson::auth {
namespace {

using api::ArrayAt;
using api::Json;
using api::TextAt;

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> set) {
  return std::find(set.begin(), set.end(), text) != set.end();
}

// For what needs no look at other objects.
const Rules& PlainNodeRules() {
  static const Rules rules = {
      {{"create"}, {"authentication.k8s.io"}, {"tokenreviews"}},
      {{"create"}, {"authorization.k8s.io"}, {"subjectaccessreviews", "localsubjectaccessreviews"}},
      {{"get", "list", "watch"}, {""}, {"services"}},
      {{"create", "update", "patch"}, {"", "events.k8s.io"}, {"events"}},
      {{"get"}, {""}, {"endpoints"}},
      {{"create", "get", "list", "watch"}, {"certificates.k8s.io"}, {"certificatesigningrequests"}},
      {{"create"}, {"certificates.k8s.io"}, {"certificatesigningrequests/selfnodeclient"}},
      {{"get", "list", "watch"}, {"storage.k8s.io"}, {"csidrivers"}},
      {{"get", "list", "watch"}, {"node.k8s.io"}, {"runtimeclasses"}},
  };
  return rules;
}

bool AnyIs(const Json& list, std::string_view path, std::string_view value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& item) { return TextAt(item, path) == value; });
}

// A container's environment names it. `from`: "secret" or "configMap".
bool ContainersName(const Json& spec, std::string_view from, std::string_view name) {
  for (std::string_view field : {"containers", "initContainers", "ephemeralContainers"}) {
    for (const Json& container : ArrayAt(spec, field)) {
      if (AnyIs(ArrayAt(container, "env"), Concat("valueFrom.", from, "KeyRef.name"), name) ||
          AnyIs(ArrayAt(container, "envFrom"), Concat(from, "Ref.name"), name)) {
        return true;
      }
    }
  }
  return false;
}

bool VolumesName(const Json& spec, std::string_view from, std::string_view name) {
  const std::string_view direct = from == "secret" ? "secret.secretName" : "configMap.name";
  const Json& volumes = ArrayAt(spec, "volumes");
  if (AnyIs(volumes, direct, name)) return true;
  for (const Json& volume : volumes) {
    if (AnyIs(ArrayAt(volume, "projected.sources"), Concat(from, ".name"), name)) return true;
    if (from != "secret") continue;
    for (std::string_view source :
         {"csi.nodePublishSecretRef", "cephfs.secretRef", "rbd.secretRef", "flexVolume.secretRef",
          "iscsi.secretRef", "scaleIO.secretRef", "storageos.secretRef"}) {
      if (TextAt(volume, Concat(source, ".name")) == name) return true;
    }
    if (TextAt(volume, "azureFile.secretName") == name) return true;
  }
  return false;
}

bool ClaimIsNamed(const Json& pod, std::string_view claim) {
  const Json& volumes = ArrayAt(pod, "spec.volumes");
  if (AnyIs(volumes, "persistentVolumeClaim.claimName", claim)) return true;
  return std::any_of(volumes.begin(), volumes.end(), [&](const Json& volume) {
    return api::Find(volume, "ephemeral") != nullptr &&
           Concat(api::NameOf(pod), "-", TextAt(volume, "name")) == claim;
  });
}

class NodeCheck {
 public:
  NodeCheck(Objects& objects, const Attributes& attributes)
      : objects_(objects),
        attributes_(attributes),
        node_(attributes.user.name.substr(kNodeUserPrefix.size())) {}

  Decision Decide() {
    const std::string& group = attributes_.group;
    const std::string& resource = attributes_.resource;
    if (attributes_.is_resource) {
      if (group.empty()) {
        if (resource == "secrets" || resource == "configmaps") return Material();
        if (resource == "persistentvolumeclaims") return Claim();
        if (resource == "persistentvolumes") return Volume();
        if (resource == "serviceaccounts") return ServiceAccount();
        if (resource == "nodes") return Node();
        if (resource == "pods") return Pod();
      }
      if (group == "coordination.k8s.io" && resource == "leases") return Lease();
      if (group == "storage.k8s.io" && resource == "csinodes") return Own("a CSINode", "CSINode");
    }
    const Rules& rules = PlainNodeRules();
    return {.allowed = std::any_of(rules.begin(), rules.end(), [this](const PolicyRule& rule) {
              return rule.Allows(attributes_);
            })};
  }

 private:
  static Decision Allow() { return {.allowed = true}; }
  static Decision Deny(std::string reason = "") { return {.reason = std::move(reason)}; }
  Decision Unrelated() const {
    return Deny(Concat("no relationship found between node '", node_, "' and this object"));
  }
  bool VerbIs(std::initializer_list<std::string_view> verbs) const {
    return IsOneOf(attributes_.verb, verbs);
  }

  template <typename Condition>
  bool OwnPodIn(std::string_view name_space, const Condition& condition) {
    const std::vector<Object> pods = objects_.List(kPods, name_space);
    return std::any_of(pods.begin(), pods.end(), [&](const Object& pod) {
      return TextAt(*pod, "spec.nodeName") == node_ && condition(*pod);
    });
  }

  Decision Material() {
    if (!VerbIs({"get", "list", "watch"})) {
      return Deny("can only read resources of this type");
    }
    if (!attributes_.subresource.empty()) return Deny("cannot read subresource");
    if (attributes_.name_space.empty()) return Deny("can only read namespaced object of this type");
    if (attributes_.name.empty()) return Deny("No Object name found");
    const std::string_view from = attributes_.resource == "secrets" ? "secret" : "configMap";
    const bool named = OwnPodIn(attributes_.name_space, [&](const Json& pod) {
      const Json& spec = api::MapAt(pod, "spec");
      return ContainersName(spec, from, attributes_.name) ||
             VolumesName(spec, from, attributes_.name) ||
             (from == "secret" &&
              AnyIs(ArrayAt(spec, "imagePullSecrets"), "name", attributes_.name));
    });
    return named ? Allow() : Unrelated();
  }

  Decision Claim() {
    if (attributes_.subresource == "status") {
      if (!VerbIs({"update", "patch"})) return Deny("can only get/update/patch this type");
    } else if (Decision get = OnlyGet(); !get.allowed) {
      return get;
    }
    if (attributes_.name.empty()) return Deny("No Object name found");
    return OwnPodIn(attributes_.name_space,
                    [this](const Json& pod) { return ClaimIsNamed(pod, attributes_.name); })
               ? Allow()
               : Unrelated();
  }

  Decision Volume() {
    if (Decision get = OnlyGet(); !get.allowed) return get;
    if (attributes_.name.empty()) return Deny("No Object name found");
    const Object volume = objects_.Find(kPersistentVolumes, "", attributes_.name);
    if (volume == nullptr) return Unrelated();
    const std::string& claim = TextAt(*volume, "spec.claimRef.name");
    const std::string& name_space = TextAt(*volume, "spec.claimRef.namespace");
    if (claim.empty() || name_space.empty()) return Unrelated();
    return OwnPodIn(name_space, [&](const Json& pod) { return ClaimIsNamed(pod, claim); })
               ? Allow()
               : Unrelated();
  }

  Decision ServiceAccount() {
    if (attributes_.verb == "get" && attributes_.subresource.empty()) {
      return Deny("not allowed to get service accounts");
    }
    if (attributes_.verb != "create" || attributes_.name.empty()) {
      return Deny("can only create tokens for individual service accounts");
    }
    if (attributes_.subresource != "token") {
      return Deny("can only create token subresource of serviceaccount");
    }
    return OwnPodIn(attributes_.name_space,
                    [this](const Json& pod) {
                      return TextAt(pod, "spec.serviceAccountName") == attributes_.name;
                    })
               ? Allow()
               : Unrelated();
  }

  Decision Node() {
    if (attributes_.subresource == "status") {
      return VerbIs({"update", "patch"}) && IsOwnName() ? Allow() : Deny();
    }
    if (!attributes_.subresource.empty()) return Deny();
    if (attributes_.verb == "create") return Allow();
    if (VerbIs({"update", "patch"})) return IsOwnName() ? Allow() : Deny();
    if (!VerbIs({"get", "list", "watch"})) return Deny();
    if (IsOwnName()) return Allow();
    if (attributes_.name.empty()) {
      return Deny(Concat("node '", node_, "' cannot read all nodes, only its own Node object"));
    }
    return Deny(Concat("node '", node_, "' cannot read '", attributes_.name,
                       "', only its own Node object"));
  }

  Decision Pod() {
    const std::string& subresource = attributes_.subresource;
    if (subresource.empty() && VerbIs({"list", "watch"})) {
      if (SelectsOwnPods()) return Allow();
      if (!attributes_.name.empty()) return IsOwnPod() ? Allow() : Unrelated();
      return Deny("can only list/watch pods with spec.nodeName field selector");
    }
    if (subresource.empty() && attributes_.verb == "create") return Allow();  // mirror pods
    const bool known = (subresource.empty() && VerbIs({"get", "delete"})) ||
                       (subresource == "status" && VerbIs({"update", "patch"})) ||
                       (subresource == "eviction" && attributes_.verb == "create");
    if (!known) return Deny();
    return IsOwnPod() ? Allow() : Unrelated();
  }

  Decision Lease() {
    if (!VerbIs({"get", "create", "update", "patch", "delete"})) {
      return Deny("can only get, create, update, patch, or delete a node lease");
    }
    if (attributes_.name_space != "kube-node-lease") {
      return Deny("can only access leases in the \"kube-node-lease\" system namespace");
    }
    if (attributes_.verb != "create" && !IsOwnName()) {
      return Deny("can only access node lease with the same name as the requesting node");
    }
    return Allow();
  }

  Decision Own(std::string_view one, std::string_view kind) {
    if (!VerbIs({"get", "create", "update", "patch", "delete"})) {
      return Deny(Concat("can only get, create, update, patch, or delete ", one));
    }
    if (!attributes_.subresource.empty()) {
      return Deny(Concat("cannot authorize ", kind, " subresources"));
    }
    if (attributes_.verb != "create" && !IsOwnName()) {
      return Deny(Concat("can only access ", kind, " with the same name as the requesting node"));
    }
    return Allow();
  }

  Decision OnlyGet() const {
    if (attributes_.verb != "get") return Deny("can only get individual resources of this type");
    if (!attributes_.subresource.empty()) return Deny("cannot get subresource");
    return Allow();
  }

  bool IsOwnName() const { return attributes_.name == node_; }
  // The node may know of the binding before our cache does.
  bool IsOwnPod() {
    const Object cached = objects_.Find(kPods, attributes_.name_space, attributes_.name);
    if (cached != nullptr && TextAt(*cached, "spec.nodeName") == node_) return true;
    const auto pod = objects_.Get(kPods, attributes_.name_space, attributes_.name);
    return pod.ok() && TextAt(*pod, "spec.nodeName") == node_;
  }
  bool SelectsOwnPods() const {
    const std::vector<std::string> terms = absl::StrSplit(attributes_.field_selector, ',');
    return std::any_of(terms.begin(), terms.end(), [this](const std::string& term) {
      return term == Concat("spec.nodeName=", node_) || term == Concat("spec.nodeName==", node_);
    });
  }

  Objects& objects_;
  const Attributes& attributes_;
  const std::string node_;
};

}  // namespace

bool IsNode(const registry::User& user) {
  return HasGroup(user, kNodesGroup) && user.name.starts_with(kNodeUserPrefix) &&
         user.name.size() > kNodeUserPrefix.size();
}

Decision DecideForNode(Objects& objects, const Attributes& attributes) {
  if (!IsNode(attributes.user)) return {};
  return NodeCheck(objects, attributes).Decide();
}

}  // namespace keelson::auth
