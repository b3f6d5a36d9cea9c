// What the clients of a run did and saw, for the checkers.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_HISTORIES_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_HISTORIES_H_

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "jepsen/checkers/collections.h"
#include "jepsen/checkers/lease.h"
#include "jepsen/checkers/linearizability.h"
#include "jepsen/checkers/list_append.h"
#include "jepsen/checkers/ownership.h"
#include "jepsen/checkers/permissions.h"
#include "jepsen/checkers/replay.h"
#include "jepsen/checkers/watch.h"

namespace keelson::simulation {

// What an object controller believes at its end, by key, and as of which revision.
struct ObjectCache {
  int client = 0;
  std::string prefix, end;
  int64_t revision = 0;
  std::map<std::string, checkers::KeyVersion> objects;
};

// A lock was granted, as of this revision.
struct LockGrant {
  int client = 0;
  std::string key;
  int64_t revision = 0;
};

struct Histories {
  std::vector<checkers::KvOperation> operations;
  std::vector<checkers::RegisterOperation> registers;
  std::vector<checkers::ListTransaction> lists;
  std::vector<checkers::SetOperation> sets;
  std::vector<checkers::BankRead> bank_reads;
  std::deque<checkers::WatchHistory> watches;  // clients hold on to their own
  std::vector<checkers::LeaseHistory> leases;
  std::vector<checkers::Ownership> locks;
  std::vector<LockGrant> lock_grants;
  std::vector<checkers::GuardedUpdate> fenced;
  std::vector<checkers::Ownership> terms;  // of elected leaders
  std::vector<int64_t> may_have_won;       // tokens of campaigns
  std::vector<checkers::Observation> observations;
  std::vector<ObjectCache> caches;
  std::vector<checkers::Access> accesses;  // of those who may not do everything
  checkers::Time alarmed_until = 0;        // the last alarm was taken back then
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_HISTORIES_H_
