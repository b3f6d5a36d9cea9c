// Operation: one thing that is asked of both servers. What it means does not depend on what
// happened before, so that an operation can be left out of a sequence and the rest still makes
// sense: revisions are written relative to the latest or the compacted one, leases and members that
// a server named itself as slots. Symbols makes numbers of them, and back.
#ifndef KEELSON_TESTS_DIFFERENTIAL_OPERATION_H_
#define KEELSON_TESTS_DIFFERENTIAL_OPERATION_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <memory>
#include <string>

namespace keelson::differential {

struct Operation {
  enum class Kind {
    kCall,         // `method` with `request`, one answer
    kRangeStream,  // `request` by RangeStream of kvd and Range of etcd
    kKeepAlive,    // `request` is a LeaseKeepAliveRequest, on a stream of its own
    kOpenStream,   // the watch stream `slot` is ended and opened anew, with the token of `user`
    kWatchCreate,  // `request` is a WatchCreateRequest, on `slot`
    kWatchCancel,  // of the `choice`-th watcher of `slot`; of one that is not there if it has none
    kWatchProgress,  // a progress request on `slot`, if it has watchers
    kExpire,         // `request` grants a lease that is left to expire, `choice` keys with it
  };
  Kind kind = Kind::kCall;
  std::string method = {};  // "KV.Put"
  std::shared_ptr<const google::protobuf::Message> request = {};
  std::string user = {};  // whose token goes with it; empty: none
  int slot = 0;
  uint64_t choice = 0;
};

std::string ToString(const Operation& operation);

// How revisions, leases and members are written in operations, and the latter two in answers.
constexpr int64_t kLatestRevision = 4'000'000'000'000'000;     // and what is added to it
constexpr int64_t kCompactedRevision = 5'000'000'000'000'000;  // the same
constexpr int64_t kLeaseSlot = 6'000'000'000'000'000;   // and a slot: the lease granted last in it
constexpr int64_t kMemberSlot = 7'000'000'000'000'000;  // 0: the server itself, then the learners
constexpr int64_t kSymbolReach = 1'000'000'000;

constexpr int kWatchSlots = 4;
// Watchers that wait for revisions to come; a server answers no progress request as long as it has
// one of these.
constexpr int kFutureSlot = kWatchSlots - 1;

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_OPERATION_H_
