// keelson up: a whole cluster on this machine, in the background.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/durable_file.h"
#include "tools/keelson/kubeconfig.h"
#include "tools/keelson/local_cluster.h"
#include "tools/keelson/pki.h"
#include "tools/keelson/probe.h"

namespace keelson::program {
namespace {

constexpr absl::Duration kReadyTimeout = absl::Seconds(60);
constexpr absl::Duration kReadyTimeoutOfNode = absl::Milliseconds(50);
constexpr int kRestartsMax = 6;  // of one component; more, and it will not come up at all
constexpr absl::Duration kPortsTimeout = absl::Seconds(8);
constexpr absl::Duration kStopTimeout = absl::Seconds(40);
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
constexpr absl::Duration kPollInterval = absl::Milliseconds(25);

struct Flags {
  std::string directory = ".keelson";
  PlanWishes wishes;
  bool foreground = false;
  bool no_kubeconfig = false;
};

volatile sig_atomic_t interrupted = 0;
void OnInterrupt(int) { interrupted = 1; }

// The last line that a component wrote; what it died of is mostly there.
std::string LastLine(const std::string& log) {
  const auto text = ReadWhole(log);
  if (!text.ok()) return "";
  std::string_view rest = *text;
  while (rest.ends_with('\n')) rest.remove_suffix(1);
  return std::string(rest.substr(rest.rfind('\n') + 1));
}

// A component that has ended at least so often, and what it says; empty: none.
std::string Troubled(const ClusterPlan& plan, int restarts) {
  const auto states = ReadSupervisorState(plan.File("state.json"));
  if (!states.ok()) return "";
  for (const ComponentState& state : *states) {
    if (state.restarts < restarts) continue;
    const std::string log = plan.File(state.name + "/log");
    return Concat(state.name, " keeps ending (", state.last_end, "): ", LastLine(log), " (see ",
                  log, ")");
  }
  return "";
}

class Progress {
 public:
  explicit Progress(const ClusterPlan& plan)
      : plan_(plan),
        begin_(absl::Now()),
        deadline_(begin_ + kReadyTimeout + plan.nodes * kReadyTimeoutOfNode) {}

  // Waits until `done` gives a text, and prints it.
  absl::Status Step(const std::string& what, const std::function<std::string()>& done) {
    for (;;) {
      if (const std::string text = done(); !text.empty()) {
        std::printf("  %-14s %-44s %5.1f s\n", what.c_str(), text.c_str(),
                    absl::ToDoubleSeconds(absl::Now() - begin_));
        std::fflush(stdout);
        return absl::OkStatus();
      }
      if (interrupted != 0) return absl::CancelledError("interrupted");
      if (SupervisorOf(plan_.directory) == 0) {
        return absl::UnavailableError(
            Concat("the supervisor ended: ", LastLine(plan_.File("supervisor.log"))));
      }
      const bool late = absl::Now() > deadline_;
      const std::string trouble = Troubled(plan_, late ? 1 : kRestartsMax);
      if (late || !trouble.empty()) {
        return absl::DeadlineExceededError(
            Concat(what, ": not ready", trouble.empty() ? " in time" : "; ", trouble));
      }
      absl::SleepFor(kPollInterval);
    }
  }

 private:
  const ClusterPlan& plan_;
  const absl::Time begin_;
  const absl::Time deadline_;
};

std::string StoreReady(const ClusterPlan& plan) {
  std::string leader;
  for (int i = 0; i < plan.members; ++i) {
    const StoreMember member = AskStore(plan, i, kProbeTimeout);
    if (!member.healthy) return "";
    if (member.leads) leader = plan.MemberName(i);
  }
  if (leader.empty()) return "";
  return Concat(plan.members, plan.members == 1 ? " member" : " members", ", leader ", leader);
}

std::string ServersReady(const ClusterPlan& plan) {
  std::string version;
  for (int i = 0; i < plan.members; ++i) {
    const ApiServerAnswer server = AskApiServer(plan, plan.ServerUrl(i), kProbeTimeout);
    if (!server.ready) return "";
    version = server.version;
  }
  if (!AskApiServer(plan, plan.Url(), kProbeTimeout).ready) return "";
  return Concat(version, " at ", plan.Url());
}

std::string LeaderReady(const ClusterPlan& plan, const std::string& lease) {
  const std::string holder = LeaseHolder(plan, lease, kProbeTimeout);
  return holder.empty() ? "" : Concat("active: ", holder);
}

std::string NodesReady(const ClusterPlan& plan) {
  const NodeCount count = CountNodes(plan, kProbeTimeout);
  return count.ready < plan.nodes ? "" : Concat(count.ready, " ready");
}

absl::Status WaitReady(const ClusterPlan& plan) {
  Progress progress(plan);
  KV_RETURN_IF_ERROR(progress.Step("store", [&] { return StoreReady(plan); }));
  KV_RETURN_IF_ERROR(progress.Step("API", [&] { return ServersReady(plan); }));
  KV_RETURN_IF_ERROR(
      progress.Step("controllers", [&] { return LeaderReady(plan, "kube-controller-manager"); }));
  KV_RETURN_IF_ERROR(
      progress.Step("scheduler", [&] { return LeaderReady(plan, "kube-scheduler"); }));
  if (plan.nodes == 0) return absl::OkStatus();
  return progress.Step("nodes", [&] { return NodesReady(plan); });
}

absl::StatusOr<KubeAccess> AccessTo(const ClusterPlan& plan) {
  const PkiFiles pki(plan);
  KubeAccess access;
  access.server = plan.Url();
  KV_ASSIGN_OR_RETURN(access.authority, ReadWhole(pki.authority()));
  KV_ASSIGN_OR_RETURN(access.certificate, ReadWhole(pki.certificate("admin")));
  KV_ASSIGN_OR_RETURN(access.key, ReadWhole(pki.key("admin")));
  return access;
}

absl::Status TellKubectl(ClusterPlan& plan) {
  KV_ASSIGN_OR_RETURN(const KubeAccess access, AccessTo(plan));
  std::string before = plan.context_before;
  KV_ASSIGN_OR_RETURN(const std::string file, AddToKubeconfig(access, &before));
  std::printf("kubectl's context is now %s (in %s).\n", access.name.c_str(), file.c_str());
  if (before == plan.context_before) return absl::OkStatus();
  plan.context_before = before;
  return SavePlan(plan);
}

// Those of a cluster that was just killed may take a moment to be given back.
absl::Status WaitForPorts(const ClusterPlan& plan, bool is_new) {
  const absl::Time deadline = absl::Now() + (is_new ? absl::ZeroDuration() : kPortsTimeout);
  for (;;) {
    const absl::Status status = CheckPorts(plan);
    if (status.ok() || absl::Now() >= deadline) return status;
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::StatusOr<pid_t> Start(ClusterPlan& plan, const Programs& programs, Place place) {
  const bool is_new = ::access(plan.File("cluster.json").c_str(), F_OK) != 0;
  KV_RETURN_IF_ERROR(WaitForPorts(plan, is_new));
  KV_RETURN_IF_ERROR(MakeDirectory(plan.directory, 0700));
  KV_RETURN_IF_ERROR(EnsurePki(plan, absl::Now()));
  KV_ASSIGN_OR_RETURN(const KubeAccess access, AccessTo(plan));
  KV_RETURN_IF_ERROR(WriteWhole(plan.File("kubeconfig"), NewKubeconfig(access), 0600));
  KV_RETURN_IF_ERROR(SavePlan(plan));
  return StartSupervisor(plan, programs, place);
}

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

// To the end of the terminal's command.
void WaitForEnd(pid_t supervisor) {
  std::printf("Running until Ctrl-C.\n");
  std::fflush(stdout);
  while (interrupted == 0 && ::waitpid(supervisor, nullptr, WNOHANG) == 0) {
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::Status StartAndWait(const Flags& flags, ClusterPlan& plan, const Programs& programs) {
  CatchInterrupts();
  std::printf("Starting a cluster of %d member%s and %d simulated node%s in %s\n", plan.members,
              plan.members == 1 ? "" : "s", plan.nodes, plan.nodes == 1 ? "" : "s",
              plan.directory.c_str());
  std::fflush(stdout);
  const Place place = flags.foreground ? Place::kForeground : Place::kBackground;
  KV_ASSIGN_OR_RETURN(const pid_t supervisor, Start(plan, programs, place));
  absl::Status status = WaitReady(plan);
  if (status.ok() && !flags.no_kubeconfig) status = TellKubectl(plan);
  if (status.ok() && !flags.foreground) return status;
  // What does not come up is not left half running where nobody looks.
  if (status.ok()) WaitForEnd(supervisor);
  const absl::Status stopped = StopSupervisor(plan.directory, kStopTimeout);
  return status.ok() ? stopped : status;
}

absl::Status RunUp(const Flags& flags) {
  KV_ASSIGN_OR_RETURN(const Programs programs, FindPrograms());
  const std::string directory =
      std::filesystem::absolute(flags.directory).lexically_normal().string();
  KV_ASSIGN_OR_RETURN(ClusterPlan plan, MakePlan(directory, flags.wishes));
  if (SupervisorOf(directory) == 0) {
    KV_RETURN_IF_ERROR(StartAndWait(flags, plan, programs));
    if (flags.foreground) return absl::OkStatus();
  } else {
    KV_ASSIGN_OR_RETURN(const ClusterPlan running, LoadPlan(directory));
    if (running.nodes != plan.nodes || flags.foreground) {
      return absl::FailedPreconditionError(
          "the cluster runs already; `keelson down` first, to start it otherwise");
    }
    std::printf("The cluster in %s runs already.\n", directory.c_str());
    KV_RETURN_IF_ERROR(WaitReady(plan));
    if (!flags.no_kubeconfig) KV_RETURN_IF_ERROR(TellKubectl(plan));
  }
  std::printf(
      "\nTry:\n  kubectl get nodes\n  kubectl create deployment hello --image=nginx "
      "--replicas=3\n  kubectl get pods -o wide\n");
  return absl::OkStatus();
}

}  // namespace

void AddUpCommand(CLI::App& program, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *program.add_subcommand(
      "up", "Starts a cluster on this machine, or the one that --dir has, and tells kubectl.");
  command.add_option("--dir", flags->directory, "Where everything of the cluster is kept")
      ->capture_default_str();
  command.add_option("--members", flags->wishes.members,
                     "Members of the store, and as many API servers, schedulers and controller "
                     "managers (3)");
  command.add_option("--nodes", flags->wishes.nodes, "Simulated nodes (3)");
  command.add_option("--port", flags->wishes.port, "Port of the API (6443)");
  command
      .add_option("--client-ports", flags->wishes.client_ports,
                  "Ports of the store for its clients (2379,22379,32379)")
      ->delimiter(',');
  command
      .add_option("--peer-ports", flags->wishes.peer_ports,
                  "Ports of the store for its members (2380,22380,32380)")
      ->delimiter(',');
  command
      .add_option("--server-ports", flags->wishes.server_ports,
                  "Ports of the API servers behind --port (free ones)")
      ->delimiter(',');
  command.add_flag("--foreground", flags->foreground, "Runs until Ctrl-C and stops everything");
  command.add_flag("--no-kubeconfig", flags->no_kubeconfig,
                   "Leaves kubectl's configuration alone; DIR/kubeconfig can be used");
  command.callback([flags, exit_status] {
    const absl::Status status = RunUp(*flags);
    if (status.ok()) return;
    std::fflush(stdout);
    std::fprintf(stderr, "keelson up: %s\n", std::string(status.message()).c_str());
    *exit_status = 1;
  });
}

}  // namespace keelson::program
