// The daemon `keelson node`: simulated nodes from their flags to their end.
#ifndef KEELSON_APISERVER_NODE_RUN_NODES_H_
#define KEELSON_APISERVER_NODE_RUN_NODES_H_

#include <cstdint>
#include <string>

#include "apiserver/runtime/api_client.h"

namespace keelson::node {

struct RunNodesOptions {
  runtime::ApiClientOptions api;
  int simulated = 1;
  std::string name_prefix = "node";  // node-0, node-1 ...
  int first_index = 0;
  // Where the nodes' kubelets listen, all on one port; it is what the nodes say their address is.
  std::string listen = "127.0.0.1:0";
  std::string cpu = "32";
  std::string memory = "256Gi";
  int pods_max = 110;
  // Each node gets a /24 of it, by its index.
  std::string pod_cidr = "10.64.0.0/10";
  int zones = 0;  // nodes are in zone-0 ... by turns; 0: no zones
  bool events = true;
  uint64_t seed = 1;
  std::string log_level = "info";
};

// Runs until SIGTERM or SIGINT: 0. 1, after a line on stderr: it could not start.
int RunNodes(RunNodesOptions options);

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_RUN_NODES_H_
