#include "apiserver/controllers/pod_gc.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr absl::Duration kPeriod = absl::Seconds(20);
// A node that is not there may only not be there yet.
constexpr absl::Duration kQuarantine = absl::Seconds(40);
constexpr size_t kEndedMax = 12'500;
constexpr char kRound[] = "round";

class PodGarbageCollector final : public runtime::QueueController {
 public:
  explicit PodGarbageCollector(const ControllerContext& context)
      : QueueController("pod-garbage-collector", context.clock, 1),
        client_(context.client),
        clock_(context.clock),
        pods_(PodCopies(context)),
        nodes_(Copies(context, kNodes)) {
    nodes_.AddHandler({.on_delete = [this](const Object&) {
      queue().Add(kRound);
      queue().AddAfter(kRound, kQuarantine);
    }});
    queue().Add(kRound);
  }

 private:
  absl::Status Reconcile(const std::string&) override {
    queue().AddAfter(kRound, kPeriod);
    std::vector<Object> ended;
    std::map<std::string, std::vector<Object>> orphans;
    for (Object& pod : pods_.List()) {
      const std::string& node = api::TextAt(*pod, "spec.nodeName");
      if (node.empty()) {
        if (api::IsBeingDeleted(*pod)) {
          KV_RETURN_IF_ERROR(Remove(*pod, "PodGC: unscheduled and terminating"));
        }
      } else if (const Object home = nodes_.Get("", node); home == nullptr) {
        orphans[node].push_back(pod);
      } else if (api::IsBeingDeleted(*pod) && IsOutOfService(*home)) {
        KV_RETURN_IF_ERROR(Remove(*pod, "PodGC: node is out of service"));
        continue;
      }
      if (IsTerminal(*pod) && !api::IsBeingDeleted(*pod)) ended.push_back(std::move(pod));
    }
    KV_RETURN_IF_ERROR(RemoveOrphans(orphans));
    return RemoveEnded(std::move(ended));
  }

  static bool IsOutOfService(const Json& node) {
    if (api::ConditionIsTrue(node, "Ready")) return false;
    for (const Json& taint : api::ArrayAt(node, "spec.taints")) {
      if (api::TextAt(taint, "key") == "node.kubernetes.io/out-of-service") return true;
    }
    return false;
  }

  absl::Status RemoveOrphans(const std::map<std::string, std::vector<Object>>& orphans) {
    std::erase_if(missing_since_,
                  [&](const auto& entry) { return !orphans.contains(entry.first); });
    for (const auto& [node, pods] : orphans) {
      const absl::Duration since = missing_since_.try_emplace(node, clock_->Now()).first->second;
      if (clock_->Now() - since < kQuarantine) continue;
      // The copies may be old.
      const absl::Status found = client_->Get(kNodes, "", node).status();
      if (found.ok()) continue;
      if (!api::IsNotFound(found)) return found;
      for (const Object& pod : pods) {
        KV_RETURN_IF_ERROR(Remove(*pod, "PodGC: node no longer exists"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status RemoveEnded(std::vector<Object> ended) {
    if (ended.size() <= kEndedMax) return absl::OkStatus();
    std::sort(ended.begin(), ended.end(), [](const Object& a, const Object& b) {
      return api::TextAt(*a, "metadata.creationTimestamp") <
             api::TextAt(*b, "metadata.creationTimestamp");
    });
    ended.resize(ended.size() - kEndedMax);
    for (const Object& pod : ended) KV_RETURN_IF_ERROR(Remove(*pod, ""));
    return absl::OkStatus();
  }

  // At once: no node will confirm it. `why`: for pods that had not ended.
  absl::Status Remove(const Json& pod, std::string_view why) {
    if (!why.empty() && !IsTerminal(pod)) {
      Json status = api::MapAt(pod, "status");
      status["phase"] = "Failed";
      SetCondition(&status["conditions"],
                   {"DisruptionTarget", "True", "DeletionByPodGC", std::string(why)}, absl::Now());
      const absl::Status written = PatchStatus(client_, kPods, pod, status);
      if (!written.ok() && !api::IsNotFound(written)) return written;
    }
    const absl::Status status =
        client_->Delete(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                        {{"gracePeriodSeconds", 0}, {"preconditions", {{"uid", api::UidOf(pod)}}}});
    return api::IsNotFound(status) || api::IsConflict(status) ? absl::OkStatus() : status;
  }

  runtime::ApiClient* const client_;
  const Clock* const clock_;
  Informer& pods_;
  Informer& nodes_;
  std::map<std::string, absl::Duration> missing_since_;  // of the one worker
};

}  // namespace

std::unique_ptr<runtime::Controller> MakePodGarbageCollector(const ControllerContext& context) {
  return std::make_unique<PodGarbageCollector>(context);
}

}  // namespace keelson::controllers
