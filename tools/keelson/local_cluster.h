// LocalCluster: the processes of a ClusterPlan and the supervisor that runs them in the background.
#ifndef KEELSON_TOOLS_KEELSON_LOCAL_CLUSTER_H_
#define KEELSON_TOOLS_KEELSON_LOCAL_CLUSTER_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/keelson/cluster_plan.h"
#include "tools/keelson/supervisor.h"

namespace keelson::program {

// Where kvd and this program are. `own`: this program's path.
struct Programs {
  std::string keelson;
  std::string kvd;
};
// kvd lies beside this program. NotFound: it does not.
absl::StatusOr<Programs> FindPrograms();

// All processes, in the order of `keelson status`.
std::vector<ComponentSpec> ComponentsOf(const ClusterPlan& plan, const Programs& programs);

// The supervisor's pid; 0: it does not run.
pid_t SupervisorOf(const std::string& directory);
// Starts it as a process of its own: in the background, or (kForeground) as a child that the
// terminal's signals reach through us. Returns its pid once it has its lock.
enum class Place { kBackground, kForeground };
absl::StatusOr<pid_t> StartSupervisor(const ClusterPlan& plan, const Programs& programs,
                                      Place place);
// Ends it and all it runs. OK too when nothing ran.
absl::Status StopSupervisor(const std::string& directory, absl::Duration timeout);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_LOCAL_CLUSTER_H_
