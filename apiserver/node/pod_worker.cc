#include "apiserver/node/pod_worker.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

using api::Json;

constexpr absl::Duration kBackoffFirst = absl::Seconds(10);
constexpr absl::Duration kBackoffMax = absl::Seconds(300);
// A container that has run that long begins its back-off anew.
constexpr absl::Duration kHealthyRun = absl::Minutes(10);
constexpr int64_t kSecondsMax = int64_t{1} << 31;
// What is force-deleted still gets that long.
constexpr absl::Duration kGoneGrace = absl::Seconds(1);

absl::Duration Doubled(absl::Duration backoff) {
  return std::clamp(backoff * 2, kBackoffFirst, kBackoffMax);
}

// "10s", "2m40s".
std::string GoText(absl::Duration duration) { return absl::FormatDuration(duration); }

absl::Duration SecondsAt(const Json& object, std::string_view path, int64_t otherwise) {
  return absl::Seconds(std::clamp<int64_t>(api::NumberAt(object, path, otherwise), 0, kSecondsMax));
}

const Json* FindStatus(const Json& pod, const std::string& name) {
  for (const char* list : {"status.initContainerStatuses", "status.containerStatuses",
                           "status.ephemeralContainerStatuses"}) {
    for (const Json& status : api::ArrayAt(pod, list)) {
      if (api::TextAt(status, "name") == name) return &status;
    }
  }
  return nullptr;
}

}  // namespace

template <typename Act>
auto PodWorker::Guarded(Act act) {
  return [weak = weak_from_this(), act = std::move(act)](auto... arguments) {
    if (const auto self = weak.lock(); self != nullptr) act(std::move(arguments)...);
  };
}

PodWorker::PodWorker(PodEnvironment* environment, runtime::Object pod)
    : environment_(environment), uid_(api::UidOf(*pod)), pod_(std::move(pod)) {
  const std::string& phase = api::TextAt(*pod_, "status.phase");
  settled_ = restored_ = phase == "Succeeded" || phase == "Failed";
  start_time_ =
      api::ParseTime(api::TextAt(*pod_, "status.startTime")).value_or(environment_->loop()->Now());
  LoadContainers();
}

PodWorker::~PodWorker() {
  if (!ip_.empty()) environment_->ReturnIp(ip_);
}

void PodWorker::AddContainer(const Json& spec, Role role) {
  auto container = std::make_unique<Container>();
  container->name = api::TextAt(spec, "name");
  container->role = role;
  Restore(container.get());
  containers_.push_back(std::move(container));
}

void PodWorker::LoadContainers() {
  for (const Json& spec : api::ArrayAt(*pod_, "spec.initContainers")) {
    AddContainer(spec,
                 api::TextAt(spec, "restartPolicy") == "Always" ? Role::kSidecar : Role::kInit);
  }
  for (const Json& spec : api::ArrayAt(*pod_, "spec.containers")) AddContainer(spec, Role::kMain);
  for (const Json& spec : api::ArrayAt(*pod_, "spec.ephemeralContainers")) {
    AddContainer(spec, Role::kEphemeral);
  }
}

// What a status says of an earlier life: the node has been started anew.
void PodWorker::Restore(Container* container) {
  const Json* status = FindStatus(*pod_, container->name);
  if (status == nullptr) return;
  const bool ran = api::Find(*status, "state.running") != nullptr;
  container->restarts = static_cast<int>(
      std::clamp<int64_t>(api::NumberAt(*status, "restartCount"), 0, kSecondsMax / 2));
  if (!ran) return;
  ++container->restarts;
  container->before = Termination{
      .id = "",
      .code = 255,
      .reason = "Unknown",
      .message = "",
      .started =
          api::ParseTime(api::TextAt(*status, "state.running.startedAt")).value_or(start_time_),
      .finished = environment_->loop()->Now()};
}

const Json& PodWorker::SpecOf(const Container& container) const {
  static const Json none = Json::object();
  for (const char* list : {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"}) {
    for (const Json& spec : api::ArrayAt(*pod_, list)) {
      if (api::TextAt(spec, "name") == container.name) return spec;
    }
  }
  return none;
}

bool PodWorker::Deleted() const { return gone_ || api::IsBeingDeleted(*pod_); }

absl::Duration PodWorker::TerminationGrace() const {
  return SecondsAt(*pod_, "spec.terminationGracePeriodSeconds", 30);
}

void PodWorker::Tell(Weight weight, std::string_view reason, std::string_view message,
                     const Container* container) {
  environment_->Tell(*pod_, weight, reason, message, container == nullptr ? "" : container->name);
}

void PodWorker::SyncAt(absl::Time time) {
  environment_->loop()->After(time - environment_->loop()->Now(), Guarded([this] { Sync(); }));
}

void PodWorker::Start() {
  if (Deleted()) {
    OnPod(pod_);
  } else if (!settled_) {
    WatchDeadline();
    Changed();
    Sync();
  }
}

void PodWorker::OnWritten(uint64_t version) {
  written_version_ = version;
  if (api::ResourceVersionOf(*pod_) >= version) conditions_.clear();
}

void PodWorker::OnPod(runtime::Object pod) {
  pod_ = std::move(pod);
  OnWritten(written_version_);
  if (!sandbox_.empty()) environment_->containers()->UpdatePod(sandbox_, pod_);
  if (Deleted()) return BeginStop(SecondsAt(*pod_, "metadata.deletionGracePeriodSeconds", 30));
  for (const Json& spec : api::ArrayAt(*pod_, "spec.ephemeralContainers")) {
    const bool known = std::any_of(
        containers_.begin(), containers_.end(),
        [&](const auto& container) { return container->name == api::TextAt(spec, "name"); });
    if (!known) AddContainer(spec, Role::kEphemeral);
  }
  Sync();
}

void PodWorker::OnGone() {
  gone_ = true;
  if (finished_) return Changed();
  BeginStop(kGoneGrace);
}

void PodWorker::WatchDeadline() {
  const int64_t seconds = api::NumberAt(*pod_, "spec.activeDeadlineSeconds");
  if (seconds <= 0 || seconds > kSecondsMax) return;
  const absl::Duration left = start_time_ + absl::Seconds(seconds) - environment_->loop()->Now();
  environment_->loop()->After(std::max(left, absl::ZeroDuration()), Guarded([this] {
                                if (stopping_ || settled_) return;
                                Tell(Weight::kNormal, "DeadlineExceeded",
                                     "Pod was active on the node longer than the specified "
                                     "deadline",
                                     nullptr);
                                Fail("DeadlineExceeded",
                                     "Pod was active on the node longer than the specified "
                                     "deadline");
                              }));
}

void PodWorker::Fail(std::string reason, std::string message) {
  failed_ = true;
  failure_reason_ = std::move(reason);
  failure_message_ = std::move(message);
  BeginStop(TerminationGrace());
}

void PodWorker::Sync() {
  if (finished_) return;
  if (stopping_) return SyncStop();
  if (settled_) return;
  if (sandbox_.empty()) {
    if (!sandbox_busy_) RunSandbox();
    return;
  }
  SyncInit();
  if (!initialized_ || stopping_) return;
  for (const auto& container : containers_) {
    if (container->role != Role::kInit) Advance(container.get());
  }
  if (MainsAreDone()) BeginStop(TerminationGrace());
}

void PodWorker::SyncInit() {
  if (initialized_) return;
  for (const auto& container : containers_) {
    if (container->role == Role::kSidecar) {
      Advance(container.get());
      if (container->state != State::kRunning || !container->started) return;
    } else if (container->role == Role::kInit) {
      if (container->succeeded()) continue;
      if (container->state == State::kExited && !MayRestart(*container)) return Fail("", "");
      return Advance(container.get());
    }
  }
  initialized_ = true;
  Changed();
}

bool PodWorker::MayRestart(const Container& container) const {
  if (container.role == Role::kSidecar) return true;
  if (container.role == Role::kEphemeral) return false;
  const std::string& policy = api::TextAt(*pod_, "spec.restartPolicy");
  const bool failed = container.now && container.now->code != 0;
  if (container.role == Role::kInit) return failed && policy != "Never";
  return policy == "OnFailure" ? failed : policy != "Never";
}

bool PodWorker::starting() const {
  if (stopping_ || settled_) return false;
  return std::any_of(containers_.begin(), containers_.end(), [](const auto& container) {
    return container->role == Role::kMain && !container->now && !container->before &&
           container->waiting_reason.empty() && container->state != State::kRunning;
  });
}

bool PodWorker::MainsAreDone() const {
  return std::all_of(containers_.begin(), containers_.end(), [this](const auto& container) {
    return container->role != Role::kMain ||
           (container->state == State::kExited && !MayRestart(*container));
  });
}

void PodWorker::RunSandbox() {
  sandbox_busy_ = true;
  const bool host_network = api::FlagAt(*pod_, "spec.hostNetwork");
  if (!host_network && ip_.empty()) {
    ip_ = environment_->TakeIp(api::TextAt(*pod_, "status.podIP"));
    if (ip_.empty()) {
      Tell(Weight::kWarning, "FailedCreatePodSandBox",
           "Failed to create pod sandbox: no addresses available in range set", nullptr);
      sandbox_busy_ = false;
      return SyncAt(environment_->loop()->Now() + kBackoffFirst);
    }
  }
  environment_->containers()->RunSandbox(
      {pod_, ip_}, Guarded([this](const absl::StatusOr<std::string>& id) {
        sandbox_busy_ = false;
        if (id.ok()) {
          sandbox_ = *id;
          Changed();
          return Sync();
        }
        Tell(Weight::kWarning, "FailedCreatePodSandBox",
             Concat("Failed to create pod sandbox: ", std::string(id.status().message())), nullptr);
        SyncAt(environment_->loop()->Now() + kBackoffFirst);
      }));
}

void PodWorker::Advance(Container* container) {
  if (container->alive()) return;
  if (container->state == State::kExited && !MayRestart(*container)) return;
  const absl::Time now = environment_->loop()->Now();
  if (now < container->retry_at) return;  // a timer is set
  if (container->state == State::kExited) {
    if (container->before && !container->before->id.empty()) {
      environment_->containers()->RemoveContainer(container->before->id, [](absl::Status) {});
    }
    container->before = std::move(container->now);
    container->now.reset();
    ++container->restarts;
    container->backoff = Doubled(container->backoff);
  }
  container->state = State::kBusy;
  container->id.clear();
  Pull(container);
}

void PodWorker::Pull(Container* container) {
  const Json& spec = SpecOf(*container);
  const std::string image = api::TextAt(spec, "image");
  const std::string& policy = api::TextAt(spec, "imagePullPolicy");
  const std::optional<std::string> there = environment_->containers()->FindImage(image);
  if (policy == "Never" && !there) {
    container->state = State::kWaiting;
    container->waiting_reason = "ErrImageNeverPull";
    container->waiting_message =
        Concat("Container image \"", image, "\" is not present with pull policy of Never");
    Tell(Weight::kWarning, "ErrImageNeverPull", container->waiting_message, container);
    container->retry_at = environment_->loop()->Now() + kBackoffFirst;
    SyncAt(container->retry_at);
    return Changed();
  }
  if (there && policy != "Always") {
    Tell(Weight::kNormal, "Pulled",
         Concat("Container image \"", image, "\" already present on machine"), container);
    container->image_ref = *there;
    return Create(container);
  }
  Tell(Weight::kNormal, "Pulling", Concat("Pulling image \"", image, "\""), container);
  const absl::Time began = environment_->loop()->Now();
  environment_->containers()->PullImage(
      image, sandbox_,
      Guarded([this, container, image, began](const absl::StatusOr<std::string>& ref) {
        if (stopping_) {
          container->state = State::kWaiting;
          return SyncStop();
        }
        if (!ref.ok()) return OnPullFailed(container, ref.status());
        const std::string took =
            GoText(absl::Trunc(environment_->loop()->Now() - began, absl::Milliseconds(1)));
        Tell(Weight::kNormal, "Pulled",
             Concat("Successfully pulled image \"", image, "\" in ", took, " (", took,
                    " including waiting)"),
             container);
        container->image_ref = *ref;
        container->image_backoff = absl::ZeroDuration();
        Create(container);
      }));
}

void PodWorker::OnPullFailed(Container* container, const absl::Status& status) {
  const std::string image = api::TextAt(SpecOf(*container), "image");
  const std::string why = std::string(status.message());
  Tell(Weight::kWarning, "Failed", Concat("Failed to pull image \"", image, "\": ", why),
       container);
  Tell(Weight::kWarning, "Failed", "Error: ErrImagePull", container);
  container->state = State::kWaiting;
  container->waiting_reason = "ErrImagePull";
  container->waiting_message = why;
  container->image_backoff = Doubled(container->image_backoff);
  container->retry_at = environment_->loop()->Now() + container->image_backoff;
  Changed();
  // The first reason is shown for a moment, the second until the next attempt.
  environment_->loop()->After(
      absl::Seconds(1), Guarded([this, container, image] {
        if (container->waiting_reason != "ErrImagePull") return;
        container->waiting_reason = "ImagePullBackOff";
        container->waiting_message = Concat("Back-off pulling image \"", image, "\"");
        Tell(Weight::kNormal, "BackOff", container->waiting_message, container);
        Changed();
      }));
  SyncAt(container->retry_at);
}

void PodWorker::Create(Container* container) {
  container->waiting_reason.clear();
  container->waiting_message.clear();
  ContainerConfig config{.name = container->name,
                         .image_ref = container->image_ref,
                         .attempt = container->restarts,
                         .ends_by_itself = container->role == Role::kInit};
  environment_->containers()->CreateContainer(
      sandbox_, std::move(config),
      Guarded([this, container](const absl::StatusOr<std::string>& id) {
        if (!id.ok()) return OnStartFailed(container, id.status());
        container->id = *id;
        if (stopping_) {
          container->state = State::kWaiting;
          return SyncStop();
        }
        Tell(Weight::kNormal, "Created", Concat("Created container: ", container->name), container);
        StartContainer(container);
      }));
}

void PodWorker::StartContainer(Container* container) {
  environment_->containers()->StartContainer(container->id,
                                             Guarded([this, container](const absl::Status& status) {
                                               if (!status.ok())
                                                 return OnStartFailed(container, status);
                                               OnRunning(container);
                                             }));
}

void PodWorker::OnStartFailed(Container* container, const absl::Status& status) {
  if (stopping_) {
    container->state = State::kWaiting;
    return SyncStop();
  }
  Tell(Weight::kWarning, "Failed", Concat("Error: ", std::string(status.message())), container);
  const absl::Time now = environment_->loop()->Now();
  container->state = State::kRunning;  // for an instant: the rest is as for any exit
  container->started_at = now;
  OnExit({.container_id = container->id,
          .exit_code = 128,
          .reason = "ContainerCannotRun",
          .message = std::string(status.message()),
          .finished = now});
}

void PodWorker::OnRunning(Container* container) {
  container->state = State::kRunning;
  container->started_at = environment_->loop()->Now();
  container->stop_sent = false;
  container->waiting_reason.clear();
  container->waiting_message.clear();
  Tell(Weight::kNormal, "Started", Concat("Started container ", container->name), container);
  if (stopping_) {
    Changed();
    return SyncStop();
  }
  StartProbes(container);
  Changed();
  Sync();
}

void PodWorker::StartProbes(Container* container) {
  const Json& spec = SpecOf(*container);
  if (!ProbeWorker::HasAny(spec)) {
    container->started = container->ready = true;
    return;
  }
  ProbeWorker::Listener listener;
  listener.started = [this, container] {
    container->started = true;
    Changed();
    Sync();
  };
  listener.ready = [this, container](bool ready) {
    container->ready = ready;
    Changed();
  };
  listener.kill = [this, container](ProbeKind kind) { OnProbesFailed(container, kind); };
  listener.failed = [this, container](ProbeKind kind, const std::string& why) {
    const char* name = kind == ProbeKind::kStartup    ? "Startup"
                       : kind == ProbeKind::kLiveness ? "Liveness"
                                                      : "Readiness";
    Tell(Weight::kWarning, "Unhealthy", Concat(name, " probe failed: ", why), container);
  };
  container->probes = std::make_unique<ProbeWorker>(
      environment_->loop(), environment_->containers(), container->id, spec, std::move(listener));
  // From the loop: the listener calls Sync, which may be what called this.
  environment_->loop()->Post(Guarded([container, id = container->id] {
    if (container->id == id && container->probes != nullptr) container->probes->Start();
  }));
}

void PodWorker::OnProbesFailed(Container* container, ProbeKind kind) {
  Tell(Weight::kNormal, "Killing",
       Concat("Container ", container->name, " failed ",
              kind == ProbeKind::kStartup ? "startup" : "liveness", " probe, will be restarted"),
       container);
  Stop(container, TerminationGrace());
}

bool PodWorker::OnExit(const ContainerExit& exit) {
  const auto found =
      std::find_if(containers_.begin(), containers_.end(), [&](const auto& container) {
        return container->state == State::kRunning && container->id == exit.container_id;
      });
  if (found == containers_.end()) return false;
  Container* container = found->get();
  container->state = State::kExited;
  container->ready = container->started = false;
  container->probes.reset();
  container->now = Termination{container->id, exit.exit_code,        exit.reason,
                               exit.message,  container->started_at, exit.finished};
  if (!stopping_ && MayRestart(*container)) {
    if (exit.finished - container->started_at >= kHealthyRun) {
      container->backoff = absl::ZeroDuration();
    }
    container->retry_at = exit.finished + container->backoff;
    if (container->backoff > absl::ZeroDuration()) {
      container->waiting_reason = "CrashLoopBackOff";
      container->waiting_message = Concat(
          "back-off ", GoText(container->backoff), " restarting failed container=", container->name,
          " pod=", api::NameOf(*pod_), "_", api::NamespaceOf(*pod_), "(", uid_, ")");
      Tell(Weight::kWarning, "BackOff",
           Concat("Back-off restarting failed container ", container->name, " in pod ",
                  api::NameOf(*pod_), "_", api::NamespaceOf(*pod_), "(", uid_, ")"),
           container);
      SyncAt(container->retry_at);
    }
  }
  Changed();
  Sync();
  return true;
}

void PodWorker::Stop(Container* container, absl::Duration grace) {
  container->stop_sent = true;
  environment_->containers()->StopContainer(container->id, grace, [](absl::Status) {});
}

void PodWorker::BeginStop(absl::Duration grace) {
  const absl::Time by = environment_->loop()->Now() + grace;
  if (stopping_ && by < stop_by_) {
    for (const auto& container : containers_) {
      if (container->state == State::kRunning && container->stop_sent) {
        Stop(container.get(), grace);
      }
    }
  }
  stopping_ = true;
  stop_by_ = std::min(stop_by_, by);
  SyncStop();
}

void PodWorker::SyncStop() {
  if (finished_) return;
  const absl::Duration left =
      std::max(stop_by_ - environment_->loop()->Now(), absl::ZeroDuration());
  const auto stop = [&](Container* container) {
    container->probes.reset();
    if (container->state != State::kRunning || container->stop_sent) return;
    Tell(Weight::kNormal, "Killing", Concat("Stopping container ", container->name), container);
    Stop(container, left);
  };
  bool alive = false;
  for (const auto& container : containers_) {
    if (container->role == Role::kSidecar) continue;
    stop(container.get());
    alive |= container->alive();
  }
  if (alive) return;
  for (auto at = containers_.rbegin(); at != containers_.rend(); ++at) {
    if ((*at)->role != Role::kSidecar) continue;
    stop(at->get());
    if ((*at)->alive()) return;
  }
  if (!sandbox_busy_) ClearAway();
}

void PodWorker::ClearAway() {
  if (clearing_ || finished_) return;
  if (sandbox_.empty()) return Finish();
  clearing_ = true;
  environment_->containers()->StopSandbox(sandbox_, Guarded([this](const absl::Status&) {
                                            if (!Deleted()) {
                                              clearing_ = false;
                                              return Finish();
                                            }
                                            environment_->containers()->RemoveSandbox(
                                                sandbox_, Guarded([this](const absl::Status&) {
                                                  clearing_ = false;
                                                  sandbox_.clear();
                                                  Finish();
                                                }));
                                          }));
}

void PodWorker::Finish() {
  settled_ = true;
  if (!ip_.empty()) environment_->ReturnIp(std::exchange(ip_, ""));
  if (Deleted()) {
    if (!sandbox_.empty()) return ClearAway();  // it was deleted just now
    finished_ = true;
  }
  Changed();
}

std::optional<std::string> PodWorker::ContainerId(const std::string& name, Run run) const {
  for (const auto& container : containers_) {
    if (container->name != name) continue;
    if (run == Run::kPresent && !container->id.empty()) return container->id;
    if (run == Run::kPrevious && container->before && !container->before->id.empty()) {
      return container->before->id;
    }
    // Between two runs the last one's log is the present one.
    if (run == Run::kPresent && container->before && !container->before->id.empty()) {
      return container->before->id;
    }
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> PodWorker::Running() const {
  std::vector<std::pair<std::string, std::string>> running;
  for (const auto& container : containers_) {
    if (container->state == State::kRunning) running.emplace_back(container->name, container->id);
  }
  return running;
}

}  // namespace keelson::node
