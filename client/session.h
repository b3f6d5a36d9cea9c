// Session: being there, as the store can see it: a lease that is kept alive. Locks and leaderships
// hang on it, and end with it when this process dies.
//
//   auto session = Session::Open(*client, {.ttl_seconds = 10});
//   Mutex mutex(**session, "deploy");
//
// A session is lost when the store no longer has its lease, or when it could not be renewed for its
// TTL, so that it must be taken for lost. Whoever holds something by it has to stop then: the next
// one may have it already. How long the others wait for a process that died is at most the TTL.
//
// Thread-safe.
#ifndef KEELSON_CLIENT_SESSION_H_
#define KEELSON_CLIENT_SESSION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace keelson::client {

struct SessionOptions {
  int64_t ttl_seconds = 60;
  int64_t lease = 0;  // one that there is already; 0: one is granted
};

class Session final : private LeaseListener {
 public:
  // The client must stay until the session is gone.
  static absl::StatusOr<std::unique_ptr<Session>> Open(Client& client,
                                                       const SessionOptions& options = {});
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // Stops renewing. The lease, and what hangs on it, lives on until its TTL is over; Close ends it.
  ~Session() override;

  // Revokes the lease: all that hangs on it is gone when this returns OK, and the session is lost.
  absl::Status Close(const CallOptions& options = {});

  int64_t lease() const { return lease_; }
  Client& client() const { return client_; }
  // OK, or why it is lost.
  absl::Status status() const;
  // Waits until it is lost. False: it was not, in that time.
  bool WaitLost(absl::Duration timeout = absl::InfiniteDuration()) const;

  // Calls `on_lost` when the session is lost, at once if it is already, on any thread; it must not
  // block. RemoveListener waits for one that is running.
  uint64_t AddListener(std::function<void()> on_lost);
  void RemoveListener(uint64_t number);

 private:
  Session(Client& client, int64_t lease, const std::optional<LeaseGrant>& grant);
  void OnLost(const absl::Status& why) override;

  Client& client_;
  const int64_t lease_;
  mutable absl::Mutex mutex_;
  std::optional<absl::Status> lost_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_listener_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(mutex_);
  std::optional<LeaseKeeper> keeper_;  // last: no callback once it is gone
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_SESSION_H_
