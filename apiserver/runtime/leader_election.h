// LeaderElection: one of several processes acts, by a Lease in kube-system (kube-surface 2.8).
// Loses leadership by itself when it could not renew within the renew deadline.
#ifndef KEELSON_APISERVER_RUNTIME_LEADER_ELECTION_H_
#define KEELSON_APISERVER_RUNTIME_LEADER_ELECTION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/runtime/api_client.h"
#include "base/clock.h"

namespace keelson::runtime {

struct LeaderElectionOptions {
  std::string name;  // of the Lease: "kube-scheduler"
  // Unique among the candidates; empty: made of this machine's name and chance.
  std::string identity = {};
  std::string name_space = "kube-system";
  absl::Duration lease = absl::Seconds(15);
  absl::Duration renew_deadline = absl::Seconds(10);
  absl::Duration retry = absl::Seconds(2);
};

class LeaderElection {
 public:
  // A renewal is two calls, and the last may begin at the renew deadline: one of `client` must end
  // within half of what the lease lasts beyond it, or another may lead before the loss is noticed.
  LeaderElection(ApiClient* client, const Clock* clock, LeaderElectionOptions options);
  // With a client of its own that ends its calls in time. InvalidArgument: as of MakeApiClient.
  static absl::StatusOr<std::unique_ptr<LeaderElection>> Open(ApiClientOptions api,
                                                              const Clock* clock,
                                                              LeaderElectionOptions options);
  ~LeaderElection();
  // Blocks until it has the lease (true) or Stop was called (false).
  bool Acquire();
  // Renews on a thread of its own from Acquire on; `on_lost` is called there, once, when it is
  // lost.
  void OnLost(std::function<void()> on_lost);
  // Gives the lease up, so that the next one need not wait. May be called while another thread is
  // in Acquire; not from `on_lost`.
  void Stop();
  bool leading() const;

 private:
  class Impl;
  std::unique_ptr<ApiClient> own_client_;  // empty: it was given one
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_LEADER_ELECTION_H_
