// keelson controllers: makes the cluster as its objects say.
#include <CLI/CLI.hpp>
#include <memory>

#include "apiserver/controllers/controllers.h"
#include "tools/keelson/commands.h"

namespace keelson::program {

void AddControllersCommand(CLI::App& program, int* exit_status) {
  auto options = std::make_shared<controllers::RunControllersOptions>();
  CLI::App& command =
      *program.add_subcommand("controllers", "Makes the cluster as its objects say.");
  command.add_option("--server", options->api.servers, "URLs of API servers")
      ->delimiter(',')
      ->required();
  command.add_option("--ca", options->api.ca_file, "Authority of their certificates");
  command.add_option("--cert", options->api.cert_file, "Certificate to show to them");
  command.add_option("--key", options->api.key_file, "Its key");
  command.add_flag("--leader-elect", options->leader_elect,
                   "Act only while holding the lease kube-controller-manager");
  command.add_option("--identity", options->identity,
                     "Name to lead under; one of this machine's if empty");
  command
      .add_option("--listen", options->listen,
                  "Address of /healthz, /readyz and /metrics; \"\" for none")
      ->capture_default_str();
  command.add_option("--log-level", options->log_level, "debug, info, warn or error")
      ->capture_default_str();
  command.callback(
      [options, exit_status] { *exit_status = controllers::RunControllers(std::move(*options)); });
}

}  // namespace keelson::program
