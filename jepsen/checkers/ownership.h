// Who held a lock or was leader, and when: locks, elections, and what a fencing token is worth.
#ifndef KEELSON_JEPSEN_CHECKERS_OWNERSHIP_H_
#define KEELSON_JEPSEN_CHECKERS_OWNERSHIP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

// One time that somebody owned what only one may own.
struct Ownership {
  int client = 0;
  int64_t token = 0;  // the create revision of its key: the place in the line
  Time asked = 0;
  Time granted = 0;  // when the client knew it
  // Until when nobody else may own it: the client gave it up, or its lease may be over.
  Time until = kNever;
};

// Nobody owns it while another does, no two have one token, and of two times of which one ended
// before the other began the later one has the higher token.
Verdict CheckOwnership(const std::vector<Ownership>& history);

// A change to a counter behind a lock, made if the owner's key was still there (fenced) or without
// asking (not fenced).
struct GuardedUpdate {
  int client = 0;
  int64_t token = 0;
  int64_t read = 0;      // the counter it read under the lock
  int64_t written = 0;   // and what it wrote: one more
  int64_t revision = 0;  // of the write
};

// Fenced updates are not lost: in the order of their revisions each read what the one before wrote,
// and tokens do not go back.
Verdict CheckFenced(const std::vector<GuardedUpdate>& updates);

// What one observer of an election saw, in order; `winners` are all that were ever granted, or may
// have been.
struct Observation {
  int client = 0;
  std::vector<int64_t> tokens;
};
Verdict CheckObservations(const std::vector<Observation>& observations,
                          const std::vector<int64_t>& winners);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_OWNERSHIP_H_
