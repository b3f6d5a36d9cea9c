// EndpointRegistration: says that this API server is there, and keeps the Endpoints and
// EndpointSlices of default/kubernetes the list of all that are. A server is there as long as its
// record in the store, which has a lease, is; any of them takes away those that are gone.
#ifndef KEELSON_APISERVER_AUTH_ENDPOINT_REGISTRATION_H_
#define KEELSON_APISERVER_AUTH_ENDPOINT_REGISTRATION_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/auth/objects.h"

namespace keelson::client {
class Client;
}

namespace keelson::auth {

// Addresses and ports of servers.
using ServerEndpoints = std::vector<std::pair<std::string, int>>;

// The address to tell pods for a server that listens on `host`: itself, or, where that is loopback
// or all addresses, the first other one that the machine has. Empty: it has none.
std::string AdvertisedAddress(const std::string& host);

// Writes both kinds of objects so that they name exactly these.
absl::Status WriteEndpoints(Objects& objects, const ServerEndpoints& servers);

class EndpointRegistration {
 public:
  struct Options {
    std::string address;
    int port = 0;
    absl::Duration time_to_live = absl::Seconds(15);
    absl::Duration interval = absl::Seconds(5);
  };
  // Begins at once, on a thread of its own. Both outlive it.
  EndpointRegistration(client::Client* store, Objects* objects, Options options);
  // Takes the record away, and this server from the list.
  ~EndpointRegistration();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_ENDPOINT_REGISTRATION_H_
