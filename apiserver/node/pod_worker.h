// PodWorker: one pod on one node: from the sandbox over init containers and sidecars in their
// order, containers, probes, restarts with back-off, to the orderly end; and what the pod's status
// says of it all.
//
// It is a state machine on its node's EventLoop: told of new versions of the pod and of the
// runtime's answers, it begins what has to come next and says when its status has changed. What it
// may use of its node is PodEnvironment.
//
//  1. A container is restarted only as the pod's restartPolicy says, and not before its back-off:
//  10
//     s doubling to 300 s, from the start again once it has run for ten minutes.
//  2. Once stopping, nothing is started any more. Containers end first, then sidecars, the last one
//     first, then the sandbox.
//  3. finished() only when nothing of the pod is left in the runtime.
#ifndef KEELSON_APISERVER_NODE_POD_WORKER_H_
#define KEELSON_APISERVER_NODE_POD_WORKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/node/container_runtime.h"
#include "apiserver/node/event_loop.h"
#include "apiserver/node/probe_worker.h"
#include "apiserver/runtime/informer.h"

namespace keelson::node {

enum class Weight { kNormal, kWarning };

// What a node gives its pods.
class PodEnvironment {
 public:
  virtual ~PodEnvironment() = default;
  virtual EventLoop* loop() = 0;
  virtual ContainerRuntime* containers() = 0;
  virtual const std::string& host_ip() const = 0;
  // `wanted`: the address that the pod had before, "" for any. "": there is none left.
  virtual std::string TakeIp(const std::string& wanted) = 0;
  virtual void ReturnIp(const std::string& ip) = 0;
  // The status is another one now, or the pod has finished.
  virtual void OnPodChanged(const std::string& uid) = 0;
  virtual void Tell(const api::Json& pod, Weight weight, std::string_view reason,
                    std::string_view message, const std::string& container) = 0;
};

class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  PodWorker(PodEnvironment* environment, runtime::Object pod);
  ~PodWorker();
  PodWorker(const PodWorker&) = delete;
  PodWorker& operator=(const PodWorker&) = delete;

  void Start();
  // A new version of the same pod; deletion begins this way.
  void OnPod(runtime::Object pod);
  // The object is gone: nobody will read a status any more.
  void OnGone();
  // Of a container of this pod; false: it is not.
  bool OnExit(const ContainerExit& exit);

  const api::Json& pod() const { return *pod_; }
  const std::string& uid() const { return uid_; }
  // Its containers come up for the first time, and nothing has gone wrong.
  bool starting() const;
  // It has ended. Its containers are still there for their logs, until the pod is deleted.
  bool settled() const { return settled_; }
  // It was deleted, everything has ended, and is cleared away.
  bool finished() const { return finished_; }
  // It was deleted, and is not finished.
  bool ending() const { return Deleted() && !finished_; }
  bool gone() const { return gone_; }
  // It had ended before this worker began: its status is not written.
  bool restored() const { return restored_; }
  // The pod's status as it is now: phase, conditions, container statuses, addresses. Of conditions
  // only those that are the node's to set.
  api::Json Status();
  // A status is in the pod since that version, which OnPod may not have shown yet.
  void OnWritten(uint64_t version);
  // Its container, or nothing; `previous`: the run before the present one.
  enum class Run { kPresent, kPrevious };
  std::optional<std::string> ContainerId(const std::string& name, Run run) const;
  // Names and ids of the containers that run.
  std::vector<std::pair<std::string, std::string>> Running() const;

 private:
  enum class Role { kInit, kSidecar, kMain, kEphemeral };
  // kBusy: on its way to running.
  enum class State { kWaiting, kBusy, kRunning, kExited };
  struct Termination {
    std::string id;
    int code = 0;
    std::string reason;
    std::string message;
    absl::Time started;
    absl::Time finished;
  };
  struct Container {
    std::string name;
    Role role = Role::kMain;
    State state = State::kWaiting;
    bool ready = false;
    bool started = false;  // its startup probe has succeeded, or there is none
    bool stop_sent = false;
    std::string id;
    std::string image_ref;
    std::string waiting_reason;
    std::string waiting_message;
    absl::Time started_at = absl::InfinitePast();
    int restarts = 0;
    // How long it will have to wait the next time.
    absl::Duration backoff = absl::ZeroDuration();
    absl::Duration image_backoff = absl::ZeroDuration();
    absl::Time retry_at = absl::InfinitePast();
    std::optional<Termination> now;     // how it ended, until it is started again
    std::optional<Termination> before;  // how the run before the present one ended
    std::unique_ptr<ProbeWorker> probes;

    bool alive() const { return state == State::kBusy || state == State::kRunning; }
    bool succeeded() const { return state == State::kExited && now && now->code == 0; }
  };

  void LoadContainers();
  void Restore(Container* container);
  void AddContainer(const api::Json& spec, Role role);
  const api::Json& SpecOf(const Container& container) const;

  // Begins whatever can be begun.
  void Sync();
  void SyncInit();
  void SyncStop();
  void RunSandbox();
  // A container that does not run and should.
  void Advance(Container* container);
  void Pull(Container* container);
  void Create(Container* container);
  void StartContainer(Container* container);
  void OnRunning(Container* container);
  void StartProbes(Container* container);
  void OnProbesFailed(Container* container, ProbeKind kind);
  void OnPullFailed(Container* container, const absl::Status& status);
  void OnStartFailed(Container* container, const absl::Status& status);
  bool MayRestart(const Container& container) const;
  bool MainsAreDone() const;
  void Stop(Container* container, absl::Duration grace);
  void BeginStop(absl::Duration grace);
  void ClearAway();
  void Finish();
  void Fail(std::string reason, std::string message);
  void WatchDeadline();
  void SyncAt(absl::Time time);
  void Changed() { environment_->OnPodChanged(uid_); }
  void Tell(Weight weight, std::string_view reason, std::string_view message,
            const Container* container);
  absl::Duration TerminationGrace() const;
  bool Deleted() const;
  // `act` for a callback: it does nothing if the worker is gone by then.
  template <typename Act>
  auto Guarded(Act act);

  // pod_status.cc
  std::string Phase() const;
  api::Json StatusOf(const Container& container) const;
  api::Json StateOf(const Container& container) const;
  api::Json Conditions(const std::string& phase) const;
  api::Json ReadyCondition(const std::string& phase, bool containers_only) const;

  PodEnvironment* const environment_;
  const std::string uid_;
  runtime::Object pod_;
  std::vector<std::unique_ptr<Container>> containers_;  // init containers first
  std::string sandbox_;
  std::string ip_;
  absl::Time start_time_;
  bool sandbox_busy_ = false;
  bool initialized_ = false;
  bool stopping_ = false;
  bool clearing_ = false;  // the sandbox is being stopped or removed
  bool settled_ = false;   // nothing runs, nor will
  bool finished_ = false;
  bool gone_ = false;
  bool restored_ = false;  // it had ended before this worker began
  bool failed_ = false;    // as a whole
  // The conditions of the last Status, {status, lastTransitionTime} by type: what is true of pod_
  // does not count until that has what was written.
  std::map<std::string, std::pair<std::string, std::string>> conditions_;
  uint64_t written_version_ = 0;
  std::string failure_reason_;
  std::string failure_message_;
  absl::Time stop_by_ = absl::InfiniteFuture();
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_POD_WORKER_H_
