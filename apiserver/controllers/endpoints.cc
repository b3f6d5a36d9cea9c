#include "apiserver/controllers/endpoints.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/endpoint_build.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 3;
constexpr size_t kSliceMax = 100;
// Pods that come and go together are one change.
constexpr absl::Duration kPodPause = absl::Milliseconds(100);
constexpr char kHeadlessLabel[] = "service.kubernetes.io/headless";
constexpr char kServiceLabel[] = "kubernetes.io/service-name";
constexpr char kManagedBy[] = "endpointslice.kubernetes.io/managed-by";
constexpr char kSkipMirror[] = "endpointslice.kubernetes.io/skip-mirror";

// What both controllers look at: services, and the pods that they select.
class ServiceFollower : public runtime::QueueController {
 protected:
  ServiceFollower(std::string name, const ControllerContext& context)
      : QueueController(std::move(name), context.clock, kWorkers),
        client_(context.client),
        services_(Copies(context, kServices)),
        pods_(PodCopies(context)) {
    const auto enqueue = [this](const Object& service) { queue().Add(api::KeyOf(*service)); };
    services_.AddHandler(OnPresent(enqueue, enqueue));
    pods_.AddHandler({
        .on_add = [this](const Object& pod) { EnqueueServicesOf(*pod); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (!EndpointsDiffer(*before, *now)) return;
              EnqueueServicesOf(*now);
              if (api::LabelsOf(*before) != api::LabelsOf(*now)) EnqueueServicesOf(*before);
            },
        .on_delete = [this](const Object& pod) { EnqueueServicesOf(*pod); },
    });
  }

  static bool HasSelector(const Json& service) {
    return !api::MapAt(service, "spec.selector").empty() &&
           api::TextAt(service, "spec.type") != "ExternalName";
  }
  static LabelSelector SelectorOf(const Json& service) {
    return LabelSelector::FromMap(api::MapAt(service, "spec.selector"));
  }
  static bool IsHeadless(const Json& service) {
    return api::TextAt(service, "spec.clusterIP") == "None";
  }

  std::vector<Object> PodsOf(const Json& service) const {
    const LabelSelector selector = SelectorOf(service);
    std::vector<Object> pods = pods_.List(api::NamespaceOf(service));
    std::erase_if(pods, [&](const Object& pod) { return !selector.Matches(api::LabelsOf(*pod)); });
    return pods;
  }

  runtime::ApiClient* const client_;
  Informer& services_;
  Informer& pods_;

 private:
  void EnqueueServicesOf(const Json& pod) {
    for (const Object& service : services_.List(api::NamespaceOf(pod))) {
      if (HasSelector(*service) && SelectorOf(*service).Matches(api::LabelsOf(pod))) {
        queue().AddAfter(api::KeyOf(*service), kPodPause);
      }
    }
  }
};

class EndpointsController final : public ServiceFollower {
 public:
  explicit EndpointsController(const ControllerContext& context)
      : ServiceFollower("endpoint-controller", context), endpoints_(Copies(context, kEndpoints)) {
    // What somebody else has changed or deleted is made right again.
    endpoints_.AddHandler({
        .on_update = [this](const Object&, const Object& now) { queue().Add(api::KeyOf(*now)); },
        .on_delete = [this](const Object& last) { queue().Add(api::KeyOf(*last)); },
    });
  }

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object service = AtKey(services_, key);
    const Object present = AtKey(endpoints_, key);
    if (service == nullptr) return present == nullptr ? absl::OkStatus() : Remove(*present);
    if (!HasSelector(*service) || api::IsBeingDeleted(*service)) return absl::OkStatus();

    bool truncated = false;
    const Json subsets = BuildSubsets(*service, PodsOf(*service), &truncated);
    Json labels = api::LabelsOf(*service);
    labels.erase(kHeadlessLabel);
    if (IsHeadless(*service)) labels[kHeadlessLabel] = "";
    labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller";
    Json wanted =
        present != nullptr
            ? *present
            : Json{{"apiVersion", "v1"},
                   {"kind", "Endpoints"},
                   {"metadata",
                    {{"name", api::NameOf(*service)}, {"namespace", api::NamespaceOf(*service)}}}};
    if (!SameMeaning(api::ArrayAt(wanted, "subsets"), subsets)) wanted["subsets"] = subsets;
    wanted["metadata"]["labels"] = std::move(labels);
    constexpr char kOverCapacity[] = "endpoints.kubernetes.io/over-capacity";
    if (truncated) {
      api::Make(wanted, "metadata.annotations")[kOverCapacity] = "truncated";
    } else if (Json* annotations = api::Find(wanted, "metadata.annotations")) {
      annotations->erase(kOverCapacity);
    }
    if (present == nullptr) {
      const absl::Status status =
          client_->Create(kEndpoints, api::NamespaceOf(*service), wanted).status();
      return NamespaceIsEnding(status) ? absl::OkStatus() : status;
    }
    return PatchObject(client_, kEndpoints, *present, wanted, Condition::kSameObject).status();
  }

  absl::Status Remove(const Json& endpoints) {
    const absl::Status status =
        client_->Delete(kEndpoints, api::NamespaceOf(endpoints), api::NameOf(endpoints),
                        {{"preconditions", {{"uid", api::UidOf(endpoints)}}}});
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  Informer& endpoints_;
};

class EndpointSliceController final : public ServiceFollower {
 public:
  explicit EndpointSliceController(const ControllerContext& context)
      : ServiceFollower("endpointslice-controller", context),
        expectations_(context.clock),
        slices_(OwnedCopies(context, kEndpointSlices)),
        endpoints_(Copies(context, kEndpoints)),
        nodes_(Copies(context, kNodes)) {
    const auto enqueue = [this](const Object& slice) {
      const Json* service = api::Member(api::LabelsOf(*slice), kServiceLabel);
      if (service != nullptr && service->is_string()) {
        queue().Add(Concat(api::NamespaceOf(*slice), "/", service->get<std::string>()));
      }
    };
    slices_.AddHandler({
        .on_add =
            [this, enqueue](const Object& slice) {
              const Json* service = api::Member(api::LabelsOf(*slice), kServiceLabel);
              if (service == nullptr || !service->is_string()) return;
              expectations_.CreationObserved(
                  Concat(api::NamespaceOf(*slice), "/", service->get<std::string>()));
              enqueue(slice);
            },
        .on_update = [enqueue](const Object&, const Object& now) { enqueue(now); },
        .on_delete = enqueue,
    });
    const auto mirror = [this](const Object& endpoints) {
      const Object service = AtKey(services_, api::KeyOf(*endpoints));
      if (service != nullptr && !HasSelector(*service)) queue().Add(api::KeyOf(*endpoints));
    };
    endpoints_.AddHandler(OnPresent(mirror, mirror));
  }

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object service = AtKey(services_, key);
    // With the Service its slices go, for it owns them.
    if (service == nullptr || api::IsBeingDeleted(*service)) {
      expectations_.Forget(key);
      return absl::OkStatus();
    }
    // A slice that was made shows soon, and brings the Service here again.
    if (!expectations_.Satisfied(key)) return absl::OkStatus();
    if (api::TextAt(*service, "spec.type") == "ExternalName") return absl::OkStatus();
    std::vector<std::string> types;
    for (const Json& family : api::ArrayAt(*service, "spec.ipFamilies")) {
      if (family.is_string()) types.push_back(family.get<std::string>());
    }
    if (types.empty()) types.push_back("IPv4");
    if (!HasSelector(*service)) return Mirror(*service);
    const std::vector<Object> pods = PodsOf(*service);
    const std::map<std::string, std::string> zones = Zones();
    for (const std::string& type : types) {
      KV_RETURN_IF_ERROR(Write(*service, type, BuildEndpoints(*service, pods, type, zones),
                               "endpointslice-controller.k8s.io"));
    }
    return absl::OkStatus();
  }

  absl::Status Mirror(const Json& service) {
    const Object endpoints = AtKey(endpoints_, api::KeyOf(service));
    constexpr std::string_view kManager = "endpointslicemirroring-controller.k8s.io";
    const bool skip = endpoints == nullptr || api::LabelsOf(*endpoints).contains(kSkipMirror) ||
                      // The API server writes the slice of its own Service itself.
                      api::KeyOf(service) == "default/kubernetes";
    for (const std::string type : {"IPv4", "IPv6"}) {
      std::vector<PortGroup> groups;
      if (!skip) groups = MirrorSubsets(api::ArrayAt(*endpoints, "subsets"), type);
      if (!groups.empty()) {
        KV_RETURN_IF_ERROR(Write(service, type, std::move(groups), kManager));
        continue;
      }
      for (const Object& slice : SlicesOf(service, type, kManager)) {
        KV_RETURN_IF_ERROR(Remove(*slice));
      }
    }
    return absl::OkStatus();
  }

  std::map<std::string, std::string> Zones() const {
    std::map<std::string, std::string> zones;
    for (const Object& node : nodes_.List()) {
      const Json* zone = api::Member(api::LabelsOf(*node), "topology.kubernetes.io/zone");
      if (zone != nullptr && zone->is_string()) zones[api::NameOf(*node)] = *zone;
    }
    return zones;
  }

  std::vector<Object> SlicesOf(const Json& service, const std::string& type,
                               std::string_view manager) const {
    std::vector<Object> found = OwnedBy(slices_, api::UidOf(service));
    std::erase_if(found, [&](const Object& slice) {
      const Json* by = api::Member(api::LabelsOf(*slice), kManagedBy);
      return by == nullptr || *by != manager || api::TextAt(*slice, "addressType") != type ||
             api::IsBeingDeleted(*slice);
    });
    return found;
  }

  absl::Status Write(const Json& service, const std::string& type, std::vector<PortGroup> groups,
                     std::string_view manager) {
    Json labels = api::LabelsOf(service);
    labels.erase(kHeadlessLabel);
    if (IsHeadless(service)) labels[kHeadlessLabel] = "";
    labels[kServiceLabel] = api::NameOf(service);
    labels[kManagedBy] = manager;
    const std::vector<Object> present = SlicesOf(service, type, manager);
    SlicePlan plan = PlanSlices(present, std::move(groups), kSliceMax);
    const std::string key = api::KeyOf(service);
    for (SlicePlan::Content& content : plan.create) {
      expectations_.ExpectMore(key, 1);
      const absl::Status status = Create(service, type, labels, std::move(content));
      if (status.ok()) continue;
      expectations_.CreationObserved(key);
      return NamespaceIsEnding(status) ? absl::OkStatus() : status;
    }
    for (auto& [slice, content] : plan.update) {
      Json wanted = *slice;
      wanted["ports"] = std::move(content.ports);
      wanted["endpoints"] = std::move(content.endpoints);
      wanted["metadata"]["labels"] = labels;
      KV_RETURN_IF_ERROR(
          PatchObject(client_, kEndpointSlices, *slice, wanted, Condition::kSameVersion).status());
    }
    for (const Object& slice : plan.remove) KV_RETURN_IF_ERROR(Remove(*slice));
    return absl::OkStatus();
  }

  absl::Status Create(const Json& service, const std::string& type, const Json& labels,
                      SlicePlan::Content content) {
    return client_
        ->Create(kEndpointSlices, api::NamespaceOf(service),
                 {{"apiVersion", "discovery.k8s.io/v1"},
                  {"kind", "EndpointSlice"},
                  {"metadata",
                   {{"generateName", Concat(api::NameOf(service), "-")},
                    {"namespace", api::NamespaceOf(service)},
                    {"labels", labels},
                    {"ownerReferences", Json::array({ControllerReference(service)})}}},
                  {"addressType", type},
                  {"ports", std::move(content.ports)},
                  {"endpoints", std::move(content.endpoints)}})
        .status();
  }

  absl::Status Remove(const Json& slice) {
    const absl::Status status =
        client_->Delete(kEndpointSlices, api::NamespaceOf(slice), api::NameOf(slice),
                        {{"preconditions", {{"uid", api::UidOf(slice)}}}});
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  Expectations expectations_;
  Informer& slices_;
  Informer& endpoints_;
  Informer& nodes_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeEndpointsController(const ControllerContext& context) {
  return std::make_unique<EndpointsController>(context);
}
std::unique_ptr<runtime::Controller> MakeEndpointSliceController(const ControllerContext& context) {
  return std::make_unique<EndpointSliceController>(context);
}

}  // namespace keelson::controllers
