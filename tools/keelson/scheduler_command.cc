// keelson scheduler: gives pods their nodes.
#include <CLI/CLI.hpp>
#include <memory>

#include "apiserver/scheduler/run_scheduler.h"
#include "tools/keelson/commands.h"

namespace keelson::program {

void AddSchedulerCommand(CLI::App& program, int* exit_status) {
  auto options = std::make_shared<scheduler::RunSchedulerOptions>();
  CLI::App& command = *program.add_subcommand("scheduler", "Gives pods their nodes.");
  command.add_option("--server", options->api.servers, "URLs of API servers")
      ->delimiter(',')
      ->required();
  command.add_option("--ca", options->api.ca_file, "Authority of their certificates");
  command.add_option("--cert", options->api.cert_file, "Certificate to show to them");
  command.add_option("--key", options->api.key_file, "Its key");
  command.add_flag("--leader-elect", options->leader_elect,
                   "Schedule only while holding the lease kube-scheduler");
  command.add_option("--identity", options->identity,
                     "Name to lead under; one of this machine's if empty");
  command
      .add_option("--listen", options->listen,
                  "Address of /healthz, /readyz and /metrics; \"\" for none")
      ->capture_default_str();
  command.add_option("--log-level", options->log_level, "debug, info, warn or error")
      ->capture_default_str();
  command.callback(
      [options, exit_status] { *exit_status = scheduler::RunScheduler(std::move(*options)); });
}

}  // namespace keelson::program
