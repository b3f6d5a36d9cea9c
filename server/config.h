// Config: what kvd is told, by flags, the environment or a configuration file, with etcd's names
// and defaults. settings.h has the table of them.
#ifndef KEELSON_SERVER_CONFIG_H_
#define KEELSON_SERVER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "http/tls.h"
#include "server/load_lanes.h"
#include "server/membership.h"
#include "server/url.h"

namespace keelson::server {

// TLS of clients' or of peers' connections.
struct TransportSecurity {
  http::TlsOptions tls;
  bool auto_tls = false;  // a certificate that the member makes for itself
};

// Old revisions are compacted away by the leader.
struct AutoCompaction {
  enum class Mode : uint8_t { kOff, kPeriodic, kRevision };
  Mode mode = Mode::kOff;
  absl::Duration retention;  // kPeriodic: younger ones are kept
  int64_t revisions = 0;     // kRevision: so many are kept
};

// When a log file is ended and another begun; 0: no such limit.
struct LogRotation {
  uint64_t megabytes_max = 100;
  int age_days_max = 0;  // of ended files
  int backups_max = 0;   // ended files
  bool local_time = false;
  bool compress = false;
};

struct Config {
  std::string name = "default";
  std::string data_dir;  // <name>.etcd when not given
  std::string wal_dir;   // the raft log's; inside data_dir when not given
  std::vector<Url> listen_peer_urls;
  std::vector<Url> listen_client_urls;
  std::vector<Url> listen_client_http_urls;  // further ones
  std::vector<Url> initial_advertise_peer_urls;
  std::vector<Url> advertise_client_urls;
  std::vector<Url> listen_metrics_urls;  // further ones, for health and metrics alone
  TransportSecurity client_security;
  TransportSecurity peer_security;
  int self_signed_cert_validity_years = 1;
  InitialCluster initial_cluster;
  bool initial_cluster_new = true;
  std::string initial_cluster_token = "etcd-cluster";
  // Said and no default, so that they must agree with an existing data directory.
  bool name_given = false;
  bool initial_cluster_token_given = false;
  int heartbeat_interval_ms = 100;
  int election_timeout_ms = 1000;
  bool initial_election_tick_advance = true;
  bool pre_vote = true;
  uint64_t max_request_bytes = 1572864;
  int max_txn_ops = 128;
  uint32_t max_concurrent_streams = 0x7fffffff;
  LaneWidths lanes;
  absl::Duration warning_unary_request_duration = absl::Milliseconds(300);
  absl::Duration warning_apply_duration = absl::Milliseconds(100);
  bool initial_corrupt_check = false;
  absl::Duration corrupt_check_time;  // 0: the default
  int64_t quota_backend_bytes = 0;
  uint64_t snapshot_count = 100000;
  uint64_t snapshot_catchup_entries = 5000;
  uint64_t snapshot_bytes_per_second = 64 << 20;
  bool strict_reconfig_check = true;
  uint32_t max_learners = 1;
  bool promote_learners = false;
  bool force_new_cluster = false;
  absl::Duration grpc_keepalive_min_time = absl::Seconds(5);
  absl::Duration grpc_keepalive_interval = absl::Hours(2);
  absl::Duration grpc_keepalive_timeout = absl::Seconds(20);
  absl::Duration watch_progress_notify_interval = absl::Minutes(10);
  std::string auth_token = "simple";  // or "jwt,<options>"
  absl::Duration auth_token_ttl = absl::Seconds(300);
  int bcrypt_cost = 10;
  AutoCompaction auto_compaction;
  bool socket_reuse_port = false;
  bool memory_mlock = false;
  bool extensive_metrics = false;
  bool enable_grpc_gateway = true;
  std::vector<std::string> cors_origins = {"*"};
  std::vector<std::string> host_whitelist = {"*"};
  bool unsafe_no_fsync = false;
  std::string log_level = "info";
  std::string log_format = "json";
  std::vector<std::string> log_outputs = {"default"};  // or stderr, stdout, files
  std::optional<LogRotation> log_rotation;             // of the one file there is then
};

// What the command line asks for: run with `config`, or print `text` and leave with `exit_code`.
struct CommandLine {
  bool run = false;
  Config config;
  std::vector<std::string> notices;  // lines for the log
  std::string text;
  int exit_code = 0;
};

// "m1=http://host1:2380,m2=..." InvalidArgument says what is wrong.
absl::StatusOr<InitialCluster> ParseInitialCluster(const std::string& text);

// InvalidArgument: this member is not in the initial cluster as it advertises itself. Looked at
// when there is no member in the data directory yet.
absl::Status CheckInitialCluster(const Config& config);

// Never fails: a flag or its value that cannot be read is a text of one line and exit code 2,
// anything else that is wrong one and exit code 1, as in etcd. Reads the environment.
CommandLine ParseCommandLine(int argc, char** argv);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CONFIG_H_
