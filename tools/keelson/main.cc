// keelson: the control plane's daemons, and the commands that run a cluster of them on this
// machine.
#include <CLI/CLI.hpp>

#include "tools/keelson/commands.h"

int main(int argc, char** argv) {
  CLI::App program("Keelson: a Kubernetes-compatible control plane over a replicated store.",
                   "keelson");
  program.set_version_flag("--version", KEELSON_VERSION);
  program.require_subcommand(1);
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
