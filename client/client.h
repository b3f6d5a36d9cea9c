// Client: a connection to the store, which may be one server or several that are one cluster. Any
// etcd v3 server will do.
//
//   auto client = Client::Create({.endpoints = {"127.0.0.1:2379", "127.0.0.1:22379"}});
//   (*client)->kv().Put("greeting", "hello");
//   WatchQueue watch((*client)->core(), {.key = "greeting", .start_revision = 1});
//   auto changes = watch.Next();
//
// Thread-safe; make one and share it. Creating it connects nothing; calls do, and go to another
// endpoint when one fails. Owns one thread, on which callbacks run. Watchers, keepers and calls in
// flight end before the client does: the destructor cancels and waits for them.
#ifndef KEELSON_CLIENT_CLIENT_H_
#define KEELSON_CLIENT_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/auth.h"
#include "client/cluster.h"
#include "client/kv.h"
#include "client/lease.h"
#include "client/maintenance.h"
#include "client/options.h"
#include "client/watch.h"

namespace keelson::client {

class Runtime;

class Client {
 public:
  // InvalidArgument: no endpoint, a malformed one, or a certificate that cannot be read.
  static absl::StatusOr<std::unique_ptr<Client>> Create(Options options);
  // In a world of its own (client/runtime.h).
  static absl::StatusOr<std::unique_ptr<Client>> Create(Options options,
                                                        std::unique_ptr<Runtime> runtime);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  Kv& kv() { return kv_; }
  Lease& lease() { return lease_; }
  Auth& auth() { return auth_; }
  Cluster& cluster() { return cluster_; }
  Maintenance& maintenance() { return maintenance_; }
  // For Watcher, WatchQueue and LeaseKeeper; Session takes the client.
  Core& core() { return *core_; }

  // Authenticates now, where there is a user, and not with the first call: to tell at once that the
  // password is wrong.
  absl::Status LogIn();

  std::vector<std::string> endpoints() const;
  // Takes the client URLs that the members advertise for endpoints from now on.
  absl::Status SyncEndpoints();

 private:
  explicit Client(std::unique_ptr<Core> core);

  const std::unique_ptr<Core> core_;
  Kv kv_;
  Lease lease_;
  Auth auth_;
  Cluster cluster_;
  Maintenance maintenance_;
};

// gRPC writes about failed connections to stderr by itself; a command line does not want that. Ends
// it for the whole process, unless the environment sets GRPC_VERBOSITY.
void SilenceTransportLog();

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CLIENT_H_
