// ContainerRuntime: what runs containers on one node, as its agent sees it. Shaped after CRI, the
// interface between kubelets and runtimes: a pod is a sandbox (its network and what its containers
// share) with containers in it; an image is pulled, a container created from it, started, stopped,
// removed; a container's end is an event.
//
// Everything is asked and answered on the agent's EventLoop. An operation that takes time is begun
// by its call and answered by its callback, exactly once, never from inside the call. An
// implementation over a socket or processes does its waiting elsewhere and posts the answers.
//
// What an operation may be asked for:
//
//   RunSandbox -> { PullImage, CreateContainer -> StartContainer -> [exit] -> RemoveContainer }*
//              -> StopSandbox -> RemoveSandbox
//
// StopSandbox stops what still runs in it. Stopping or removing what is gone succeeds. An id that
// was never given, or is of something removed, is NotFound elsewhere.
#ifndef KEELSON_APISERVER_NODE_CONTAINER_RUNTIME_H_
#define KEELSON_APISERVER_NODE_CONTAINER_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/informer.h"

namespace keelson::node {

struct SandboxConfig {
  runtime::Object pod;  // the Pod object: name, namespace, uid, labels, annotations, spec
  std::string ip;       // "": the host's network
};

struct ContainerConfig {
  std::string name;
  std::string image_ref = {};   // as PullImage or FindImage gave it
  int attempt = 0;              // how often this container was started before
  bool ends_by_itself = false;  // an init container that is no sidecar
};

enum class ProbeKind { kStartup, kLiveness, kReadiness };

struct ProbeResult {
  bool success = false;
  std::string message = {};  // why not
};

struct ContainerExit {
  std::string container_id;
  int exit_code = 0;
  std::string reason;  // Completed, Error, OOMKilled, ContainerCannotRun
  std::string message = {};
  absl::Time finished;
};

struct ContainerStats {
  int64_t cpu_nano_cores = 0;         // at present
  int64_t cpu_usage_nanoseconds = 0;  // since its start
  int64_t memory_bytes = 0;           // working set
};

struct Image {
  std::vector<std::string> names;
  int64_t bytes = 0;
};

// As in PodLogOptions.
struct LogOptions {
  std::optional<int64_t> tail_lines = {};
  std::optional<absl::Time> since = {};
  // Nothing of what was there already at that time: Log::until of an earlier part.
  absl::Time after = absl::InfinitePast();
  std::optional<int64_t> bytes_max = {};
  bool timestamps = false;
};

struct Log {
  std::string text;
  absl::Time until = absl::InfinitePast();  // up to when it was read
  bool complete = false;                    // the container has ended: there will be no more
};

class ContainerRuntime {
 public:
  using Done = std::function<void(absl::Status)>;
  using DoneId = std::function<void(absl::StatusOr<std::string>)>;

  virtual ~ContainerRuntime() = default;
  // "containerd://", "simulated://": what ids are prefixed with where people see them.
  virtual std::string id_prefix() const = 0;
  // Name and version, as a node's status has it: "simulated://1.0".
  virtual std::string version() const = 0;

  // Called for the end of every container that was started, whoever ended it.
  virtual void OnExit(std::function<void(const ContainerExit&)> listener) = 0;

  virtual void RunSandbox(SandboxConfig config, DoneId done) = 0;
  // A new version of its pod: of what it was run from only labels and annotations may differ.
  virtual void UpdatePod(const std::string& sandbox, runtime::Object pod) = 0;
  virtual void StopSandbox(const std::string& sandbox, Done done) = 0;
  virtual void RemoveSandbox(const std::string& sandbox, Done done) = 0;

  // Gives the reference of what was pulled: "docker.io/library/nginx@sha256:...".
  virtual void PullImage(const std::string& image, const std::string& sandbox, DoneId done) = 0;
  // Its reference, if it is there.
  virtual std::optional<std::string> FindImage(const std::string& image) const = 0;
  virtual std::vector<Image> ListImages() const = 0;

  virtual void CreateContainer(const std::string& sandbox, ContainerConfig config, DoneId done) = 0;
  virtual void StartContainer(const std::string& container, Done done) = 0;
  // Asks it to end and ends it when the grace is over. A later call may shorten the grace. The
  // callback comes when it has ended, after the exit was told.
  virtual void StopContainer(const std::string& container, absl::Duration grace, Done done) = 0;
  virtual void RemoveContainer(const std::string& container, Done done) = 0;

  // `probe`: the Probe object: exec, httpGet, tcpSocket or grpc, timeoutSeconds.
  virtual void Probe(const std::string& container, ProbeKind kind, const api::Json& probe,
                     std::function<void(ProbeResult)> done) = 0;

  // nullopt: it does not run.
  virtual std::optional<ContainerStats> Stats(const std::string& container) const = 0;
  // The log of a container that was not removed yet. NotFound.
  virtual absl::StatusOr<Log> ReadLog(const std::string& container,
                                      const LogOptions& options) const = 0;
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_CONTAINER_RUNTIME_H_
