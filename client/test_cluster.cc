#include "client/test_cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "client/free_port.h"

namespace keelson::client {
namespace {

std::string ServerProgram() {
  if (const char* const named = std::getenv("KEELSON_TEST_SERVER"); named != nullptr) return named;
  if (access(KEELSON_DEFAULT_TEST_SERVER, X_OK) == 0) return KEELSON_DEFAULT_TEST_SERVER;
  return "/usr/bin/etcd";
}

}  // namespace

bool TestCluster::Available() { return access(ServerProgram().c_str(), X_OK) == 0; }

TestCluster::TestCluster(int members) {
  char name[] = "/tmp/keelson-client-test.XXXXXX";
  KV_CHECK(mkdtemp(name) != nullptr);
  directory_ = name;
  for (int i = 0; i < members; ++i) {
    Member member;
    member.client_url = absl::StrCat("http://127.0.0.1:", FreePort());
    member.peer_url = absl::StrCat("http://127.0.0.1:", FreePort());
    absl::StrAppend(&initial_cluster_, i == 0 ? "" : ",", "m", i, "=", member.peer_url);
    members_.push_back(std::move(member));
  }
  for (size_t i = 0; i < members_.size(); ++i) Start(i);
  WaitServing();
}

TestCluster::~TestCluster() {
  for (size_t i = 0; i < members_.size(); ++i) Kill(i);
  std::error_code ignored;  // a directory left in /tmp is no failure of the test
  std::filesystem::remove_all(directory_, ignored);
}

void TestCluster::Start(size_t i) {
  Member& member = members_[i];
  const std::string name = absl::StrCat("m", i);
  const std::vector<std::string> arguments = {ServerProgram(),
                                              "--name=" + name,
                                              "--data-dir=" + directory_ + "/" + name,
                                              "--listen-client-urls=" + member.client_url,
                                              "--advertise-client-urls=" + member.client_url,
                                              "--listen-peer-urls=" + member.peer_url,
                                              "--initial-advertise-peer-urls=" + member.peer_url,
                                              "--initial-cluster=" + initial_cluster_,
                                              "--initial-cluster-token=client-test",
                                              "--heartbeat-interval=50",
                                              "--election-timeout=500"};
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string log = directory_ + "/" + name + ".log";
  member.pid = fork();
  KV_CHECK_GE(member.pid, 0);
  if (member.pid == 0) {
    // A test that crashes or is killed leaves no server behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
}

void TestCluster::Kill(size_t i) {
  Member& member = members_[i];
  if (member.pid == 0) return;
  kill(member.pid, SIGKILL);
  waitpid(member.pid, nullptr, 0);
  member.pid = 0;
}

void TestCluster::Restart(size_t i) {
  KV_CHECK_EQ(members_[i].pid, 0);
  Start(i);
}

std::vector<std::string> TestCluster::endpoints() const {
  std::vector<std::string> endpoints;
  for (const Member& member : members_) endpoints.push_back(member.client_url);
  return endpoints;
}

void TestCluster::WaitServing() {
  const auto client = NewClient();
  for (const Member& member : members_) {
    if (member.pid == 0) continue;
    const absl::Status status = client->maintenance().CheckHealth(
        member.client_url, CallOptions{.timeout = absl::Seconds(30)});
    KV_CHECK(status.ok()) << "a server does not serve: " << status << "; see " << directory_;
  }
}

size_t TestCluster::Leader() {
  const auto client = NewClient();
  const RealClock clock;
  const absl::Duration deadline = clock.Now() + absl::Seconds(30);
  for (;;) {
    for (size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].pid == 0) continue;
      const auto status = client->maintenance().Status(members_[i].client_url);
      if (status.ok() && status->leader() == status->header().member_id()) return i;
    }
    KV_CHECK(clock.Now() < deadline) << "no leader";
  }
}

std::unique_ptr<Client> TestCluster::NewClient(Balance balance) const {
  return NewClient(endpoints(), balance);
}

std::unique_ptr<Client> TestCluster::NewClient(std::vector<std::string> endpoints,
                                               Balance balance) const {
  Options options;
  options.endpoints = std::move(endpoints);
  options.balance = balance;
  auto client = Client::Create(std::move(options));
  KV_CHECK(client.ok()) << client.status();
  return *std::move(client);
}

}  // namespace keelson::client
