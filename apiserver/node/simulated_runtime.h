// SimulatedRuntime: a ContainerRuntime that runs nothing: it waits as long as a real one might, and
// lets containers end, fail probes and use resources as annotations of their pod say. All chance
// comes from one seed.
//
// Annotations (durations as in Go: "300ms", "1m30s"); with ".CONTAINER" appended they hold for that
// container only:
//
//   keelson.io/sim.pull-time        how long pulling an image takes, where it is not there yet
//   keelson.io/sim.fail-pull        "true": it fails
//   keelson.io/sim.start-time       from start to running
//   keelson.io/sim.exit-after       a container ends that long after its start
//   keelson.io/sim.exit-code        and how; 0 if nothing is said
//   keelson.io/sim.oom              "true": it ends as killed for want of memory
//   keelson.io/sim.ready-after      readiness and startup probes fail until then
//   keelson.io/sim.fail-probe       names of probes that fail: "liveness,readiness"
//   keelson.io/sim.fail-probe-after that long after the start
//   keelson.io/sim.stop-time        from being asked to end to the end
//   keelson.io/sim.ignore-stop      "true": it ends only when its grace is over
//   keelson.io/sim.cpu, .memory     what it uses: "250m", "64Mi"
//   keelson.io/sim.log-interval     from one line of its log to the next
//
// Where nothing is said: an init container and a container of a Job end well after a moment, all
// others run until they are stopped. A command of "sleep N", "true", "false", "exit N" or "echo
// TEXT", also as a script of a shell joined by ';' or '&&', does what it says.
//
// A log is not kept but made up when it is read: one line at the start, what was echoed, then a
// line at each interval.
#ifndef KEELSON_APISERVER_NODE_SIMULATED_RUNTIME_H_
#define KEELSON_APISERVER_NODE_SIMULATED_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apiserver/node/container_runtime.h"
#include "apiserver/node/event_loop.h"
#include "base/random.h"

namespace keelson::node {

class SimulatedRuntime final : public ContainerRuntime {
 public:
  SimulatedRuntime(EventLoop* loop, uint64_t seed);
  ~SimulatedRuntime() override;

  std::string id_prefix() const override { return "simulated://"; }
  std::string version() const override { return "simulated://1.0"; }
  void OnExit(std::function<void(const ContainerExit&)> listener) override;

  void RunSandbox(SandboxConfig config, DoneId done) override;
  void UpdatePod(const std::string& sandbox, runtime::Object pod) override;
  void StopSandbox(const std::string& sandbox, Done done) override;
  void RemoveSandbox(const std::string& sandbox, Done done) override;
  void PullImage(const std::string& image, const std::string& sandbox, DoneId done) override;
  std::optional<std::string> FindImage(const std::string& image) const override;
  std::vector<Image> ListImages() const override;
  void CreateContainer(const std::string& sandbox, ContainerConfig config, DoneId done) override;
  void StartContainer(const std::string& container, Done done) override;
  void StopContainer(const std::string& container, absl::Duration grace, Done done) override;
  void RemoveContainer(const std::string& container, Done done) override;
  void Probe(const std::string& container, ProbeKind kind, const api::Json& probe,
             std::function<void(ProbeResult)> done) override;
  std::optional<ContainerStats> Stats(const std::string& container) const override;
  absl::StatusOr<Log> ReadLog(const std::string& container,
                              const LogOptions& options) const override;

 private:
  struct Container;
  struct Sandbox;
  // How a container was told to end by itself.
  struct End {
    absl::Duration after = absl::InfiniteDuration();
    int code = 0;
    bool out_of_memory = false;
  };
  // Runs after the delay, unless the runtime is gone by then.
  void After(absl::Duration delay, std::function<void()> act);
  // Chance between the two.
  absl::Duration Between(absl::Duration least, absl::Duration most);
  std::string MakeId();
  End EndOf(const Container& container);
  void Exit(const std::string& id, int code, bool out_of_memory);
  Container* Find(const std::string& id);
  const Container* Find(const std::string& id) const;

  EventLoop* const loop_;
  SeededRandom random_;
  std::function<void(const ContainerExit&)> on_exit_;
  absl::flat_hash_map<std::string, std::unique_ptr<Sandbox>> sandboxes_;
  absl::flat_hash_map<std::string, std::unique_ptr<Container>> containers_;
  std::map<std::string, int64_t> images_;  // bytes
  // Timers look at it; gone with the runtime.
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_SIMULATED_RUNTIME_H_
