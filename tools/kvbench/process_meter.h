// What processes cost, from /proc: the CPU time of servers, of ourselves and of the machine between
// two moments, and the servers' memory.
//
// Thread: one.
#ifndef KEELSON_TOOLS_KVBENCH_PROCESS_METER_H_
#define KEELSON_TOOLS_KVBENCH_PROCESS_METER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/kvbench/options.h"

namespace keelson::kvbench {

// The processes that listen on the ports of those endpoints that are addresses of this machine's
// loopback; in the endpoints' order, each once. What cannot be seen is left out.
std::vector<int> FindServers(const std::vector<Endpoint>& endpoints);

// The parts of /proc that are parsed, for tests. nullopt: not of that form.
struct ListeningSocket {
  uint16_t port;
  uint64_t inode;
};
std::vector<ListeningSocket> ParseListeningSockets(std::string_view proc_net_tcp);
std::optional<absl::Duration> ParseProcessCpu(std::string_view proc_pid_stat);

struct ServerCost {
  int pid = 0;
  std::string name;  // of the program
  absl::Duration cpu;
  uint64_t rss_bytes = 0;  // at the end
};

struct Cost {
  std::vector<ServerCost> servers;
  absl::Duration client_cpu;
  // The share of the machine that neither servers nor client used: what else ran meanwhile.
  double other_share = 0;
};

class ProcessMeter {
 public:
  // Error: NotFound, when one of `pids` is no process of which we can see the cost.
  static absl::StatusOr<ProcessMeter> Make(const std::vector<int>& pids);

  // Begins a measurement; forgets one that was begun before.
  void Start();
  // What it cost since Start. A server that died counts with what was last seen.
  Cost Stop() const;

 private:
  struct Moment {
    std::vector<absl::Duration> servers;
    absl::Duration client;
    absl::Duration machine_busy;
    absl::Duration machine_total;
  };

  explicit ProcessMeter(std::vector<int> pids) : pids_(std::move(pids)) {}
  Moment Read() const;

  std::vector<int> pids_;
  Moment start_;
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_PROCESS_METER_H_
