// What a cluster's parts say of themselves when they are asked over HTTP.
#ifndef KEELSON_TOOLS_KEELSON_PROBE_H_
#define KEELSON_TOOLS_KEELSON_PROBE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/keelson/cluster_plan.h"

namespace keelson::program {

struct StoreMember {
  bool healthy = false;  // has a leader and answers reads
  bool leads = false;
  std::string version = {};
};
StoreMember AskStore(const ClusterPlan& plan, int index, absl::Duration timeout);

struct ApiServerAnswer {
  bool ready = false;
  std::string version = {};
};
// As the administrator. `url`: of one server, or of the front.
ApiServerAnswer AskApiServer(const ClusterPlan& plan, const std::string& url,
                             absl::Duration timeout);

// A daemon with a status port says that it is alive.
bool IsAlive(int status_port, absl::Duration timeout);

// GET of an object or list from the API, as the administrator.
absl::StatusOr<nlohmann::json> GetFromApi(const ClusterPlan& plan, const std::string& path,
                                          absl::Duration timeout);
// Who holds a Lease of kube-system; empty: nobody, or it cannot be known.
std::string LeaseHolder(const ClusterPlan& plan, const std::string& lease, absl::Duration timeout);

struct NodeCount {
  int all = 0;
  int ready = 0;
};
NodeCount CountNodes(const ClusterPlan& plan, absl::Duration timeout);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_PROBE_H_
