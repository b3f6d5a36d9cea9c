#include "apiserver/api/kinds/pod_cells.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Restarts of containers, and when the last of them was.
struct Restarts {
  int64_t count = 0;
  std::optional<absl::Time> last;

  void Add(const Json& status) {
    count += NumberAt(status, "restartCount");
    const std::optional<absl::Time> ended =
        ParseTime(TextAt(status, "lastState.terminated.finishedAt"));
    if (ended && (!last || *last < *ended)) last = ended;
  }
  std::string Cell(absl::Time now) const {
    if (count == 0 || !last) return Concat(count);
    return Concat(count, " (", FormatAge(now - *last), " ago)");
  }
};

struct Summary {
  std::string status;
  int64_t ready = 0;
  size_t containers = 0;
  Restarts restarts;
};

std::string EndOf(const Json& terminated) {
  const std::string& reason = TextAt(terminated, "reason");
  if (!reason.empty()) return reason;
  const int64_t signal = NumberAt(terminated, "signal");
  if (signal != 0) return Concat("Signal:", signal);
  return Concat("ExitCode:", NumberAt(terminated, "exitCode"));
}

// Why a container of the initialization keeps the pod from going on; nullopt: it does not.
std::optional<std::string> HeldUpBy(const Json& status, bool sidecar, size_t index, size_t count) {
  const Json* terminated = Find(status, "state.terminated");
  if (terminated != nullptr && NumberAt(*terminated, "exitCode") == 0) return std::nullopt;
  if (sidecar && FlagAt(status, "started")) return std::nullopt;
  if (terminated != nullptr) return Concat("Init:", EndOf(*terminated));
  const std::string& waiting = TextAt(status, "state.waiting.reason");
  if (!waiting.empty() && waiting != "PodInitializing") return Concat("Init:", waiting);
  return Concat("Init:", index, "/", count);
}

// Whether the initialization is not over.
bool SummarizeInitialization(const Json& pod, Summary* summary, Restarts* of_sidecars) {
  std::set<std::string> sidecars;
  const Json& containers = ArrayAt(pod, "spec.initContainers");
  for (const Json& container : containers) {
    if (TextAt(container, "restartPolicy") == "Always") sidecars.insert(TextAt(container, "name"));
  }
  summary->containers += sidecars.size();
  const Json& statuses = ArrayAt(pod, "status.initContainerStatuses");
  for (size_t i = 0; i < statuses.size(); ++i) {
    const Json& status = statuses[i];
    const bool sidecar = sidecars.contains(TextAt(status, "name"));
    summary->restarts.Add(status);
    if (sidecar) of_sidecars->Add(status);
    const auto held_up = HeldUpBy(status, sidecar, i, containers.size());
    if (held_up) {
      summary->status = *held_up;
      return true;
    }
    const bool runs = sidecar && Find(status, "state.terminated") == nullptr;
    if (runs && FlagAt(status, "ready")) ++summary->ready;
  }
  return false;
}

void SummarizeContainers(const Json& pod, Summary* summary) {
  bool running = false;
  const Json& statuses = ArrayAt(pod, "status.containerStatuses");
  for (size_t i = statuses.size(); i-- > 0;) {
    const Json& status = statuses[i];
    summary->restarts.Add(status);
    const std::string& waiting = TextAt(status, "state.waiting.reason");
    if (!waiting.empty()) {
      summary->status = waiting;
    } else if (const Json* terminated = Find(status, "state.terminated")) {
      summary->status = EndOf(*terminated);
    } else if (FlagAt(status, "ready") && Find(status, "state.running") != nullptr) {
      running = true;
      ++summary->ready;
    }
  }
  if (summary->status == "Completed" && running) {
    summary->status = ConditionIsTrue(pod, "Ready") ? "Running" : "NotReady";
  }
}

Summary Summarize(const Json& pod) {
  const std::string& phase = TextAt(pod, "status.phase");
  const std::string& reason = TextAt(pod, "status.reason");
  Summary summary{.status = reason.empty() ? phase : reason,
                  .containers = ArrayAt(pod, "spec.containers").size(),
                  .restarts = {}};
  const Json* scheduled = FindCondition(pod, "PodScheduled");
  if (scheduled != nullptr && TextAt(*scheduled, "reason") == "SchedulingGated") {
    summary.status = "SchedulingGated";
  }
  Restarts of_sidecars;
  const bool initializing = SummarizeInitialization(pod, &summary, &of_sidecars);
  if (!initializing || ConditionIsTrue(pod, "Initialized")) {
    summary.restarts = of_sidecars;
    SummarizeContainers(pod, &summary);
  }
  if (IsBeingDeleted(pod)) {
    if (reason == "NodeLost") {
      summary.status = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      summary.status = "Terminating";
    }
  }
  return summary;
}

std::string ReadinessGates(const Json& pod) {
  const Json& gates = ArrayAt(pod, "spec.readinessGates");
  const auto open = std::count_if(gates.begin(), gates.end(), [&pod](const Json& gate) {
    return ConditionIsTrue(pod, TextAt(gate, "conditionType"));
  });
  return gates.empty() ? "<none>" : Concat(open, "/", gates.size());
}

}  // namespace

void PrintPod(const Json& pod, const PrintContext& context, std::vector<Json>* cells) {
  const Summary summary = Summarize(pod);
  cells->push_back(NameOf(pod));
  cells->push_back(Concat(summary.ready, "/", summary.containers));
  cells->push_back(summary.status);
  cells->push_back(summary.restarts.Cell(context.now));
  cells->push_back(AgeCell(pod, context));
  cells->push_back(OrNone(TextAt(pod, "status.podIP")));
  cells->push_back(OrNone(TextAt(pod, "spec.nodeName")));
  cells->push_back(OrNone(TextAt(pod, "status.nominatedNodeName")));
  cells->push_back(ReadinessGates(pod));
}

}  // namespace keelson::api
