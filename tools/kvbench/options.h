// Options: what a run of kvbench is asked to do, checked.
#ifndef KEELSON_TOOLS_KVBENCH_OPTIONS_H_
#define KEELSON_TOOLS_KVBENCH_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/kvbench/etcd_messages.h"

namespace keelson::kvbench {

enum class Operation { kPut, kGet, kWatch };
enum class Target { kAll, kLeader };
enum class KeyOrder { kSequential, kRandom };

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  std::string text() const;  // "host:port"
};

// Paths. TLS is on when one is given, or the endpoints are https.
struct Tls {
  bool on = false;
  std::string ca;  // the system's authorities when empty
  std::string cert;
  std::string key;
};

struct Options {
  Operation operation = Operation::kPut;
  std::vector<Endpoint> endpoints;  // at least one
  Tls tls;
  Target target = Target::kAll;
  uint32_t connections = 1;  // at most `outstanding`, but for watch
  uint32_t outstanding = 1;
  // A run ends at whichever comes first.
  uint64_t total = 0;  // measured operations; 0: no limit
  absl::Duration duration;
  absl::Duration warmup;
  absl::Duration timeout;  // without any answer for so long, a run fails
  uint32_t key_size = 32;
  uint32_t value_size = 256;
  uint64_t key_space = 100000;  // distinct keys
  KeyOrder key_order = KeyOrder::kRandom;
  Consistency consistency = Consistency::kLinearizable;
  uint64_t seed = 1;
  double rate = 0;        // requests a second; 0: as fast as answers come
  uint32_t streams = 1;   // watch only
  uint32_t watchers = 1;  // a stream
  std::vector<int> server_pids;  // empty: found by the endpoints' ports
  bool json = false;
};

struct CommandLine {
  Options options;
  std::string help;  // not empty: print this instead of running
};

// Error: InvalidArgument with one line that names the flag.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

std::string_view Name(Operation operation);

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_OPTIONS_H_
