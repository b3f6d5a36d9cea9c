// Options: how a client reaches the store. Plain data; copied into the client when it is made.
#ifndef KEELSON_CLIENT_OPTIONS_H_
#define KEELSON_CLIENT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace keelson::client {

// Where the call goes when every endpoint is well.
enum class Balance {
  kRoundRobin,  // the next endpoint with each call
  kSticky,      // the same endpoint until it fails; the first one to begin with
};

// Paths are read when the client is made. Empty: not used. With `ca_file` empty the system's roots count.
struct TlsOptions {
  std::string ca_file = {};
  std::string cert_file = {};  // with key_file: our own certificate, for servers that ask for one
  std::string key_file = {};
  std::string server_name = {};        // the name to verify instead of the endpoint's
  bool skip_verification = false;  // encrypts but believes anybody; for tests
};

struct Options {
  // "host:port", "http://host:port", "https://host:port" or "unix:///path". https means TLS, http means
  // clear text, neither means TLS when `tls` is set.
  std::vector<std::string> endpoints = {};
  Balance balance = Balance::kRoundRobin;

  // How long one attempt to connect to one endpoint may take before the next one is tried.
  absl::Duration dial_timeout = absl::Seconds(2);
  // How long a call may take, all its attempts included, unless the call says otherwise.
  absl::Duration request_timeout = absl::Seconds(5);
  // A connection with calls or streams on it that is silent for keepalive_time is probed, and given up
  // after keepalive_timeout. Less than 10 s counts as 10 s, as in Go's gRPC: servers close connections
  // that probe more often than every 5 s.
  absl::Duration keepalive_time = absl::Seconds(10);
  absl::Duration keepalive_timeout = absl::Seconds(6);

  int send_bytes_max = 2 << 20;
  int receive_bytes_max = INT32_MAX;

  std::optional<TlsOptions> tls = {};

  // With a user name the client authenticates before its first call and again when its token expires.
  std::string user = {};
  std::string password = {};
  std::string token = {};  // used as it is, instead of user and password
};

// What a single call may override.
struct CallOptions {
  // Zero: Options::request_timeout. absl::InfiniteDuration(): none.
  absl::Duration timeout = absl::ZeroDuration();
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_OPTIONS_H_
