// What a pod's status says of its worker's state.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_join.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/node/pod_worker.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

using api::Json;

// What is not said is null, so that nothing stays from what the condition said before.
Json Condition(const char* type, bool holds, std::string reason = "", std::string message = "") {
  const auto text = [](std::string said) { return said.empty() ? Json() : Json(std::move(said)); };
  return {{"type", type},
          {"status", holds ? "True" : "False"},
          {"reason", text(std::move(reason))},
          {"message", text(std::move(message))}};
}

std::string Listed(const char* what, const std::vector<std::string>& names) {
  return Concat("containers with ", what, " status: [", absl::StrJoin(names, " "), "]");
}

}  // namespace

std::string PodWorker::Phase() const {
  if (failed_ && settled_) return "Failed";
  size_t waiting = 0;
  size_t running = 0;
  size_t stopped = 0;
  size_t succeeded = 0;
  for (const auto& container : containers_) {
    if (container->role != Role::kMain) continue;
    if (container->state == State::kRunning) {
      ++running;
    } else if (container->now) {
      ++stopped;
      if (container->now->code == 0) ++succeeded;
    } else if (container->before) {
      ++stopped;  // it is on its way to the next run
    } else {
      ++waiting;
    }
  }
  if (settled_) {
    // What never ran has not succeeded.
    return waiting == 0 && stopped == succeeded ? "Succeeded" : "Failed";
  }
  if (!initialized_ || waiting > 0) return "Pending";
  return "Running";
}

Json PodWorker::StateOf(const Container& container) const {
  const auto terminated = [&](const Termination& end) {
    Json state = {
        {"exitCode", end.code},
        {"reason", end.reason},
        {"startedAt", api::FormatTime(end.started)},
        {"finishedAt", api::FormatTime(end.finished)},
        {"containerID", end.id.empty() ? "" : environment_->containers()->id_prefix() + end.id}};
    if (!end.message.empty()) state["message"] = end.message;
    return Json{{"terminated", std::move(state)}};
  };
  if (container.state == State::kRunning) {
    return {{"running", {{"startedAt", api::FormatTime(container.started_at)}}}};
  }
  const bool waits_to_restart =
      container.now && !stopping_ && MayRestart(container) && !container.waiting_reason.empty();
  if (container.now && !waits_to_restart) return terminated(*container.now);
  if (settled_) {
    return {{"terminated",
             {{"exitCode", 137},
              {"reason", "ContainerStatusUnknown"},
              {"message", "The container could not be located when the pod was terminated"},
              {"startedAt", nullptr},
              {"finishedAt", nullptr}}}};
  }
  std::string reason = container.waiting_reason;
  const bool has_init = std::any_of(containers_.begin(), containers_.end(), [](const auto& other) {
    return other->role == Role::kInit || other->role == Role::kSidecar;
  });
  if (reason.empty()) reason = has_init && !initialized_ ? "PodInitializing" : "ContainerCreating";
  Json state = {{"reason", std::move(reason)}};
  if (!container.waiting_message.empty()) state["message"] = container.waiting_message;
  return {{"waiting", std::move(state)}};
}

Json PodWorker::StatusOf(const Container& container) const {
  const bool running = container.state == State::kRunning;
  const bool ready =
      running ? container.ready : container.role == Role::kInit && container.succeeded();
  Json state = StateOf(container);
  Json last = Json::object();
  // While it waits for its restart, what was its state is its last one.
  const bool waits = state.contains("waiting");
  const std::optional<Termination>& end = waits && container.now ? container.now : container.before;
  if (end) {
    last["terminated"] = {{"exitCode", end->code},
                          {"reason", end->reason},
                          {"startedAt", api::FormatTime(end->started)},
                          {"finishedAt", api::FormatTime(end->finished)}};
    if (!end->id.empty()) {
      last["terminated"]["containerID"] = environment_->containers()->id_prefix() + end->id;
    }
  }
  std::string id = container.id;
  if (id.empty() && end) id = end->id;
  return {{"name", container.name},
          {"image", api::TextAt(SpecOf(container), "image")},
          {"imageID", container.image_ref},
          {"containerID", id.empty() ? "" : environment_->containers()->id_prefix() + id},
          {"ready", ready},
          {"started", running && container.started},
          {"restartCount", container.restarts},
          {"state", std::move(state)},
          {"lastState", std::move(last)}};
}

Json PodWorker::ReadyCondition(const std::string& phase, bool containers_only) const {
  const char* type = containers_only ? "ContainersReady" : "Ready";
  if (phase == "Succeeded") return Condition(type, false, "PodCompleted");
  if (phase == "Failed") return Condition(type, false, "PodFailed");
  std::vector<std::string> unready;
  for (const auto& container : containers_) {
    if (container->role != Role::kMain && container->role != Role::kSidecar) continue;
    if (container->state != State::kRunning || !container->ready)
      unready.push_back(container->name);
  }
  if (!unready.empty()) {
    return Condition(type, false, "ContainersNotReady", Listed("unready", unready));
  }
  if (containers_only) return Condition(type, true);
  std::vector<std::string> gates;
  for (const Json& gate : api::ArrayAt(*pod_, "spec.readinessGates")) {
    const std::string& name = api::TextAt(gate, "conditionType");
    if (api::ConditionIsTrue(*pod_, name)) continue;
    const Json* found = api::FindCondition(*pod_, name);
    gates.push_back(
        found == nullptr
            ? Concat("corresponding condition of pod readiness gate \"", name, "\" does not exist.")
            : Concat("the status of pod readiness gate \"", name, "\" is not \"True\", but ",
                     api::TextAt(*found, "status")));
  }
  if (gates.empty()) return Condition(type, true);
  return Condition(type, false, "ReadinessGatesNotReady", absl::StrJoin(gates, ", "));
}

Json PodWorker::Conditions(const std::string& phase) const {
  std::vector<std::string> incomplete;
  for (const auto& container : containers_) {
    const bool done = container->role == Role::kInit      ? container->succeeded()
                      : container->role == Role::kSidecar ? container->started
                                                          : true;
    if (!done) incomplete.push_back(container->name);
  }
  Json initialized = Condition("Initialized", true);
  if (phase == "Succeeded") {
    initialized["reason"] = "PodCompleted";
  } else if (!initialized_ && !incomplete.empty()) {
    initialized = Condition("Initialized", false, "ContainersNotInitialized",
                            Listed("incomplete", incomplete));
  }
  return Json::array({Condition("PodReadyToStartContainers", !sandbox_.empty() && !settled_),
                      std::move(initialized), ReadyCondition(phase, false),
                      ReadyCondition(phase, true)});
}

Json PodWorker::Status() {
  if (restored_) return api::MapAt(*pod_, "status");
  const std::string phase = Phase();
  Json conditions = Conditions(phase);
  const std::string now = api::FormatTime(environment_->loop()->Now());
  for (Json& condition : conditions) {
    const std::string& type = api::TextAt(condition, "type");
    const auto [known, is_new] = conditions_.try_emplace(type);
    auto& [status, since] = known->second;
    if (const Json* before = api::FindCondition(*pod_, type); is_new && before != nullptr) {
      status = api::TextAt(*before, "status");
      since = api::TextAt(*before, "lastTransitionTime");
    }
    if (const std::string& holds = api::TextAt(condition, "status"); status != holds) {
      status = holds;
      since = now;
    }
    condition["lastProbeTime"] = nullptr;
    condition["lastTransitionTime"] = since.empty() ? now : since;
  }
  Json status = {{"phase", phase},
                 {"conditions", std::move(conditions)},
                 {"hostIP", environment_->host_ip()},
                 {"hostIPs", {{{"ip", environment_->host_ip()}}}},
                 {"startTime", api::FormatTime(start_time_)}};
  const std::string ip = api::FlagAt(*pod_, "spec.hostNetwork") ? environment_->host_ip() : ip_;
  if (!ip.empty() && !sandbox_.empty()) {
    status["podIP"] = ip;
    status["podIPs"] = {{{"ip", ip}}};
  }
  if (failed_ && !failure_reason_.empty()) {
    status["reason"] = failure_reason_;
    status["message"] = failure_message_;
  }
  const auto add = [&](const char* field, auto wanted) {
    Json statuses = Json::array();
    for (const auto& container : containers_) {
      if (wanted(container->role)) statuses.push_back(StatusOf(*container));
    }
    if (!statuses.empty()) status[field] = std::move(statuses);
  };
  add("initContainerStatuses",
      [](Role role) { return role == Role::kInit || role == Role::kSidecar; });
  add("containerStatuses", [](Role role) { return role == Role::kMain; });
  add("ephemeralContainerStatuses", [](Role role) { return role == Role::kEphemeral; });
  return status;
}

}  // namespace keelson::node
