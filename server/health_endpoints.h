// HealthEndpoints: what load balancers and kubelets ask a member over plain HTTP: /health, /livez,
// /readyz, each check of the latter two on a path of its own, and /version; in etcd's words.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_HEALTH_ENDPOINTS_H_
#define KEELSON_SERVER_HEALTH_ENDPOINTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/member_core.h"
#include "server/rpc/rpc_server.h"

namespace keelson::server {

class HealthEndpoints {
 public:
  // `core` outlives this and the requests.
  explicit HealthEndpoints(MemberCore* core);

  // The health checks, on any number of servers, which this outlives.
  void Register(rpc::RpcServer* server);
  static void RegisterVersion(rpc::RpcServer* server);

  // How often a check of /livez or /readyz was run, and whether it passed the last time.
  struct CheckCount {
    std::string type;  // "livez" or "readyz"
    std::string name;
    uint64_t passed = 0;
    uint64_t failed = 0;
    bool passes = false;
  };
  const std::vector<CheckCount>& checks() const { return counts_; }
  uint64_t health_successes() const { return health_successes_; }
  uint64_t health_failures() const { return health_failures_; }

 private:
  using Done = std::function<void(const absl::Status&)>;
  struct Check {
    size_t count;  // in counts_
    std::function<void(Done)> run;
  };
  struct Run;
  using Respond = std::function<void(rpc::HttpResponse)>;

  void Add(const std::string& type, const std::string& name, std::function<void(Done)> run);
  void RegisterChecks(rpc::RpcServer* server, const std::string& type);
  void ServeHealth(std::string_view query, Respond respond);
  void AnswerHealth(const Respond& respond, std::string_view reason);
  void ServeChecks(const std::string& type, std::string_view query, Respond respond);
  // Runs what is left of `run`'s checks, one after the other, then answers.
  void RunChecks(const std::shared_ptr<Run>& run);
  absl::Status ReadLocally() const;

  MemberCore* const core_;
  std::vector<Check> checks_;
  std::vector<CheckCount> counts_;
  uint64_t health_successes_ = 0;
  uint64_t health_failures_ = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_HEALTH_ENDPOINTS_H_
