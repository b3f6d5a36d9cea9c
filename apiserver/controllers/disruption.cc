#include "apiserver/controllers/disruption.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
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

// An eviction that has not shown by then never will.
constexpr absl::Duration kEvictionShows = absl::Minutes(2);
constexpr absl::Duration kPodPause = absl::Milliseconds(50);

std::string OwnerUidOf(const Json& pod) {
  const Json* owner = api::ControllerOf(pod);
  return owner == nullptr ? "" : api::TextAt(*owner, "uid");
}

class DisruptionController final : public runtime::QueueController {
 public:
  explicit DisruptionController(const ControllerContext& context)
      : QueueController("disruption-controller", context.clock, 2),
        client_(context.client),
        events_(context.events->As("controllermanager")),
        budgets_(Copies(context, kDisruptionBudgets)),
        pods_(PodCopies(context)),
        replica_sets_(OwnedCopies(context, kReplicaSets)),
        deployments_(Copies(context, kDeployments)),
        replication_controllers_(OwnedCopies(context, kReplicationControllers)),
        stateful_sets_(Copies(context, kStatefulSets)) {
    budgets_.AddHandler(
        OnPresent([this](const Object& budget) { queue().Add(api::KeyOf(*budget)); }));
    const auto enqueue = [this](const Object& pod) {
      for (const Object& budget : budgets_.List(api::NamespaceOf(*pod))) {
        if (SelectorOf(*budget).Matches(api::LabelsOf(*pod))) {
          queue().AddAfter(api::KeyOf(*budget), kPodPause);
        }
      }
    };
    pods_.AddHandler({
        .on_add = enqueue,
        .on_update =
            [enqueue](const Object& before, const Object& now) {
              if (IsReady(*before) != IsReady(*now) || IsActive(*before) != IsActive(*now) ||
                  api::LabelsOf(*before) != api::LabelsOf(*now) ||
                  OwnerUidOf(*before) != OwnerUidOf(*now)) {
                enqueue(before);
                enqueue(now);
              }
            },
        .on_delete = enqueue,
    });
    // What they ask for counts, too.
    for (Informer* owners :
         {&replica_sets_, &deployments_, &replication_controllers_, &stateful_sets_}) {
      owners->AddHandler({.on_update = [this](const Object& before, const Object& now) {
        if (api::NumberAt(*before, "spec.replicas") == api::NumberAt(*now, "spec.replicas")) return;
        for (const Object& budget : budgets_.List(api::NamespaceOf(*now))) {
          queue().AddAfter(api::KeyOf(*budget), kPodPause);
        }
      }});
    }
  }

 private:
  static LabelSelector SelectorOf(const Json& budget) {
    const Json* selector = api::Find(budget, "spec.selector");
    return selector == nullptr ? LabelSelector::Nothing() : LabelSelector::FromObject(*selector);
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object budget = AtKey(budgets_, key);
    if (budget == nullptr || api::IsBeingDeleted(*budget)) return absl::OkStatus();
    const LabelSelector selector = SelectorOf(*budget);
    std::vector<Object> pods;
    for (Object& pod : pods_.List(api::NamespaceOf(*budget))) {
      if (!IsTerminal(*pod) && selector.Matches(api::LabelsOf(*pod))) {
        pods.push_back(std::move(pod));
      }
    }
    if (pods.empty()) events_->Normal(*budget, "NoPods", "No matching pods found");
    Json status = api::MapAt(*budget, "status");
    int64_t expected = 0;
    int64_t desired = 0;
    const absl::Status counted = CountWanted(*budget, pods, &expected, &desired);
    if (!counted.ok()) {
      events_->Warning(*budget, "CalculateExpectedPodCountFailed",
                       Concat("Failed to calculate the number of expected pods: ",
                              std::string(counted.message())));
      // Better none than one too many.
      status["disruptionsAllowed"] = 0;
      SetCondition(&status["conditions"],
                   {"DisruptionAllowed", "False", "SyncFailed", std::string(counted.message())},
                   absl::Now());
      KV_RETURN_IF_ERROR(Write(*budget, std::move(status), key));
      return counted;
    }
    const int64_t healthy = CountHealthy(pods, key, &status);
    const int64_t allowed = expected > 0 && healthy > desired ? healthy - desired : int64_t{0};
    status["disruptionsAllowed"] = allowed;
    status["currentHealthy"] = healthy;
    status["desiredHealthy"] = desired;
    status["expectedPods"] = expected;
    SetCondition(&status["conditions"],
                 {"DisruptionAllowed", allowed > 0 ? "True" : "False",
                  allowed > 0 ? "SufficientPods" : "InsufficientPods", ""},
                 absl::Now());
    return Write(*budget, std::move(status), key);
  }

  // Evictions write the same status: whoever comes second counts again.
  absl::Status Write(const Json& budget, Json status, const std::string& key) {
    status["observedGeneration"] = api::NumberAt(budget, "metadata.generation");
    for (Json& condition : status["conditions"]) {
      condition["observedGeneration"] = api::NumberAt(budget, "metadata.generation");
    }
    const absl::Status written = PatchStatus(client_, kDisruptionBudgets, budget, status);
    return api::IsNotFound(written) ? absl::OkStatus() : written;
  }

  // Also forgets the evictions that have shown, or never will.
  int64_t CountHealthy(const std::vector<Object>& pods, const std::string& key, Json* status) {
    const absl::Time now = absl::Now();
    Json kept = Json::object();
    int64_t healthy = 0;
    std::optional<absl::Duration> again;
    for (const Object& pod : pods) {
      const Json* at = api::Member(api::MapAt(*status, "disruptedPods"), api::NameOf(*pod));
      if (at != nullptr && at->is_string() && !api::IsBeingDeleted(*pod)) {
        const auto since = api::ParseTime(at->get<std::string>());
        const absl::Duration left = since.value_or(now) + kEvictionShows - now;
        if (left > absl::ZeroDuration()) {
          kept[api::NameOf(*pod)] = *at;
          again = std::min(again.value_or(left), left);
          continue;
        }
        events_->Warning(*pod, "NotDeleted",
                         Concat("Pod was expected by PDB ", key, " to be deleted but it wasn't"));
      }
      if (!api::IsBeingDeleted(*pod) && IsReady(*pod)) ++healthy;
    }
    if (kept.empty()) {
      status->erase("disruptedPods");
    } else {
      (*status)["disruptedPods"] = std::move(kept);
    }
    if (again) queue().AddAfter(key, *again);
    return healthy;
  }

  absl::Status CountWanted(const Json& budget, const std::vector<Object>& pods, int64_t* expected,
                           int64_t* desired) {
    const Json* most_missing = api::Find(budget, "spec.maxUnavailable");
    const Json* least = api::Find(budget, "spec.minAvailable");
    *expected = static_cast<int64_t>(pods.size());
    if (most_missing == nullptr && least != nullptr && least->is_number()) {
      *desired = least->get<int64_t>();
      return absl::OkStatus();
    }
    if (most_missing == nullptr && least == nullptr) {
      *desired = 0;
      return absl::OkStatus();
    }
    KV_RETURN_IF_ERROR(CountExpected(pods, expected));
    if (most_missing != nullptr) {
      *desired = std::max<int64_t>(0, *expected - ScaledValue(*most_missing, *expected, true));
    } else {
      *desired = ScaledValue(*least, *expected, true);
    }
    return absl::OkStatus();
  }

  // What the controllers of the pods ask for.
  absl::Status CountExpected(const std::vector<Object>& pods, int64_t* expected) {
    std::map<std::string, int64_t> by_owner;
    for (const Object& pod : pods) {
      const Json* owner = api::ControllerOf(*pod);
      if (owner == nullptr) {
        // Nothing says how many there should be.
        continue;
      }
      const std::string& uid = api::TextAt(*owner, "uid");
      if (by_owner.contains(uid)) continue;
      const std::string& space = api::NamespaceOf(*pod);
      const std::string& name = api::TextAt(*owner, "name");
      const std::string& kind = api::TextAt(*owner, "kind");
      Object found;
      if (kind == "ReplicaSet") {
        found = replica_sets_.Get(space, name);
        if (found != nullptr && api::ControllerOf(*found) != nullptr) {
          const Json* parent = api::ControllerOf(*found);
          if (const Object deployment = deployments_.Get(space, api::TextAt(*parent, "name"));
              deployment != nullptr && api::UidOf(*deployment) == api::TextAt(*parent, "uid")) {
            by_owner[api::UidOf(*deployment)] = api::NumberAt(*deployment, "spec.replicas", 1);
            continue;
          }
        }
      } else if (kind == "ReplicationController") {
        found = replication_controllers_.Get(space, name);
      } else if (kind == "StatefulSet") {
        found = stateful_sets_.Get(space, name);
      } else {
        return absl::FailedPreconditionError(
            Concat("no matching scale is known for ", kind, " ", name));
      }
      if (found != nullptr && api::UidOf(*found) == uid) {
        by_owner[uid] = api::NumberAt(*found, "spec.replicas", 1);
      }
    }
    *expected = 0;
    for (const auto& [uid, count] : by_owner) *expected += count;
    return absl::OkStatus();
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Informer& budgets_;
  Informer& pods_;
  Informer& replica_sets_;
  Informer& deployments_;
  Informer& replication_controllers_;
  Informer& stateful_sets_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeDisruptionController(const ControllerContext& context) {
  return std::make_unique<DisruptionController>(context);
}

}  // namespace keelson::controllers
