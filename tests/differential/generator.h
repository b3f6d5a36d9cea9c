// Generator: operations that nobody has thought of, from a seed: all the services, sensible ones
// and senseless ones. It does not hear the answers; what has to fit to them is written in symbols
// (operation.h).
#ifndef KEELSON_TESTS_DIFFERENTIAL_GENERATOR_H_
#define KEELSON_TESTS_DIFFERENTIAL_GENERATOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "proto/etcd/rpc.pb.h"
#include "tests/differential/operation.h"

namespace keelson::differential {

// Each episode has a part of the services in its focus, so that rare combinations within them are
// met.
enum class Focus { kAll, kKeys, kTransactions, kLeases, kWatches, kUsers, kLargeValues };
constexpr int kFocuses = 7;

class Generator {
 public:
  Generator(uint64_t seed, Focus focus);

  Operation Next();
  // A lease with keys that is left to expire.
  Operation Expiry();

 private:
  uint64_t Below(uint64_t n) { return dice_.Below(n); }
  bool Chance(uint64_t percent) { return dice_.Below(100) < percent; }
  template <typename T>
  const T& Pick(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

  etcdserverpb::AlarmMember DrawAlarm();
  std::string DrawKey();
  std::string DrawEnd(const std::string& key);
  std::string DrawValue();
  int64_t DrawRevision();
  int64_t DrawOdd();
  int64_t DrawLease();
  int64_t DrawGivenLease();
  std::string DrawUser();
  std::string DrawLeaseReader();

  void Draw(etcdserverpb::RangeRequest& request);
  void Draw(etcdserverpb::PutRequest& request);
  void Draw(etcdserverpb::DeleteRangeRequest& request);
  void Draw(etcdserverpb::Compare& compare);
  void Draw(etcdserverpb::RequestOp& op, int depth);
  void Draw(etcdserverpb::TxnRequest& request, int depth);

  Operation KeyOperation();
  Operation Transaction();
  Operation Compaction();
  Operation LeaseOperation();
  Operation WatchOperation();
  Operation CreateWatcher();
  Operation UserOperation();
  Operation RoleOperation();
  Operation ClusterOperation();
  Operation AlarmOperation();
  Operation RecipeOperation();

  SeededRandom dice_;
  const Focus focus_;
  // The one alarm that is ever raised. In 3.4 the last one raised puts an end to what the others
  // forbid, and so does the end of any.
  const etcdserverpb::AlarmMember alarm_;
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_GENERATOR_H_
