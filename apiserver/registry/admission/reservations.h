// Reservations: things of which each is given once in the whole cluster (addresses, ports), whoever
// gives them: a key each in the store, made by a transaction that finds it absent.
//
//   reservation := {"uid": text, "at": seconds since 1970, "leaving": bool}    at <prefix><name>
//
// uid is the object's that holds it. A write that fails gives its reservations back; a server that
// dies in between leaves some that nobody holds, and whoever wants such a one takes it over: when
// no object holds it, and it was said to be leaving or is older than a write can take.
//
// Thread: any.
#ifndef KEELSON_APISERVER_REGISTRY_ADMISSION_RESERVATIONS_H_
#define KEELSON_APISERVER_REGISTRY_ADMISSION_RESERVATIONS_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace keelson::client {
class Client;
}

namespace keelson::registry {

class Reservations {
 public:
  // What objects hold now, as the store knows them.
  using Held = std::function<absl::StatusOr<std::set<std::string>>()>;

  Reservations(client::Client* store, std::string prefix) : store_(store), prefix_(prefix) {}

  // False: somebody else has it. True if `uid` has it already.
  absl::StatusOr<bool> Reserve(std::string_view name, std::string_view uid, const Held& held);
  // Gives back what `uid` has; leaves what others have.
  void Release(std::string_view name, std::string_view uid);
  // `uid` is about to let go of it.
  void SayLeaving(std::string_view name, std::string_view uid);
  // All that is reserved, by anybody.
  absl::StatusOr<std::set<std::string>> Taken();
  // Gives back what nobody holds any more.
  absl::Status Sweep(const Held& held);

 private:
  struct Entry {
    std::string uid;
    absl::Time at;
    bool leaving = false;
    int64_t revision = 0;  // 0: nobody has it
  };

  static Entry Parse(std::string_view value, int64_t revision);
  static bool MayBeLeft(const Entry& entry);
  absl::StatusOr<Entry> Read(std::string_view name);
  // False: the key changed since `revision`.
  absl::StatusOr<bool> Put(std::string_view name, std::string_view uid, bool leaving,
                           int64_t revision);
  absl::Status Delete(std::string_view name, int64_t revision);

  client::Client* const store_;
  const std::string prefix_;
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_ADMISSION_RESERVATIONS_H_
