#include "apiserver/controllers/autoscale.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/autoscale_decide.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/discovery.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using api::Quantity;
using runtime::ControllerContext;
using runtime::Object;

constexpr absl::Duration kPeriod = absl::Seconds(15);
constexpr absl::Duration kComesUp = absl::Seconds(30);
constexpr absl::Duration kCpuSettles = absl::Minutes(5);

// What one metric recommends.
struct Recommendation {
  int64_t replicas = 0;
  std::string name;  // "cpu resource utilization (percentage of request)"
  Json current;      // for status.currentMetrics
};

class AutoscaleController final : public runtime::QueueController {
 public:
  explicit AutoscaleController(const ControllerContext& context)
      : QueueController("horizontal-pod-autoscaler", context.clock, 2),
        client_(context.client),
        events_(context.events->As("horizontal-pod-autoscaler")),
        autoscalers_(Copies(context, kAutoscalers)),
        pods_(PodCopies(context)) {
    autoscalers_.AddHandler({
        .on_add = [this](const Object& one) { queue().Add(api::KeyOf(*one)); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (api::MapAt(*before, "spec") != api::MapAt(*now, "spec")) {
                queue().Add(api::KeyOf(*now));
              }
            },
        .on_delete =
            [this](const Object& last) {
              absl::MutexLock lock(&mu_);
              histories_.erase(api::UidOf(*last));
            },
    });
  }

 private:
  struct Look {
    const Json& autoscaler;
    Json status;
    absl::Time now;
    LabelSelector selector = {};
    int64_t current = 0;

    void Say(const std::string& type, bool yes, const std::string& reason,
             const std::string& message) {
      SetCondition(&status["conditions"], {type, yes ? "True" : "False", reason, message}, now);
    }
  };

  absl::Status Reconcile(const std::string& key) override {
    const Object autoscaler = AtKey(autoscalers_, key);
    if (autoscaler == nullptr) return absl::OkStatus();
    queue().AddAfter(key, kPeriod);
    Look look{
        .autoscaler = *autoscaler, .status = api::MapAt(*autoscaler, "status"), .now = absl::Now()};
    const absl::Status scaled = Scale(look);
    look.status["observedGeneration"] = api::NumberAt(*autoscaler, "metadata.generation");
    const absl::Status written = PatchStatus(client_, kAutoscalers, *autoscaler, look.status);
    // What went wrong is in the conditions, and comes again in a moment anyway.
    if (!scaled.ok() && !absl::IsUnavailable(scaled)) return written;
    return scaled.ok() ? written : scaled;
  }

  absl::StatusOr<runtime::Resource> TargetResource(const Json& reference) {
    const std::string& kind = api::TextAt(reference, "kind");
    const std::string& version = api::TextAt(reference, "apiVersion");
    for (const auto& [name, resource] :
         {std::pair("Deployment", &kDeployments), std::pair("StatefulSet", &kStatefulSets),
          std::pair("ReplicaSet", &kReplicaSets),
          std::pair("ReplicationController", &kReplicationControllers)}) {
      if (kind == name) return *resource;
    }
    KV_ASSIGN_OR_RETURN(const Discovery discovery, Discover(client_));
    for (const DiscoveredKind& one : discovery.kinds) {
      if (one.kind == kind && one.ApiVersion() == version) return one.resource;
    }
    return absl::NotFoundError(
        Concat("no matches for kind \"", kind, "\" in group \"", version, "\""));
  }

  absl::Status Scale(Look& look) {
    const Json& reference = api::MapAt(look.autoscaler, "spec.scaleTargetRef");
    const std::string& space = api::NamespaceOf(look.autoscaler);
    const std::string& target = api::TextAt(reference, "name");
    const absl::StatusOr<runtime::Resource> resource = TargetResource(reference);
    const absl::StatusOr<Json> scale = resource.ok()
                                           ? client_->Get(*resource, space, target, "scale")
                                           : absl::StatusOr<Json>(resource.status());
    if (!scale.ok()) {
      const std::string why(scale.status().message());
      look.Say("AbleToScale", false, "FailedGetScale",
               Concat("the HPA controller was unable to get the target's current scale: ", why));
      events_->Warning(look.autoscaler, "FailedGetScale", why);
      return scale.status();
    }
    look.current = api::NumberAt(*scale, "spec.replicas");
    look.status["currentReplicas"] = api::NumberAt(*scale, "status.replicas");
    look.Say("AbleToScale", true, "SucceededGetScale",
             "the HPA controller was able to get the target's current scale");
    const absl::StatusOr<LabelSelector> selector =
        LabelSelector::Parse(api::TextAt(*scale, "status.selector"));
    if (!selector.ok() || selector->everything()) {
      look.Say("ScalingActive", false, "InvalidSelector",
               "the HPA target's scale is missing a selector");
      events_->Warning(look.autoscaler, "SelectorRequired", "selector is required");
      return absl::OkStatus();
    }
    look.selector = *selector;
    std::string reason;
    const std::optional<int64_t> desired = Decide(look, &reason);
    if (!desired) return absl::OkStatus();
    look.status["desiredReplicas"] = *desired;
    if (*desired == look.current) return absl::OkStatus();
    const absl::Status changed = client_
                                     ->Patch(*resource, space, target, runtime::PatchType::kMerge,
                                             {{"spec", {{"replicas", *desired}}}}, "scale")
                                     .status();
    if (!changed.ok()) {
      events_->Warning(look.autoscaler, "FailedRescale",
                       Concat("New size: ", *desired, "; reason: ", reason,
                              "; error: ", std::string(changed.message())));
      look.Say("AbleToScale", false, "FailedUpdateScale",
               Concat("the HPA controller was unable to update the target scale: ",
                      std::string(changed.message())));
      return changed;
    }
    look.Say("AbleToScale", true, "SucceededRescale",
             Concat("the HPA controller was able to update the target scale to ", *desired));
    events_->Normal(look.autoscaler, "SuccessfulRescale",
                    Concat("New size: ", *desired, "; reason: ", reason));
    look.status["lastScaleTime"] = api::FormatTime(look.now);
    absl::MutexLock lock(&mu_);
    histories_[api::UidOf(look.autoscaler)].changed.push_back({look.now, *desired - look.current});
    return absl::OkStatus();
  }

  std::optional<int64_t> Decide(Look& look, std::string* reason) {
    const int64_t least = api::NumberAt(look.autoscaler, "spec.minReplicas", 1);
    const int64_t most = api::NumberAt(look.autoscaler, "spec.maxReplicas", 1);
    if (look.current == 0 && least != 0) {
      look.Say("ScalingActive", false, "ScalingDisabled",
               "scaling is disabled since the replica count of the target is zero");
      return 0;
    }
    if (look.current > most) {
      *reason = "Current number of replicas above Spec.MaxReplicas";
      return most;
    }
    if (look.current < least) {
      *reason = "Current number of replicas below Spec.MinReplicas";
      return least;
    }
    std::optional<Recommendation> highest;
    Json metrics = Json::array();
    absl::Status problem;
    std::string problem_reason;
    for (const Json& metric : api::ArrayAt(look.autoscaler, "spec.metrics")) {
      absl::StatusOr<Recommendation> one = Recommend(look, metric);
      if (!one.ok()) {
        problem = one.status();
        problem_reason = Concat("FailedGet", api::TextAt(metric, "type"), "Metric");
        continue;
      }
      metrics.push_back(one->current);
      if (!highest || one->replicas > highest->replicas) highest = *std::move(one);
    }
    // Where something is not known, it is not made smaller.
    if (!problem.ok() && (!highest || highest->replicas < look.current)) {
      look.Say("ScalingActive", false, problem_reason,
               Concat("the HPA was unable to compute the replica count: ",
                      std::string(problem.message())));
      events_->Warning(look.autoscaler, problem_reason, std::string(problem.message()));
      return std::nullopt;
    }
    if (!highest) return std::nullopt;
    look.status["currentMetrics"] = std::move(metrics);
    look.Say(
        "ScalingActive", true, "ValidMetricFound",
        Concat("the HPA was able to successfully calculate a replica count from ", highest->name));
    Limited limited;
    {
      absl::MutexLock lock(&mu_);
      limited = LimitScaling(look.autoscaler, look.current, highest->replicas,
                             &histories_[api::UidOf(look.autoscaler)], look.now);
    }
    const bool stabilized = limited.reason.ends_with("Stabilized");
    if (stabilized) {
      look.Say("AbleToScale", true, limited.reason, limited.message);
    } else {
      look.Say("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
    }
    if (limited.reason.empty() || stabilized) {
      look.Say("ScalingLimited", false, "DesiredWithinRange",
               "the desired count is within the acceptable range");
    } else {
      look.Say("ScalingLimited", true, limited.reason, limited.message);
    }
    *reason = limited.replicas > look.current ? Concat(highest->name, " above target")
                                              : "All metrics below target";
    return limited.replicas;
  }

  absl::StatusOr<Recommendation> Recommend(Look& look, const Json& metric) {
    const std::string& type = api::TextAt(metric, "type");
    if (type != "Resource" && type != "ContainerResource") {
      return absl::UnimplementedError(
          Concat("unable to get metrics of type ", type, ": no such API is served"));
    }
    const bool of_container = type == "ContainerResource";
    const Json& source = api::MapAt(metric, of_container ? "containerResource" : "resource");
    const std::string& resource = api::TextAt(source, "name");
    const std::string& container = api::TextAt(source, "container");
    const std::string& target_type = api::TextAt(source, "target.type");
    LoadTarget target{.is_utilization = target_type == "Utilization"};
    if (target.is_utilization) {
      target.value = api::NumberAt(source, "target.averageUtilization");
    } else {
      const Json* average = api::Find(source, "target.averageValue");
      if (average == nullptr) return absl::InvalidArgumentError("invalid resource metric source");
      target.value = Quantity::Of(*average).Milli();
    }
    std::vector<Object> pods = pods_.List(api::NamespaceOf(look.autoscaler));
    std::erase_if(pods, [&](const Object& pod) {
      return !look.selector.Matches(api::LabelsOf(*pod)) || api::IsBeingDeleted(*pod) ||
             api::TextAt(*pod, "status.phase") == "Failed";
    });
    if (pods.empty()) {
      return absl::NotFoundError("no pods returned by selector while calculating replica count");
    }
    const std::map<std::string, Json> measured = Measurements(look);
    std::vector<PodLoad> loads;
    for (const Object& pod : pods) {
      loads.push_back(LoadOf(*pod, resource, container, measured, look.now));
      if (target.is_utilization && loads.back().requested <= 0) {
        return absl::FailedPreconditionError(Concat("failed to get ", resource,
                                                    " utilization: missing request for ", resource,
                                                    " in container of Pod ", api::NameOf(*pod)));
      }
    }
    const std::optional<LoadVerdict> verdict = JudgeLoad(loads, target, look.current);
    if (!verdict) {
      return absl::UnavailableError(
          Concat("failed to get ", resource, " utilization: unable to get metrics for resource ",
                 resource, ": no metrics returned from resource metrics API"));
    }
    Json value = {{"averageValue", Quantity::FromMilli(verdict->average).ToString()}};
    if (target.is_utilization) value["averageUtilization"] = verdict->utilization;
    Json current = {{"name", resource}, {"current", std::move(value)}};
    if (of_container) current["container"] = container;
    return Recommendation{
        .replicas = verdict->replicas,
        .name = Concat(resource, of_container ? " container" : "", " resource",
                       target.is_utilization ? " utilization (percentage of request)" : ""),
        .current = {{"type", type},
                    {of_container ? "containerResource" : "resource", std::move(current)}}};
  }

  // By pod; empty where nobody serves them.
  std::map<std::string, Json> Measurements(const Look& look) {
    std::map<std::string, Json> measured;
    const absl::StatusOr<Json> list = client_->GetPath(Concat(
        "/apis/metrics.k8s.io/v1beta1/namespaces/", api::NamespaceOf(look.autoscaler), "/pods"));
    if (!list.ok()) return measured;
    for (const Json& item : api::ArrayAt(*list, "items")) measured[api::NameOf(item)] = item;
    return measured;
  }

  static PodLoad LoadOf(const Json& pod, const std::string& resource, const std::string& container,
                        const std::map<std::string, Json>& measured, absl::Time now) {
    PodLoad load;
    for (const Json& one : api::ArrayAt(pod, "spec.containers")) {
      if (!container.empty() && api::TextAt(one, "name") != container) continue;
      const Json* amount = api::Member(api::MapAt(one, "resources.requests"), resource);
      if (amount != nullptr) load.requested += Quantity::Of(*amount).Milli();
    }
    const auto found = measured.find(api::NameOf(pod));
    if (found != measured.end()) {
      int64_t used = 0;
      for (const Json& one : api::ArrayAt(found->second, "containers")) {
        if (!container.empty() && api::TextAt(one, "name") != container) continue;
        const Json* amount = api::Member(api::MapAt(one, "usage"), resource);
        if (amount != nullptr) used += Quantity::Of(*amount).Milli();
      }
      load.used = used;
    }
    const auto started = api::ParseTime(api::TextAt(pod, "status.startTime"));
    const bool ready = IsReady(pod);
    if (api::TextAt(pod, "status.phase") == "Pending" || !started) {
      load.unready = true;
    } else if (resource == "cpu") {
      const Json* condition = api::FindCondition(pod, "Ready");
      const auto since = condition == nullptr
                             ? std::nullopt
                             : api::ParseTime(api::TextAt(*condition, "lastTransitionTime"));
      load.unready =
          *started + kCpuSettles > now ? !ready : !ready && since && *started + kComesUp > *since;
    }
    return load;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  runtime::Informer& autoscalers_;
  runtime::Informer& pods_;
  absl::Mutex mu_;
  std::map<std::string, ScaleHistory> histories_ ABSL_GUARDED_BY(mu_);  // by uid
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeAutoscaleController(const ControllerContext& context) {
  return std::make_unique<AutoscaleController>(context);
}

}  // namespace keelson::controllers
