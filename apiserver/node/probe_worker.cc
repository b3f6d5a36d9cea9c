#include "apiserver/node/probe_worker.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"

namespace keelson::node {
namespace {

using api::Json;

constexpr std::array kKinds = {ProbeKind::kStartup, ProbeKind::kLiveness, ProbeKind::kReadiness};
constexpr int64_t kSecondsMax = int64_t{1} << 31;

const char* FieldOf(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return "startupProbe";
    case ProbeKind::kLiveness:
      return "livenessProbe";
    case ProbeKind::kReadiness:
      return "readinessProbe";
  }
  return "";
}

}  // namespace

class ProbeWorker::Impl : public std::enable_shared_from_this<ProbeWorker::Impl> {
 public:
  Impl(EventLoop* loop, ContainerRuntime* runtime, std::string container, const Json& spec,
       Listener listener)
      : loop_(loop),
        runtime_(runtime),
        container_(std::move(container)),
        listener_(std::move(listener)) {
    for (const ProbeKind kind : kKinds) {
      if (const Json* probe = api::Find(spec, FieldOf(kind)); probe != nullptr) {
        Probe& one = ProbeOf(kind);
        one.spec = *probe;
        one.there = true;
      }
    }
  }

  void Start() {
    if (ProbeOf(ProbeKind::kStartup).there) {
      Plan(ProbeKind::kStartup, Seconds(ProbeKind::kStartup, "initialDelaySeconds", 0));
    } else {
      OnStarted();
    }
  }
  void Stop() { stopped_ = true; }

 private:
  struct Probe {
    Json spec;
    bool there = false;
    int64_t successes = 0;
    int64_t failures = 0;
    bool ready = false;
  };
  Probe& ProbeOf(ProbeKind kind) { return probes_[static_cast<size_t>(kind)]; }
  int64_t Number(ProbeKind kind, const char* field, int64_t otherwise) {
    const int64_t number = api::NumberAt(ProbeOf(kind).spec, field);
    return number <= 0 ? otherwise : std::min(number, kSecondsMax);
  }
  absl::Duration Seconds(ProbeKind kind, const char* field, int64_t otherwise) {
    return absl::Seconds(Number(kind, field, otherwise));
  }

  void Plan(ProbeKind kind, absl::Duration delay) {
    loop_->After(delay, [self = weak_from_this(), kind] {
      if (const auto impl = self.lock(); impl != nullptr && !impl->stopped_) impl->Ask(kind);
    });
  }

  void Ask(ProbeKind kind) {
    runtime_->Probe(container_, kind, ProbeOf(kind).spec,
                    [self = weak_from_this(), kind](const ProbeResult& result) {
                      const auto impl = self.lock();
                      if (impl != nullptr && !impl->stopped_) impl->OnResult(kind, result);
                    });
  }

  void OnStarted() {
    listener_.started();
    if (stopped_) return;
    for (const ProbeKind kind : {ProbeKind::kLiveness, ProbeKind::kReadiness}) {
      if (ProbeOf(kind).there) Plan(kind, Seconds(kind, "initialDelaySeconds", 0));
    }
    if (!ProbeOf(ProbeKind::kReadiness).there) listener_.ready(true);
  }

  void OnResult(ProbeKind kind, const ProbeResult& result) {
    Probe& probe = ProbeOf(kind);
    probe.successes = result.success ? probe.successes + 1 : 0;
    probe.failures = result.success ? 0 : probe.failures + 1;
    if (!result.success) listener_.failed(kind, result.message);
    const bool succeeded = probe.successes >= Number(kind, "successThreshold", 1);
    const bool failed = probe.failures >= Number(kind, "failureThreshold", 3);
    if (kind == ProbeKind::kReadiness) {
      if (probe.ready ? failed : succeeded) {
        probe.ready = !probe.ready;
        listener_.ready(probe.ready);
      }
    } else if (failed) {
      Stop();
      return listener_.kill(kind);
    } else if (kind == ProbeKind::kStartup && succeeded) {
      return OnStarted();
    }
    if (!stopped_) Plan(kind, Seconds(kind, "periodSeconds", 10));
  }

  EventLoop* const loop_;
  ContainerRuntime* const runtime_;
  const std::string container_;
  const Listener listener_;
  std::array<Probe, kKinds.size()> probes_;
  bool stopped_ = false;
};

ProbeWorker::ProbeWorker(EventLoop* loop, ContainerRuntime* runtime, std::string container,
                         const Json& container_spec, Listener listener)
    : impl_(std::make_shared<Impl>(loop, runtime, std::move(container), container_spec,
                                   std::move(listener))) {}
ProbeWorker::~ProbeWorker() { impl_->Stop(); }
void ProbeWorker::Start() {
  const std::shared_ptr<Impl> impl = impl_;  // the listener may drop this
  impl->Start();
}

bool ProbeWorker::Has(const Json& container_spec, ProbeKind kind) {
  return api::Find(container_spec, FieldOf(kind)) != nullptr;
}

bool ProbeWorker::HasAny(const Json& container_spec) {
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](ProbeKind kind) { return Has(container_spec, kind); });
}

}  // namespace keelson::node
