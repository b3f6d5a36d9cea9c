// NodeHost: many node agents in one process: one watch of pods and one pool of requests for all of
// them, one EventLoop that all of them live on, and one port that answers for all of them as
// kubelets do: /containerLogs/NAMESPACE/POD/CONTAINER, /metrics/resource.
#ifndef KEELSON_APISERVER_NODE_NODE_HOST_H_
#define KEELSON_APISERVER_NODE_NODE_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/node/node_agent.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/status_server.h"

namespace keelson::node {

struct NodeHostOptions {
  std::vector<NodeAgentOptions> nodes;
  // How the runtime of one of the nodes is made.
  std::function<std::unique_ptr<ContainerRuntime>(EventLoop* loop, const std::string& node)>
      make_runtime;
  int request_threads = 24;
  // Takes from a pod's object what the runtime does not read; nullptr: nothing.
  void (*trim)(api::Json& pod) = nullptr;
};

class NodeHost {
 public:
  // `events` may be nullptr. What it is given outlives it.
  NodeHost(runtime::ApiClient* client, runtime::EventRecorder* events, NodeHostOptions options);
  // As Stop.
  ~NodeHost();
  NodeHost(const NodeHost&) = delete;
  NodeHost& operator=(const NodeHost&) = delete;

  void Start();
  // The nodes fall silent; their pods stay as they are.
  void Stop();
  // All nodes are registered.
  bool ready() const;
  // Pages for a server; any thread.
  runtime::Page Logs(std::string_view path, std::string_view query) const;
  std::string Metrics() const;
  std::string ResourceMetrics() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// Takes away what a simulation does not need of a pod.
void TrimForSimulation(api::Json& pod);

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_NODE_HOST_H_
