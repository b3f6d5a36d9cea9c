// Ledger: what every entry did, as the first member that applied it did it. Each later one, on
// whatever member and in whatever life, must do the same; and what a member has on its disk when it
// starts must be the state after some entry.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_LEDGER_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_LEDGER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "jepsen/checkers/key_space.h"
#include "jepsen/checkers/permissions.h"
#include "storage/replaceable_store.h"

namespace keelson::simulation {

checkers::KeyVersion ToKeyVersion(std::string_view encoded);

class Ledger {
 public:
  // Empty: it is as it must be. Else a sentence. The store stands behind an entry.
  std::string OnApplied(const storage::Store& store, absl::Span<const storage::StoredEvent> events);
  std::string OnOpened(const storage::Store& store) const;

  // The newest entry changed who may do what.
  void OnPermissions(const storage::Store& store, checkers::Time now);

  const std::vector<checkers::Permissions>& permissions() const { return permissions_; }
  const checkers::KeySpace& truth() const { return truth_; }
  uint64_t entries() const { return entries_.size(); }
  int64_t compacted() const { return compacted_; }

 private:
  struct Entry {
    uint64_t hash;
    Term term;
    Revision revision;
    Revision compacted;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static std::string Describe(const Entry& entry);
  static Entry Of(const storage::Store& store);

  std::vector<Entry> entries_;  // of the index - 1
  checkers::KeySpace truth_;
  int64_t compacted_ = 0;
  std::vector<checkers::Permissions> permissions_ = {{}};
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_LEDGER_H_
