#include "server/config.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>
#include <set>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "server/auth/bcrypt.h"
#include "server/feature_gates.h"
#include "server/version.h"
#include "storage/log_format.h"
#include "storage/store_format.h"

namespace keelson::server {
namespace {

constexpr int kElectionTimeoutMaxMs = 50000;

// The flags as given, before they are checked together.
struct RawFlags {
  Config config;
  std::string listen_peer_urls = "http://localhost:2380";
  std::string listen_client_urls = "http://localhost:2379";
  std::string initial_advertise_peer_urls = "http://localhost:2380";
  std::string advertise_client_urls = "http://localhost:2379";
  std::string initial_cluster;
  std::string initial_cluster_state = "new";
  std::string keepalive_min_time = "5s";
  std::string keepalive_interval = "2h";
  std::string keepalive_timeout = "20s";
  std::string progress_interval = "10m";
  std::string corrupt_check_time = "0s";
  std::string feature_gates;
  bool experimental_initial_corrupt_check = false;
  std::string log_outputs = "default";
  uint32_t auth_token_ttl_s = 300;
  std::string listen_metrics_urls;
  std::string metrics = "basic";
  std::string cors = "*";
  std::string cipher_suites;
  std::string tls_version_min = "TLS1.2";
  std::string tls_version_max;
  std::string client_allowed_hostnames;
  std::string peer_allowed_common_names;
  std::string peer_allowed_hostnames;
  bool peer_skip_client_san_verification = false;
  uint64_t max_concurrent_streams = 4294967295;
  bool version = false;
};

// Go's flag package takes one dash or two; a second one is added where there is only one.
std::vector<std::string> NormalizeDashes(int argc, char** argv) {
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.size() > 2 && arg[0] == '-' && arg[1] != '-') arg.insert(0, "-");
    args.push_back(std::move(arg));
  }
  return args;
}

// etcd's rule: --some-flag is ETCD_SOME_FLAG.
std::string EnvironmentName(const std::string& flag) {
  return absl::StrCat("ETCD_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

template <typename Value>
void AddOption(CLI::App& app, const std::string& name, Value& value, const std::string& help) {
  CLI::Option* const option = app.add_option(absl::StrCat("--", name), value, help)
                                  ->envname(EnvironmentName(name))
                                  ->capture_default_str();
  // CLI11 would take -1 for the largest number.
  if constexpr (std::is_unsigned_v<Value>) option->check(CLI::NonNegativeNumber);
}

// Go's form of a switch: --flag or --flag=false, never a value in the next word.
void AddSwitch(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  app.add_flag(absl::StrCat("--", name), value, help)->envname(EnvironmentName(name));
}

void AddSecurityOptions(CLI::App& app, RawFlags& flags) {
  Config& c = flags.config;
  struct Kind {
    const char* prefix;
    const char* of;
    TransportSecurity& security;
  };
  for (const Kind& kind : {Kind{"", "clients", c.client_security},
                           Kind{"peer-", "the other members", c.peer_security}}) {
    const auto name = [&kind](const char* flag) { return absl::StrCat(kind.prefix, flag); };
    const auto help = [&kind](const char* text) { return absl::StrCat(text, kind.of, "."); };
    http::TlsOptions& tls = kind.security.tls;
    AddOption(app, name("cert-file"), tls.cert_file, help("Our certificate towards "));
    AddOption(app, name("key-file"), tls.key_file, help("The key of our certificate towards "));
    AddOption(app, name("client-cert-file"), tls.client_cert_file,
              help("Our certificate where we are the client of "));
    AddOption(app, name("client-key-file"), tls.client_key_file, "The key of it.");
    AddOption(app, name("trusted-ca-file"), tls.trusted_ca_file,
              help("Authorities that may vouch for "));
    AddSwitch(app, name("client-cert-auth"), tls.require_client_cert,
              help("Demand certificates of "));
    AddSwitch(app, name("auto-tls"), kind.security.auto_tls,
              help("Make a self-signed certificate for the connections of "));
  }
  AddOption(app, "client-crl-file", c.client_security.tls.crl_file,
            "Revoked certificates of clients.");
  AddOption(app, "peer-crl-file", c.peer_security.tls.crl_file,
            "Revoked certificates of the other members.");
  AddOption(app, "client-cert-allowed-hostname", flags.client_allowed_hostnames,
            "Names, by commas, of which a client's certificate must have one.");
  AddOption(app, "peer-cert-allowed-cn", flags.peer_allowed_common_names,
            "Common names, by commas, of which another member's certificate must have one.");
  AddOption(app, "peer-cert-allowed-hostname", flags.peer_allowed_hostnames,
            "Names, by commas, of which another member's certificate must have one.");
  AddSwitch(app, "peer-skip-client-san-verification", flags.peer_skip_client_san_verification,
            "Accepted and without effect: peers' addresses are never compared with certificates.");
  AddOption(app, "self-signed-cert-validity", c.self_signed_cert_validity_years,
            "Years that certificates of --auto-tls and --peer-auto-tls are valid for.");
  AddOption(app, "cipher-suites", flags.cipher_suites,
            "Cipher suites of TLS 1.2 by commas, with their IANA names; all good ones if empty.");
  AddOption(app, "tls-min-version", flags.tls_version_min, "TLS1.2 or TLS1.3.");
  AddOption(app, "tls-max-version", flags.tls_version_max, "TLS1.2, TLS1.3 or empty.");
}

// Who the members are and where they are reached.
void AddClusterOptions(CLI::App& app, RawFlags& flags) {
  const auto add = [&app](const std::string& name, auto& value, const std::string& help) {
    AddOption(app, name, value, help);
  };
  const auto add_switch = [&app](const std::string& name, bool& value, const std::string& help) {
    AddSwitch(app, name, value, help);
  };
  Config& c = flags.config;
  add("name", c.name, "Human-readable name for this member.");
  add("data-dir", c.data_dir, "Path to the data directory (default <name>.etcd).");
  add("wal-dir", c.wal_dir, "Path to a directory of its own for the raft log.");
  add("listen-peer-urls", flags.listen_peer_urls, "URLs to listen on for the other members.");
  add("listen-client-urls", flags.listen_client_urls, "URLs to listen on for clients.");
  add("initial-advertise-peer-urls", flags.initial_advertise_peer_urls,
      "This member's peer URLs as the others reach them.");
  add("advertise-client-urls", flags.advertise_client_urls,
      "This member's client URLs as clients reach them.");
  add("listen-metrics-urls", flags.listen_metrics_urls,
      "Further URLs to listen on, for metrics and health checks alone.");
  add("metrics", flags.metrics, "basic, or extensive: the time that calls take, too.");
  add("initial-cluster", flags.initial_cluster,
      "All members of a new cluster: name=peerURL,... (default <name>=http://localhost:2380).");
  add("initial-cluster-state", flags.initial_cluster_state,
      "'new' for a new cluster, 'existing' to join one; looked at on the first start only.");
  add("initial-cluster-token", c.initial_cluster_token,
      "Tells clusters apart that have the same URLs.");
  add_switch("strict-reconfig-check", c.strict_reconfig_check,
             "Refuse changes of the membership that could cost the quorum.");
  add("max-learners", c.max_learners, "Most members that are learners at the same time.");
  add_switch("promote-learners", c.promote_learners,
             "As leader, make voters of learners that have caught up (etcd: never by itself).");
  add_switch(
      "force-new-cluster", c.force_new_cluster,
      "Go on alone, as the only member, with the data of this one. Unsafe while others run.");
}

void AddOptions(CLI::App& app, RawFlags& flags) {
  AddClusterOptions(app, flags);
  const auto add = [&app](const std::string& name, auto& value, const std::string& help) {
    AddOption(app, name, value, help);
  };
  const auto add_switch = [&app](const std::string& name, bool& value, const std::string& help) {
    AddSwitch(app, name, value, help);
  };
  Config& c = flags.config;
  add("heartbeat-interval", c.heartbeat_interval_ms, "Milliseconds between a leader's heartbeats.");
  add("election-timeout", c.election_timeout_ms,
      "Milliseconds without a leader before an election; at least 5 heartbeats.");
  add_switch("initial-election-tick-advance", c.initial_election_tick_advance,
             "Hold the first election soon after the start.");
  add_switch("pre-vote", c.pre_vote, "Ask before an election whether it could be won.");
  add("max-request-bytes", c.max_request_bytes, "Largest request that a client may send.");
  add("max-txn-ops", c.max_txn_ops, "Most operations in one transaction.");
  add("max-concurrent-streams", flags.max_concurrent_streams,
      "Most streams of one client connection.");
  add("quota-backend-bytes", c.quota_backend_bytes,
      "Largest size of the store before writes are refused; 0: 2 GiB, negative: none.");
  add("snapshot-count", c.snapshot_count,
      "Applied entries after which the state is written out so that the raft log can be cut.");
  add("snapshot-catchup-entries", c.snapshot_catchup_entries,
      "Applied entries kept in the raft log for members that are a little behind.");
  add("snapshot-bytes-per-second", c.snapshot_bytes_per_second,
      "Most that is sent of snapshots to other members; 0: no limit.");
  add("grpc-keepalive-min-time", flags.keepalive_min_time, "Shortest interval of client pings.");
  add("grpc-keepalive-interval", flags.keepalive_interval,
      "Interval of our pings to silent clients.");
  add("grpc-keepalive-timeout", flags.keepalive_timeout,
      "Wait for the answer to a ping before closing the connection.");
  add("watch-progress-notify-interval", flags.progress_interval,
      "Interval of progress notifications to watchers.");
  add("feature-gates", flags.feature_gates,
      "etcd's, as A=true,B=false. Only InitialCorruptCheck does something here.");
  add_switch("experimental-initial-corrupt-check", flags.experimental_initial_corrupt_check,
             "The name of the feature gate InitialCorruptCheck before etcd 3.6.");
  add("corrupt-check-time", flags.corrupt_check_time,
      "Interval at which the leader compares the members' state; 0: 5s.");
  add("experimental-corrupt-check-time", flags.corrupt_check_time,
      "The name of --corrupt-check-time before etcd 3.6.");
  add("auth-token", c.auth_token,
      "Kind of tokens: simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=10m.");
  add("auth-token-ttl", flags.auth_token_ttl_s, "Seconds that an unused simple token is good for.");
  add("bcrypt-cost", c.bcrypt_cost, "Logarithm of the work for a password hash, 4 to 31.");
  add_switch("enable-grpc-gateway", c.enable_grpc_gateway, "Serve the JSON gateway under /v3/.");
  add("cors", flags.cors, "Origins, by commas, whose pages may read plain HTTP answers; *: all.");
  add_switch("unsafe-no-fsync", c.unsafe_no_fsync,
             "Do not sync the raft log: fast, and loses data on power loss.");
  add("log-level", c.log_level, "debug, info, warn or error.");
  add("log-format", c.log_format, "json or console.");
  add("log-outputs", flags.log_outputs, "default (stderr), stderr, stdout or paths, by commas.");
  app.add_flag("--version", flags.version, "Print the version and leave.");
}

// Go's duration syntax, which is Abseil's too.
absl::StatusOr<absl::Duration> ParseGoDuration(const char* name, const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid value \"", text, "\" for flag --", name, ": not a duration"));
  }
  return duration;
}

absl::StatusOr<std::vector<Url>> ParseUrlFlag(const char* name, const std::string& text) {
  auto urls = ParseUrls(text);
  if (!urls.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid value \"", text, "\" for flag --", name,
                                                   ": ", urls.status().message()));
  }
  return urls;
}

absl::Status SetSecurity(const RawFlags& flags, Config& config) {
  const auto list = [](const std::string& text) {
    return std::vector<std::string>(absl::StrSplit(text, ',', absl::SkipEmpty()));
  };
  for (TransportSecurity* security : {&config.client_security, &config.peer_security}) {
    security->tls.cipher_suites = list(flags.cipher_suites);
    security->tls.version_min = flags.tls_version_min;
    security->tls.version_max = flags.tls_version_max;
  }
  config.client_security.tls.allowed_hostnames = list(flags.client_allowed_hostnames);
  config.peer_security.tls.allowed_common_names = list(flags.peer_allowed_common_names);
  config.peer_security.tls.allowed_hostnames = list(flags.peer_allowed_hostnames);
  if (config.self_signed_cert_validity_years < 1) {
    return absl::InvalidArgumentError("--self-signed-cert-validity must be at least 1 year");
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(const Config& config) {
  if (config.heartbeat_interval_ms < 1) {
    return absl::InvalidArgumentError("--heartbeat-interval must be at least 1 ms");
  }
  if (config.election_timeout_ms < 5 * config.heartbeat_interval_ms) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--election-timeout[", config.election_timeout_ms, "ms] should be at least as 5 times as ",
        "--heartbeat-interval[", config.heartbeat_interval_ms, "ms]"));
  }
  if (config.election_timeout_ms > kElectionTimeoutMaxMs) {
    return absl::InvalidArgumentError(
        absl::StrCat("--election-timeout[", config.election_timeout_ms,
                     "ms] is too long, and should be set less than ", kElectionTimeoutMaxMs, "ms"));
  }
  return absl::OkStatus();
}

absl::Status CheckSnapshots(const Config& config) {
  if (config.snapshot_count == 0) {
    return absl::InvalidArgumentError("--snapshot-count must be at least 1");
  }
  return absl::OkStatus();
}

absl::Status CheckCluster(const Config& config) {
  const auto own = config.initial_cluster.find(config.name);
  if (own == config.initial_cluster.end()) {
    return absl::InvalidArgumentError(absl::StrCat("couldn't find local name \"", config.name,
                                                   "\" in the initial cluster configuration"));
  }
  std::set<std::string> advertised, listed(own->second.begin(), own->second.end());
  for (const Url& url : config.initial_advertise_peer_urls) advertised.insert(url.text);
  if (advertised != listed) {
    return absl::InvalidArgumentError(
        absl::StrCat("--initial-cluster has ", config.name, "=", *listed.begin(),
                     " but --initial-advertise-peer-urls is ", *advertised.begin()));
  }
  return absl::OkStatus();
}

// A cost that there is none of is the default one, as in etcd.
absl::Status CheckAuth(uint32_t token_ttl_s, Config& config) {
  if (config.auth_token != "simple" && !config.auth_token.starts_with("simple,") &&
      !config.auth_token.starts_with("jwt,")) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown --auth-token \"", config.auth_token, "\": simple or jwt,<options>"));
  }
  if (config.bcrypt_cost < kBcryptCostMin || config.bcrypt_cost > kBcryptCostMax) {
    config.bcrypt_cost = kBcryptCostDefault;
  }
  if (token_ttl_s != 0) config.auth_token_ttl = absl::Seconds(token_ttl_s);
  return absl::OkStatus();
}

absl::Status CheckLogging(const Config& config) {
  static const auto* const kLevels =
      new std::set<std::string>{"debug", "info", "warn", "error", "panic", "fatal", "dpanic"};
  if (!kLevels->contains(config.log_level)) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown --log-level \"", config.log_level, "\""));
  }
  if (config.log_format != "json" && config.log_format != "console") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown --log-format \"", config.log_format, "\": json or console"));
  }
  return absl::OkStatus();
}

absl::Status SetCorruptChecks(const RawFlags& flags, bool experimental_given, Config& config) {
  KV_ASSIGN_OR_RETURN(config.corrupt_check_time,
                      ParseGoDuration("corrupt-check-time", flags.corrupt_check_time));
  KV_ASSIGN_OR_RETURN(const FeatureGates gates, FeatureGates::Parse(flags.feature_gates));
  if (gates.given(kInitialCorruptCheck) && experimental_given) {
    return absl::InvalidArgumentError(
        "--experimental-initial-corrupt-check and --feature-gates=InitialCorruptCheck cannot be "
        "given both; please just use --feature-gates");
  }
  config.initial_corrupt_check =
      gates.enabled(kInitialCorruptCheck) || flags.experimental_initial_corrupt_check;
  return absl::OkStatus();
}

absl::StatusOr<Config> Check(RawFlags flags, const CLI::App& app) {
  Config config = std::move(flags.config);
  if (config.name.empty()) return absl::InvalidArgumentError("--name must not be empty");
  if (config.data_dir.empty()) config.data_dir = config.name + ".etcd";
  KV_ASSIGN_OR_RETURN(config.listen_peer_urls,
                      ParseUrlFlag("listen-peer-urls", flags.listen_peer_urls));
  KV_ASSIGN_OR_RETURN(config.listen_client_urls,
                      ParseUrlFlag("listen-client-urls", flags.listen_client_urls));
  KV_ASSIGN_OR_RETURN(
      config.initial_advertise_peer_urls,
      ParseUrlFlag("initial-advertise-peer-urls", flags.initial_advertise_peer_urls));
  KV_ASSIGN_OR_RETURN(config.advertise_client_urls,
                      ParseUrlFlag("advertise-client-urls", flags.advertise_client_urls));
  if (!flags.listen_metrics_urls.empty()) {
    KV_ASSIGN_OR_RETURN(config.listen_metrics_urls,
                        ParseUrlFlag("listen-metrics-urls", flags.listen_metrics_urls));
  }
  KV_RETURN_IF_ERROR(SetSecurity(flags, config));
  const auto given = [&app](const char* name) { return !app.get_option(name)->empty(); };
  if (given("--listen-client-urls") && !given("--advertise-client-urls")) {
    return absl::InvalidArgumentError(
        "--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  config.name_given = given("--name");
  config.initial_cluster_token_given = given("--initial-cluster-token");
  config.initial_advertise_peer_urls_given = given("--initial-advertise-peer-urls");
  if (flags.initial_cluster.empty()) {
    flags.initial_cluster =
        absl::StrCat(config.name, "=", config.initial_advertise_peer_urls[0].text);
  }
  KV_ASSIGN_OR_RETURN(config.initial_cluster, ParseInitialCluster(flags.initial_cluster));
  if (flags.initial_cluster_state != "new" && flags.initial_cluster_state != "existing") {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid value \"", flags.initial_cluster_state,
                     "\" for flag --initial-cluster-state: new or existing"));
  }
  config.initial_cluster_new = flags.initial_cluster_state == "new";
  KV_ASSIGN_OR_RETURN(config.grpc_keepalive_min_time,
                      ParseGoDuration("grpc-keepalive-min-time", flags.keepalive_min_time));
  KV_ASSIGN_OR_RETURN(config.grpc_keepalive_interval,
                      ParseGoDuration("grpc-keepalive-interval", flags.keepalive_interval));
  KV_ASSIGN_OR_RETURN(config.grpc_keepalive_timeout,
                      ParseGoDuration("grpc-keepalive-timeout", flags.keepalive_timeout));
  KV_ASSIGN_OR_RETURN(config.watch_progress_notify_interval,
                      ParseGoDuration("watch-progress-notify-interval", flags.progress_interval));
  KV_RETURN_IF_ERROR(
      SetCorruptChecks(flags, given("--experimental-initial-corrupt-check"), config));
  if (config.watch_progress_notify_interval == absl::ZeroDuration()) {
    config.watch_progress_notify_interval = absl::Minutes(10);
  }
  if (config.watch_progress_notify_interval < absl::Milliseconds(100)) {
    return absl::InvalidArgumentError("--watch-progress-notify-interval must be at least 100ms");
  }
  config.max_concurrent_streams =
      static_cast<uint32_t>(std::min<uint64_t>(flags.max_concurrent_streams, 0x7fffffff));
  KV_RETURN_IF_ERROR(CheckAuth(flags.auth_token_ttl_s, config));
  if (flags.metrics != "basic" && flags.metrics != "extensive") {
    return absl::InvalidArgumentError(absl::StrCat("invalid value \"", flags.metrics,
                                                   "\" for flag --metrics: basic or extensive"));
  }
  config.extensive_metrics = flags.metrics == "extensive";
  config.cors_origins = absl::StrSplit(flags.cors, ',', absl::SkipEmpty());
  config.log_outputs = absl::StrSplit(flags.log_outputs, ',', absl::SkipEmpty());
  KV_RETURN_IF_ERROR(CheckTimes(config));
  KV_RETURN_IF_ERROR(CheckSnapshots(config));
  KV_RETURN_IF_ERROR(CheckCluster(config));
  KV_RETURN_IF_ERROR(CheckLogging(config));
  return config;
}

// CLI11's message without its line break and usage.
std::string OneLine(const CLI::ParseError& error) {
  std::string text = error.what();
  const size_t end = text.find('\n');
  if (end != std::string::npos) text.resize(end);
  if (text.starts_with("The following argument was not expected: ") ||
      text.starts_with("The following arguments were not expected: ")) {
    // An unknown flag leaves its value unexpected too; the flag is what is wrong. Last comes first.
    const std::vector<std::string> args =
        absl::StrSplit(text.substr(text.find(": ") + 2), ' ', absl::SkipEmpty());
    for (auto arg = args.rbegin(); arg != args.rend(); ++arg) {
      if (arg->starts_with("-")) return absl::StrCat("unknown flag: ", *arg);
    }
    return absl::StrCat("unexpected argument: ", args.empty() ? "" : args.back());
  }
  return text;
}

}  // namespace

absl::StatusOr<InitialCluster> ParseInitialCluster(const std::string& text) {
  InitialCluster cluster;
  std::set<std::string> seen;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("invalid value \"", text,
                                                     "\" for flag --initial-cluster: \"", part,
                                                     "\" is not name=peerURL"));
    }
    KV_ASSIGN_OR_RETURN(std::vector<Url> urls,
                        ParseUrlFlag("initial-cluster", part.substr(equals + 1)));
    if (!seen.insert(urls[0].text).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--initial-cluster names the peer URL ", urls[0].text, " twice"));
    }
    cluster[part.substr(0, equals)].push_back(urls[0].text);
  }
  return cluster;
}

CommandLine ParseCommandLine(int argc, char** argv) {
  RawFlags flags;
  CLI::App app("kvd: one member of a Keelson cluster, compatible with etcd v3", "kvd");
  AddOptions(app, flags);
  AddSecurityOptions(app, flags);
  CommandLine result;
  std::vector<std::string> args = NormalizeDashes(argc, argv);
  std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(args));
  } catch (const CLI::CallForHelp&) {
    result.text = app.help();
    return result;
  } catch (const CLI::ParseError& error) {
    result.text = absl::StrCat("kvd: ", OneLine(error), " (see kvd --help)\n");
    result.exit_code = 2;
    return result;
  }
  if (flags.version) {
    result.text =
        absl::StrCat("kvd Version: ", kKeelsonVersion, "\netcd API Version: ", kEtcdVersion,
                     "\nRaft log format: ", storage::kLogFormat,
                     "\nStore format: ", storage::kStoreFormat, "\n");
    return result;
  }
  absl::StatusOr<Config> config = Check(std::move(flags), app);
  if (!config.ok()) {
    result.text = absl::StrCat("kvd: ", config.status().message(), "\n");
    result.exit_code = 1;
    return result;
  }
  result.run = true;
  result.config = *std::move(config);
  return result;
}

}  // namespace keelson::server
