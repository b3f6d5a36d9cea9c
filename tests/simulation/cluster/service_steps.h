// What workloads of services have in common, whether they go through the client library or not.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_SERVICE_STEPS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_SERVICE_STEPS_H_

#include <string>

#include "jepsen/checkers/lease.h"
#include "jepsen/checkers/watch.h"
#include "tests/simulation/cluster/client.h"

namespace keelson::simulation {

struct Watched {
  std::string key, end;
  bool no_puts = false, no_deletes = false;
};
Watched DrawWatched(Dice& dice);
checkers::WatchAnswer AnswerOf(const etcdserverpb::WatchResponse& response);
// Where the next stream has to begin after `answer`, if it was to begin at `next`.
int64_t ResumeAfter(const checkers::WatchAnswer& answer, int64_t next);
// The counter that is changed under the lock, by whoever has the key `lock_key` of the creation
// revision `token`. False: it may happen yet, and its token holds as long as that of the next one:
// who goes on with it may change the counter past himself.
Coroutine<bool> RaiseCounter(Client& client, std::string lock_key, int64_t token);

// --- by the client library; the client has one

// Follows what is watched for ever: one watch after the other, each until it ends by itself or is
// given up.
Coroutine<> FollowByLibrary(Client& client, Watched what, size_t history, int64_t next);
// Renews once. False: the lease is gone.
Coroutine<bool> RenewByLibrary(Client& client, checkers::LeaseHistory& lease);
// Keeps it alive for `time`, unless it is lost before. False: it is gone.
Coroutine<bool> KeepByLibrary(Client& client, checkers::LeaseHistory& lease, Time time);
// A session, and a lock, an election or what is seen of one, once.
Coroutine<> LockByLibrary(Client& client);
Coroutine<> CampaignByLibrary(Client& client);
Coroutine<> ObserveByLibrary(Client& client);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_SERVICE_STEPS_H_
