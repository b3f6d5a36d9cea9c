#include "apiserver/controllers/node_health.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/node_rules.h"
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

constexpr absl::Duration kPeriod = absl::Seconds(5);
constexpr absl::Duration kSilence = absl::Seconds(50);
constexpr absl::Duration kStartSilence = absl::Seconds(60);
constexpr char kNotReady[] = "node.kubernetes.io/not-ready";
constexpr char kUnreachable[] = "node.kubernetes.io/unreachable";
constexpr char kLeaseSpace[] = "kube-node-lease";

struct Rule {
  const char* condition;
  const char* status;
  const char* key;
};
constexpr Rule kRules[] = {
    {"Ready", "False", kNotReady},
    {"Ready", "Unknown", kUnreachable},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
};
constexpr char kUnschedulable[] = "node.kubernetes.io/unschedulable";

std::string StatusOf(const Json& node, std::string_view type) {
  const Json* condition = api::FindCondition(node, type);
  return condition == nullptr ? "" : api::TextAt(*condition, "status");
}

}  // namespace

Json TaintsFor(const Json& node, bool execute, absl::Time now) {
  std::vector<std::pair<std::string, std::string>> wanted;  // key, effect
  for (const Rule& rule : kRules) {
    if (StatusOf(node, rule.condition) == rule.status) wanted.emplace_back(rule.key, "NoSchedule");
  }
  if (api::FlagAt(node, "spec.unschedulable")) wanted.emplace_back(kUnschedulable, "NoSchedule");
  if (execute) {
    const std::string ready = StatusOf(node, "Ready");
    if (ready == "False") wanted.emplace_back(kNotReady, "NoExecute");
    if (ready == "Unknown") wanted.emplace_back(kUnreachable, "NoExecute");
  }
  std::set<std::string> ours = {kUnschedulable};
  for (const Rule& rule : kRules) ours.insert(rule.key);
  Json taints = Json::array();
  for (const Json& taint : api::ArrayAt(node, "spec.taints")) {
    const std::string& key = api::TextAt(taint, "key");
    const std::string& effect = api::TextAt(taint, "effect");
    const bool node_condition = key == kNotReady || key == kUnreachable;
    const bool managed =
        ours.contains(key) && (effect == "NoSchedule" || (effect == "NoExecute" && node_condition));
    const auto found = std::find(wanted.begin(), wanted.end(), std::pair(key, effect));
    if (managed && found == wanted.end()) continue;
    if (found != wanted.end()) wanted.erase(found);
    taints.push_back(taint);
  }
  for (const auto& [key, effect] : wanted) {
    taints.push_back({{"key", key}, {"effect", effect}, {"timeAdded", api::FormatTime(now)}});
  }
  return taints;
}

ZoneHealth JudgeZone(int64_t ready, int64_t not_ready) {
  if (ready == 0 && not_ready > 0) return ZoneHealth::kAllIll;
  if (not_ready > 2 && not_ready * 100 >= (ready + not_ready) * 55) return ZoneHealth::kPartlyIll;
  return ZoneHealth::kWell;
}

absl::Duration EvictionPause(ZoneHealth zone, int64_t nodes, bool all_zones_ill) {
  // When nobody is well it is more likely that we cannot hear.
  if (all_zones_ill) return absl::InfiniteDuration();
  if (zone != ZoneHealth::kPartlyIll) return absl::Seconds(10);
  return nodes > 50 ? absl::Seconds(100) : absl::InfiniteDuration();
}

namespace {

class NodeHealthController final : public runtime::QueueController {
 public:
  explicit NodeHealthController(const ControllerContext& context)
      : QueueController("node-lifecycle-controller", context.clock, 4),
        client_(context.client),
        events_(context.events->As("node-controller")),
        clock_(context.clock),
        nodes_(Copies(context, kNodes)),
        leases_(context.client, {.resource = kLeases, .name_space = kLeaseSpace}),
        pods_(PodCopies(context)) {
    nodes_.AddHandler({
        .on_add =
            [this](const Object& node) {
              const std::string& name = api::NameOf(*node);
              events_->Normal(*node, "RegisteredNode",
                              Concat("Registered Node ", name, " in Controller"));
              queue().Add(name);
            },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (api::ArrayAt(*before, "status.conditions") !=
                      api::ArrayAt(*now, "status.conditions") ||
                  api::MapAt(*before, "spec") != api::MapAt(*now, "spec")) {
                queue().Add(api::NameOf(*now));
              }
            },
        .on_delete =
            [this](const Object& node) {
              const std::string& name = api::NameOf(*node);
              events_->Normal(*node, "RemovingNode",
                              Concat("Removing Node ", name, " from Controller"));
              absl::MutexLock lock(&mu_);
              heard_.erase(name);
            },
    });
  }

  void Start() override {
    leases_.Start();
    QueueController::Start();
  }
  void Stop() override {
    QueueController::Stop();
    leases_.Stop();
  }

 private:
  struct Heard {
    std::string sign;  // of life: what changes while the node lives
    absl::Duration at;
  };

  absl::Status Reconcile(const std::string& name) override {
    const Object node = nodes_.Get("", name);
    if (node == nullptr) return absl::OkStatus();
    queue().AddAfter(name, kPeriod);
    Json marked;
    if (SilentFor(*node) > SilenceAllowed(*node)) {
      KV_RETURN_IF_ERROR(MarkUnknown(*node, &marked));
    }
    const Json& present = marked.is_null() ? *node : marked;
    const std::string ready = StatusOf(present, "Ready");
    if (ready != "True" && !ready.empty()) KV_RETURN_IF_ERROR(MarkPods(name));
    const bool well = ready == "True" || ready.empty();
    const bool execute = !well && MayEvict(present);
    Json taints = TaintsFor(present, execute, absl::Now());
    if (SameMeaning(taints, api::ArrayAt(present, "spec.taints"))) return absl::OkStatus();
    Json wanted = present;
    if (taints.empty()) {
      api::Erase(wanted, "spec.taints");
    } else {
      api::Make(wanted, "spec.taints") = std::move(taints);
    }
    const absl::Status status =
        PatchObject(client_, kNodes, present, wanted, Condition::kSameVersion).status();
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  static absl::Duration SilenceAllowed(const Json& node) {
    return api::FindCondition(node, "Ready") == nullptr ? kStartSilence : kSilence;
  }

  absl::Duration SilentFor(const Json& node) {
    const std::string& name = api::NameOf(node);
    const Object lease = leases_.Get(kLeaseSpace, name);
    std::string sign = lease == nullptr ? "" : api::TextAt(*lease, "spec.renewTime");
    if (const Json* ready = api::FindCondition(node, "Ready")) {
      // Not what was written here.
      if (api::TextAt(*ready, "status") != "Unknown") {
        Append(&sign, "/", api::TextAt(*ready, "lastHeartbeatTime"));
      }
    }
    const absl::Duration now = clock_->Now();
    absl::MutexLock lock(&mu_);
    const auto [entry, is_new] = heard_.try_emplace(name, Heard{sign, now});
    if (!is_new && entry->second.sign != sign) entry->second = {std::move(sign), now};
    return now - entry->second.at;
  }

  // `marked`: the node after it was written, if it was.
  absl::Status MarkUnknown(const Json& node, Json* marked) {
    Json status = api::MapAt(node, "status");
    Json& conditions = status["conditions"];
    bool was_ready = false;
    bool changed = false;
    for (const char* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
      const Json* known = api::FindCondition(node, type);
      if (known != nullptr && api::TextAt(*known, "status") == "Unknown") continue;
      was_ready |= std::string_view(type) == "Ready" && known != nullptr &&
                   api::TextAt(*known, "status") == "True";
      changed |= known == nullptr ? SetCondition(&conditions,
                                                 {type, "Unknown", "NodeStatusNeverUpdated",
                                                  "Kubelet never posted node status."},
                                                 absl::Now())
                                  : SetCondition(&conditions,
                                                 {type, "Unknown", "NodeStatusUnknown",
                                                  "Kubelet stopped posting node status."},
                                                 absl::Now());
    }
    if (!changed) return absl::OkStatus();
    const absl::StatusOr<Json> written =
        client_->Patch(kNodes, "", api::NameOf(node), runtime::PatchType::kMerge,
                       {{"metadata",
                         {{"uid", api::UidOf(node)},
                          {"resourceVersion", api::TextAt(node, "metadata.resourceVersion")}}},
                        {"status", {{"conditions", conditions}}}},
                       "status");
    if (!written.ok()) return written.status();
    *marked = *written;
    if (was_ready) {
      events_->Normal(node, "NodeNotReady",
                      Concat("Node ", api::NameOf(node), " status is now: NodeNotReady"));
    }
    return absl::OkStatus();
  }

  // Nobody can say that they serve: they leave the endpoints.
  absl::Status MarkPods(const std::string& node) {
    for (const Object& pod : PodsOnNode(pods_, node)) {
      if (!IsReady(*pod)) continue;
      Json status = api::MapAt(*pod, "status");
      for (Json& condition : status["conditions"]) {
        if (api::TextAt(condition, "type") != "Ready") continue;
        condition["status"] = "False";
        condition["lastTransitionTime"] = api::FormatTime(absl::Now());
      }
      const absl::Status written = PatchStatus(client_, kPods, *pod, status);
      if (!written.ok() && !api::IsNotFound(written)) return written;
      events_->Warning(*pod, "NodeNotReady", "Node is not ready");
    }
    return absl::OkStatus();
  }

  static std::string ZoneOf(const Json& node) {
    std::string zone;
    for (const char* label : {"topology.kubernetes.io/region", "topology.kubernetes.io/zone"}) {
      const Json* value = api::Member(api::LabelsOf(node), label);
      Append(&zone, value != nullptr && value->is_string() ? value->get<std::string>() : "", "/");
    }
    return zone;
  }

  // True also where the node has the taint already.
  bool MayEvict(const Json& node) {
    for (const Json& taint : api::ArrayAt(node, "spec.taints")) {
      const std::string& key = api::TextAt(taint, "key");
      if (api::TextAt(taint, "effect") == "NoExecute" &&
          (key == kNotReady || key == kUnreachable)) {
        return true;
      }
    }
    const std::string zone = ZoneOf(node);
    std::map<std::string, std::pair<int64_t, int64_t>> zones;  // ready, not ready
    for (const Object& one : nodes_.List()) {
      auto& [ready, not_ready] = zones[ZoneOf(*one)];
      ++(StatusOf(*one, "Ready") == "True" ? ready : not_ready);
    }
    const bool all_ill = std::all_of(zones.begin(), zones.end(), [](const auto& entry) {
      return JudgeZone(entry.second.first, entry.second.second) == ZoneHealth::kAllIll;
    });
    const auto& [ready, not_ready] = zones[zone];
    const absl::Duration pause =
        EvictionPause(JudgeZone(ready, not_ready), ready + not_ready, all_ill);
    if (pause == absl::InfiniteDuration()) return false;
    const absl::Duration now = clock_->Now();
    absl::MutexLock lock(&mu_);
    const auto [last, is_first] = evicted_at_.try_emplace(zone, now);
    if (!is_first) {
      if (now - last->second < pause) return false;
      last->second = now;
    }
    return true;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  const Clock* const clock_;
  Informer& nodes_;
  Informer leases_;
  Informer& pods_;
  absl::Mutex mu_;
  std::map<std::string, Heard> heard_ ABSL_GUARDED_BY(mu_);                // by node
  std::map<std::string, absl::Duration> evicted_at_ ABSL_GUARDED_BY(mu_);  // by zone
};

class TaintEviction final : public runtime::QueueController {
 public:
  explicit TaintEviction(const ControllerContext& context)
      : QueueController("taint-eviction-controller", context.clock, 4),
        client_(context.client),
        events_(context.events->As("taint-eviction-controller")),
        nodes_(Copies(context, kNodes)),
        pods_(PodCopies(context)) {
    nodes_.AddHandler({.on_add = [this](const Object& node) { EnqueuePodsOf(*node); },
                       .on_update =
                           [this](const Object& before, const Object& now) {
                             if (api::ArrayAt(*before, "spec.taints") !=
                                 api::ArrayAt(*now, "spec.taints")) {
                               EnqueuePodsOf(*now);
                             }
                           }});
    const auto placed = [this](const Object& pod) {
      const Object node = nodes_.Get("", api::TextAt(*pod, "spec.nodeName"));
      if (node != nullptr && Executes(*node)) queue().Add(api::KeyOf(*pod));
    };
    pods_.AddHandler(
        {.on_add = placed, .on_update = [placed](const Object& before, const Object& now) {
           if (api::TextAt(*before, "spec.nodeName") != api::TextAt(*now, "spec.nodeName") ||
               api::ArrayAt(*before, "spec.tolerations") !=
                   api::ArrayAt(*now, "spec.tolerations")) {
             placed(now);
           }
         }});
  }

 private:
  static bool Executes(const Json& node) {
    const Json& taints = api::ArrayAt(node, "spec.taints");
    return std::any_of(taints.begin(), taints.end(), [](const Json& taint) {
      return api::TextAt(taint, "effect") == "NoExecute";
    });
  }
  void EnqueuePodsOf(const Json& node) {
    if (!Executes(node)) return;  // who waits finds that out himself
    for (const Object& pod : PodsOnNode(pods_, api::NameOf(node))) queue().Add(api::KeyOf(*pod));
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object pod = AtKey(pods_, key);
    if (pod == nullptr || api::IsBeingDeleted(*pod)) return absl::OkStatus();
    const Object node = nodes_.Get("", api::TextAt(*pod, "spec.nodeName"));
    if (node == nullptr) return absl::OkStatus();
    const Json& taints = api::ArrayAt(*node, "spec.taints");
    const absl::Duration stay = MayStay(api::ArrayAt(*pod, "spec.tolerations"), taints);
    if (stay == absl::InfiniteDuration()) return absl::OkStatus();
    const absl::Time now = absl::Now();
    std::optional<absl::Time> since;
    for (const Json& taint : taints) {
      if (api::TextAt(taint, "effect") != "NoExecute") continue;
      const auto added = api::ParseTime(api::TextAt(taint, "timeAdded"));
      if (added && (!since || *added > *since)) since = added;
    }
    const absl::Duration left = since.value_or(now) + stay - now;
    if (stay > absl::ZeroDuration() && left > absl::ZeroDuration()) {
      queue().AddAfter(key, left);
      return absl::OkStatus();
    }
    return Evict(*pod);
  }

  absl::Status Evict(const Json& pod) {
    Json status = api::MapAt(pod, "status");
    SetCondition(&status["conditions"],
                 {"DisruptionTarget", "True", "DeletionByTaintManager",
                  "Taint manager: deleting due to NoExecute taint"},
                 absl::Now());
    const absl::Status written = PatchStatus(client_, kPods, pod, status);
    if (!written.ok() && !api::IsNotFound(written)) return written;
    events_->Normal(pod, "TaintManagerEviction",
                    Concat("Marking for deletion Pod ", api::KeyOf(pod)));
    const absl::Status deleted = client_->Delete(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                                                 {{"preconditions", {{"uid", api::UidOf(pod)}}}});
    return api::IsNotFound(deleted) || api::IsConflict(deleted) ? absl::OkStatus() : deleted;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Informer& nodes_;
  Informer& pods_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeNodeHealthController(const ControllerContext& context) {
  return std::make_unique<NodeHealthController>(context);
}
std::unique_ptr<runtime::Controller> MakeTaintEviction(const ControllerContext& context) {
  return std::make_unique<TaintEviction>(context);
}

}  // namespace keelson::controllers
