// ProbeWorker: the probes of one run of a container: when each is due, and what its results come
// to. The startup probe holds back the other two until it has succeeded. On the EventLoop.
#ifndef KEELSON_APISERVER_NODE_PROBE_WORKER_H_
#define KEELSON_APISERVER_NODE_PROBE_WORKER_H_

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "apiserver/api/json.h"
#include "apiserver/node/container_runtime.h"
#include "apiserver/node/event_loop.h"

namespace keelson::node {

class ProbeWorker {
 public:
  // What the container's owner learns. `spec` is read during the calls only.
  struct Listener {
    std::function<void()> started;
    std::function<void(bool ready)> ready;
    // Liveness or startup has failed too often.
    std::function<void(ProbeKind kind)> kill;
    std::function<void(ProbeKind kind, const std::string& why)> failed;
  };

  ProbeWorker(EventLoop* loop, ContainerRuntime* runtime, std::string container,
              const api::Json& container_spec, Listener listener);
  ~ProbeWorker();
  void Start();

  static bool HasAny(const api::Json& container_spec);
  static bool Has(const api::Json& container_spec, ProbeKind kind);

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_PROBE_WORKER_H_
