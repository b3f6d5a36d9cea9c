// keelson controllers: makes the cluster as its objects say.
#include <CLI/CLI.hpp>
#include <memory>

#include "apiserver/controllers/controllers.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/daemon_flags.h"

namespace keelson::program {

void AddControllersCommand(CLI::App& program, int* exit_status) {
  auto options = std::make_shared<controllers::RunControllersOptions>();
  CLI::App& command =
      *program.add_subcommand("controllers", "Makes the cluster as its objects say.");
  AddClientFlags(command, &options->api);
  AddLeaderFlags(command, "Act only while holding the lease kube-controller-manager",
                 &options->leader_elect, &options->identity);
  AddStatusFlag(command, &options->listen);
  AddLogFlag(command, &options->log_level);
  command.callback(
      [options, exit_status] { *exit_status = controllers::RunControllers(std::move(*options)); });
}

}  // namespace keelson::program
