// ServiceAccount.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/metadata.h"
#include "apiserver/registry/registry.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {
namespace {

using api::Json;
using AccountPtr = std::shared_ptr<const Json>;

constexpr std::string_view kDefault = "default";
constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::string_view kEnforceAnnotation = "kubernetes.io/enforce-mountable-secrets";
constexpr std::string_view kVolumePrefix = "kube-api-access-";
constexpr std::string_view kMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
// As clients learn to renew a token; longer than an hour tells tokens of pods apart.
constexpr int64_t kTokenSeconds = 3607;
// A controller makes the default account of a new namespace; a pod that comes first waits for it.
constexpr int kDefaultAttempts = 20;
constexpr absl::Duration kDefaultPause = absl::Milliseconds(50);

Json TokenVolume(const std::string& name) {
  Json volume = Json::parse(R"({"projected": {"defaultMode": 420, "sources": [
      {"serviceAccountToken": {"path": "token"}},
      {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
      {"downwardAPI": {"items": [{"path": "namespace",
          "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}})");
  volume["name"] = name;
  volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = kTokenSeconds;
  return volume;
}

bool MountsTokenItself(const Json& container) {
  const Json& mounts = api::ArrayAt(container, "volumeMounts");
  return std::any_of(mounts.begin(), mounts.end(), [](const Json& mount) {
    return api::TextAt(mount, "mountPath") == kMountPath;
  });
}

bool IsToMount(const Json& account, const Json& pod) {
  constexpr std::string_view kField = "automountServiceAccountToken";
  const bool by_account = api::FlagAt(account, kField, true);
  return api::FlagAt(api::MapAt(pod, "spec"), kField, by_account);
}

void MountToken(Json& pod) {
  std::string name;
  for (const Json& volume : api::ArrayAt(pod, "spec.volumes")) {
    if (api::TextAt(volume, "name").starts_with(kVolumePrefix)) name = api::TextAt(volume, "name");
  }
  const bool there = !name.empty();
  if (!there) name = GenerateName(kVolumePrefix);
  bool used = false;
  for (std::string_view list : {"spec.initContainers", "spec.containers"}) {
    Json* containers = api::Find(pod, list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Json& container : *containers) {
      if (MountsTokenItself(container)) continue;
      api::Make(container, "volumeMounts")
          .push_back({{"name", name}, {"readOnly", true}, {"mountPath", kMountPath}});
      used = true;
    }
  }
  if (used && !there) api::Make(pod, "spec.volumes").push_back(TokenVolume(name));
}

bool Names(const Json& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(),
                     [name](const Json& item) { return api::TextAt(item, "name") == name; });
}

// Of a secret that the account does not list: why not. Empty: fine.
std::string ForeignSecret(const Json& account, const Json& pod) {
  const Json& own = api::ArrayAt(account, "secrets");
  const std::string rest = Concat(" is not allowed because service account ", api::NameOf(account),
                                  " does not reference that secret");
  std::string why;
  for (const Json& volume : api::ArrayAt(pod, "spec.volumes")) {
    const std::string& name = api::TextAt(volume, "secret.secretName");
    if (!name.empty() && !Names(own, name)) {
      return Concat("volume with secret.secretName=\"", name, "\"", rest);
    }
  }
  api::VisitContainers(
      api::MapAt(pod, "spec"), "", [&](const Json& container, std::string_view path) {
        const std::string_view noun =
            path.find("initContainers") != std::string_view::npos ? "init container "
            : path.find("ephemeral") != std::string_view::npos    ? "ephemeral container "
                                                                  : "container ";
        const std::string who = Concat(noun, api::TextAt(container, "name"), " with ");
        for (const Json& variable : api::ArrayAt(container, "env")) {
          const std::string& name = api::TextAt(variable, "valueFrom.secretKeyRef.name");
          if (name.empty() || Names(own, name)) continue;
          why = Concat(who, "envVar ", api::TextAt(variable, "name"),
                       " referencing secret.secretName=\"", name, "\"", rest);
        }
        for (const Json& source : api::ArrayAt(container, "envFrom")) {
          const std::string& name = api::TextAt(source, "secretRef.name");
          if (name.empty() || Names(own, name)) continue;
          why = Concat(who, "envFrom referencing secret.secretName=\"", name, "\"", rest);
        }
      });
  if (!why.empty()) return why;
  const Json& pulled = api::ArrayAt(pod, "spec.imagePullSecrets");
  for (size_t i = 0; i < pulled.size(); ++i) {
    const std::string& name = api::TextAt(pulled[i], "name");
    if (Names(api::ArrayAt(account, "imagePullSecrets"), name)) continue;
    return Concat("imagePullSecrets[", i, "].name=\"", name,
                  "\" is not allowed because service account ", api::NameOf(account),
                  " does not reference that imagePullSecret");
  }
  return "";
}

// What a pod that a kubelet shows may not have; empty: fine.
std::string WrongWithMirror(const Json& pod) {
  if (!api::TextAt(pod, "spec.serviceAccountName").empty()) {
    return "a mirror pod may not reference service accounts";
  }
  const Json nobody = Json::object();
  if (!ForeignSecret(nobody, pod).empty()) return "a mirror pod may not reference secrets";
  for (const Json& volume : api::ArrayAt(pod, "spec.volumes")) {
    for (const Json& source : api::ArrayAt(volume, "projected.sources")) {
      if (api::Find(source, "serviceAccountToken") != nullptr) {
        return "a mirror pod may not use ServiceAccountToken volume projections";
      }
    }
  }
  return "";
}

class ServiceAccount : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsPod(request) || !IsNew(request)) return absl::OkStatus();
    Json& pod = *request.object;
    if (IsMirror(pod)) {
      const std::string wrong = WrongWithMirror(pod);
      return wrong.empty() ? absl::OkStatus() : Refuse(request, wrong);
    }
    if (api::TextAt(pod, "spec.serviceAccountName").empty()) {
      api::Make(pod, "spec.serviceAccountName") = kDefault;
    }
    KV_ASSIGN_OR_RETURN(const AccountPtr account, AccountOf(registry, request));
    if (IsToMount(*account, pod)) MountToken(pod);
    const Json& secrets = api::ArrayAt(*account, "imagePullSecrets");
    if (api::ArrayAt(pod, "spec.imagePullSecrets").empty() && !secrets.empty()) {
      Json& list = api::Make(pod, "spec.imagePullSecrets");
      list = Json::array();
      for (const Json& secret : secrets) list.push_back({{"name", api::TextAt(secret, "name")}});
    }
    return absl::OkStatus();
  }

  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    const bool part =
        request.operation == Operation::kUpdate && request.subresource == "ephemeralcontainers";
    if (!IsPod(request) || (!IsNew(request) && !part)) return absl::OkStatus();
    if (IsMirror(*request.object)) return absl::OkStatus();
    KV_ASSIGN_OR_RETURN(const AccountPtr account, AccountOf(registry, request));
    const Json* enforce = api::Member(api::AnnotationsOf(*account), kEnforceAnnotation);
    if (enforce == nullptr || *enforce != "true") return absl::OkStatus();
    const std::string foreign = ForeignSecret(*account, *request.object);
    return foreign.empty() ? absl::OkStatus() : Refuse(request, foreign);
  }

 private:
  static bool IsMirror(const Json& pod) {
    return api::Member(api::AnnotationsOf(pod), kMirrorAnnotation) != nullptr;
  }

  static absl::StatusOr<AccountPtr> AccountOf(Registry& registry, const AdmissionRequest& request) {
    const std::string& name = api::TextAt(*request.object, "spec.serviceAccountName");
    const int attempts = name == kDefault ? kDefaultAttempts : 1;
    for (int attempt = 0; attempt < attempts; ++attempt) {
      if (attempt > 0) absl::SleepFor(kDefaultPause);
      AccountPtr cached = registry.Cached(api::ServiceAccountKind(), request.name_space, name);
      if (cached != nullptr) return cached;
      absl::StatusOr<Json> live = registry.Get(api::ServiceAccountKind(), request.name_space, name);
      if (live.ok()) return std::make_shared<const Json>(*std::move(live));
      if (!api::IsNotFound(live.status())) return live.status();
    }
    return Refuse(request, Concat("error looking up service account ", request.name_space, "/",
                                  name, ": serviceaccount \"", name, "\" not found"));
  }
};

}  // namespace

PluginPtr MakeServiceAccount() { return std::make_unique<ServiceAccount>(); }

}  // namespace keelson::registry
