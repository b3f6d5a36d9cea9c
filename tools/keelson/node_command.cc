// keelson node: simulated nodes.
#include <CLI/CLI.hpp>
#include <memory>

#include "apiserver/node/run_nodes.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/daemon_flags.h"

namespace keelson::program {

void AddNodeCommand(CLI::App& program, int* exit_status) {
  auto options = std::make_shared<node::RunNodesOptions>();
  CLI::App& command = *program.add_subcommand("node", "Runs simulated nodes.");
  AddClientFlags(command, &options->api);
  command.add_option("--simulated", options->simulated, "How many nodes")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  command.add_option("--name-prefix", options->name_prefix, "Nodes are PREFIX-INDEX")
      ->capture_default_str();
  command.add_option("--first-index", options->first_index, "Index of the first node")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--listen", options->listen,
                  "Address of the nodes' kubelets (logs, metrics), which they give as theirs")
      ->capture_default_str();
  command.add_option("--cpu", options->cpu, "What each node has")->capture_default_str();
  command.add_option("--memory", options->memory, "What each node has")->capture_default_str();
  command.add_option("--pods", options->pods_max, "Most pods of a node")
      ->check(CLI::Range(1, 254))
      ->capture_default_str();
  command.add_option("--pod-cidr", options->pod_cidr, "Range that each node gets a /24 of")
      ->capture_default_str();
  command.add_option("--zones", options->zones, "Nodes are in so many zones by turns; 0: in none")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command.add_flag("--events,!--no-events", options->events, "Whether Events are written");
  command.add_option("--seed", options->seed, "Of all chance in the simulation")
      ->capture_default_str();
  AddLogFlag(command, &options->log_level);
  command.callback([options, exit_status] { *exit_status = node::RunNodes(std::move(*options)); });
}

}  // namespace keelson::program
