#include "tools/keelson/local_cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/durable_file.h"
#include "tools/keelson/pki.h"
#include "tools/keelson/probe.h"

namespace keelson::program {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Milliseconds(500);
constexpr absl::Duration kLockTimeout = absl::Seconds(5);

enum Stage { kStoreStage, kServerStage, kWorkStage };

std::string LockFile(const std::string& directory) { return directory + "/supervisor.pid"; }

// Beginning with that of member `first`.
std::string ForAllMembers(const ClusterPlan& plan, std::string (ClusterPlan::*what)(int) const,
                          int first = 0) {
  std::vector<std::string> all;
  for (int i = 0; i < plan.members; ++i) all.push_back((plan.*what)((first + i) % plan.members));
  return absl::StrJoin(all, ",");
}

std::string PeerUrl(const ClusterPlan& plan, int index) {
  return Concat("http://", kHost, ":", plan.peer_ports[static_cast<size_t>(index)]);
}

std::vector<std::string> StoreCommand(const ClusterPlan& plan, const Programs& programs, int index,
                                      const std::string& directory) {
  std::vector<std::string> members;
  for (int i = 0; i < plan.members; ++i) {
    members.push_back(Concat(plan.MemberName(i), "=", PeerUrl(plan, i)));
  }
  return {programs.kvd,
          "--name=" + plan.MemberName(index),
          Concat("--data-dir=", directory, "/data"),
          "--listen-client-urls=" + plan.StoreUrl(index),
          "--advertise-client-urls=" + plan.StoreUrl(index),
          "--listen-peer-urls=" + PeerUrl(plan, index),
          "--initial-advertise-peer-urls=" + PeerUrl(plan, index),
          "--initial-cluster=" + absl::StrJoin(members, ","),
          "--initial-cluster-token=keelson-local",
          "--initial-cluster-state=new"};
}

// What every daemon that is a client of the API is told.
// A daemon asks the API server of its own member first: they share the work, and what falls
// together fails together.
std::vector<std::string> ClientCommand(const ClusterPlan& plan, const Programs& programs,
                                       const std::string& command, const std::string& as,
                                       int member, int port) {
  const PkiFiles pki(plan);
  return {programs.keelson,
          command,
          "--server=" + ForAllMembers(plan, &ClusterPlan::ServerUrl, member),
          "--ca=" + pki.authority(),
          "--cert=" + pki.certificate(as),
          "--key=" + pki.key(as),
          Concat("--listen=", kHost, ":", port)};
}

// Runs in the supervisor's own process, which owns the lock from here on.
[[noreturn]] void RunSupervisor(const ClusterPlan& plan, const Programs& programs,
                                std::unique_ptr<ProcessLock> lock) {
  absl::Status status = lock->Claim();
  const std::vector<ComponentSpec> components = ComponentsOf(plan, programs);
  for (const ComponentSpec& component : components) {
    if (status.ok()) status = MakeDirectory(component.directory, 0700);
  }
  if (!status.ok()) {
    dprintf(STDERR_FILENO, "%s\n", std::string(status.message()).c_str());
    ::_exit(1);
  }
  SupervisorOptions options;
  options.state_file = plan.File("state.json");
  options.ready = [&plan](int stage) {
    for (int i = 0; i < plan.members; ++i) {
      if (stage == kStoreStage ? AskStore(plan, i, kProbeTimeout).healthy
                               : AskApiServer(plan, plan.ServerUrl(i), kProbeTimeout).ready) {
        return true;
      }
    }
    return false;
  };
  Supervise(components, options);
  ::unlink(options.state_file.c_str());
  ::_exit(0);
}

// The supervisor's own output; nothing of it goes to a terminal that may be gone.
bool RedirectOutput(const ClusterPlan& plan) {
  const int log =
      ::open(plan.File("supervisor.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return log >= 0 && nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 &&
         ::dup2(log, STDOUT_FILENO) >= 0 && ::dup2(log, STDERR_FILENO) >= 0;
}

}  // namespace

absl::StatusOr<Programs> FindPrograms() {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error);
  Programs programs{own, own.parent_path() / "kvd"};
  if (error || ::access(programs.kvd.c_str(), X_OK) != 0) {
    return absl::NotFoundError(Concat("there is no ", programs.kvd));
  }
  return programs;
}

std::vector<ComponentSpec> ComponentsOf(const ClusterPlan& plan, const Programs& programs) {
  std::vector<ComponentSpec> components;
  const auto add = [&](const std::string& name, std::vector<std::string> command, int stage) {
    components.push_back({name, std::move(command), plan.File(name), stage});
  };
  const PkiFiles pki(plan);
  for (int i = 0; i < plan.members; ++i) {
    const std::string name = plan.MemberName(i);
    add(name, StoreCommand(plan, programs, i, plan.File(name)), kStoreStage);
  }
  for (int i = 0; i < plan.members; ++i) {
    add(Concat("apiserver-", i + 1),
        {programs.keelson, "apiserver",
         "--etcd-servers=" + ForAllMembers(plan, &ClusterPlan::StoreUrl),
         Concat("--listen=", kHost, ":", plan.server_ports[static_cast<size_t>(i)]),
         "--tls-cert=" + pki.certificate("apiserver"), "--tls-key=" + pki.key("apiserver"),
         "--client-ca=" + pki.authority(), "--service-account-key=" + pki.service_account_key()},
        kServerStage);
  }
  std::vector<int> servers = plan.server_ports;
  add("front",
      {programs.keelson, "front", Concat("--listen=", kHost, ":", plan.port),
       "--servers=" + absl::StrJoin(servers, ","), "--ca-file=" + pki.authority()},
      kServerStage);
  auto status_port = plan.status_ports.begin();
  for (const std::string daemon : {"scheduler", "controllers"}) {
    for (int i = 0; i < plan.members; ++i) {
      const std::string name = Concat(daemon, "-", i + 1);
      std::vector<std::string> command =
          ClientCommand(plan, programs, daemon, daemon, i, *status_port++);
      command.insert(command.end(), {"--leader-elect", "--identity=" + name});
      add(name, std::move(command), kWorkStage);
    }
  }
  if (plan.nodes > 0) {
    std::vector<std::string> command =
        ClientCommand(plan, programs, "node", "nodes", plan.members - 1, *status_port);
    command.push_back(Concat("--simulated=", plan.nodes));
    add("nodes", std::move(command), kWorkStage);
  }
  return components;
}

pid_t SupervisorOf(const std::string& directory) {
  return ProcessLock::Holder(LockFile(directory));
}

absl::StatusOr<pid_t> StartSupervisor(const ClusterPlan& plan, const Programs& programs,
                                      Place place) {
  KV_ASSIGN_OR_RETURN(auto lock, ProcessLock::Take(LockFile(plan.directory)));
  if (lock == nullptr) return absl::UnavailableError("the supervisor runs already");
  KV_RETURN_IF_ERROR(lock->Claim());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return absl::InternalError(Concat("cannot fork: ", std::strerror(errno)));
  if (child == 0) {
    if (place == Place::kForeground) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(1);
      ::setpgid(0, 0);
    } else {
      ::setsid();
      if (::fork() != 0) ::_exit(0);
    }
    if (!RedirectOutput(plan) || ::chdir("/") != 0) ::_exit(1);
    RunSupervisor(plan, programs, std::move(lock));
  }
  if (place == Place::kForeground) return child;
  ::waitpid(child, nullptr, 0);
  lock.reset();  // the lock is the supervisor's too, and ends with the last of us
  const absl::Time deadline = absl::Now() + kLockTimeout;
  for (;;) {
    const pid_t holder = SupervisorOf(plan.directory);
    if (holder != 0 && holder != parent) return holder;
    if (holder == 0 || absl::Now() > deadline) {
      return absl::InternalError(
          Concat("the supervisor did not start; see ", plan.File("supervisor.log")));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::Status StopSupervisor(const std::string& directory, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const pid_t supervisor = SupervisorOf(directory);
  if (supervisor == 0) return absl::OkStatus();
  ::kill(supervisor, SIGTERM);
  while (SupervisorOf(directory) == supervisor) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          Concat("the supervisor, process ", supervisor, ", does not stop"));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::OkStatus();
}

}  // namespace keelson::program
