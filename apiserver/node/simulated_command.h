// SimulatedCommand: what the command of a container would do, for the few commands a simulation
// knows. Pure.
#ifndef KEELSON_APISERVER_NODE_SIMULATED_COMMAND_H_
#define KEELSON_APISERVER_NODE_SIMULATED_COMMAND_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::node {

struct SimulatedCommand {
  absl::Duration takes = absl::ZeroDuration();
  int exit_code = 0;
  std::vector<std::string> output;  // lines
};

// nullopt: it is none of those that are known.
std::optional<SimulatedCommand> Interpret(const api::Json& container_spec);

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_SIMULATED_COMMAND_H_
