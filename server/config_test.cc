#include "server/config.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/settings.h"

namespace keelson::server {
namespace {

CommandLine Parse(std::vector<std::string> args) {
  args.insert(args.begin(), "kvd");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
}

// What a member that may run was told.
Config Good(const std::vector<std::string>& args) {
  CommandLine line = Parse(args);
  EXPECT_TRUE(line.run) << line.text;
  EXPECT_EQ(line.exit_code, 0);
  return std::move(line.config);
}

// "exit code: text" of a command line that is refused; the text has to be one line.
std::string Refusal(const std::vector<std::string>& args) {
  const CommandLine line = Parse(args);
  EXPECT_FALSE(line.run);
  EXPECT_EQ(line.text.find('\n'), line.text.size() - 1) << line.text;
  EXPECT_TRUE(line.text.starts_with("kvd: ")) << line.text;
  return std::to_string(line.exit_code) + ": " +
         line.text.substr(5, std::max<size_t>(6, line.text.size()) - 6);
}

// Sets environment variables for the time of a test.
class Environment {
 public:
  Environment(std::initializer_list<std::pair<const std::string, std::string>> variables)
      : variables_(variables) {
    for (const auto& [name, value] : variables_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : variables_) ::unsetenv(name.c_str());
  }

 private:
  const std::map<std::string, std::string> variables_;
};

TEST(ConfigTest, DefaultsAreEtcds) {
  const Config config = Good({});
  EXPECT_EQ(config.name, "default");
  EXPECT_EQ(config.data_dir, "default.etcd");
  EXPECT_EQ(config.listen_client_urls[0].text, "http://localhost:2379");
  EXPECT_EQ(config.listen_peer_urls[0].text, "http://localhost:2380");
  EXPECT_EQ(config.initial_cluster, (InitialCluster{{"default", {"http://localhost:2380"}}}));
  EXPECT_EQ(config.initial_cluster_token, "etcd-cluster");
  EXPECT_EQ(config.heartbeat_interval_ms, 100);
  EXPECT_EQ(config.election_timeout_ms, 1000);
  EXPECT_EQ(config.max_request_bytes, 1572864u);
  EXPECT_EQ(config.max_txn_ops, 128);
  EXPECT_EQ(config.watch_progress_notify_interval, absl::Minutes(10));
  EXPECT_TRUE(config.initial_cluster_new);
  EXPECT_TRUE(config.pre_vote);
  EXPECT_FALSE(config.unsafe_no_fsync);
}

TEST(ConfigTest, OneDashOrTwoWithEqualsOrWithout) {
  EXPECT_EQ(Good({"--name", "a"}).name, "a");
  EXPECT_EQ(Good({"-name", "a"}).name, "a");
  EXPECT_EQ(Good({"--name=a"}).name, "a");
  EXPECT_EQ(Good({"-name=a"}).name, "a");
  EXPECT_EQ(Good({"--name=a"}).data_dir, "a.etcd");
  EXPECT_EQ(Good({"--name=a", "--data-dir=/d"}).data_dir, "/d");
}

TEST(ConfigTest, ASwitchTakesItsValueByEqualsOnly) {
  EXPECT_TRUE(Good({"--unsafe-no-fsync"}).unsafe_no_fsync);
  EXPECT_TRUE(Good({"-unsafe-no-fsync=true"}).unsafe_no_fsync);
  EXPECT_FALSE(Good({"--unsafe-no-fsync=false"}).unsafe_no_fsync);
  EXPECT_FALSE(Good({"--pre-vote=false"}).pre_vote);
  EXPECT_FALSE(Good({"--pre-vote=F"}).pre_vote);
  EXPECT_TRUE(Refusal({"--pre-vote", "false"}).starts_with("2: unexpected argument: false"));
}

TEST(ConfigTest, TheComparisonOfStatesIsSetByItsOldNamesAndItsNewOne) {
  EXPECT_EQ(Good({}).corrupt_check_time, absl::ZeroDuration());
  EXPECT_EQ(Good({"--corrupt-check-time=4s"}).corrupt_check_time, absl::Seconds(4));
  EXPECT_EQ(Good({"--experimental-corrupt-check-time=1m"}).corrupt_check_time, absl::Minutes(1));
}

TEST(ConfigTest, TheComparisonAtTheStartIsAFeatureGateAndWasAFlag) {
  EXPECT_FALSE(Good({}).initial_corrupt_check);
  EXPECT_TRUE(Good({"--feature-gates=InitialCorruptCheck=true"}).initial_corrupt_check);
  EXPECT_FALSE(Good({"--feature-gates=InitialCorruptCheck=false"}).initial_corrupt_check);
  EXPECT_TRUE(Good({"--experimental-initial-corrupt-check"}).initial_corrupt_check);
  EXPECT_TRUE(
      Good({"--experimental-initial-corrupt-check=true", "--feature-gates=CompactHashCheck=true"})
          .initial_corrupt_check);
  EXPECT_TRUE(Refusal({"--experimental-initial-corrupt-check=true",
                       "--feature-gates=InitialCorruptCheck=true"})
                  .starts_with("1: --experimental-initial-corrupt-check and "));
  EXPECT_TRUE(Refusal({"--feature-gates=NoSuchGate=true"})
                  .starts_with("1: invalid value \"NoSuchGate=true\" for flag --feature-gates"));
}

TEST(ConfigTest, TheQuotaMayBeNegativeForNone) {
  EXPECT_EQ(Good({"--quota-backend-bytes=-1"}).quota_backend_bytes, -1);
  EXPECT_EQ(Good({"--quota-backend-bytes=8589934592"}).quota_backend_bytes, int64_t{8} << 30);
}

TEST(ConfigTest, TheEnvironmentIsUsedWhereAFlagIsNotGiven) {
  const Environment environment{{"ETCD_NAME", "from-environment"},
                                {"ETCD_HEARTBEAT_INTERVAL", "50"},
                                {"ETCD_PRE_VOTE", "false"},
                                {"ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:1"},
                                {"ETCD_ADVERTISE_CLIENT_URLS", "http://127.0.0.1:2"},
                                {"KVD_PROMOTE_LEARNERS", "true"},
                                {"KVD_ELECTION_TIMEOUT", "700"},
                                {"ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME", "3s"},
                                {"ETCD_MAX_TXN_OPS", ""}};
  const Config config = Good({"--snapshot-count=70"});
  EXPECT_EQ(config.name, "from-environment");
  EXPECT_EQ(config.heartbeat_interval_ms, 50);
  EXPECT_EQ(config.election_timeout_ms, 700);
  EXPECT_EQ(config.corrupt_check_time, absl::Seconds(3));
  EXPECT_EQ(config.max_txn_ops, 128);
  EXPECT_EQ(config.snapshot_count, 70u);
  EXPECT_TRUE(config.promote_learners);
  EXPECT_FALSE(config.pre_vote);
  EXPECT_EQ(config.listen_client_urls[0].port, 1);
  EXPECT_EQ(config.advertise_client_urls[0].port, 2);
}

// As in etcd: which of them somebody meant cannot be known.
TEST(ConfigTest, AFlagAndItsVariableAreNotBothGiven) {
  const Environment environment{{"ETCD_NAME", "a"}};
  EXPECT_EQ(Refusal({"--name=b"}),
            "1: environment variable ETCD_NAME does not go with --name, which is given, too");
  EXPECT_EQ(Refusal({"--name=a"}),
            "1: environment variable ETCD_NAME does not go with --name, which is given, too");
}

TEST(ConfigTest, EtcdsVariableAndOursMustAgree) {
  {
    const Environment environment{{"ETCD_NAME", "a"}, {"KVD_NAME", "a"}};
    EXPECT_EQ(Good({}).name, "a");
  }
  const Environment environment{{"ETCD_NAME", "a"}, {"KVD_NAME", "b"}};
  EXPECT_EQ(Refusal({}), "1: environment variables ETCD_NAME and KVD_NAME differ");
}

TEST(ConfigTest, AVariableThatCannotBeReadIsExitCodeOneAndAnUnknownOneIsTold) {
  {
    const Environment environment{{"ETCD_PRE_VOTE", "maybe"}};
    EXPECT_EQ(Refusal({}), "1: invalid value \"maybe\" for ETCD_PRE_VOTE: neither true nor false");
  }
  const Environment environment{{"ETCD_NO_SUCH", "1"}, {"KVD_NO_SUCH", "1"}, {"ETCDCTL_API", "3"}};
  const CommandLine line = Parse({});
  EXPECT_TRUE(line.run);
  EXPECT_EQ(std::count(line.notices.begin(), line.notices.end(),
                       "nobody knows the environment variable ETCD_NO_SUCH"),
            1);
  EXPECT_EQ(line.notices.size(), 2u);
}

TEST(ConfigTest, WhatDoesNothingHereIsTakenAndTold) {
  const CommandLine line =
      Parse({"--max-wals=3", "--enable-pprof", "--experimental-enable-v2v3=/v2", "--force=what",
             "--feature-gates=CompactHashCheck=true"});
  EXPECT_TRUE(line.run) << line.text;
  EXPECT_EQ(line.notices.size(), 5u);
  EXPECT_TRUE(Refusal({"--max-wals=many"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--enable-pprof=perhaps"}).starts_with("2: "));
}

// Without the others' names it would found a cluster by itself.
TEST(ConfigTest, DiscoveryIsRefusedAndNotForgotten) {
  for (const char* flag : {"--discovery=http://d", "--discovery-srv=example.com",
                           "--discovery-token=t", "--discovery-endpoints=http://e"}) {
    EXPECT_EQ(Refusal({flag}),
              "1: discovery is not offered: name the members with "
              "--initial-cluster");
  }
  EXPECT_TRUE(Parse({"--discovery=", "--discovery-srv="}).run);
  EXPECT_EQ(Refusal({"--proxy=on"}), "1: --proxy is not offered");
  EXPECT_TRUE(Parse({"--proxy=off"}).run);
}

TEST(ConfigTest, OldRevisionsGoByAgeOrByNumber) {
  using Mode = AutoCompaction::Mode;
  EXPECT_EQ(Good({}).auto_compaction.mode, Mode::kOff);
  const auto parse = [](const std::string& mode, const std::string& retention) {
    return Good({"--auto-compaction-mode=" + mode, "--auto-compaction-retention=" + retention})
        .auto_compaction;
  };
  EXPECT_EQ(parse("periodic", "2").retention, absl::Hours(2));
  EXPECT_EQ(parse("periodic", "90m").retention, absl::Minutes(90));
  EXPECT_EQ(parse("periodic", "90m").mode, Mode::kPeriodic);
  EXPECT_EQ(parse("periodic", "0s").mode, Mode::kOff);
  EXPECT_EQ(parse("revision", "1000").revisions, 1000);
  EXPECT_EQ(parse("revision", "1000").mode, Mode::kRevision);
  EXPECT_EQ(parse("revision", "0").mode, Mode::kOff);
  EXPECT_EQ(Refusal({"--auto-compaction-mode=revision", "--auto-compaction-retention=5m"}),
            "1: --auto-compaction-retention 5m is no number of revisions");
  EXPECT_EQ(Refusal({"--auto-compaction-retention=old"}),
            "1: --auto-compaction-retention old is no duration");
  EXPECT_TRUE(Refusal({"--auto-compaction-mode=daily"}).starts_with("2: "));
}

TEST(ConfigTest, NoOriginIsEveryOrigin) {
  EXPECT_EQ(Good({"--cors="}).cors_origins, std::vector<std::string>{"*"});
  EXPECT_EQ(Good({"--cors=http://a:1,http://b:2"}).cors_origins.size(), 2u);
}

TEST(ConfigTest, OneLogFileMayBeRotated) {
  EXPECT_FALSE(Good({"--log-outputs=/l"}).log_rotation.has_value());
  const Config config = Good({"--enable-log-rotation", "--log-outputs=stderr,/l",
                              R"(--log-rotation-config-json={"maxsize":7,"compress":true})"});
  EXPECT_EQ(config.log_rotation->megabytes_max, 7u);
  EXPECT_EQ(config.log_rotation->backups_max, 0);
  EXPECT_TRUE(config.log_rotation->compress);
  for (const char* outputs : {"default", "stdout", "/a,/b"}) {
    EXPECT_EQ(Refusal({"--enable-log-rotation", std::string("--log-outputs=") + outputs}),
              "1: --enable-log-rotation needs --log-outputs to name exactly one file");
  }
  for (const char* json : {"", "7", "{", R"({"maxsize":"7"})", R"({"maxage":-1})",
                           R"({"compress":1})", R"({"maxsize":1e300})"}) {
    EXPECT_TRUE(Refusal({"--enable-log-rotation", "--log-outputs=/l",
                         std::string("--log-rotation-config-json=") + json})
                    .starts_with("1: --log-rotation-config-json "))
        << json;
  }
  EXPECT_EQ(Refusal({"--log-outputs=default,/l"}),
            "1: --log-outputs: default does not go with others");
}

TEST(ConfigTest, EveryRowOfTheTableIsInTheHelpAndNamesAreUsedOnce) {
  Settings settings;
  const std::string help = Parse({"--help"}).text;
  std::set<std::string> names, keys;
  for (const Settings::Row& row : settings.rows()) {
    EXPECT_NE(help.find("--" + row.name + " '"), std::string::npos) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(keys.insert(row.file_key).second) << row.file_key;
    for (const std::string& other : row.other_names) {
      EXPECT_TRUE(names.insert(other).second) << other;
    }
  }
}

TEST(ConfigTest, AClusterIsNamesAndPeerUrls) {
  const Config config = Good({"--name=b", "--initial-advertise-peer-urls=http://b:1,http://b:2",
                              "--initial-cluster=a=http://a:1,b=http://b:2,b=http://b:1",
                              "--initial-cluster-state=existing", "--initial-cluster-token=t"});
  EXPECT_EQ(config.initial_cluster,
            (InitialCluster{{"a", {"http://a:1"}}, {"b", {"http://b:2", "http://b:1"}}}));
  EXPECT_FALSE(config.initial_cluster_new);
  EXPECT_EQ(config.initial_cluster_token, "t");
}

TEST(ConfigTest, AnUnknownFlagIsOneLineAndExitCodeTwo) {
  EXPECT_EQ(Refusal({"--nosuch=1"}), "2: unknown flag: --nosuch=1 (see kvd --help)");
  EXPECT_EQ(Refusal({"-nosuch", "1"}), "2: unknown flag: --nosuch (see kvd --help)");
  EXPECT_EQ(Refusal({"--name=a", "-nosuch", "1", "--nosuch2", "2"}),
            "2: unknown flag: --nosuch (see kvd --help)");
  EXPECT_TRUE(Refusal({"--listen-peer-urls=a\nb"}).starts_with("2: "));
  EXPECT_EQ(Refusal({"extra"}), "2: unexpected argument: extra (see kvd --help)");
}

// Once it was taken for the largest number, which an addition then made a small one.
TEST(ConfigTest, ANegativeSizeIsRefused) {
  EXPECT_TRUE(Refusal({"--max-request-bytes=-1"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--max-concurrent-streams=-1"}).starts_with("2: "));
}

// As Go's flag package does.
TEST(ConfigTest, AValueOfTheWrongKindIsExitCodeTwo) {
  EXPECT_TRUE(Refusal({"--max-txn-ops=abc"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--heartbeat-interval=1.5"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--pre-vote=maybe"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--name"}).starts_with("2: "));
  EXPECT_EQ(Refusal({"--name="}), "1: --name must not be empty");
  EXPECT_EQ(Refusal({"--log-level=loud"}),
            "2: invalid value \"loud\" for flag --log-level: debug or info or warn or error or "
            "dpanic or panic or fatal (see kvd --help)");
  EXPECT_TRUE(Refusal({"--log-format=xml"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--metrics=some"}).starts_with("2: "));
  EXPECT_TRUE(Refusal({"--initial-cluster-state=old"}).starts_with("2: "));
  EXPECT_EQ(Refusal({"--listen-peer-urls=localhost:1"}),
            "2: invalid value \"localhost:1\" for flag --listen-peer-urls: "
            "URL must have a scheme: localhost:1 (see kvd --help)");
  EXPECT_EQ(Refusal({"--grpc-keepalive-interval=soon"}),
            "2: invalid value \"soon\" for flag --grpc-keepalive-interval: not a duration (see kvd "
            "--help)");
}

TEST(ConfigTest, ABadValueIsOneLineAndExitCodeOne) {
  EXPECT_EQ(Refusal({"--election-timeout=100"}),
            "1: --election-timeout[100ms] should be at least as 5 times as "
            "--heartbeat-interval[100ms]");
  EXPECT_EQ(Refusal({"--election-timeout=50001"}),
            "1: --election-timeout[50001ms] is too long, and should be set less than 50000ms");
  EXPECT_EQ(Refusal({"--heartbeat-interval=0"}), "1: --heartbeat-interval must be at least 1 ms");
  EXPECT_EQ(Refusal({"--listen-client-urls=http://localhost:1"}),
            "1: --advertise-client-urls is required when --listen-client-urls is set explicitly");
  EXPECT_EQ(Refusal({"--watch-progress-notify-interval=50ms"}),
            "1: --watch-progress-notify-interval must be at least 100ms");
}

TEST(ConfigTest, TheClusterMustHoldThisMemberAsItAdvertisesItself) {
  const auto refusal = [](const std::vector<std::string>& args) {
    return std::string(CheckInitialCluster(Good(args)).message());
  };
  EXPECT_EQ(refusal({"--name=x"}), "");
  EXPECT_EQ(refusal({"--name=x", "--initial-cluster=y=http://localhost:2380"}),
            "couldn't find local name \"x\" in the initial cluster configuration");
  EXPECT_EQ(refusal({"--initial-cluster=default=http://a:1"}),
            "--initial-cluster has default=http://a:1 but --initial-advertise-peer-urls is "
            "http://localhost:2380");
  EXPECT_EQ(Refusal({"--initial-cluster=http://localhost:2380"}),
            "1: invalid value \"http://localhost:2380\" for flag --initial-cluster: "
            "\"http://localhost:2380\" is not name=peerURL");
  EXPECT_EQ(Refusal({"--initial-cluster=a=http://a:1,b=http://a:1"}),
            "1: --initial-cluster names the peer URL http://a:1 twice");
}

TEST(ConfigTest, SnapshotsAreSetAsInEtcd) {
  EXPECT_EQ(Good({}).snapshot_catchup_entries, 5000u);
  const Config config = Good({"--snapshot-count=10000", "--snapshot-catchup-entries", "7"});
  EXPECT_EQ(config.snapshot_count, 10000u);
  EXPECT_EQ(config.snapshot_catchup_entries, 7u);
  EXPECT_EQ(Refusal({"--snapshot-count=0"}), "1: --snapshot-count must be at least 1");
}

TEST(ConfigTest, AuthIsSetAsInEtcd) {
  const Config config = Good({});
  EXPECT_EQ(config.auth_token, "simple");
  EXPECT_EQ(config.auth_token_ttl, absl::Seconds(300));
  EXPECT_EQ(config.bcrypt_cost, 10);
  EXPECT_EQ(Good({"--auth-token-ttl=7"}).auth_token_ttl, absl::Seconds(7));
  EXPECT_EQ(Good({"--bcrypt-cost=4"}).bcrypt_cost, 4);
  EXPECT_EQ(Good({"--auth-token=jwt,sign-method=RS256,pub-key=a"}).auth_token,
            "jwt,sign-method=RS256,pub-key=a");
  for (const char* none : {"--bcrypt-cost=3", "--bcrypt-cost=32"}) {
    EXPECT_EQ(Good({none}).bcrypt_cost, 10) << none;
  }
  EXPECT_EQ(Refusal({"--auth-token=paseto"}),
            "1: unknown --auth-token \"paseto\": simple or jwt,<options>");
}

TEST(ConfigTest, ChangesOfMembersAreProtectedUnlessToldOtherwise) {
  const Config config = Good({});
  EXPECT_TRUE(config.strict_reconfig_check);
  EXPECT_EQ(config.max_learners, 1u);
  EXPECT_FALSE(config.promote_learners);
  EXPECT_FALSE(config.force_new_cluster);
  const Config other =
      Good({"--strict-reconfig-check=false", "--max-learners=3", "--promote-learners",
            "--force-new-cluster", "--initial-cluster-state=existing"});
  EXPECT_FALSE(other.strict_reconfig_check);
  EXPECT_EQ(other.max_learners, 3u);
  EXPECT_TRUE(other.promote_learners);
  EXPECT_TRUE(other.force_new_cluster);
  EXPECT_FALSE(other.initial_cluster_new);
}

TEST(ConfigTest, HelpAndVersionAreAnswersAndNotErrors) {
  for (const char* flag : {"--help", "-h", "-help"}) {
    const CommandLine line = Parse({flag});
    EXPECT_FALSE(line.run);
    EXPECT_EQ(line.exit_code, 0);
    EXPECT_NE(line.text.find("--initial-cluster"), std::string::npos);
  }
  const CommandLine version = Parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_TRUE(version.text.starts_with("kvd Version: ")) << version.text;
}

}  // namespace
}  // namespace keelson::server
