// ApiServer: one API server: a registry over the store, access control, and the front on an HTTPS
// port. It keeps nothing; any number of them may run over one store.
#ifndef KEELSON_APISERVER_HTTP_API_SERVER_H_
#define KEELSON_APISERVER_HTTP_API_SERVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/options.h"

namespace keelson::apiserver {

struct ApiServerOptions {
  client::Options store;
  std::string listen_host = "127.0.0.1";
  uint16_t listen_port = 6443;
  // Of the endpoint of the service kubernetes; those of listen_* where empty.
  std::string advertise_host = {};
  uint16_t advertise_port = 0;
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;
  std::string service_account_key_file;
  std::string service_account_issuer = "https://kubernetes.default.svc.cluster.local";
  std::string token_file = {};
  bool anonymous = true;
  int workers = 64;
};

// Serves until SIGTERM or SIGINT, then lets requests end. What it has to say goes to stderr.
// InvalidArgument, Unavailable: it could not begin, and why.
absl::Status RunApiServer(const ApiServerOptions& options);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_API_SERVER_H_
