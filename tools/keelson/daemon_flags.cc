#include "tools/keelson/daemon_flags.h"

#include <CLI/CLI.hpp>

namespace keelson::program {

void AddClientFlags(CLI::App& command, runtime::ApiClientOptions* api) {
  api->user_agent = "keelson-" + command.get_name();
  command.add_option("--server", api->servers, "URLs of API servers")->delimiter(',')->required();
  command.add_option("--ca", api->ca_file, "Authority of their certificates");
  command.add_option("--cert", api->cert_file, "Certificate to show to them");
  command.add_option("--key", api->key_file, "Its key");
}

void AddLeaderFlags(CLI::App& command, const std::string& what_for, bool* leader_elect,
                    std::string* identity) {
  command.add_flag("--leader-elect", *leader_elect, what_for);
  command.add_option("--identity", *identity, "Name to lead under; one of this machine's if empty");
}

void AddStatusFlag(CLI::App& command, std::string* listen) {
  command
      .add_option("--listen", *listen, "Address of /healthz, /readyz and /metrics; \"\" for none")
      ->capture_default_str();
}

void AddLogFlag(CLI::App& command, std::string* level) {
  command.add_option("--log-level", *level, "debug, info, warn or error")->capture_default_str();
}

}  // namespace keelson::program
