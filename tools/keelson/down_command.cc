// keelson down and keelson delete: stop a local cluster; remove it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/cluster_plan.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/kubeconfig.h"
#include "tools/keelson/local_cluster.h"

namespace keelson::program {
namespace {

constexpr absl::Duration kStopTimeout = absl::Seconds(40);

absl::Status RunDown(const std::string& directory) {
  const bool ran = SupervisorOf(directory) != 0;
  KV_RETURN_IF_ERROR(StopSupervisor(directory, kStopTimeout));
  std::printf("%s\n", ran ? "Stopped the cluster." : "Nothing was running.");
  return absl::OkStatus();
}

// Only what a cluster keeps: the folder may be anybody's.
absl::Status RunDelete(const std::string& directory) {
  const auto plan = LoadPlan(directory);
  if (absl::IsNotFound(plan.status())) {
    return absl::NotFoundError(Concat("there is no cluster in ", directory));
  }
  if (!plan.ok()) return plan.status();
  KV_RETURN_IF_ERROR(StopSupervisor(directory, kStopTimeout));
  KV_RETURN_IF_ERROR(RemoveFromKubeconfig(KubeAccess{.server = plan->Url()}, plan->context_before));
  std::error_code error;
  const auto remove = [&](const std::string& name) {
    if (!error) std::filesystem::remove_all(plan->File(name), error);
  };
  ClusterPlan with_nodes = *plan;
  with_nodes.nodes = 1;
  for (const ComponentSpec& component : ComponentsOf(with_nodes, {})) remove(component.name);
  for (const char* name : {"pki", "kubeconfig", "state.json", "supervisor.log"}) remove(name);
  // Last, so that what was interrupted can be done again.
  for (const char* name : {"cluster.json", "supervisor.pid"}) remove(name);
  if (error) {
    return absl::InternalError(Concat("cannot remove all of ", directory, ": ", error.message()));
  }
  ::rmdir(directory.c_str());  // stays when something else is in it
  std::printf("Deleted the cluster.\n");
  return absl::OkStatus();
}

void Add(CLI::App& program, int* exit_status, const std::string& name, const std::string& about,
         const std::function<absl::Status(const std::string&)>& run) {
  auto directory = std::make_shared<std::string>(".keelson");
  CLI::App& command = *program.add_subcommand(name, about);
  command.add_option("--dir", *directory, "The cluster's folder")->capture_default_str();
  command.callback([directory, exit_status, name, run] {
    const absl::Status status =
        run(std::filesystem::absolute(*directory).lexically_normal().string());
    if (status.ok()) return;
    std::fprintf(stderr, "keelson %s: %s\n", name.c_str(), std::string(status.message()).c_str());
    *exit_status = 1;
  });
}

}  // namespace

void AddDownCommand(CLI::App& program, int* exit_status) {
  Add(program, exit_status, "down", "Stops a local cluster; `up` goes on with it.", RunDown);
}

void AddDeleteCommand(CLI::App& program, int* exit_status) {
  Add(program, exit_status, "delete",
      "Stops a local cluster and removes it, and its context, with all that is in it.", RunDelete);
}

}  // namespace keelson::program
