#include "tools/keelson/kubeconfig.h"

#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/keelson/durable_file.h"

namespace keelson::program {
namespace {

using testing::HasSubstr;
using testing::Not;

const KubeAccess kAccess{
    .server = "https://127.0.0.1:6443", .authority = "CA", .certificate = "CERT", .key = "KEY"};

// As a person keeps it: with comments, an order of his own, and things that we do not know.
constexpr char kOthers[] = R"(# mine
apiVersion: v1
clusters:
# the big one
- cluster:
    server: https://prod.example:443
    certificate-authority: /etc/ca.crt  # do not move
  name: prod
- name: dev
  cluster: {server: "http://dev:8080", insecure-skip-tls-verify: true}
# who
users:
  - name: me
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: get-token
        args: ["--for", 'prod']
contexts:
- context:
    cluster: prod
    namespace: web
    user: me
  name: prod
current-context: prod
kind: Config
preferences: {colors: true}
extensions:
- name: x
  extension: |
    several

    lines
)";

std::string Added(const std::string& text, std::string* before = nullptr) {
  std::string ignored;
  const auto result = WithAccess(text, kAccess, before != nullptr ? before : &ignored);
  KV_CHECK(result.ok()) << result.status();
  return *result;
}

void ExpectOurs(const std::string& text) {
  const YAML::Node root = YAML::Load(text);
  EXPECT_EQ(root["current-context"].as<std::string>(), "keelson");
  EXPECT_EQ(root["kind"].as<std::string>(), "Config");
  EXPECT_EQ(root["apiVersion"].as<std::string>(), "v1");
  int found = 0;
  for (const YAML::Node& entry : root["clusters"]) {
    if (entry["name"].as<std::string>() != "keelson") continue;
    ++found;
    EXPECT_EQ(entry["cluster"]["server"].as<std::string>(), "https://127.0.0.1:6443");
    EXPECT_EQ(entry["cluster"]["certificate-authority-data"].as<std::string>(), "Q0E=");
  }
  for (const YAML::Node& entry : root["users"]) {
    if (entry["name"].as<std::string>() != "keelson") continue;
    ++found;
    EXPECT_EQ(entry["user"]["client-certificate-data"].as<std::string>(), "Q0VSVA==");
    EXPECT_EQ(entry["user"]["client-key-data"].as<std::string>(), "S0VZ");
  }
  for (const YAML::Node& entry : root["contexts"]) {
    if (entry["name"].as<std::string>() != "keelson") continue;
    ++found;
    EXPECT_EQ(entry["context"]["cluster"].as<std::string>(), "keelson");
    EXPECT_EQ(entry["context"]["user"].as<std::string>(), "keelson");
  }
  EXPECT_EQ(found, 3) << text;
}

TEST(KubeconfigTest, NewOneHasUsAndNothingElse) {
  ExpectOurs(NewKubeconfig(kAccess));
  for (const char* nothing : {"", "\n", "# only a comment\n", "---\n"}) ExpectOurs(Added(nothing));
}

TEST(KubeconfigTest, EveryLineOfOthersStays) {
  std::string before;
  const std::string text = Added(kOthers, &before);
  ExpectOurs(text);
  EXPECT_EQ(before, "prod");
  std::istringstream lines(kOthers);
  size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line == "current-context: prod") continue;
    at = text.find(line + "\n", at);
    ASSERT_NE(at, std::string::npos) << line << "\nis not in its place in\n" << text;
  }
}

TEST(KubeconfigTest, AddingAndRemovingGivesTheSameBytes) {
  const std::string added = Added(kOthers);
  const auto removed = WithoutAccess(added, "keelson", "prod");
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, kOthers);
  EXPECT_EQ(*WithoutAccess(kOthers, "keelson", ""), kOthers) << "there is nothing to remove";
}

TEST(KubeconfigTest, OldEntriesOfOursAreReplacedInTheirPlace) {
  KubeAccess old = kAccess;
  old.server = "https://127.0.0.1:7777";
  std::string before;
  std::string text = *WithAccess(kOthers, old, &before);
  // Somebody adds a context behind ours, and a comment to it.
  const size_t at = text.find("current-context");
  text.insert(at, "# another\n- context: {cluster: dev, user: me}\n  name: dev\n");
  const std::string now = Added(text);
  ExpectOurs(now);
  EXPECT_THAT(now, Not(HasSubstr("7777")));
  EXPECT_THAT(now, HasSubstr("# another\n- context: {cluster: dev, user: me}\n  name: dev\n"));
  EXPECT_EQ(Added(now), now) << "the same again changes nothing";
}

TEST(KubeconfigTest, CurrentContextComesBackIfItIsStillThere) {
  const std::string added = Added(kOthers);
  EXPECT_THAT(*WithoutAccess(added, "keelson", "gone"), HasSubstr("current-context: \"\"\n"));
  std::string elsewhere = added;
  const std::string ours = "current-context: keelson";
  elsewhere.replace(elsewhere.find(ours), ours.size(), "current-context: dev");
  EXPECT_THAT(*WithoutAccess(elsewhere, "keelson", "prod"), HasSubstr("current-context: dev\n"))
      << "who has chosen another one meanwhile keeps it";
}

TEST(KubeconfigTest, WhatIsNotInBlockStyleKeepsItsMeaning) {
  const char* const json =
      R"({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "a", "cluster":
          {"server": "http://a", "extra": ["1", 1, true, null]}}], "users": [],
          "contexts": [{"name": "a", "context": {"cluster": "a", "user": ""}}],
          "current-context": "a"})";
  const std::string text = Added(json);
  ExpectOurs(text);
  const YAML::Node cluster = YAML::Load(text)["clusters"][0];
  EXPECT_EQ(cluster["cluster"]["server"].as<std::string>(), "http://a");
  EXPECT_EQ(cluster["cluster"]["extra"].size(), 4u);
  EXPECT_EQ(cluster["cluster"]["extra"][0].Tag(), "!") << "a text that looks like a number";
  ExpectOurs(Added("clusters: []\nusers: null\ncontexts:\nkind: Config\napiVersion: v1\n"));
  ExpectOurs(Added("clusters: [{name: a, cluster: {server: x}}]\n"));
}

TEST(KubeconfigTest, WhatIsNoneIsLeftAlone) {
  std::string before;
  for (const char* text :
       {"just words", "[1, 2]", "clusters: {a: b}", "a: [", "a: 1\n---\nb: 2\n"}) {
    EXPECT_EQ(WithAccess(text, kAccess, &before).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

class KubeconfigFileTest : public testing::Test {
 protected:
  KubeconfigFileTest() {
    char name[] = "/tmp/keelson-kubeconfig-test.XXXXXX";
    KV_CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
    const char* const was = std::getenv("KUBECONFIG");
    kubeconfig_ = was != nullptr ? was : "";
    SetFiles(directory_ + "/config");
  }
  ~KubeconfigFileTest() override {
    SetFiles(kubeconfig_);
    std::filesystem::remove_all(directory_);
  }
  static void SetFiles(const std::string& files) {
    if (files.empty()) {
      unsetenv("KUBECONFIG");
    } else {
      setenv("KUBECONFIG", files.c_str(), 1);
    }
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const std::string& text, mode_t mode = 0640) {
    KV_CHECK(WriteWhole(Path(name), text, mode).ok());
  }

  std::string directory_;
  std::string kubeconfig_;
  std::string before_;
};

TEST_F(KubeconfigFileTest, FileIsMadeForTheUserAlone) {
  SetFiles(Path("new/folder/config"));
  const auto file = AddToKubeconfig(kAccess, &before_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file, Path("new/folder/config"));
  ExpectOurs(*ReadWhole(*file));
  struct stat info {};
  ASSERT_EQ(stat(file->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(KubeconfigFileTest, ModeAndLinkStay) {
  Write("real", kOthers);
  std::filesystem::create_symlink("real", Path("config"));
  ASSERT_TRUE(AddToKubeconfig(kAccess, &before_).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(Path("config")));
  ExpectOurs(*ReadWhole(Path("real")));
  struct stat info {};
  ASSERT_EQ(stat(Path("real").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_FALSE(std::filesystem::exists(Path("config.lock")));
}

TEST_F(KubeconfigFileTest, OfSeveralFilesKubectlsChoiceIsOurs) {
  Write("second", kOthers);
  SetFiles(Path("first") + ":" + Path("second") + ":" + Path("third"));
  EXPECT_EQ(*AddToKubeconfig(kAccess, &before_), Path("second")) << "the first that exists";
  Write("first", kOthers);
  EXPECT_EQ(*AddToKubeconfig(kAccess, &before_), Path("second")) << "the one that has it";
  ASSERT_TRUE(RemoveFromKubeconfig(kAccess, "prod").ok());
  EXPECT_EQ(*ReadWhole(Path("second")), kOthers);
  EXPECT_EQ(*ReadWhole(Path("first")), kOthers);
  SetFiles(Path("x") + ":" + Path("y"));
  EXPECT_EQ(*AddToKubeconfig(kAccess, &before_), Path("y")) << "the last, when there is none";
}

TEST_F(KubeconfigFileTest, NameThatAnotherClusterTookIsNotRemoved) {
  ASSERT_TRUE(AddToKubeconfig(kAccess, &before_).ok());
  KubeAccess other = kAccess;
  other.server = "https://127.0.0.1:7777";
  ASSERT_TRUE(RemoveFromKubeconfig(other, "").ok());
  ExpectOurs(*ReadWhole(Path("config")));
}

TEST_F(KubeconfigFileTest, FileThatCannotBeReadIsNotReplaced) {
  Write("config", "no: [kubeconfig");
  EXPECT_FALSE(AddToKubeconfig(kAccess, &before_).ok());
  EXPECT_EQ(*ReadWhole(Path("config")), "no: [kubeconfig");
}

}  // namespace
}  // namespace keelson::program
