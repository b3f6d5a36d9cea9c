// Compactor: has the store forget versions that are older than an interval, as kube-apiserver does:
// one of all API servers a time, by the key compact_rev_key, which both kinds of servers know.
#ifndef KEELSON_APISERVER_REGISTRY_COMPACTOR_H_
#define KEELSON_APISERVER_REGISTRY_COMPACTOR_H_

#include <memory>

#include "absl/time/time.h"

namespace keelson::client {
class Client;
}

namespace keelson::registry {

class Compactor {
 public:
  // Begins at once, on a thread of its own. `store` outlives it.
  Compactor(client::Client* store, absl::Duration interval);
  ~Compactor();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_COMPACTOR_H_
