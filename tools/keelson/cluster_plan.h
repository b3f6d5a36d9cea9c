// ClusterPlan: what a local cluster is made of: its folder, its members and nodes, and the ports,
// which are chosen once and kept in the folder's cluster.json, so that a cluster that comes up
// again is the same one.
#ifndef KEELSON_TOOLS_KEELSON_CLUSTER_PLAN_H_
#define KEELSON_TOOLS_KEELSON_CLUSTER_PLAN_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace keelson::program {

inline constexpr char kHost[] = "127.0.0.1";
inline constexpr int kMembersMax = 9;
inline constexpr int kNodesMax = 10'000;

struct ClusterPlan {
  std::string directory;  // absolute
  int members = 3;        // of the store; as many API servers, schedulers and controller managers
  int nodes = 3;          // simulated
  int port = 6443;        // where clients come
  std::vector<int> client_ports;  // of the store's members
  std::vector<int> peer_ports;
  std::vector<int> server_ports;  // of the API servers
  std::vector<int> status_ports;  // of the schedulers, the controller managers, and the nodes
  std::string context_before;     // the kubeconfig's current context before ours

  std::string File(std::string_view name) const;
  std::string MemberName(int index) const;  // "m1" is that of index 0
  // "https://127.0.0.1:6443": of the front, and of one API server.
  std::string Url() const;
  std::string ServerUrl(int index) const;
  std::string StoreUrl(int index) const;
};

// NotFound: there is no cluster in that folder.
absl::StatusOr<ClusterPlan> LoadPlan(const std::string& directory);
absl::Status SavePlan(const ClusterPlan& plan);

// What was asked for; empty and 0 where nothing was.
struct PlanWishes {
  int members = 0;
  int nodes = -1;
  int port = 0;
  std::vector<int> client_ports = {};
  std::vector<int> peer_ports = {};
  std::vector<int> server_ports = {};
};
// The folder's plan, or a new one, as wished. InvalidArgument: a wish that an existing cluster
// cannot be changed to, or that makes no sense.
absl::StatusOr<ClusterPlan> MakePlan(const std::string& directory, const PlanWishes& wishes);
// Unavailable names the first port that another program has.
absl::Status CheckPorts(const ClusterPlan& plan);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_CLUSTER_PLAN_H_
