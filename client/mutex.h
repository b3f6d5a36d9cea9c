// Mutex: a lock in the store that one session holds at a time, across processes and machines; the
// same that etcdctl lock and Go's concurrency package take.
//
//   Mutex mutex(**session, "deploy");
//   KV_RETURN_IF_ERROR(mutex.Lock());
//   auto done = mutex.Guarded(Txn().Then(PutOp("version", "7")).Build());
//   KV_RETURN_IF_ERROR(mutex.Unlock());
//
// A lock in a distributed system is a lease: a holder that was stopped for longer than its TTL
// still believes that it holds it when somebody else does. What is done under a lock is therefore
// guarded: in the store by Guarded, which does nothing once the lock is lost; elsewhere by handing
// token() to whoever is asked to act, who refuses a smaller one than it has seen. Session::WaitLost
// tells when to stop.
//
// Thread: one at a time, but for Cancel.
#ifndef KEELSON_CLIENT_MUTEX_H_
#define KEELSON_CLIENT_MUTEX_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/candidacy.h"
#include "client/session.h"

namespace keelson::client {

class Mutex {
 public:
  // `session` must stay until the mutex is gone.
  Mutex(Session& session, std::string_view name) : candidacy_(session, name) {}

  // Waits until the session holds the lock; at once if it holds it already. DeadlineExceeded: not
  // in that time. Cancelled: by Cancel. FailedPrecondition, "mutex: session is expired": the
  // session was lost. After an error nothing is left in the store, as far as it could be reached.
  absl::Status Lock(absl::Duration timeout = absl::InfiniteDuration());
  // Unavailable, "mutex: Locked by another session": it would have to wait.
  absl::Status TryLock();
  // OK also if the lock was lost, or never held.
  absl::Status Unlock(const CallOptions& options = {});
  // Ends a Lock that waits, or the next one, with Cancelled. From any thread.
  void Cancel() { candidacy_.Cancel(); }

  // Carries out `request` if the lock is still held when the store gets to it, and not otherwise:
  // FailedPrecondition, "mutex: lock is not held". The answer is that of `request`, whose own
  // comparisons decide as always.
  absl::StatusOr<etcdserverpb::TxnResponse> Guarded(TxnRequest request,
                                                    const CallOptions& options = {});
  // The same for a transaction of the caller's own: a comparison that holds while the lock is held.
  Compare IsHeld() const { return candidacy_.HoldsKey(); }

  // Grows with every holder; the same for as long as one holds it. 0: not held, as far as is known.
  int64_t token() const { return held_ ? candidacy_.create_revision() : 0; }
  const std::string& key() const { return candidacy_.key(); }
  // Of the answer by which the lock was got, or given back.
  const etcdserverpb::ResponseHeader& header() const { return candidacy_.header(); }

 private:
  absl::Status GiveUp(const absl::Status& why);

  Candidacy candidacy_;
  bool held_ = false;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_MUTEX_H_
