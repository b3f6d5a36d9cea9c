#include "apiserver/controllers/daemon_set.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/daemon_set_sync.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/controllers/node_rules.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/resources.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 2;

}  // namespace

Json WithDaemonTolerations(const Json& pod_spec) {
  Json tolerations = api::ArrayAt(pod_spec, "tolerations");
  const auto tolerate = [&](const char* key, const char* effect) {
    tolerations.push_back({{"key", key}, {"operator", "Exists"}, {"effect", effect}});
  };
  tolerate("node.kubernetes.io/not-ready", "NoExecute");
  tolerate("node.kubernetes.io/unreachable", "NoExecute");
  tolerate("node.kubernetes.io/disk-pressure", "NoSchedule");
  tolerate("node.kubernetes.io/memory-pressure", "NoSchedule");
  tolerate("node.kubernetes.io/pid-pressure", "NoSchedule");
  tolerate("node.kubernetes.io/unschedulable", "NoSchedule");
  if (api::FlagAt(pod_spec, "hostNetwork")) {
    tolerate("node.kubernetes.io/network-unavailable", "NoSchedule");
  }
  return tolerations;
}

NodeFit FitOf(const Json& pod_template, const Json& node) {
  const Json& spec = api::MapAt(pod_template, "spec");
  const std::string& fixed = api::TextAt(spec, "nodeName");
  if (!fixed.empty() && fixed != api::NameOf(node)) return {};
  if (!SelectsNode(spec, node)) return {};
  const Json tolerations = WithDaemonTolerations(spec);
  const Json& taints = api::ArrayAt(node, "spec.taints");
  const bool may_stay = UntoleratedTaint(tolerations, taints, "NoExecute") == nullptr;
  return {.should_run = may_stay && UntoleratedTaint(tolerations, taints, "NoSchedule") == nullptr,
          .may_stay = may_stay};
}

std::string TargetNodeOf(const Json& pod) {
  const std::string& bound = api::TextAt(pod, "spec.nodeName");
  if (!bound.empty()) return bound;
  const Json* required =
      api::Find(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
  if (required == nullptr) return "";
  for (const Json& term : api::ArrayAt(*required, "nodeSelectorTerms")) {
    for (const Json& field : api::ArrayAt(term, "matchFields")) {
      const Json& values = api::ArrayAt(field, "values");
      if (api::TextAt(field, "key") == "metadata.name" && values.size() == 1 &&
          values[0].is_string()) {
        return values[0].get<std::string>();
      }
    }
  }
  return "";
}

namespace {

class DaemonSetController final : public runtime::QueueController {
 public:
  explicit DaemonSetController(const ControllerContext& context)
      : QueueController("daemonset-controller", context.clock, kWorkers),
        client_(context.client),
        events_(context.events->As("daemonset-controller")),
        expectations_(context.clock),
        sets_(Copies(context, kDaemonSets)),
        pods_(PodCopies(context)),
        nodes_(Copies(context, kNodes)),
        revisions_(OwnedCopies(context, kControllerRevisions)) {
    const auto enqueue = [this](const Object& set) { queue().Add(api::KeyOf(*set)); };
    sets_.AddHandler(OnPresent(enqueue, [this](const Object& set) {
      expectations_.Forget(api::KeyOf(*set));
      absl::MutexLock lock(&mu_);
      failures_.erase(api::UidOf(*set));
    }));
    pods_.AddHandler({
        .on_add = [this](const Object& pod) { OnPod(*pod, /*is_new=*/true); },
        .on_update = [this](const Object&, const Object& now) { OnPod(*now, false); },
        .on_delete = [this](const Object& pod) { OnPodGone(*pod); },
    });
    const auto enqueue_all = [this] {
      for (const Object& set : sets_.List()) queue().Add(api::KeyOf(*set));
    };
    nodes_.AddHandler({
        .on_add = [enqueue_all](const Object&) { enqueue_all(); },
        .on_update =
            [enqueue_all](const Object& before, const Object& now) {
              // Their heartbeats change nothing.
              if (api::LabelsOf(*before) != api::LabelsOf(*now) ||
                  api::ArrayAt(*before, "spec.taints") != api::ArrayAt(*now, "spec.taints")) {
                enqueue_all();
              }
            },
        .on_delete = [enqueue_all](const Object&) { enqueue_all(); },
    });
  }

 private:
  static LabelSelector SelectorOf(const Json& set) {
    return LabelSelector::FromObject(api::MapAt(set, "spec.selector"));
  }

  void OnPod(const Json& pod, bool is_new) {
    if (api::ControllerOf(pod) != nullptr) {
      const Object set = OwnerAmong(sets_, "DaemonSet", pod);
      if (set == nullptr) return;
      const std::string key = api::KeyOf(*set);
      if (is_new) expectations_.CreationObserved(key);
      if (api::IsBeingDeleted(pod)) expectations_.DeletionObserved(key, api::UidOf(pod));
      queue().Add(key);
      return;
    }
    for (const Object& set : sets_.List(api::NamespaceOf(pod))) {
      if (SelectorOf(*set).Matches(api::LabelsOf(pod))) queue().Add(api::KeyOf(*set));
    }
  }

  void OnPodGone(const Json& pod) {
    const Object set = OwnerAmong(sets_, "DaemonSet", pod);
    if (set == nullptr) return;
    expectations_.DeletionObserved(api::KeyOf(*set), api::UidOf(pod));
    queue().Add(api::KeyOf(*set));
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object set = AtKey(sets_, key);
    if (set == nullptr) return absl::OkStatus();
    const LabelSelector selector = SelectorOf(*set);
    if (selector.everything()) {
      events_->Warning(*set, "SelectingAll",
                       "This daemon set is selecting all pods. A non-empty selector is required.");
      return absl::OkStatus();
    }
    const bool may_manage = expectations_.Satisfied(key);
    KV_ASSIGN_OR_RETURN(const std::vector<Object> pods, ClaimObjects({.client = client_,
                                                                      .owner_resource = kDaemonSets,
                                                                      .owner = *set,
                                                                      .selector = selector,
                                                                      .resource = kPods,
                                                                      .copies = pods_}));
    KV_ASSIGN_OR_RETURN(const std::vector<Object> revisions,
                        ClaimObjects({.client = client_,
                                      .owner_resource = kDaemonSets,
                                      .owner = *set,
                                      .selector = selector,
                                      .resource = kControllerRevisions,
                                      .copies = revisions_}));
    const std::vector<Object> nodes = nodes_.List();
    const std::string& uid = api::UidOf(*set);
    std::map<std::string, DaemonSetSync::Failures> failures;
    {
      absl::MutexLock lock(&mu_);
      failures = failures_[uid];
    }
    DaemonSetSync sync({.client = client_, .events = events_.get(), .expectations = &expectations_},
                       *set, pods, nodes, revisions, &failures, may_manage);
    const absl::Status status = sync.Run();
    if (sync.look_again()) queue().AddAfter(key, *sync.look_again());
    absl::MutexLock lock(&mu_);
    failures_[uid] = std::move(failures);
    return status;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Expectations expectations_;
  Informer& sets_;
  Informer& pods_;
  Informer& nodes_;
  Informer& revisions_;
  absl::Mutex mu_;
  // By the set's uid, by node.
  std::map<std::string, std::map<std::string, DaemonSetSync::Failures>> failures_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeDaemonSetController(const ControllerContext& context) {
  return std::make_unique<DaemonSetController>(context);
}

}  // namespace keelson::controllers
