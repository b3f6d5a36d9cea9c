// keelson scheduler: gives pods their nodes.
#include <CLI/CLI.hpp>
#include <memory>

#include "apiserver/scheduler/run_scheduler.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/daemon_flags.h"

namespace keelson::program {

void AddSchedulerCommand(CLI::App& program, int* exit_status) {
  auto options = std::make_shared<scheduler::RunSchedulerOptions>();
  CLI::App& command = *program.add_subcommand("scheduler", "Gives pods their nodes.");
  AddClientFlags(command, &options->api);
  AddLeaderFlags(command, "Schedule only while holding the lease kube-scheduler",
                 &options->leader_elect, &options->identity);
  AddStatusFlag(command, &options->listen);
  AddLogFlag(command, &options->log_level);
  command.callback(
      [options, exit_status] { *exit_status = scheduler::RunScheduler(std::move(*options)); });
}

}  // namespace keelson::program
