// VersionDifferences: where etcd 3.4, which we can run, and etcd 3.7, which kvd follows, are known
// to answer differently. Each is narrow, has a name and a reason (docs/testing.md has the same
// table), and is counted: one that is never met is no longer true, or the generator has a hole.
#ifndef KEELSON_TESTS_DIFFERENTIAL_VERSION_DIFFERENCES_H_
#define KEELSON_TESTS_DIFFERENTIAL_VERSION_DIFFERENCES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/etcd/rpc.pb.h"
#include "tests/differential/operation.h"
#include "tests/differential/side.h"

namespace keelson::differential {

class VersionDifferences {
 public:
  VersionDifferences();

  // What 3.7 demands of a user before it does the operation and 3.4 does not: questions that change
  // nothing, by the same user. Where 3.4 refuses one of them, 3.7 refuses the operation with the
  // same words, and 3.4 must not be asked for it.
  std::vector<Operation> DemandsOf(const Operation& operation) const;
  // Whether 3.7 refuses this whoever asks, and 3.4 must not be asked; its answer then.
  bool Refuses(const Operation& operation, Answer* answer);
  // The same for a watcher that starts at a negative revision.
  bool Refuses(const etcdserverpb::WatchCreateRequest& resolved, const Symbols& symbols,
               etcdserverpb::WatchResponse* answer);
  // Whether 3.7 may count puts of a transaction towards the quota, and 3.4 surely counts none.
  bool CostsMore(const Operation& operation) const;
  void CountNestedCost();
  // The operation for 3.4, which refuses bad tokens even while auth is off.
  Operation WithoutToken(Operation operation, bool auth);
  // Makes of 3.4's answer what 3.7 would say.
  void Translate(const Operation& operation, const Symbols& symbols, const Answer& ours,
                 Answer* etcds);
  // Whether 3.7 tells a watcher this, and 3.4 does not. `superseded`: in the same revision.
  bool ToldByNewerOnly(const WatchStream::Told& told, bool superseded, int64_t compacted);
  void CountDemand(const Operation& operation, const Operation& question);

  std::string ToString() const;
  // Names of those that were not met.
  std::vector<std::string> Unmet() const;

 private:
  void Count(const std::string& name);
  void TranslateHash(const Operation& operation, const Symbols& symbols, const Answer& ours,
                     Answer* etcds);

  std::map<std::string, uint64_t> met_;  // name -> how often
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_VERSION_DIFFERENCES_H_
