#include "tools/keelson/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/concat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/keelson/cluster_plan.h"
#include "tools/keelson/durable_file.h"
#include "tools/keelson/pki.h"

namespace keelson::program {
namespace {

class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    char name[] = "/tmp/keelson-program-test.XXXXXX";
    KV_CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
  }
  ~FolderTest() override { std::filesystem::remove_all(directory_); }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string Text(const std::string& name) const {
    const auto text = ReadWhole(Path(name));
    return text.ok() ? *text : "";
  }

  std::string directory_;
};

class SupervisorTest : public FolderTest {
 protected:
  ~SupervisorTest() override { Stop(); }

  // A component that is a script of sh.
  void Add(const std::string& name, const std::string& script, int stage = 0) {
    KV_CHECK(MakeDirectory(Path(name), 0700).ok());
    components_.push_back({name, {"/bin/sh", "-c", script}, Path(name), stage});
  }
  void Start() {
    options_.state_file = Path("state.json");
    options_.backoff_first = absl::Milliseconds(10);
    options_.ready_interval = absl::Milliseconds(5);
    supervisor_ = ::fork();
    KV_CHECK(supervisor_ >= 0);
    if (supervisor_ == 0) {
      Supervise(components_, options_);
      ::_exit(0);
    }
  }
  void Stop(int signal = SIGTERM) {
    if (supervisor_ == 0) return;
    ::kill(supervisor_, signal);
    ::waitpid(supervisor_, nullptr, 0);
    supervisor_ = 0;
  }
  template <typename Condition>
  void WaitUntil(const Condition& done) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (!done()) {
      ASSERT_LT(absl::Now(), end) << "hangs";
      absl::SleepFor(absl::Milliseconds(2));
    }
  }
  ComponentState State(const std::string& name) {
    const auto states = ReadSupervisorState(options_.state_file);
    if (!states.ok()) return {};
    for (const ComponentState& state : *states) {
      if (state.name == name) return state;
    }
    return {};
  }
  pid_t Pid(const std::string& name) { return std::atoi(Text(name + "/pid").c_str()); }
  static bool Lives(pid_t pid) { return ::kill(pid, 0) == 0; }

  std::vector<ComponentSpec> components_;
  SupervisorOptions options_;
  pid_t supervisor_ = 0;
};

TEST_F(SupervisorTest, OutputAndPidAreInTheComponentsFolder) {
  Add("a", "echo out; echo err >&2; exec sleep 60");
  Start();
  WaitUntil([&] { return Text("a/log") == "out\nerr\n"; });
  EXPECT_EQ(Pid("a"), State("a").pid);
  EXPECT_TRUE(Lives(Pid("a")));
}

TEST_F(SupervisorTest, WhatIsKilledIsStartedAgainAndTheOthersGoOn) {
  Add("a", "exec sleep 60");
  Add("b", "exec sleep 60");
  Start();
  WaitUntil([&] { return State("a").pid != 0 && State("b").pid != 0; });
  const pid_t a = Pid("a");
  const pid_t b = Pid("b");
  ::kill(a, SIGKILL);
  WaitUntil([&] { return State("a").pid != 0 && State("a").pid != a; });
  EXPECT_EQ(State("a").restarts, 1);
  EXPECT_EQ(State("a").last_end, "signal 9");
  EXPECT_EQ(Pid("b"), b);
  EXPECT_EQ(State("b").restarts, 0);
}

TEST_F(SupervisorTest, PauseGrowsWhileItKeepsEnding) {
  Add("a", "date +%s%N >> " + Path("starts") + "; exit 3");
  Start();
  const auto starts = [&] {
    const std::string text = Text("starts");
    return std::count(text.begin(), text.end(), '\n');
  };
  WaitUntil([&] { return starts() >= 6; });
  EXPECT_EQ(State("a").last_end, "exit status 3");
  Stop();
  std::vector<int64_t> times;
  std::istringstream lines(Text("starts"));
  for (int64_t time; lines >> time;) times.push_back(time);
  // 10, 20, 40, 80, 160 ms, and what the processes take.
  EXPECT_GE(times[5] - times[0], 310'000'000);
  EXPECT_GE(times[5] - times[4], 160'000'000);
}

TEST_F(SupervisorTest, StageBeginsWhenTheOneBeforeIsReady) {
  Add("a", "exec sleep 60", 0);
  Add("b", "exec sleep 60", 1);
  options_.ready = [this](int) { return std::filesystem::exists(Path("go")); };
  Start();
  WaitUntil([&] { return State("a").pid != 0; });
  // It has had every occasion.
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(State("b").pid, 0);
    absl::SleepFor(absl::Milliseconds(5));
  }
  ASSERT_TRUE(WriteWhole(Path("go"), "", 0600).ok());
  WaitUntil([&] { return State("b").pid != 0; });
}

TEST_F(SupervisorTest, StagesStopInReverseAndWhatDoesNotListenIsKilled) {
  const std::string trap = "trap 'echo $0 >> " + Path("ends") + "; exit 0' TERM; ";
  Add("a", "set -- a; " + trap + "echo up; while :; do sleep 0.01; done", 0);
  Add("b", trap + "echo up; while :; do sleep 0.01; done", 1);
  Add("deaf", "trap '' TERM; echo up; while :; do sleep 0.01; done", 1);
  components_[0].command.push_back("first");
  components_[1].command.push_back("second");
  options_.stop_grace = absl::Milliseconds(300);
  Start();
  WaitUntil([&] {
    return Text("a/log") == "up\n" && Text("b/log") == "up\n" && Text("deaf/log") == "up\n" &&
           Pid("deaf") != 0;
  });
  const pid_t deaf = Pid("deaf");
  Stop();
  EXPECT_EQ(Text("ends"), "second\nfirst\n");
  EXPECT_FALSE(Lives(deaf));
  EXPECT_FALSE(std::filesystem::exists(Path("deaf/pid")));
}

TEST_F(SupervisorTest, NothingOutlivesASupervisorThatIsKilled) {
  Add("a", "exec sleep 60");
  Start();
  WaitUntil([&] { return State("a").pid != 0; });
  const pid_t a = Pid("a");
  Stop(SIGKILL);
  WaitUntil([&] { return !Lives(a); });
}

TEST_F(SupervisorTest, WhatCannotBeExecutedIsTold) {
  Add("a", "");
  components_[0].command = {Path("absent")};
  Start();
  WaitUntil([&] { return State("a").restarts > 0; });
  EXPECT_EQ(State("a").last_end, "exit status 127");
  EXPECT_THAT(Text("a/log"), testing::HasSubstr("cannot be executed"));
}

// --- what a cluster is ---

class PlanTest : public FolderTest {
 protected:
  static PlanWishes Small() {
    return {.members = 1,
            .nodes = 2,
            .port = 20001,
            .client_ports = {20002},
            .peer_ports = {20003},
            .server_ports = {20004}};
  }
};

TEST_F(PlanTest, NewClusterHasThePortsThatUsersOfEtcdExpect) {
  const auto plan = MakePlan(directory_, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->client_ports, testing::ElementsAre(2379, 22379, 32379));
  EXPECT_THAT(plan->peer_ports, testing::ElementsAre(2380, 22380, 32380));
  EXPECT_EQ(plan->port, 6443);
  EXPECT_EQ(plan->server_ports.size(), 3u);
}

TEST_F(PlanTest, PlanIsKeptAndOnlyItsNodesMayChange) {
  const auto plan = MakePlan(directory_, Small());
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_TRUE(SavePlan(*plan).ok());
  const auto again = MakePlan(directory_, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->client_ports, plan->client_ports);
  EXPECT_EQ(again->server_ports, plan->server_ports);
  EXPECT_EQ(again->nodes, 2);
  EXPECT_EQ(MakePlan(directory_, {.nodes = 5})->nodes, 5);
  EXPECT_EQ(MakePlan(directory_, {.nodes = 0})->nodes, 0);
  for (const PlanWishes& wishes :
       {PlanWishes{.members = 3}, PlanWishes{.port = 1}, PlanWishes{.client_ports = {1}}}) {
    EXPECT_EQ(MakePlan(directory_, wishes).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(PlanTest, WishesThatMakeNoSenseAreRefused) {
  const auto refused = [this](PlanWishes wishes) {
    return MakePlan(directory_, wishes).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({.members = 10}));
  EXPECT_TRUE(refused({.members = -1}));
  EXPECT_TRUE(refused({.nodes = 10'001}));
  EXPECT_TRUE(refused({.port = 70'000}));
  EXPECT_TRUE(refused({.client_ports = {1, 2}}));
  EXPECT_TRUE(refused({.client_ports = {5, 6, 5}}));
  EXPECT_TRUE(refused({.port = 2379}));
}

TEST_F(PlanTest, FileOfAnotherFormIsRefused) {
  for (const char* text : {"", "{}", "[]", "{\"format\": 2}", "{\"format\": 1, \"members\": 3}"}) {
    ASSERT_TRUE(WriteWhole(Path("cluster.json"), text, 0600).ok());
    EXPECT_EQ(LoadPlan(directory_).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(PlanTest, CertificatesAreMadeOnceAndAnewBeforeTheyExpire) {
  ClusterPlan plan = *MakePlan(directory_, Small());
  const PkiFiles files(plan);
  const absl::Time now = absl::Now();
  ASSERT_TRUE(EnsurePki(plan, now).ok());
  const std::string authority = *ReadWhole(files.authority());
  const std::string admin = *ReadWhole(files.certificate("admin"));
  const std::string key = *ReadWhole(files.service_account_key());
  ASSERT_TRUE(EnsurePki(plan, now).ok());
  EXPECT_EQ(*ReadWhole(files.certificate("admin")), admin);
  ASSERT_TRUE(EnsurePki(plan, now + absl::Hours(340 * 24)).ok());
  EXPECT_NE(*ReadWhole(files.certificate("admin")), admin);
  EXPECT_EQ(*ReadWhole(files.authority()), authority);
  EXPECT_EQ(*ReadWhole(files.service_account_key()), key);
}

TEST_F(PlanTest, LockIsOneProcesssUntilItEnds) {
  auto lock = ProcessLock::Take(Path("lock"));
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_TRUE((*lock)->Claim().ok());
  EXPECT_EQ(ProcessLock::Holder(Path("lock")), ::getpid());
  EXPECT_EQ(*ProcessLock::Take(Path("lock")), nullptr);
  lock->reset();
  EXPECT_EQ(ProcessLock::Holder(Path("lock")), 0) << "the file with the pid is still there";
}

}  // namespace
}  // namespace keelson::program
