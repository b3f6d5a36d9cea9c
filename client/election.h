// Election: one leader among the sessions that campaign for a name, which the others can see; the
// same that etcdctl elect and Go's concurrency package hold.
//
//   Election election(**session, "scheduler");
//   KV_RETURN_IF_ERROR(election.Campaign("node-7"));     // returns when elected
//   ...
//   KV_RETURN_IF_ERROR(election.Resign());
//
// What a leader does is guarded as what is done under a lock is (client/mutex.h).
//
// Thread: one at a time, but for Cancel.
#ifndef KEELSON_CLIENT_ELECTION_H_
#define KEELSON_CLIENT_ELECTION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/candidacy.h"
#include "client/session.h"

namespace keelson::client {

class Election {
 public:
  // `session` must stay until the election is gone.
  Election(Session& session, std::string_view name) : candidacy_(session, name) {}

  // Waits until the session leads, and says so with `value`. Errors as of Mutex::Lock, with
  // "election: session is expired".
  absl::Status Campaign(std::string_view value, absl::Duration timeout = absl::InfiniteDuration());
  // Says something else while it leads. FailedPrecondition, "election: not leader".
  absl::Status Proclaim(std::string_view value, const CallOptions& options = {});
  // OK also if it does not lead.
  absl::Status Resign(const CallOptions& options = {});
  // Ends a Campaign that waits, or the next one, with Cancelled. From any thread.
  void Cancel() { candidacy_.Cancel(); }

  // As Mutex::Guarded, while the session leads: "election: not leader".
  absl::StatusOr<etcdserverpb::TxnResponse> Guarded(TxnRequest request,
                                                    const CallOptions& options = {});
  Compare IsLeader() const { return candidacy_.HoldsKey(); }

  // Grows with every leader; 0: not leader, as far as is known.
  int64_t token() const { return elected_ ? candidacy_.create_revision() : 0; }
  const std::string& key() const { return candidacy_.key(); }
  const etcdserverpb::ResponseHeader& header() const { return candidacy_.header(); }

 private:
  Candidacy candidacy_;
  bool elected_ = false;
};

// The key of the leader, whose value is what it says; NotFound, "election: no leader": there is
// none.
absl::StatusOr<etcdserverpb::RangeResponse> FindLeader(Client& client, std::string_view name,
                                                       const CallOptions& options = {});

// Follows the leaders of an election and what they say, without taking part.
class LeaderObserver {
 public:
  // The client must stay until the observer is gone.
  LeaderObserver(Client& client, std::string_view name);

  // The next leader, or the next thing that the present one says, as FindLeader answers; waits for
  // it. What comes faster than it is asked for is not lost while the same one leads. Cancelled: by
  // Cancel.
  absl::StatusOr<etcdserverpb::RangeResponse> Next();
  // Ends Next, this one and those that follow. From any thread.
  void Cancel();

 private:
  absl::StatusOr<etcdserverpb::WatchResponse> NextChange();
  absl::Status AwaitCandidate();
  void Watch(WatchRequest request);

  Client& client_;
  const std::string name_;
  std::string leader_;  // its key; "": nobody is known to lead
  std::deque<etcdserverpb::RangeResponse> said_;
  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<WatchQueue> watch_ ABSL_GUARDED_BY(mutex_);  // of the leader's key, or of all
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_ELECTION_H_
