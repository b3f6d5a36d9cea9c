#include "apiserver/controllers/deployment.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/deployment_sync.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Object;

constexpr int kWorkers = 5;

class DeploymentController final : public runtime::QueueController {
 public:
  explicit DeploymentController(const ControllerContext& context)
      : QueueController("deployment-controller", context.clock, kWorkers),
        client_(context.client),
        events_(context.events->As("deployment-controller")),
        deployments_(Copies(context, kDeployments)),
        sets_(OwnedCopies(context, kReplicaSets)),
        pods_(PodCopies(context)) {
    const auto enqueue = [this](const Object& deployment) { queue().Add(api::KeyOf(*deployment)); };
    deployments_.AddHandler(OnPresent(enqueue, enqueue));
    sets_.AddHandler({
        .on_add = [this](const Object& set) { OnSet(*set); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (api::ControllerOf(*before) != nullptr) OnSet(*before);
              OnSet(*now);
            },
        .on_delete = [this](const Object& set) { OnSet(*set); },
    });
    // Recreate waits for the last of the old pods.
    pods_.AddHandler({
        .on_update =
            [this](const Object& before, const Object& now) {
              if (!IsTerminal(*before) && IsTerminal(*now)) OnPodEnded(*now);
            },
        .on_delete = [this](const Object& pod) { OnPodEnded(*pod); },
    });
  }

 private:
  void OnSet(const Json& set) {
    if (api::ControllerOf(set) != nullptr) {
      if (const Object owner = OwnerAmong(deployments_, "Deployment", set)) {
        queue().Add(api::KeyOf(*owner));
      }
      return;
    }
    for (const Object& deployment : deployments_.List(api::NamespaceOf(set))) {
      const LabelSelector selector =
          LabelSelector::FromObject(api::MapAt(*deployment, "spec.selector"));
      if (!selector.everything() && selector.Matches(api::LabelsOf(set))) {
        queue().Add(api::KeyOf(*deployment));
      }
    }
  }

  void OnPodEnded(const Json& pod) {
    const Object set = OwnerAmong(sets_, "ReplicaSet", pod);
    if (set == nullptr) return;
    const Object deployment = OwnerAmong(deployments_, "Deployment", *set);
    if (deployment != nullptr && api::TextAt(*deployment, "spec.strategy.type") == "Recreate") {
      queue().Add(api::KeyOf(*deployment));
    }
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object found = AtKey(deployments_, key);
    if (found == nullptr) return absl::OkStatus();
    const Json& deployment = *found;
    const LabelSelector selector =
        LabelSelector::FromObject(api::MapAt(deployment, "spec.selector"));
    if (selector.everything()) {
      events_->Warning(deployment, "SelectingAll",
                       "This deployment is selecting all pods. A non-empty selector is required.");
      Json status = api::MapAt(deployment, "status");
      status["observedGeneration"] = api::NumberAt(deployment, "metadata.generation");
      return PatchStatus(client_, kDeployments, deployment, status);
    }
    KV_ASSIGN_OR_RETURN(const std::vector<Object> sets,
                        ClaimObjects({.client = client_,
                                      .owner_resource = kDeployments,
                                      .owner = deployment,
                                      .selector = selector,
                                      .resource = kReplicaSets,
                                      .copies = sets_}));
    DeploymentSync sync({.client = client_, .events = events_.get(), .pods = &pods_}, deployment,
                        sets);
    const absl::Status status = sync.Run();
    if (sync.look_again()) queue().AddAfter(key, *sync.look_again());
    return status;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  runtime::Informer& deployments_;
  runtime::Informer& sets_;
  runtime::Informer& pods_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeDeploymentController(const ControllerContext& context) {
  return std::make_unique<DeploymentController>(context);
}

}  // namespace keelson::controllers
