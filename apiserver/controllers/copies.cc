#include "apiserver/controllers/copies.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"
#include "apiserver/controllers/resources.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;

constexpr char kOwnerIndex[] = "owner";
constexpr char kNodeIndex[] = "node";

void DropLastApplied(Json& object) {
  Json* annotations = api::Find(object, "metadata.annotations");
  if (annotations != nullptr && annotations->is_object()) {
    annotations->erase("kubectl.kubernetes.io/last-applied-configuration");
  }
}

void KeepOnly(Json* map, std::initializer_list<std::string_view> wanted) {
  if (map == nullptr || !map->is_object()) return;
  Json kept = Json::object();
  for (std::string_view name : wanted) {
    const auto found = map->find(name);
    if (found != map->end()) kept[std::string(name)] = std::move(*found);
  }
  *map = std::move(kept);
}

Json* ArrayIn(Json& object, std::string_view path) {
  Json* found = api::Find(object, path);
  return found != nullptr && found->is_array() ? found : nullptr;
}

void TrimPod(Json& pod) {
  DropLastApplied(pod);
  KeepOnly(api::Find(pod, "spec"),
           {"nodeName", "containers", "initContainers", "volumes", "tolerations", "affinity",
            "hostname", "subdomain", "restartPolicy", "hostNetwork", "priority",
            "priorityClassName", "activeDeadlineSeconds", "overhead", "schedulingGates"});
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    if (Json* containers = ArrayIn(pod, list)) {
      for (Json& container : *containers) {
        KeepOnly(&container, {"name", "ports", "resources", "restartPolicy"});
      }
    }
  }
  if (Json* volumes = ArrayIn(pod, "spec.volumes")) {
    Json kept = Json::array();
    for (Json& volume : *volumes) {
      if (api::Find(volume, "persistentVolumeClaim") != nullptr) {
        kept.push_back(std::move(volume));
      } else if (api::Find(volume, "ephemeral") != nullptr) {
        kept.push_back({{"name", api::TextAt(volume, "name")}, {"ephemeral", Json::object()}});
      }
    }
    *volumes = std::move(kept);
  }
  KeepOnly(api::Find(pod, "status"), {"phase", "conditions", "podIP", "podIPs", "startTime",
                                      "reason", "containerStatuses", "initContainerStatuses"});
  for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
    if (Json* statuses = ArrayIn(pod, list)) {
      for (Json& status : *statuses) {
        KeepOnly(&status, {"name", "restartCount", "state"});
        // How it ended counts; that it runs is in the conditions.
        if (api::Find(status, "state.terminated") == nullptr) api::Erase(status, "state");
      }
    }
  }
}

void TrimNode(Json& node) {
  DropLastApplied(node);
  api::Erase(node, "status.images");
}

std::vector<std::string> OwnerOf(const Json& object) {
  const Json* owner = api::ControllerOf(object);
  if (owner != nullptr) return {api::TextAt(*owner, "uid")};
  return {Concat("orphan/", api::NamespaceOf(object))};
}

}  // namespace

void KeepOwnersOnly(Json& object) {
  KeepOnly(&object, {"apiVersion", "kind", "metadata"});
  KeepOnly(api::Find(object, "metadata"), {"name", "namespace", "uid", "resourceVersion",
                                           "ownerReferences", "finalizers", "deletionTimestamp"});
}

Informer& PodCopies(const ControllerContext& context) {
  if (Informer* known = context.informers->Find(kPods)) return *known;
  Informer& pods = context.informers->For(kPods, TrimPod);
  pods.AddIndex(kOwnerIndex, OwnerOf);
  pods.AddIndex(kNodeIndex, [](const Json& pod) {
    return std::vector<std::string>{api::TextAt(pod, "spec.nodeName")};
  });
  return pods;
}

std::vector<runtime::Object> PodsOnNode(const Informer& pods, std::string_view node) {
  return pods.ByIndex(kNodeIndex, node);
}

Informer& OwnedCopies(const ControllerContext& context, const runtime::Resource& resource) {
  if (Informer* known = context.informers->Find(resource)) return *known;
  Informer& copies =
      context.informers->For(resource, resource == kNodes ? TrimNode : DropLastApplied);
  copies.AddIndex(kOwnerIndex, OwnerOf);
  return copies;
}

std::vector<runtime::Object> OwnedBy(const Informer& copies, std::string_view uid) {
  return copies.ByIndex(kOwnerIndex, uid);
}

std::vector<runtime::Object> Orphans(const Informer& copies, std::string_view name_space) {
  return copies.ByIndex(kOwnerIndex, Concat("orphan/", name_space));
}

runtime::InformerHandler OnPresent(std::function<void(const runtime::Object&)> act,
                                   std::function<void(const runtime::Object&)> gone) {
  runtime::InformerHandler handler{.on_add = act, .on_delete = std::move(gone)};
  handler.on_update = [act = std::move(act)](const runtime::Object&, const runtime::Object& now) {
    act(now);
  };
  return handler;
}

runtime::Object AtKey(const Informer& copies, std::string_view key) {
  const size_t slash = key.find('/');
  return slash == std::string_view::npos ? copies.Get("", key)
                                         : copies.Get(key.substr(0, slash), key.substr(slash + 1));
}

Informer& Copies(const ControllerContext& context, const runtime::Resource& resource) {
  // All have the index, so that it does not matter who asks first.
  return OwnedCopies(context, resource);
}

}  // namespace keelson::controllers
