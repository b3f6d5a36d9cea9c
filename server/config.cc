#include "server/config.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "server/auth/bcrypt.h"
#include "server/config_file.h"
#include "server/feature_gates.h"
#include "server/settings.h"
#include "server/version.h"
#include "storage/log_format.h"
#include "storage/store_format.h"

extern char** environ;

namespace keelson::server {
namespace {

constexpr int kElectionTimeoutMaxMs = 50000;
constexpr absl::Duration kProgressIntervalDefault = absl::Minutes(10);

// --- checks -------------------------------------------------------------------------------------

absl::Status SetSecurity(const GivenTexts& texts, Config& config) {
  for (TransportSecurity* security : {&config.client_security, &config.peer_security}) {
    security->tls.cipher_suites = texts.cipher_suites;
    security->tls.version_min = texts.tls_version_min;
    security->tls.version_max = texts.tls_version_max;
  }
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

absl::Status CheckLoad(const LaneWidths& lanes) {
  if (lanes.writes_max == 0 || lanes.reads_max == 0 || lanes.ranges_max == 0) {
    return absl::InvalidArgumentError(
        "--max-pending-writes, --max-pending-reads and --max-concurrent-ranges must be at least 1");
  }
  constexpr uint64_t kMin = 16 << 20;
  if (lanes.memory_bytes != 0 && lanes.memory_bytes < kMin) {
    return absl::InvalidArgumentError("--client-memory-bytes must be at least 16777216");
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

absl::StatusOr<LogRotation> ParseLogRotation(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const absl::Status refusal = absl::InvalidArgumentError(
      absl::StrCat("--log-rotation-config-json ", text, " is no JSON of its kind"));
  if (!json.is_object()) return refusal;
  LogRotation rotation;
  const auto number = [&json](const char* name, int otherwise) {
    const auto found = json.find(name);
    if (found == json.end() || found->is_null()) return otherwise;
    if (!found->is_number_integer()) return -1;
    const auto value = found->get<int64_t>();
    return value < 0 || value > std::numeric_limits<int>::max() ? -1 : static_cast<int>(value);
  };
  const int megabytes = number("maxsize", 0);
  rotation.age_days_max = number("maxage", 0);
  rotation.backups_max = number("maxbackups", 0);
  if (megabytes < 0 || rotation.age_days_max < 0 || rotation.backups_max < 0) return refusal;
  if (megabytes > 0) rotation.megabytes_max = static_cast<uint64_t>(megabytes);
  for (const auto& [name, target] :
       {std::pair{"localtime", &rotation.local_time}, std::pair{"compress", &rotation.compress}}) {
    const auto found = json.find(name);
    if (found == json.end() || found->is_null()) continue;
    if (!found->is_boolean()) return refusal;
    *target = found->get<bool>();
  }
  return rotation;
}

absl::Status CheckLogging(const GivenTexts& texts, Config& config) {
  if (texts.debug) config.log_level = "debug";
  const auto is_stream = [](const std::string& output) {
    return output == "default" || output == "stderr" || output == "stdout" ||
           output == "systemd/journal";
  };
  const std::vector<std::string>& outputs = config.log_outputs;
  if (outputs.empty()) return absl::InvalidArgumentError("--log-outputs must not be empty");
  if (outputs.size() > 1 && std::count(outputs.begin(), outputs.end(), "default") > 0) {
    return absl::InvalidArgumentError("--log-outputs: default does not go with others");
  }
  if (!texts.enable_log_rotation) return absl::OkStatus();
  if (outputs.size() -
          static_cast<size_t>(std::count_if(outputs.begin(), outputs.end(), is_stream)) !=
      1) {
    return absl::InvalidArgumentError(
        "--enable-log-rotation needs --log-outputs to name exactly one file");
  }
  KV_ASSIGN_OR_RETURN(config.log_rotation, ParseLogRotation(texts.log_rotation));
  return absl::OkStatus();
}

absl::Status SetFeatures(Settings& settings, std::vector<std::string>* notices) {
  KV_ASSIGN_OR_RETURN(const FeatureGates gates, FeatureGates::Parse(settings.texts.feature_gates));
  if (gates.given(kInitialCorruptCheck) && settings.given("experimental-initial-corrupt-check")) {
    return absl::InvalidArgumentError(
        "--experimental-initial-corrupt-check and --feature-gates=InitialCorruptCheck cannot be "
        "given both; please just use --feature-gates");
  }
  settings.config.initial_corrupt_check =
      gates.enabled(kInitialCorruptCheck) || settings.texts.initial_corrupt_check;
  for (const std::string& gate : gates.without_effect()) {
    notices->push_back(absl::StrCat("--feature-gates: ", gate, " has no effect"));
  }
  return absl::OkStatus();
}

absl::StatusOr<AutoCompaction> ParseAutoCompaction(const GivenTexts& texts) {
  const std::string& text = texts.auto_compaction_retention;
  AutoCompaction result;
  int64_t number = 0;
  const bool is_number = absl::SimpleAtoi(text, &number) && number >= 0;
  if (texts.auto_compaction_mode == "revision") {
    if (!is_number) {
      return absl::InvalidArgumentError(
          absl::StrCat("--auto-compaction-retention ", text, " is no number of revisions"));
    }
    result.revisions = number;
    if (number > 0) result.mode = AutoCompaction::Mode::kRevision;
    return result;
  }
  if (is_number) {
    result.retention = absl::Hours(number);
  } else if (!absl::ParseDuration(text, &result.retention) ||
             result.retention < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--auto-compaction-retention ", text, " is no duration"));
  }
  if (result.retention > absl::ZeroDuration()) result.mode = AutoCompaction::Mode::kPeriodic;
  return result;
}

// What asks somebody else for the members is not here; without it the member would found a cluster
// of its own. A member that is there already needs no more to be told.
absl::Status CheckDiscovery(const GivenTexts& texts, const Config& config) {
  std::error_code error;
  if (texts.proxy != "off") return absl::InvalidArgumentError("--proxy is not offered");
  if (texts.discovery.empty() && texts.discovery_srv.empty() && texts.discovery_token.empty() &&
      texts.discovery_endpoints.empty()) {
    return absl::OkStatus();
  }
  if (std::filesystem::exists(config.data_dir + "/member", error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "discovery is not offered: name the members with --initial-cluster");
}

absl::Status CheckUrls(const Config& config) {
  const std::pair<const char*, const std::vector<Url>*> kNeeded[] = {
      {"listen-peer-urls", &config.listen_peer_urls},
      {"listen-client-urls", &config.listen_client_urls},
      {"initial-advertise-peer-urls", &config.initial_advertise_peer_urls},
      {"advertise-client-urls", &config.advertise_client_urls}};
  for (const auto& [name, urls] : kNeeded) {
    if (urls->empty()) return absl::InvalidArgumentError(absl::StrCat("--", name, " is empty"));
  }
  return absl::OkStatus();
}

absl::Status SetCluster(Settings& settings) {
  Config& config = settings.config;
  GivenTexts& texts = settings.texts;
  config.name_given = settings.given("name");
  config.initial_cluster_token_given = settings.given("initial-cluster-token");
  if (texts.initial_cluster.empty()) {
    for (const Url& url : config.initial_advertise_peer_urls) {
      config.initial_cluster[config.name].push_back(url.text);
    }
  } else {
    KV_ASSIGN_OR_RETURN(config.initial_cluster, ParseInitialCluster(texts.initial_cluster));
  }
  config.initial_cluster_new = texts.initial_cluster_state == "new";
  return absl::OkStatus();
}

absl::StatusOr<Config> Check(Settings& settings, std::vector<std::string>* notices) {
  Config& config = settings.config;
  const GivenTexts& texts = settings.texts;
  if (config.name.empty()) return absl::InvalidArgumentError("--name must not be empty");
  if (config.data_dir.empty()) config.data_dir = config.name + ".etcd";
  KV_RETURN_IF_ERROR(CheckUrls(config));
  KV_RETURN_IF_ERROR(SetSecurity(texts, config));
  KV_RETURN_IF_ERROR(SetCluster(settings));
  KV_RETURN_IF_ERROR(CheckDiscovery(texts, config));
  KV_RETURN_IF_ERROR(SetFeatures(settings, notices));
  if (config.watch_progress_notify_interval == absl::ZeroDuration()) {
    config.watch_progress_notify_interval = kProgressIntervalDefault;
  }
  if (config.watch_progress_notify_interval < absl::Milliseconds(100)) {
    return absl::InvalidArgumentError("--watch-progress-notify-interval must be at least 100ms");
  }
  config.max_concurrent_streams =
      static_cast<uint32_t>(std::min<uint64_t>(texts.max_concurrent_streams, 0x7fffffff));
  KV_RETURN_IF_ERROR(CheckAuth(texts.auth_token_ttl_s, config));
  if (config.cors_origins.empty()) config.cors_origins = {"*"};
  config.extensive_metrics = texts.metrics == "extensive";
  KV_ASSIGN_OR_RETURN(config.auto_compaction, ParseAutoCompaction(texts));
  KV_RETURN_IF_ERROR(CheckTimes(config));
  KV_RETURN_IF_ERROR(CheckSnapshots(config));
  KV_RETURN_IF_ERROR(CheckLoad(config.lanes));
  KV_RETURN_IF_ERROR(CheckLogging(texts, config));
  for (std::string& line : settings.WithoutEffect()) notices->push_back(std::move(line));
  return config;
}

// --- where it is said ---------------------------------------------------------------------------

enum class Asked : uint8_t { kRun, kHelp, kVersion };

absl::Status SetFlag(Settings& settings, Settings::Row& row, const std::string& name,
                     const std::string& value) {
  if (const absl::Status status = settings.Set(row, value); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid value \"", absl::CHexEscape(value),
                                                   "\" for flag --", name, ": ", status.message()));
  }
  return absl::OkStatus();
}

// Go's rules: one dash or two; a switch takes its value by = only; what is no flag ends the flags.
absl::StatusOr<Asked> ReadFlags(int argc, char** argv, Settings& settings) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.size() < 2 || arg[0] != '-' || arg == "--") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument: ", absl::CHexEscape(arg)));
    }
    const size_t begin = arg[1] == '-' ? 2 : 1;
    const size_t equals = arg.find('=', begin);
    const std::string name = arg.substr(begin, equals - begin);
    Settings::Row* const row = settings.Find(name);
    if (row == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag: --", absl::CHexEscape(arg.substr(begin))));
    }
    if (row->name == "help") return Asked::kHelp;
    std::string value = "true";
    if (equals != std::string::npos) {
      value = arg.substr(equals + 1);
    } else if (!row->is_switch()) {
      if (i + 1 == argc) {
        return absl::InvalidArgumentError(absl::StrCat("flag needs an argument: --", name));
      }
      value = argv[++i];
    }
    KV_RETURN_IF_ERROR(SetFlag(settings, *row, name, value));
    if (row->name == "version") return Asked::kVersion;
  }
  return Asked::kRun;
}

// etcd's rule: --some-flag is ETCD_SOME_FLAG.
std::string VariableName(const std::string& prefix, const std::string& flag) {
  return absl::StrCat(prefix, absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

struct Variable {
  std::string name;
  std::string value;
};

// The variable of a flag, or one with an empty name; an empty value says nothing. ETCD_X and KVD_X
// may not contradict each other.
absl::StatusOr<Variable> FindVariable(const std::string& flag) {
  Variable found;
  for (const char* prefix : {"ETCD_", "KVD_"}) {
    const std::string name = VariableName(prefix, flag);
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr || (*value == '\0' && !found.name.empty())) continue;
    if (!found.value.empty() && found.value != value) {
      return absl::InvalidArgumentError(
          absl::StrCat("environment variables ", found.name, " and ", name, " differ"));
    }
    found = {name, value};
  }
  return found;
}

absl::Status ReadEnvironment(Settings& settings) {
  for (const Settings::Row& listed : settings.rows()) {
    std::vector<std::string> names = listed.other_names;
    names.insert(names.begin(), listed.name);
    for (const std::string& name : names) {
      KV_ASSIGN_OR_RETURN(const Variable variable, FindVariable(name));
      if (variable.name.empty() || name == "version" || name == "help" || name == "h") continue;
      Settings::Row& row = *settings.Find(name);
      if (row.given) {
        return absl::InvalidArgumentError(absl::StrCat("environment variable ", variable.name,
                                                       " does not go with --", row.name,
                                                       ", which is given, too"));
      }
      if (variable.value.empty()) continue;
      if (const absl::Status status = settings.Set(row, variable.value); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("invalid value \"",
                                                       absl::CHexEscape(variable.value), "\" for ",
                                                       variable.name, ": ", status.message()));
      }
    }
  }
  return absl::OkStatus();
}

// Variables that look like ours and are nobody's; etcd tells them, too.
void TellUnknownVariables(const Settings& settings, std::vector<std::string>* notices) {
  std::set<std::string> known = {"ETCD_VERSION", "ETCD_VERIFY", "ETCD_CLIENT_DEBUG",
                                 "ETCD_UNSUPPORTED_ARCH"};
  for (const Settings::Row& row : settings.rows()) {
    for (const char* prefix : {"ETCD_", "KVD_"}) {
      known.insert(VariableName(prefix, row.name));
      for (const std::string& other : row.other_names) known.insert(VariableName(prefix, other));
    }
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string name(*variable, std::strcspn(*variable, "="));
    if ((name.starts_with("ETCD_") || name.starts_with("KVD_")) && !known.contains(name)) {
      notices->push_back("nobody knows the environment variable " + name);
    }
  }
}

// With a file nothing else counts, but a flag has to be right all the same.
absl::Status ReadTheRest(Settings& settings, Settings& from_file, bool* use_file,
                         std::vector<std::string>* notices) {
  std::string path = settings.texts.config_file;
  if (path.empty()) {
    KV_ASSIGN_OR_RETURN(const Variable variable, FindVariable("config-file"));
    path = variable.value;
  }
  *use_file = !path.empty();
  if (*use_file) {
    notices->push_back(absl::StrCat("configured by the file ", path,
                                    "; other flags and the environment do not count"));
    return ApplyConfigFile(path, from_file, notices);
  }
  KV_RETURN_IF_ERROR(ReadEnvironment(settings));
  TellUnknownVariables(settings, notices);
  if (settings.given("listen-client-urls") && !settings.given("advertise-client-urls")) {
    return absl::InvalidArgumentError(
        "--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  return absl::OkStatus();
}

std::string VersionText() {
  return absl::StrCat("kvd Version: ", kKeelsonVersion, "\netcd API Version: ", kEtcdVersion,
                      "\nRaft log format: ", storage::kLogFormat,
                      "\nStore format: ", storage::kStoreFormat, "\n");
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
    const absl::StatusOr<std::vector<Url>> urls = ParseUrls(part.substr(equals + 1));
    if (!urls.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "invalid value \"", text, "\" for flag --initial-cluster: ", urls.status().message()));
    }
    if (!seen.insert(urls->front().text).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--initial-cluster names the peer URL ", urls->front().text, " twice"));
    }
    cluster[part.substr(0, equals)].push_back(urls->front().text);
  }
  return cluster;
}

absl::Status CheckInitialCluster(const Config& config) {
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

CommandLine ParseCommandLine(int argc, char** argv) {
  CommandLine result;
  Settings settings, from_file;
  const absl::StatusOr<Asked> asked = ReadFlags(argc, argv, settings);
  if (!asked.ok()) {
    result.text = absl::StrCat("kvd: ", OneLine(asked.status().message()), " (see kvd --help)\n");
    result.exit_code = 2;
    return result;
  }
  if (*asked != Asked::kRun) {
    result.text = *asked == Asked::kHelp ? Settings().Help() : VersionText();
    return result;
  }
  bool use_file = false;
  absl::Status status = ReadTheRest(settings, from_file, &use_file, &result.notices);
  if (status.ok()) {
    absl::StatusOr<Config> config = Check(use_file ? from_file : settings, &result.notices);
    result.run = config.ok();
    if (config.ok()) result.config = *std::move(config);
    status = config.status();
  }
  if (!status.ok()) {
    result.text = absl::StrCat("kvd: ", OneLine(status.message()), "\n");
    result.exit_code = 1;
  }
  return result;
}

}  // namespace keelson::server
