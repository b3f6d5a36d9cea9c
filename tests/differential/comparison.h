// Comparison: a sequence of operations on both servers, and the first difference there is.
#ifndef KEELSON_TESTS_DIFFERENTIAL_COMPARISON_H_
#define KEELSON_TESTS_DIFFERENTIAL_COMPARISON_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/differential/operation.h"
#include "tests/differential/side.h"
#include "tests/differential/version_differences.h"

namespace keelson::differential {

struct Difference {
  size_t operation = 0;  // its number in the sequence
  std::string text;      // what was asked and both answers
};

struct Statistics {
  uint64_t operations = 0;
  uint64_t refused = 0;  // by both
  uint64_t events = 0;   // compared
  uint64_t watchers = 0;
  uint64_t fragments = 0;
  std::map<std::string, uint64_t> errors;
};

class Comparison {
 public:
  // `patience`: how long one server may be behind the other with what its watchers are told.
  Comparison(std::string kvd, std::string etcd, VersionDifferences* versions,
             absl::Duration patience);

  // From a store without keys, leases, users and alarms, which is made first.
  std::optional<Difference> Run(const std::vector<Operation>& operations);
  // The servers go on as they are, so that a difference of state shows in what comes.
  const Statistics& statistics() const { return statistics_; }

 private:
  // How many of the things that a watcher was told are compared.
  struct Compared {
    size_t ours = 0;
    size_t etcds = 0;
  };
  struct Slot {
    std::set<int64_t> live;  // watchers that were created and not told their end
    std::map<int64_t, Compared> compared;
    std::string user;            // whose stream it is
    bool has_compacted = false;  // a compaction has ended a watcher of it
  };
  using Outcome = std::optional<std::string>;  // a difference, in words

  void Reset(Side& side);
  Outcome Do(const Operation& operation);
  Outcome DoCall(const Operation& operation);
  Outcome DoKeepAlive(const Operation& operation);
  Outcome DoExpire(const Operation& operation);
  // Opens the streams of users anew without their tokens, which 3.4 refuses while auth is off.
  Outcome DropTokens();
  Outcome DoOpenStream(const Operation& operation);
  Outcome DoCreate(const Operation& operation);
  Outcome DoCancel(const Operation& operation);
  Outcome DoProgress(const Operation& operation);
  Outcome CheckDemanded(const Operation& operation, const Operation& question,
                        const Answer& refusal);
  Outcome Compare(const Operation& operation, const Answer& ours, Answer etcds);
  // Waits until all watchers of both servers were told the same, and kvd says that this is all.
  Outcome Sync(int slot);
  Outcome SyncAll();
  // Waits until no watcher has to read what a compaction would take away.
  Outcome Settle();
  Outcome CompareTold(int slot, int64_t watcher);
  Outcome CompareState();
  std::optional<int64_t> Progress(Side& side, int slot, int64_t revision);

  Side ours_;
  Side etcds_;
  VersionDifferences& versions_;
  const absl::Duration patience_;
  std::array<Slot, kWatchSlots> slots_;
  bool auth_ = false;       // on
  bool unsettled_ = false;  // etcd may still read for a watcher
  Statistics statistics_;
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_COMPARISON_H_
