// keelson: the control plane's daemons, and the commands that run a cluster of them on this
// machine.
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "absl/synchronization/mutex.h"
#include "tools/keelson/commands.h"

namespace {

// A watch is a connection, and a connection a file: as many as the user may have.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Keelson: a Kubernetes-compatible control plane over a replicated store.",
                   "keelson");
  program.set_version_flag("--version", KEELSON_VERSION);
  program.require_subcommand(1);
  RaiseFileLimit();
#ifdef NDEBUG
  // Debian's Abseil keeps a graph of all locks unless told otherwise.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  int exit_status = 0;
  for (const auto add :
       {keelson::program::AddUpCommand, keelson::program::AddStatusCommand,
        keelson::program::AddLogsCommand, keelson::program::AddDownCommand,
        keelson::program::AddDeleteCommand, keelson::program::AddApiserverCommand,
        keelson::program::AddControllersCommand, keelson::program::AddSchedulerCommand,
        keelson::program::AddNodeCommand, keelson::program::AddFrontCommand}) {
    add(program, &exit_status);
  }
  CLI11_PARSE(program, argc, argv);
  return exit_status;
}
