#include "apiserver/node/run_nodes.h"

#include <arpa/inet.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "apiserver/node/node_host.h"
#include "apiserver/node/simulated_runtime.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/log.h"
#include "apiserver/runtime/status_server.h"
#include "apiserver/runtime/stop_signals.h"
#include "base/clock.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

constexpr int kSubnetBits = 24;

int Fail(const absl::Status& status) {
  const std::string text(status.message());
  std::fprintf(stderr, "keelson node: %s\n", text.c_str());
  return 1;
}

// The /24 of that index within the range. nullopt: there is none, or the range is malformed.
std::optional<std::string> Subnet(const std::string& range, int index) {
  const size_t slash = range.find('/');
  in_addr address;
  int bits = 0;
  if (slash == range.npos || !absl::SimpleAtoi(range.substr(slash + 1), &bits) || bits < 8 ||
      bits > kSubnetBits || inet_pton(AF_INET, range.substr(0, slash).c_str(), &address) != 1 ||
      index >= (1 << (kSubnetBits - bits))) {
    return std::nullopt;
  }
  const uint32_t mask = ~((uint32_t{1} << (32 - bits)) - 1);
  const uint32_t base = ntohl(address.s_addr) & mask;
  const uint32_t subnet = base + (static_cast<uint32_t>(index) << (32 - kSubnetBits));
  return Concat(subnet >> 24, ".", subnet >> 16 & 255, ".", subnet >> 8 & 255, ".0/", kSubnetBits);
}

absl::StatusOr<std::vector<NodeAgentOptions>> MakeNodes(const RunNodesOptions& options, int port) {
  std::vector<NodeAgentOptions> nodes;
  for (int i = 0; i < options.simulated; ++i) {
    const int index = options.first_index + i;
    const std::optional<std::string> subnet = Subnet(options.pod_cidr, index);
    if (!subnet) {
      return absl::InvalidArgumentError(
          Concat("\"", options.pod_cidr, "\" is no range with a /24 for node ", index));
    }
    NodeAgentOptions node{.name = Concat(options.name_prefix, "-", index),
                          .host_ip = options.listen.substr(0, options.listen.rfind(':')),
                          .port = port,
                          .cpu = options.cpu,
                          .memory = options.memory,
                          .pods_max = options.pods_max,
                          .pod_cidr = *subnet};
    if (options.zones > 0) {
      node.labels["topology.kubernetes.io/zone"] = Concat("zone-", index % options.zones);
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace

int RunNodes(RunNodesOptions options) {
  if (const absl::Status status = runtime::StartLogging(options.log_level); !status.ok()) {
    return Fail(status);
  }
  runtime::StopSignals signals;
  options.api.user_agent = "keelson-node";
  auto client = runtime::MakeApiClient(options.api);
  if (!client.ok()) return Fail(client.status());
  const RealClock clock;
  runtime::EventRecorder events(client->get(), &clock, "kubelet");

  // The port is a part of what the nodes say of themselves, so it is there before they are.
  std::unique_ptr<NodeHost> host;
  runtime::StatusServer server;
  server.ServeStatus([&host] { return host->ready(); }, [&host] { return host->Metrics(); });
  server.Serve("/metrics/resource", [&host](std::string_view, std::string_view) {
    return runtime::Page{.type = "text/plain; version=0.0.4; charset=utf-8",
                         .body = host->ResourceMetrics()};
  });
  server.Serve("/containerLogs/", [&host](std::string_view path, std::string_view query) {
    return host->Logs(path, query);
  });
  if (const absl::Status status = server.Listen(options.listen); !status.ok()) return Fail(status);
  auto nodes = MakeNodes(options, server.port());
  if (!nodes.ok()) return Fail(nodes.status());
  NodeHostOptions host_options;
  host_options.nodes = *std::move(nodes);
  host_options.trim = &TrimForSimulation;
  host_options.make_runtime = [seed = options.seed](EventLoop* loop, const std::string& node) {
    return std::make_unique<SimulatedRuntime>(loop, seed ^ std::hash<std::string>()(node));
  };
  host = std::make_unique<NodeHost>(client->get(), options.events ? &events : nullptr,
                                    std::move(host_options));
  server.Run();
  host->Start();
  runtime::LogInfo(Concat(options.simulated, " simulated nodes on port ", server.port()));
  signals.Wait();
  server.Stop();
  host->Stop();
  return 0;
}

}  // namespace keelson::node
