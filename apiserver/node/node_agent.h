// NodeAgent: what a kubelet is to the API server: it registers its node, renews the node's lease,
// keeps its status, runs the pods that are bound to it by a ContainerRuntime, writes their
// statuses, and deletes their objects when they have ended.
//
// On one EventLoop, with any number of others. Statuses are written once they have held still for a
// moment, one request a pod at a time, and only where they differ from what was written last.
#ifndef KEELSON_APISERVER_NODE_NODE_AGENT_H_
#define KEELSON_APISERVER_NODE_NODE_AGENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/node/async_api.h"
#include "apiserver/node/container_runtime.h"
#include "apiserver/node/event_loop.h"
#include "apiserver/node/ip_pool.h"
#include "apiserver/node/pod_worker.h"
#include "apiserver/runtime/event_recorder.h"

namespace keelson::node {

struct NodeAgentOptions {
  std::string name;
  std::string host_ip = "127.0.0.1";
  int port = 0;  // of the kubelet's endpoint; 0: none
  std::string cpu = "32";
  std::string memory = "256Gi";
  int pods_max = 110;
  // If the node's object has none.
  std::string pod_cidr = "10.244.0.0/24";
  std::map<std::string, std::string> labels = {};
  absl::Duration lease_period = absl::Seconds(10);
  absl::Duration status_period = absl::Minutes(5);
  // Before a pod's changed status is written; the longer one while its containers are on their way
  // up, or down for good, so that a pod that starts or ends quickly is written once.
  absl::Duration pod_status_delay = absl::Milliseconds(50);
  absl::Duration pod_passing_delay = absl::Milliseconds(500);
};

class NodeAgent final : public PodEnvironment {
 public:
  // `events` may be nullptr: no events are written. What it is given outlives it.
  NodeAgent(NodeAgentOptions options, EventLoop* loop, AsyncApi* api,
            runtime::EventRecorder* events, std::unique_ptr<ContainerRuntime> containers);
  ~NodeAgent() override;

  // Registers after `delay`, and goes on from there.
  void Start(absl::Duration delay);
  // A pod that is bound to this node: new, or changed. Before the node is registered it waits.
  void OnPod(runtime::Object pod);
  void OnPodGone(const api::Json& pod);

  const std::string& name() const { return options_.name; }
  bool registered() const { return registered_; }
  size_t pod_count() const { return pods_.size(); }
  // nullptr: none of that uid.
  const PodWorker* FindPod(const std::string& uid) const;
  const ContainerRuntime& container_runtime() const { return *containers_; }
  // In Prometheus' text form, as a kubelet's /metrics/resource.
  void AppendResourceMetrics(std::string* text) const;

  // PodEnvironment.
  EventLoop* loop() override { return loop_; }
  ContainerRuntime* containers() override { return containers_.get(); }
  const std::string& host_ip() const override { return options_.host_ip; }
  std::string TakeIp(const std::string& wanted) override;
  void ReturnIp(const std::string& ip) override;
  void OnPodChanged(const std::string& uid) override;
  void Tell(const api::Json& pod, Weight weight, std::string_view reason, std::string_view message,
            const std::string& container) override;

 private:
  struct PodEntry {
    std::shared_ptr<PodWorker> worker;
    size_t written = 0;    // hash of the text of the status that the server has
    uint64_t version = 0;  // of the pod, when that was written; 0: not yet
    bool ready = false;    // its condition Ready in that
    absl::Time planned = absl::InfiniteFuture();  // when it will be written
    bool busy = false;                            // a request is under way
    absl::Duration pause = absl::ZeroDuration();  // after failures
  };

  // Makes the call; `done` is not called once the agent is gone.
  void Make(AsyncApi::Urgency urgency, AsyncApi::Call call, AsyncApi::Done done);
  void After(absl::Duration delay, std::function<void()> act);
  void Register();
  void OnRegistered(const api::Json& node);
  api::Json NodeObject() const;
  api::Json NodeStatus() const;
  void WriteNodeStatus();
  void KeepNodeStatus();
  void RenewLease();
  void OnLease(absl::StatusOr<api::Json> lease);
  void PlanWrite(const std::string& uid, PodEntry* entry, absl::Duration delay);
  void CheckWritten(const std::string& uid, PodEntry* entry, const api::Json& pod);
  void WritePod(const std::string& uid);
  void WriteStatus(const std::string& uid, PodEntry* entry, const api::Json& status, size_t hash);
  void DeletePod(const std::string& uid, PodEntry* entry);
  void OnWriteFailed(const std::string& uid, PodEntry* entry, const absl::Status& status);

  const NodeAgentOptions options_;
  EventLoop* const loop_;
  AsyncApi* const api_;
  runtime::EventRecorder* const events_;
  const std::unique_ptr<ContainerRuntime> containers_;

  bool registered_ = false;
  std::string uid_;
  std::optional<IpPool> ips_;
  std::optional<api::Json> lease_;  // as the server has it
  absl::Duration register_pause_ = absl::ZeroDuration();
  absl::Time status_written_ = absl::InfinitePast();
  size_t images_written_ = 0;
  absl::Time ready_since_;
  std::vector<runtime::Object> early_pods_;
  absl::flat_hash_map<std::string, std::unique_ptr<PodEntry>> pods_;  // by uid
  // Callbacks look at it; gone with the agent.
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_NODE_AGENT_H_
