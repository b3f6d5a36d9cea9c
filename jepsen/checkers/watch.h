// The guarantees of a watch (etcd's API guarantees): ordered, unique, reliable, atomic, resumable,
// bookmarkable; and what it is told of a compaction. A history is what one watcher received over
// one or more streams, each of which goes on where the one before ended.
#ifndef KEELSON_JEPSEN_CHECKERS_WATCH_H_
#define KEELSON_JEPSEN_CHECKERS_WATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jepsen/checkers/key_space.h"
#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct WatchAnswer {
  int64_t revision = 0;             // of the header
  std::vector<Change> events = {};  // none: a bookmark, if it is no other kind of answer
  bool created = false;
  bool cancelled = false;
  int64_t compact_revision = 0;  // of a cancellation: the oldest revision there is
  bool fragment = false;         // more of the same answer follows
};

struct WatchStream {
  int64_t start_revision = 0;  // asked for; 0: from now on
  std::vector<WatchAnswer> answers = {};
  // The client library carries it on at another member when one is lost: that one may be behind.
  bool moves = false;
};

struct WatchHistory {
  int client = 0;
  std::string key;
  std::string end = {};
  bool no_puts = false;     // filtered out
  bool no_deletes = false;  // …
  std::vector<WatchStream> streams = {};
  // Everything up to here must have come by now: it was committed, and the watcher had time since
  // the faults ended. 0: nothing is demanded.
  int64_t complete_through = 0;
};

// `compacted` is the highest revision that anybody has compacted at.
Verdict CheckWatch(const KeySpace& truth, int64_t compacted, const WatchHistory& history);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_WATCH_H_
