#include "client/client.h"

#include <grpc/support/log.h>

#include <cstdlib>
#include <utility>

#include "base/status_macros.h"
#include "client/core.h"

namespace keelson::client {

absl::StatusOr<std::unique_ptr<Client>> Client::Create(Options options) {
  return Create(std::move(options), nullptr);
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(Options options,
                                                       std::unique_ptr<Runtime> runtime) {
  KV_ASSIGN_OR_RETURN(std::unique_ptr<Core> core,
                      Core::Create(std::move(options), std::move(runtime)));
  return std::unique_ptr<Client>(new Client(std::move(core)));
}

Client::Client(std::unique_ptr<Core> core)
    : core_(std::move(core)),
      kv_(*core_),
      lease_(*core_),
      auth_(*core_),
      cluster_(*core_),
      maintenance_(*core_) {}

Client::~Client() = default;

absl::Status Client::LogIn() { return core_->LogIn(); }

std::vector<std::string> Client::endpoints() const { return core_->endpoint_names(); }

absl::Status Client::SyncEndpoints() {
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  KV_ASSIGN_OR_RETURN(const etcdserverpb::MemberListResponse response,
                      cluster_.MemberList(request));
  std::vector<std::string> names;
  for (const etcdserverpb::Member& member : response.members()) {
    if (member.islearner()) continue;
    names.insert(names.end(), member.clienturls().begin(), member.clienturls().end());
  }
  return core_->SetEndpoints(names);
}

void SilenceTransportLog() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace keelson::client
