// keelson: the control plane's daemons, and the commands that run a cluster of them on this
// machine.
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "absl/synchronization/mutex.h"
#include "tools/keelson/commands.h"

// Read by jemalloc. What it keeps at hand for each of some dozens of threads would be a third of an
// idle server's memory.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true,"
    "tcache_nslots_small_max:16,tcache_nslots_large:2,lg_tcache_max:12";
}

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
