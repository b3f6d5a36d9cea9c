// Supervisor: starts the processes of a cluster and keeps them running: one that ends is started
// again, after a pause that doubles while it keeps ending soon. It writes what it sees into a file,
// for `keelson status`, and every process's pid and output into that process's folder.
//
// Thread: the one that calls Run, which blocks SIGCHLD, SIGTERM and SIGINT. Its children die with
// it.
#ifndef KEELSON_TOOLS_KEELSON_SUPERVISOR_H_
#define KEELSON_TOOLS_KEELSON_SUPERVISOR_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace keelson::program {

struct ComponentSpec {
  std::string name;
  std::vector<std::string> command;
  std::string directory;  // has its log and pid
  // Components of a stage are started when the stage before is ready, and stopped before it.
  int stage = 0;
};

struct SupervisorOptions {
  std::string state_file;
  // Whether a stage serves, so that the next one can be started. Should answer within a fraction of
  // a second.
  std::function<bool(int stage)> ready = [](int) { return true; };
  absl::Duration ready_interval = absl::Milliseconds(25);
  absl::Duration backoff_first = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(10);
  // Who ran so long begins again with the shortest pause.
  absl::Duration steady = absl::Seconds(30);
  // Between SIGTERM and SIGKILL, a stage.
  absl::Duration stop_grace = absl::Seconds(8);
  int64_t log_bytes_max = 16 << 20;  // at a start; what is longer is kept as log.old
};

// What the state file says of a component.
struct ComponentState {
  std::string name;
  pid_t pid = 0;  // 0: it does not run
  int restarts = 0;
  std::string last_end;  // "exit status 1", "signal 9"; empty: it never ended
};
absl::StatusOr<std::vector<ComponentState>> ReadSupervisorState(const std::string& file);

// Returns after SIGTERM or SIGINT, when nothing runs any more.
void Supervise(const std::vector<ComponentSpec>& components, const SupervisorOptions& options);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_SUPERVISOR_H_
