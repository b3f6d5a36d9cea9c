// SharedLeases: leases for objects that vanish by themselves. One lease serves all objects written
// within a minute: a lease an event would cost the store as much as the events.
#ifndef KEELSON_APISERVER_REGISTRY_SHARED_LEASES_H_
#define KEELSON_APISERVER_REGISTRY_SHARED_LEASES_H_

#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace keelson::client {
class Client;
}

namespace keelson::registry {

// Thread-safe.
class SharedLeases {
 public:
  explicit SharedLeases(client::Client* store) : store_(store) {}
  // A lease that lives at least `time_to_live` from now on, and at most a minute longer.
  absl::StatusOr<int64_t> For(absl::Duration time_to_live);
  // It is gone: the next one is another one.
  void Forget(int64_t id);

 private:
  struct Lease {
    int64_t id;
    absl::Time reused_until;
  };
  client::Client* const store_;
  absl::Mutex mutex_;
  std::map<absl::Duration, Lease> leases_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_SHARED_LEASES_H_
