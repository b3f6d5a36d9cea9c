#include "server/config_file.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

class ConfigFileTest : public testing::Test {
 protected:
  const Config& Good(const std::string& text) {
    const absl::Status status = ApplyConfigText(text, settings_, &notices_);
    EXPECT_TRUE(status.ok()) << status;
    return settings_.config;
  }
  static std::string Refusal(const std::string& text) {
    Settings settings;
    std::vector<std::string> notices;
    const std::string message(ApplyConfigText(text, settings, &notices).message());
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  }

  Settings settings_;
  std::vector<std::string> notices_;
};

TEST_F(ConfigFileTest, KeysAreTheNamesOfFlagsInAnyCase) {
  const Config& config = Good(
      "# A member.\n"
      "NAME: 'm1'\n"
      "data-dir: /var/lib/kvd\n"
      "heartbeat-interval: 200\n"
      "pre-vote: off\n"
      "quota-backend-bytes: -1\n"
      "snapshot-count: 0x10\n"
      "listen-client-urls: http://a:1,https://b:2\n"
      "cors: \"http://x,http://y\"\n"
      "log-outputs: [stderr, /var/log/kvd.log]\n"
      "cipher-suites:\n- A\n- B\n"
      "initial-cluster-token: \"5\"\n"
      "experimental-corrupt-check-time: 1000000000\n"
      "grpc-keepalive-timeout: 7s\n");
  EXPECT_EQ(config.name, "m1");
  EXPECT_EQ(config.data_dir, "/var/lib/kvd");
  EXPECT_EQ(config.heartbeat_interval_ms, 200);
  EXPECT_FALSE(config.pre_vote);
  EXPECT_EQ(config.quota_backend_bytes, -1);
  EXPECT_EQ(config.snapshot_count, 16u);
  EXPECT_EQ(config.listen_client_urls[1].text, "https://b:2");
  EXPECT_EQ(config.cors_origins, (std::vector<std::string>{"http://x", "http://y"}));
  EXPECT_EQ(config.log_outputs, (std::vector<std::string>{"stderr", "/var/log/kvd.log"}));
  EXPECT_EQ(settings_.texts.cipher_suites, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(config.initial_cluster_token, "5");
  EXPECT_EQ(config.corrupt_check_time, absl::Seconds(1));
  EXPECT_EQ(config.grpc_keepalive_timeout, absl::Seconds(7));
  EXPECT_TRUE(notices_.empty());
}

TEST_F(ConfigFileTest, TransportSecurityHasSections) {
  const Config& config = Good(
      "client-transport-security:\n"
      "  cert-file: c\n"
      "  key-file: k\n"
      "  trusted-ca-file: ca\n"
      "  client-cert-auth: true\n"
      "  allowed-cn: [x, z]\n"
      "peer-transport-security:\n"
      "  auto-tls: true\n"
      "  allowed-hostname: [h]\n"
      "socket-options: {reuse-port: true}\n");
  EXPECT_EQ(config.client_security.tls.cert_file, "c");
  EXPECT_EQ(config.client_security.tls.key_file, "k");
  EXPECT_EQ(config.client_security.tls.trusted_ca_file, "ca");
  EXPECT_TRUE(config.client_security.tls.require_client_cert);
  EXPECT_EQ(config.client_security.tls.allowed_common_names, (std::vector<std::string>{"x", "z"}));
  EXPECT_FALSE(config.client_security.auto_tls);
  EXPECT_TRUE(config.peer_security.auto_tls);
  EXPECT_EQ(config.peer_security.tls.allowed_hostnames, std::vector<std::string>{"h"});
  EXPECT_TRUE(config.socket_reuse_port);
}

TEST_F(ConfigFileTest, JsonIsTakenToo) {
  const Config& config = Good(R"({"name": "m1", "pre-vote": false, "log-outputs": ["stdout"],
                                  "client-transport-security": {"cert-file": "c"}})");
  EXPECT_EQ(config.name, "m1");
  EXPECT_FALSE(config.pre_vote);
  EXPECT_EQ(config.client_security.tls.cert_file, "c");
}

TEST_F(ConfigFileTest, NothingSaidIsTheDefault) {
  EXPECT_EQ(Good("").name, "default");
  EXPECT_EQ(Good("# nothing\n").name, "default");
  EXPECT_EQ(Good("name:\nheartbeat-interval: null\nlog-outputs: ~\nsocket-options:\n").name,
            "default");
  EXPECT_FALSE(settings_.given("name"));
}

TEST_F(ConfigFileTest, KeysThatNobodyKnowsAreTold) {
  Good("no-such: {a: b}\ncert-file: at-the-top\nclient-transport-security:\n  no-such: 1\n");
  EXPECT_EQ(notices_.size(), 3u);
  EXPECT_EQ(settings_.config.client_security.tls.cert_file, "");
}

// etcd's reader is as strict: run config_errors of tests/integration/config_test.py against both.
TEST_F(ConfigFileTest, AValueOfAnotherKindIsRefusedWithItsLine) {
  EXPECT_EQ(Refusal("a: 1\nname: 5\n"), "line 2: name is no text; it needs quotation marks");
  EXPECT_EQ(Refusal("name: true"), "line 1: name is no text; it needs quotation marks");
  EXPECT_EQ(Refusal("name: [a]"), "line 1: name is no single value");
  EXPECT_EQ(Refusal("heartbeat-interval: \"100\""),
            "line 1: heartbeat-interval is no whole number");
  EXPECT_EQ(Refusal("heartbeat-interval: 1.5"), "line 1: heartbeat-interval is no whole number");
  EXPECT_TRUE(Refusal("heartbeat-interval: -1").starts_with("line 1: invalid value \"-1\""));
  EXPECT_EQ(Refusal("pre-vote: maybe"), "line 1: pre-vote is neither true nor false");
  EXPECT_EQ(Refusal("pre-vote: 1"), "line 1: pre-vote is neither true nor false");
  EXPECT_EQ(Refusal("log-outputs: stderr"), "line 1: log-outputs is no list");
  EXPECT_EQ(Refusal("log-outputs: [1]"), "line 1: log-outputs has an entry that is no text");
  EXPECT_EQ(Refusal("cors: [a, b]"), "line 1: cors is no single value");
  EXPECT_EQ(Refusal("auto-compaction-retention: 1"),
            "line 1: auto-compaction-retention is no text; it needs quotation marks");
  EXPECT_EQ(Refusal("client-transport-security: 5"),
            "line 1: client-transport-security is no section of keys and values");
  EXPECT_TRUE(Refusal("listen-peer-urls: abc").starts_with("line 1: invalid value \"abc\""));
  EXPECT_EQ(Refusal("- name"), "line 1: the file is no list of keys and values");
  EXPECT_EQ(Refusal("[a]: b"), "line 1: a key is no text");
}

TEST_F(ConfigFileTest, WhatIsNoYamlIsRefused) {
  EXPECT_TRUE(Refusal("name: [a").starts_with("line "));
  EXPECT_TRUE(Refusal("\tname: a").starts_with("line "));
  EXPECT_TRUE(Refusal("a: *nobody").starts_with("line "));
  EXPECT_TRUE(Refusal("listen-peer-urls: \"a\\nb\"").starts_with("line "));
  EXPECT_TRUE(Refusal(std::string(100000, '[')).starts_with("line "));
}

TEST_F(ConfigFileTest, AFileIsReadWholeOrRefused) {
  const std::string path = testing::TempDir() + "/kvd.yaml";
  std::ofstream(path) << "name: m1\n";
  EXPECT_TRUE(ApplyConfigFile(path, settings_, &notices_).ok());
  EXPECT_EQ(settings_.config.name, "m1");
  std::ofstream(path) << "a: 1\nname: 7\n";
  EXPECT_EQ(ApplyConfigFile(path, settings_, &notices_).message(),
            "configuration file " + path + ": line 2: name is no text; it needs quotation marks");
  std::ofstream(path) << std::string(2 << 20, '#');
  EXPECT_FALSE(ApplyConfigFile(path, settings_, &notices_).ok());
  std::filesystem::remove(path);
  EXPECT_EQ(ApplyConfigFile(path, settings_, &notices_).message(),
            "cannot read the configuration file " + path + ": No such file or directory");
  EXPECT_FALSE(ApplyConfigFile(testing::TempDir(), settings_, &notices_).ok());
}

}  // namespace
}  // namespace keelson::server
