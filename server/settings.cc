#include "server/settings.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "server/feature_gates.h"

namespace keelson::server {
namespace {

using Section = Settings::Section;
using InFile = Settings::InFile;

constexpr const char* kSections[] = {
    "Member", "Cluster", "Security", "Auth", "Monitoring and logging", "Unsafe", "Without effect"};

std::string Join(const std::vector<Url>& urls) {
  return absl::StrJoin(urls, ",",
                       [](std::string* out, const Url& url) { absl::StrAppend(out, url.text); });
}

std::string Text(const Settings::Target& target) {
  return std::visit(
      [](const auto* value) -> std::string {
        using Value = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return *value ? "true" : "false";
        } else if constexpr (std::is_same_v<Value, absl::Duration>) {
          return absl::FormatDuration(*value);
        } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
          return absl::StrJoin(*value, ",");
        } else if constexpr (std::is_same_v<Value, std::vector<Url>>) {
          return Join(*value);
        } else {
          return absl::StrCat(*value);
        }
      },
      target);
}

// As Go reads a number whose base may be said.
template <typename Number>
absl::Status SetNumber(const std::string& text, Number* value) {
  constexpr bool kHasSign = std::is_same_v<Number, int64_t>;
  const bool negative = kHasSign && text.starts_with('-');
  const std::string digits = text.substr(negative ? 1 : 0);
  uint64_t number = 0;
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  const bool parsed = hex ? absl::SimpleHexAtoi(digits, &number)
                          : !digits.empty() && digits[0] >= '0' && digits[0] <= '9' &&
                                absl::SimpleAtoi(digits, &number);
  if (!parsed || number > static_cast<uint64_t>(std::numeric_limits<Number>::max())) {
    return absl::InvalidArgumentError(kHasSign ? "not a number, or too large"
                                               : "not a number from 0 on, or too large");
  }
  *value = static_cast<Number>(number);
  if (negative) *value = static_cast<Number>(-*value);
  return absl::OkStatus();
}

absl::Status SetDuration(const std::string& text, absl::Duration* value) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("not a duration");
  }
  *value = duration;
  return absl::OkStatus();
}

absl::Status SetUrls(const std::string& text, std::vector<Url>* value) {
  if (text.empty()) {
    value->clear();
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<Url>> urls = ParseUrls(text);
  if (!urls.ok()) return urls.status();
  *value = *std::move(urls);
  return absl::OkStatus();
}

absl::Status SetSwitch(const std::string& text, bool* value) {
  const std::optional<bool> on = ParseGoBool(text);
  if (!on) return absl::InvalidArgumentError("neither true nor false");
  *value = *on;
  return absl::OkStatus();
}

std::vector<Url> DefaultUrls(const char* text) {
  auto urls = ParseUrls(text);
  KV_CHECK(urls.ok()) << text;
  return *std::move(urls);
}

}  // namespace

std::string OneLine(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\n", "\\n"}, {"\r", "\\r"}});
}

Settings::Settings() {
  config.listen_peer_urls = config.initial_advertise_peer_urls =
      DefaultUrls("http://localhost:2380");
  config.listen_client_urls = config.advertise_client_urls = DefaultUrls("http://localhost:2379");
  AddMember();
  AddRequestLimits();
  AddLoad();
  AddCluster();
  AddTransport();
  AddNames();
  AddAuth();
  AddMonitoring();
  AddNothingHere();
  AddNothingOfStore();
  AddDiscovery();
  for (Row& row : rows_) {
    row.default_text = Text(row.target);
    if (row.file_key.empty()) row.file_key = row.name;
  }
}

void Settings::AddMember() {
  constexpr Section kMember = Section::kMember;
  Config& c = config;
  Add({"name", kMember, &c.name, "Name of this member, for people."});
  Add({"data-dir", kMember, &c.data_dir, "Where the data lie; <name>.etcd if empty."});
  Add({"wal-dir", kMember, &c.wal_dir, "A directory of its own for the raft log."});
  Add({"config-file", kMember, &texts.config_file,
       "A file with all of these; the other flags and the environment then do not count."});
  Add({"heartbeat-interval", kMember, &c.heartbeat_interval_ms,
       "Milliseconds between a leader's heartbeats."});
  Add({"election-timeout", kMember, &c.election_timeout_ms,
       "Milliseconds without a leader before an election; at least 5 heartbeats."});
  Add({"initial-election-tick-advance", kMember, &c.initial_election_tick_advance,
       "Hold the first election soon after the start."});
  Add({"listen-peer-urls", kMember, &c.listen_peer_urls, "URLs to listen on for other members."});
  Add({"listen-client-urls", kMember, &c.listen_client_urls, "URLs to listen on for clients."});
  Add({"listen-client-http-urls", kMember, &c.listen_client_http_urls,
       "Further URLs to listen on for clients; the others go on serving plain HTTP too."});
  Add({.name = "socket-reuse-port",
       .section = kMember,
       .target = &c.socket_reuse_port,
       .help = "Let several processes listen on the same port.",
       .file_key = "socket-options.reuse-port"});
  Add({.name = "memory-mlock",
       .section = kMember,
       .target = &c.memory_mlock,
       .help = "Keep all memory of the process from being swapped out.",
       .other_names = {"experimental-memory-mlock"}});
  Add({"snapshot-count", kMember, &c.snapshot_count,
       "Applied entries after which the state is written out so that the raft log can be cut."});
  Add({.name = "snapshot-catchup-entries",
       .section = kMember,
       .target = &c.snapshot_catchup_entries,
       .help = "Applied entries kept in the raft log for members that are a little behind.",
       .other_names = {"experimental-snapshot-catchup-entries"}});
  Add({"snapshot-bytes-per-second", kMember, &c.snapshot_bytes_per_second,
       "Most that is sent of snapshots to other members; 0: no limit."});
  Add({"quota-backend-bytes", kMember, &c.quota_backend_bytes,
       "Largest size of the store before writes are refused; 0: 2 GiB, negative: none."});
  Add({"auto-compaction-mode",
       kMember,
       &texts.auto_compaction_mode,
       "periodic: keep what is younger than the retention; revision: keep that many revisions.",
       {"periodic", "revision"}});
  Add({"auto-compaction-retention", kMember, &texts.auto_compaction_retention,
       "A duration, by the hour without a unit, or a number of revisions; 0: no compaction."});
  Add({"feature-gates", kMember, &texts.feature_gates,
       "etcd's, as A=true,B=false. Only InitialCorruptCheck does something here."});
}

void Settings::AddRequestLimits() {
  constexpr Section kMember = Section::kMember;
  Config& c = config;
  Add({"max-txn-ops", kMember, &c.max_txn_ops, "Most operations in one transaction."});
  Add({"max-request-bytes", kMember, &c.max_request_bytes, "Largest request of a client."});
  Add({"max-concurrent-streams", kMember, &texts.max_concurrent_streams,
       "Most streams of one client connection."});
  Add({"grpc-keepalive-min-time", kMember, &c.grpc_keepalive_min_time,
       "Clients that ping more often than this are sent away."});
  Add({"grpc-keepalive-interval", kMember, &c.grpc_keepalive_interval,
       "Interval of our pings to silent clients; 0: none."});
  Add({"grpc-keepalive-timeout", kMember, &c.grpc_keepalive_timeout,
       "Wait for the answer to a ping before closing the connection."});
  Add({.name = "watch-progress-notify-interval",
       .section = kMember,
       .target = &c.watch_progress_notify_interval,
       .help = "Interval of progress notifications to watchers; at least 100ms.",
       .other_names = {"experimental-watch-progress-notify-interval"}});
  Add({"enable-grpc-gateway", kMember, &c.enable_grpc_gateway,
       "Serve the JSON gateway under /v3/."});
}

// What clients may have going at once.
void Settings::AddLoad() {
  constexpr Section kMember = Section::kMember;
  LaneWidths& lanes = config.lanes;
  Add({"client-memory-bytes", kMember, &lanes.memory_bytes,
       "Memory for clients' requests and for answers they have not read; 0: an eighth of the "
       "machine's."});
  Add({"max-pending-writes", kMember, &lanes.writes_max,
       "Puts, transactions and deletions under way at once; as many again may wait."});
  Add({"max-pending-reads", kMember, &lanes.reads_max,
       "Reads of single keys and short ranges under way at once; as many again may wait."});
  Add({"max-concurrent-ranges", kMember, &lanes.ranges_max,
       "Long ranges that are read at once, in turns; a thousand may wait."});
}

void Settings::AddCluster() {
  constexpr Section kCluster = Section::kCluster;
  Config& c = config;
  Add({"initial-advertise-peer-urls", kCluster, &c.initial_advertise_peer_urls,
       "This member's peer URLs as the others reach them."});
  Add({"advertise-client-urls", kCluster, &c.advertise_client_urls,
       "This member's client URLs as clients reach them."});
  Add({"initial-cluster", kCluster, &texts.initial_cluster,
       "All members of a new cluster, name=peerURL,...; this one alone if empty."});
  Add({"initial-cluster-state",
       kCluster,
       &texts.initial_cluster_state,
       "'new' for a new cluster, 'existing' to join one; looked at on the first start only.",
       {"new", "existing"}});
  Add({"initial-cluster-token", kCluster, &c.initial_cluster_token,
       "Tells clusters apart that have the same URLs."});
  Add({"strict-reconfig-check", kCluster, &c.strict_reconfig_check,
       "Refuse changes of the membership that could cost the quorum."});
  Add({"pre-vote", kCluster, &c.pre_vote, "Ask before an election whether it could be won."});
  Add({.name = "max-learners",
       .section = kCluster,
       .target = &c.max_learners,
       .help = "Most members that are learners at the same time.",
       .other_names = {"experimental-max-learners"}});
  Add({"promote-learners", kCluster, &c.promote_learners,
       "As leader, make voters of learners that have caught up (etcd: never by itself)."});
  Add({.name = "corrupt-check-time",
       .section = kCluster,
       .target = &c.corrupt_check_time,
       .help = "Interval at which the leader compares the members' state; 0: 5s.",
       .other_names = {"experimental-corrupt-check-time"}});
  Add({"experimental-initial-corrupt-check", kCluster, &texts.initial_corrupt_check,
       "The name of the feature gate InitialCorruptCheck before etcd 3.6."});
}

void Settings::AddTransport() {
  constexpr Section kSecurity = Section::kSecurity;
  struct Kind {
    const char* prefix;
    const char* of;
    const char* in_file;
    TransportSecurity& security;
  };
  for (const Kind& kind :
       {Kind{"", "clients", "client-transport-security", config.client_security},
        Kind{"peer-", "other members", "peer-transport-security", config.peer_security}}) {
    http::TlsOptions& tls = kind.security.tls;
    const auto add = [&](const char* name, Target target, const std::string& help) {
      Add({.name = absl::StrCat(kind.prefix, name),
           .section = kSecurity,
           .target = target,
           .help = help,
           .file_key = absl::StrCat(kind.in_file, ".", name)});
    };
    const auto of = [&kind](const char* text) { return absl::StrCat(text, kind.of, "."); };
    add("cert-file", &tls.cert_file, of("Our certificate towards "));
    add("key-file", &tls.key_file, of("The key of our certificate towards "));
    add("client-cert-file", &tls.client_cert_file, of("Ours where we are the client of "));
    add("client-key-file", &tls.client_key_file, "The key of it.");
    add("trusted-ca-file", &tls.trusted_ca_file, of("Authorities that may vouch for "));
    add("client-cert-auth", &tls.require_client_cert, of("Demand certificates of "));
    add("auto-tls", &kind.security.auto_tls, of("Make a certificate of our own towards "));
    const auto add_list = [&](const char* name, std::vector<std::string>* target,
                              const std::string& help, const char* key) {
      Add({.name = name,
           .section = kSecurity,
           .target = target,
           .help = help,
           .file_key = absl::StrCat(kind.in_file, ".", key),
           .in_file = InFile::kList});
    };
    const bool peer = *kind.prefix != '\0';
    add_list(peer ? "peer-cert-allowed-cn" : "client-cert-allowed-cn", &tls.allowed_common_names,
             of("Common names, by commas, of which one must be in certificates of "), "allowed-cn");
    add_list(peer ? "peer-cert-allowed-hostname" : "client-cert-allowed-hostname",
             &tls.allowed_hostnames,
             of("Host names, by commas, of which one must be in certificates of "),
             "allowed-hostname");
  }
  Add({"client-crl-file", kSecurity, &config.client_security.tls.crl_file,
       "Revoked certificates of clients."});
  Add({"peer-crl-file", kSecurity, &config.peer_security.tls.crl_file,
       "Revoked certificates of other members."});
}

void Settings::AddNames() {
  constexpr Section kSecurity = Section::kSecurity;
  Add({"self-signed-cert-validity", kSecurity, &config.self_signed_cert_validity_years,
       "Years that certificates of --auto-tls and --peer-auto-tls are valid for."});
  Add({.name = "cipher-suites",
       .section = kSecurity,
       .target = &texts.cipher_suites,
       .help = "Cipher suites of TLS 1.2 by commas, with their IANA names; all good ones if empty.",
       .in_file = InFile::kList});
  Add({"tls-min-version", kSecurity, &texts.tls_version_min, "TLS1.2 or TLS1.3."});
  Add({"tls-max-version", kSecurity, &texts.tls_version_max, "TLS1.2, TLS1.3 or empty."});
  Add({"cors", kSecurity, &config.cors_origins,
       "Origins, by commas, whose pages may read plain HTTP answers; * or empty: all."});
  Add({"host-whitelist", kSecurity, &config.host_whitelist,
       "Names, by commas, that plain HTTP requests without TLS may call us; * or empty: all."});
}

void Settings::AddAuth() {
  Add({"auth-token", Section::kAuth, &config.auth_token,
       "Kind of tokens: simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=10m."});
  Add({"auth-token-ttl", Section::kAuth, &texts.auth_token_ttl_s,
       "Seconds that an unused simple token is good for."});
  Add({"bcrypt-cost", Section::kAuth, &config.bcrypt_cost,
       "Logarithm of the work for a password hash, 4 to 31."});
}

void Settings::AddMonitoring() {
  constexpr Section kMonitoring = Section::kMonitoring;
  Add({"metrics",
       kMonitoring,
       &texts.metrics,
       "basic, or extensive: the time of calls, too.",
       {"basic", "extensive"}});
  Add({"listen-metrics-urls", kMonitoring, &config.listen_metrics_urls,
       "Further URLs to listen on, for metrics and health checks alone."});
  Add({"log-level",
       kMonitoring,
       &config.log_level,
       "debug, info, warn, error, panic or fatal.",
       {"debug", "info", "warn", "error", "dpanic", "panic", "fatal"}});
  Add({.name = "warning-unary-request-duration",
       .section = kMonitoring,
       .target = &config.warning_unary_request_duration,
       .help = "Unary calls that take longer are logged.",
       .other_names = {"experimental-warning-unary-request-duration"}});
  Add({.name = "warning-apply-duration",
       .section = kMonitoring,
       .target = &config.warning_apply_duration,
       .help = "Commands and reads that take longer to carry out are logged.",
       .other_names = {"experimental-warning-apply-duration"}});
  Add({"debug", kMonitoring, &texts.debug, "etcd 3.4's --log-level=debug."});
  Add({"log-format", kMonitoring, &config.log_format, "json or console.", {"json", "console"}});
  Add({.name = "log-outputs",
       .section = kMonitoring,
       .target = &config.log_outputs,
       .help = "default (stderr), stderr, stdout, systemd/journal or paths, by commas.",
       .in_file = InFile::kList});
  Add({"enable-log-rotation", kMonitoring, &texts.enable_log_rotation,
       "Begin a new file as --log-rotation-config-json says."});
  Add({"log-rotation-config-json", kMonitoring, &texts.log_rotation,
       "maxsize in MB, maxage in days and maxbackups (0: any), localtime, compress."});
  Add({"version", kMonitoring, &unused_.on, "Print the version and leave."});
  Add({"help", kMonitoring, &unused_.on, "Print this and leave.", {}, {"h"}});
  Add({"force-new-cluster", Section::kUnsafe, &config.force_new_cluster,
       "Go on alone, as the only member, with the data of this one."});
  Add({"unsafe-no-fsync", Section::kUnsafe, &config.unsafe_no_fsync,
       "Do not sync the raft log: fast, and loses data on power loss."});
}

void Settings::AddNothingHere() {
  const auto nothing = [this](std::string name, Target target, std::string why,
                              std::vector<std::string> other_names = {}) {
    Add({.name = std::move(name),
         .section = Section::kNothingHere,
         .target = target,
         .help = std::move(why),
         .other_names = std::move(other_names)});
  };
  constexpr const char* kListeners = "listeners always take over ports that closed ones left";
  Add({.name = "socket-reuse-address",
       .section = Section::kNothingHere,
       .target = &unused_.on,
       .help = kListeners,
       .file_key = "socket-options.reuse-address"});
  constexpr const char* kAddress = "peers' addresses are never compared with certificates";
  Add({.name = "peer-skip-client-san-verification",
       .section = Section::kNothingHere,
       .target = &unused_.on,
       .help = kAddress,
       .other_names = {"experimental-peer-skip-client-san-verification"},
       .file_key = "peer-transport-security.skip-client-san-verification"});
  constexpr const char* kPeers = "connections of members are pinged and have limits of their own";
  nothing("raft-read-timeout", &unused_.duration, kPeers);
  nothing("raft-write-timeout", &unused_.duration, kPeers);
  constexpr const char* kDowngrade = "members tell each other their versions as they connect";
  nothing("downgrade-check-time", &unused_.duration, kDowngrade,
          {"experimental-downgrade-check-time"});
  nothing("enable-pprof", &unused_.on, "it is about Go's runtime");
  constexpr const char* kTracing = "there is no tracing";
  nothing("enable-distributed-tracing", &unused_.on, kTracing,
          {"experimental-enable-distributed-tracing"});
  for (const char* name : {"address", "service-name", "instance-id"}) {
    nothing(absl::StrCat("distributed-tracing-", name), &unused_.text, kTracing,
            {absl::StrCat("experimental-distributed-tracing-", name)});
  }
  nothing("distributed-tracing-sampling-rate", &unused_.number, kTracing,
          {"experimental-distributed-tracing-sampling-rate"});
  Add({"logger",
       Section::kNothingHere,
       &unused_.text,
       "logs are written as zap's are",
       {"zap", "capnslog"}});
  nothing("log-package-levels", &unused_.text, "logs have one level");
  constexpr const char* kGate = "the feature that it switches is not etcd's here";
  for (const char* name : {"stop-grpc-service-on-defrag", "txn-mode-write-with-shared-buffer",
                           "compact-hash-check-enabled", "enable-lease-checkpoint",
                           "enable-lease-checkpoint-persist"}) {
    nothing(absl::StrCat("experimental-", name), &unused_.on, kGate);
  }
  for (const char* name :
       {"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force",
        "max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval",
        "peer-election-timeout", "retry-interval", "snapshot", "v", "vv"}) {
    Add({.name = name,
         .section = Section::kNothingHere,
         .target = &unused_.text,
         .help = "etcd has forgotten it, too",
         .any_value = true});
  }
}

void Settings::AddNothingOfStore() {
  const auto nothing = [this](const char* name, Target target, const char* why,
                              std::vector<std::string> other_names = {}) {
    Add({.name = name,
         .section = Section::kNothingHere,
         .target = target,
         .help = why,
         .other_names = std::move(other_names)});
  };
  constexpr const char* kFiles = "files are kept as long as they are needed";
  nothing("max-wals", &unused_.number, kFiles);
  nothing("max-snapshots", &unused_.number, kFiles);
  constexpr const char* kBackend = "it is about bbolt";
  Add({.name = "backend-bbolt-freelist-type",
       .section = Section::kNothingHere,
       .target = &unused_.text,
       .help = kBackend,
       .choices = {"array", "map"},
       .other_names = {"experimental-backend-bbolt-freelist-type"}});
  nothing("backend-batch-interval", &unused_.duration, kBackend);
  nothing("backend-batch-limit", &unused_.number, kBackend);
  constexpr const char* kDefrag = "there is nothing to defragment";
  nothing("bootstrap-defrag-threshold-megabytes", &unused_.number, kDefrag,
          {"experimental-bootstrap-defrag-threshold-megabytes"});
  constexpr const char* kCompaction = "compaction is no sweep through the store";
  nothing("compaction-batch-limit", &unused_.number, kCompaction,
          {"experimental-compaction-batch-limit"});
  nothing("compaction-sleep-interval", &unused_.duration, kCompaction,
          {"experimental-compaction-sleep-interval"});
  constexpr const char* kHash = "members compare their state all the time: --corrupt-check-time";
  nothing("compact-hash-check-time", &unused_.duration, kHash,
          {"experimental-compact-hash-check-time"});
  constexpr const char* kV2 = "there is no v2 API";
  nothing("enable-v2", &unused_.on, kV2);
  nothing("experimental-enable-v2v3", &unused_.text, kV2);
  nothing("v2-deprecation", &unused_.text, kV2);
  for (const char* name : {"proxy-failure-wait", "proxy-refresh-interval", "proxy-dial-timeout",
                           "proxy-write-timeout", "proxy-read-timeout"}) {
    nothing(name, &unused_.number, kV2);
  }
}

// What asks a service for the members. Without one the member would found a cluster by itself, so
// these are refused where they say something; ParseCommandLine looks at it.
void Settings::AddDiscovery() {
  constexpr Section kNothing = Section::kNothingHere;
  constexpr const char* kDiscovery = "there is no discovery: members are in --initial-cluster";
  const auto add = [this](const char* name, Target target, const char* why) {
    Add({.name = name, .section = kNothing, .target = target, .help = why});
  };
  Add({"proxy", kNothing, &texts.proxy, "there is no v2 API", {"off", "readonly", "on"}});
  add("discovery", &texts.discovery, kDiscovery);
  add("discovery-srv", &texts.discovery_srv, kDiscovery);
  Add({.name = "discovery-token",
       .section = kNothing,
       .target = &texts.discovery_token,
       .help = kDiscovery,
       .file_key = "discovery-config.token"});
  Add({.name = "discovery-endpoints",
       .section = kNothing,
       .target = &texts.discovery_endpoints,
       .help = kDiscovery,
       .file_key = "discovery-config.client.endpoints",
       .in_file = InFile::kList});
  for (const char* name :
       {"discovery-fallback", "discovery-proxy", "discovery-srv-name", "discovery-cert",
        "discovery-key", "discovery-cacert", "discovery-user", "discovery-password"}) {
    add(name, &unused_.text, kDiscovery);
  }
  for (const char* name : {"discovery-dial-timeout", "discovery-request-timeout",
                           "discovery-keepalive-time", "discovery-keepalive-timeout"}) {
    add(name, &unused_.duration, kDiscovery);
  }
  add("discovery-insecure-transport", &unused_.on, kDiscovery);
  add("discovery-insecure-skip-tls-verify", &unused_.on, kDiscovery);
}

Settings::Row* Settings::Find(std::string_view name) {
  const auto found = std::find_if(rows_.begin(), rows_.end(), [name](const Row& row) {
    return row.name == name || std::count(row.other_names.begin(), row.other_names.end(), name) > 0;
  });
  return found == rows_.end() ? nullptr : &*found;
}

Settings::Row* Settings::FindFileKey(std::string_view key) {
  const auto equal = [key](const std::string& own) {
    return absl::EqualsIgnoreCase(own, {key.data(), key.size()});
  };
  const auto found = std::find_if(rows_.begin(), rows_.end(), [&equal](const Row& row) {
    return equal(row.file_key) ||
           std::any_of(row.other_names.begin(), row.other_names.end(), equal);
  });
  return found == rows_.end() ? nullptr : &*found;
}

bool Settings::given(std::string_view name) {
  const Row* const row = Find(name);
  KV_CHECK(row != nullptr) << name;
  return row->given;
}

absl::Status Settings::Set(Row& row, const std::string& text) {
  if (!row.choices.empty() && std::count(row.choices.begin(), row.choices.end(), text) == 0) {
    return absl::InvalidArgumentError(absl::StrJoin(row.choices, " or "));
  }
  row.given = true;
  return std::visit(
      [&text](auto* value) -> absl::Status {
        using Value = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          *value = text;
          return absl::OkStatus();
        } else if constexpr (std::is_same_v<Value, bool>) {
          return SetSwitch(text, value);
        } else if constexpr (std::is_same_v<Value, absl::Duration>) {
          return SetDuration(text, value);
        } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
          *value = absl::StrSplit(text, ',', absl::SkipEmpty());
          return absl::OkStatus();
        } else if constexpr (std::is_same_v<Value, std::vector<Url>>) {
          return SetUrls(text, value);
        } else {
          return SetNumber(text, value);
        }
      },
      row.target);
}

absl::Status Settings::Set(Row& row, std::vector<std::string> values) {
  auto* const* const list = std::get_if<std::vector<std::string>*>(&row.target);
  KV_CHECK(list != nullptr) << row.name << " is no list";
  row.given = true;
  **list = std::move(values);
  return absl::OkStatus();
}

std::vector<std::string> Settings::WithoutEffect() const {
  std::vector<std::string> lines;
  for (const Row& row : rows_) {
    if (!row.given || row.section != Section::kNothingHere) continue;
    lines.push_back(absl::StrCat("--", row.name, " has no effect: ", row.help));
  }
  return lines;
}

std::string Settings::Help() const {
  std::string text =
      "kvd: one member of a Keelson cluster, compatible with etcd v3\n\n"
      "Every flag may be given as --flag=value or -flag value, and as a variable of the "
      "environment\n"
      "(ETCD_SOME_FLAG or KVD_SOME_FLAG), but not as both.\n";
  for (size_t section = 0; section < std::size(kSections); ++section) {
    absl::StrAppend(&text, "\n", kSections[section], ":\n");
    for (const Row& row : rows_) {
      if (static_cast<size_t>(row.section) != section) continue;
      absl::StrAppend(&text, "  --", row.name, " '", row.default_text, "'");
      for (const std::string& other : row.other_names) {
        absl::StrAppend(&text, ", ", other.size() == 1 ? "-" : "--", other);
      }
      absl::StrAppend(&text, "\n    ", row.help, "\n");
    }
  }
  return text;
}

}  // namespace keelson::server
