// Replay of an etcd history by revision. Every write that changes something has a revision of its
// own, so the order that a checker of linearizability would have to search for is told by the
// store; what is left is to see that it is a possible one:
//
//   - each answer, field by field, is what the key space of the answer's revision gives;
//   - no two writes have one revision, and each revision is explained by a write, by one of unknown
//     outcome, or by leases that ended;
//   - the order agrees with time: what returned before another began has no later revision;
//   - a read of a revision is refused as compacted or future only where that was so.
//
// Reads that are serializable may be of the past, but of one that there was.
#ifndef KEELSON_JEPSEN_CHECKERS_REPLAY_H_
#define KEELSON_JEPSEN_CHECKERS_REPLAY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jepsen/checkers/key_space.h"
#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct Comparison {
  enum class Target : uint8_t { kVersion, kCreate, kMod, kValue, kLease };
  enum class Relation : uint8_t { kEqual, kGreater, kLess, kNotEqual };
  std::string key;
  Target target = Target::kMod;
  Relation relation = Relation::kEqual;
  int64_t number = 0;
  std::string value = {};  // of kValue
};

// One operation of a transaction.
struct Request {
  enum class Kind : uint8_t { kRange, kPut, kDelete };
  Kind kind = Kind::kRange;
  std::string key;
  std::string end = {};
  std::string value = {};
  int64_t lease = 0;
  int64_t revision = 0;  // of kRange; 0: the newest
  int64_t limit = 0;     // of kRange; 0: none
};
struct Response {
  std::vector<KeyVersion> kvs = {};  // of kRange
  int64_t count = 0;                 // of kRange; of kDelete: how many were deleted
  bool more = false;
  friend bool operator==(const Response&, const Response&) = default;
};

// A put, a deletion or a range is a transaction of one request.
struct KvOperation {
  enum class Kind : uint8_t { kTxn, kRevoke, kCompact };
  int client = 0;
  Kind kind = Kind::kTxn;
  std::vector<Comparison> compare = {};
  std::vector<Request> success = {};
  std::vector<Request> failure = {};
  int64_t lease = 0;             // of kRevoke
  int64_t compact_revision = 0;  // of kCompact
  bool serializable = false;

  Outcome outcome = Outcome::kOk;
  // Why a read was refused, where that is the answer; such an operation is kRefused.
  enum class Refusal : uint8_t { kNone, kCompacted, kFuture };
  Refusal refusal = Refusal::kNone;
  int64_t revision = 0;  // of the answer's header
  bool succeeded = true;
  std::vector<Response> responses = {};
  Time invoked = 0;
  Time returned = kNever;
};

// `truth` has every revision up to that of the newest answer, as watchers saw them. Changes of keys
// that begin with one of `servers_own` nobody has to have asked for: services of the store make
// them.
Verdict CheckReplay(const KeySpace& truth, const std::vector<KvOperation>& history,
                    const std::vector<std::string>& servers_own = {});

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_REPLAY_H_
