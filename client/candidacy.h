// Candidacy: a session's place in the line for a name, by etcd's recipe, which every etcd client
// follows: a key under "name/" with the lease in hexadecimal, attached to the lease; whose key was
// created first is the first. What Mutex and Election share. Internal to client/.
//
// Thread: one at a time, but for Cancel.
#ifndef KEELSON_CLIENT_CANDIDACY_H_
#define KEELSON_CLIENT_CANDIDACY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/ops.h"
#include "client/session.h"

namespace keelson::client {

class Candidacy {
 public:
  Candidacy(Session& session, std::string_view name);

  // Makes the key, with `value`, or finds the one that the session has already. True: it is the
  // first.
  absl::StatusOr<bool> Enter(std::string_view value);
  // Waits until it is the first. Cancelled, DeadlineExceeded; FailedPrecondition: the session or
  // the key is lost. REQUIRES: Enter was OK.
  absl::Status AwaitTurn(absl::Duration timeout);
  // Deletes the key, if it is still the one that was made.
  absl::Status Leave(const CallOptions& options = {});
  // Ends AwaitTurn, this one or the next, with Cancelled. From any thread.
  void Cancel();

  // `request` if the key is still there, as one transaction. FailedPrecondition(lost) if it is not:
  // nothing was done. Otherwise the answer of `request` itself.
  absl::StatusOr<etcdserverpb::TxnResponse> Guarded(TxnRequest request, std::string_view lost,
                                                    const CallOptions& options);

  Session& session() { return session_; }
  const std::string& prefix() const { return prefix_; }
  const std::string& key() const { return key_; }
  // Of the key; 0: it was not made yet, or left.
  int64_t create_revision() const { return create_revision_; }
  // What the key had when Enter found it.
  const std::string& value() const { return value_; }
  const etcdserverpb::ResponseHeader& header() const { return header_; }
  Compare HoldsKey() const { return CreateRevision(key_) == create_revision_; }

 private:
  absl::Status AwaitDeletion(const std::string& key, int64_t start_revision,
                             absl::Duration timeout);
  absl::Status Interruption() const;

  Session& session_;
  const std::string prefix_, key_;
  int64_t create_revision_ = 0;
  std::string value_;
  etcdserverpb::ResponseHeader header_;
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  WatchQueue* waits_ ABSL_GUARDED_BY(mutex_) = nullptr;  // what AwaitDeletion is in
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CANDIDACY_H_
