#include "apiserver/node/pod_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"
#include "apiserver/node/simulated_runtime.h"

namespace keelson::node {
namespace {

using api::Json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::StartsWith;

class Environment : public PodEnvironment {
 public:
  Environment() {
    runtime.OnExit([this](const ContainerExit& exit) {
      if (worker != nullptr) worker->OnExit(exit);
    });
  }
  EventLoop* loop() override { return &manual; }
  ContainerRuntime* containers() override { return &runtime; }
  const std::string& host_ip() const override { return ip; }
  std::string TakeIp(const std::string& wanted) override {
    return wanted.empty() ? "10.0.0." + std::to_string(++ips_taken) : wanted;
  }
  void ReturnIp(const std::string&) override { ++ips_returned; }
  void OnPodChanged(const std::string&) override { ++changes; }
  void Tell(const Json&, Weight, std::string_view reason, std::string_view message,
            const std::string&) override {
    events.push_back(std::string(reason) + ": " + std::string(message));
  }

  ManualLoop manual;
  SimulatedRuntime runtime{&manual, 7};
  const std::string ip = "192.168.0.1";
  std::shared_ptr<PodWorker> worker;
  std::vector<std::string> events;
  int changes = 0;
  int ips_taken = 0;
  int ips_returned = 0;
};

class PodWorkerTest : public ::testing::Test {
 protected:
  // {"spec", "annotations", "status", "labels"}; one container "app" if no other is given.
  void Run(const Json& given, absl::Duration time = absl::Seconds(3)) {
    object = {{"metadata",
               {{"name", "p"},
                {"namespace", "default"},
                {"uid", "u"},
                {"labels", given.value("labels", Json::object())},
                {"annotations", given.value("annotations", Json::object())}}},
              {"spec", given.value("spec", Json::object())},
              {"status", given.value("status", Json::object())}};
    Json& spec = object["spec"];
    if (!spec.contains("containers")) spec["containers"] = {{{"name", "app"}, {"image", "app:1"}}};
    if (!spec.contains("restartPolicy")) spec["restartPolicy"] = "Always";
    environment.worker = std::make_shared<PodWorker>(&environment, Shared());
    worker().Start();
    Wait(time);
  }
  runtime::Object Shared() const { return std::make_shared<const Json>(object); }
  PodWorker& worker() { return *environment.worker; }
  void Wait(absl::Duration time) { environment.manual.RunFor(time); }
  void Delete(int grace) {
    object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    object["metadata"]["deletionGracePeriodSeconds"] = grace;
    worker().OnPod(Shared());
  }

  std::string Phase() { return worker().Status()["phase"]; }
  Json Container(const char* name = "app", const char* list = "containerStatuses") {
    const Json status = worker().Status();
    for (const Json& one : api::ArrayAt(status, list)) {
      if (one["name"] == name) return one;
    }
    return Json::object();
  }
  std::string State(const char* name = "app", const char* list = "containerStatuses") {
    const Json container = Container(name, list);
    const Json& state = api::MapAt(container, "state");
    if (state.empty()) return "";
    const std::string reason = api::TextAt(state.front(), "reason");
    return state.begin().key() + (reason.empty() ? "" : " " + reason);
  }
  std::string InitState(const char* name) { return State(name, "initContainerStatuses"); }
  // "True", or "False Reason".
  std::string Condition(const char* type) {
    const Json status = {{"status", worker().Status()}};
    const Json* condition = api::FindCondition(status, type);
    if (condition == nullptr) return "";
    const std::string& reason = api::TextAt(*condition, "reason");
    return api::TextAt(*condition, "status") + (reason.empty() ? "" : " " + reason);
  }

  Json object;
  Environment environment;
};

Json Sim(std::initializer_list<std::pair<const char*, const char*>> settings) {
  Json annotations = Json::object();
  for (const auto& [name, value] : settings) {
    annotations[std::string("keelson.io/sim.") + name] = value;
  }
  return annotations;
}

TEST_F(PodWorkerTest, APodBecomesRunningAndReady) {
  Run(Json::object(), absl::ZeroDuration());
  EXPECT_EQ(Phase(), "Pending");
  EXPECT_EQ(State(), "waiting ContainerCreating");
  EXPECT_EQ(Condition("Ready"), "False ContainersNotReady");
  Wait(absl::Seconds(3));
  EXPECT_EQ(Phase(), "Running");
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(Condition("PodReadyToStartContainers"), "True");
  EXPECT_EQ(Condition("Initialized"), "True");
  EXPECT_EQ(Condition("ContainersReady"), "True");
  EXPECT_EQ(Condition("Ready"), "True");
  const Json status = worker().Status();
  EXPECT_EQ(status["podIP"], "10.0.0.1");
  EXPECT_EQ(status["hostIP"], "192.168.0.1");
  EXPECT_TRUE(Container()["ready"]);
  EXPECT_THAT(std::string(Container()["containerID"]), StartsWith("simulated://"));
  EXPECT_THAT(environment.events,
              ElementsAre("Pulling: Pulling image \"app:1\"", StartsWith("Pulled: Successfully "),
                          "Created: Created container: app", "Started: Started container app"));
}

TEST_F(PodWorkerTest, OnTheHostsNetworkItHasTheHostsAddress) {
  Run({{"spec", {{"hostNetwork", true}}}});
  EXPECT_EQ(worker().Status()["podIP"], "192.168.0.1");
  EXPECT_EQ(environment.ips_taken, 0);
}

TEST_F(PodWorkerTest, InitContainersRunOneAfterTheOther) {
  Run({{"spec",
        {{"initContainers",
          {{{"name", "one"}, {"image", "i"}}, {{"name", "two"}, {"image", "i"}}}}}},
       {"annotations", Sim({{"exit-after.one", "10s"}, {"exit-after.two", "10s"}})}});
  EXPECT_EQ(InitState("one"), "running");
  EXPECT_EQ(InitState("two"), "waiting PodInitializing");
  EXPECT_EQ(State(), "waiting PodInitializing");
  EXPECT_EQ(Condition("Initialized"), "False ContainersNotInitialized");
  Wait(absl::Seconds(10));
  EXPECT_EQ(InitState("one"), "terminated Completed");
  EXPECT_EQ(InitState("two"), "running");
  EXPECT_EQ(Phase(), "Pending");
  Wait(absl::Seconds(12));
  EXPECT_EQ(Condition("Initialized"), "True");
  EXPECT_EQ(Phase(), "Running");
}

TEST_F(PodWorkerTest, AnInitContainerThatFailsIsTriedAgainUnlessThatIsForbidden) {
  const Json failing = {{"spec", {{"initContainers", {{{"name", "one"}, {"image", "i"}}}}}},
                        {"annotations", Sim({{"exit-code.one", "3"}})}};
  Run(failing, absl::Seconds(8));
  EXPECT_EQ(Phase(), "Pending");
  EXPECT_EQ(InitState("one"), "waiting CrashLoopBackOff");
  EXPECT_EQ(Container("one", "initContainerStatuses")["lastState"]["terminated"]["exitCode"], 3);
  Json never = failing;
  never["spec"]["restartPolicy"] = "Never";
  Run(never);
  EXPECT_EQ(Phase(), "Failed");
  EXPECT_EQ(InitState("one"), "terminated Error");
  EXPECT_TRUE(worker().settled());
}

TEST_F(PodWorkerTest, SidecarsStartBeforeTheRestAndEndAfterIt) {
  Run({{"spec",
        {{"restartPolicy", "Never"},
         {"initContainers",
          {{{"name", "mesh"},
            {"image", "m"},
            {"restartPolicy", "Always"},
            {"startupProbe", {{"periodSeconds", 1}, {"failureThreshold", 9}}}},
           {{"name", "setup"}, {"image", "i"}}}}}},
       {"annotations",
        Sim({{"ready-after.mesh", "5s"}, {"exit-after.app", "20s"}, {"exit-code.app", "0"}})}});
  EXPECT_EQ(InitState("mesh"), "running");
  EXPECT_EQ(InitState("setup"), "waiting PodInitializing");  // mesh has not started up
  Wait(absl::Seconds(8));
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(Condition("Ready"), "True");
  Wait(absl::Seconds(20));
  EXPECT_EQ(Phase(), "Succeeded");
  EXPECT_EQ(InitState("mesh"), "terminated Completed");
  EXPECT_THAT(environment.events, Contains("Killing: Stopping container mesh"));
}

TEST_F(PodWorkerTest, RestartsBackOffFromTenSecondsToFiveMinutes) {
  Run({{"annotations", Sim({{"exit-after", "1ms"}, {"exit-code", "1"}, {"start-time", "0s"}})}});
  // The first restart comes at once, the second after ten seconds.
  EXPECT_EQ(State(), "waiting CrashLoopBackOff");
  EXPECT_EQ(Container()["restartCount"], 1);
  EXPECT_EQ(Container()["state"]["waiting"]["message"],
            "back-off 10s restarting failed container=app pod=p_default(u)");
  EXPECT_EQ(Phase(), "Running");
  EXPECT_EQ(Condition("Ready"), "False ContainersNotReady");
  int restarts = 1;
  for (const int seconds : {10, 20, 40, 80, 160, 300, 300}) {
    Wait(absl::Seconds(seconds - 5));
    EXPECT_EQ(Container()["restartCount"], restarts) << seconds;
    Wait(absl::Seconds(5));
    EXPECT_EQ(Container()["restartCount"], ++restarts) << seconds;
  }
}

TEST_F(PodWorkerTest, TenMinutesOfHealthEndTheBackoff) {
  Run({{"annotations", Sim({{"exit-after", "11m"}, {"exit-code", "1"}})}});
  for (int i = 1; i < 5; ++i) {
    Wait(absl::Minutes(11));
    EXPECT_EQ(Container()["restartCount"], i);
    EXPECT_EQ(State(), "running");
  }
}

TEST_F(PodWorkerTest, PoliciesSayWhoIsRestarted) {
  Run({{"spec", {{"restartPolicy", "Never"}}}, {"annotations", Sim({{"exit-after", "1s"}})}});
  EXPECT_EQ(Phase(), "Succeeded");
  EXPECT_EQ(State(), "terminated Completed");
  EXPECT_EQ(Condition("Ready"), "False PodCompleted");
  EXPECT_EQ(environment.ips_returned, 1);

  Run({{"spec", {{"restartPolicy", "Never"}}},
       {"annotations", Sim({{"exit-after", "1s"}, {"exit-code", "2"}})}});
  EXPECT_EQ(Phase(), "Failed");
  EXPECT_EQ(State(), "terminated Error");

  Run({{"spec", {{"restartPolicy", "OnFailure"}}},
       {"annotations", Sim({{"exit-after", "1s"}, {"oom", "true"}, {"start-time", "0s"}})}},
      absl::Seconds(2.3));
  EXPECT_EQ(Phase(), "Running");
  EXPECT_EQ(Container()["restartCount"], 1);
  EXPECT_EQ(Container()["lastState"]["terminated"]["reason"], "OOMKilled");
}

TEST_F(PodWorkerTest, ReadinessComesAndGoes) {
  Run({{"spec",
        {{"containers",
          {{{"name", "app"},
            {"image", "a"},
            {"readinessProbe", {{"periodSeconds", 1}, {"failureThreshold", 2}}}}}}}},
       {"annotations",
        Sim({{"ready-after", "10s"}, {"fail-probe", "readiness"}, {"fail-probe-after", "30s"}})}},
      absl::Seconds(8));
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(Condition("Ready"), "False ContainersNotReady");
  EXPECT_THAT(
      environment.events,
      Contains("Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"));
  Wait(absl::Seconds(10));
  EXPECT_EQ(Condition("Ready"), "True");
  Wait(absl::Seconds(20));
  EXPECT_EQ(Condition("Ready"), "False ContainersNotReady");
  EXPECT_EQ(Container()["restartCount"], 0);
}

TEST_F(PodWorkerTest, LivenessRestartsAndStartupHoldsItBack) {
  Run({{"spec",
        {{"containers",
          {{{"name", "app"},
            {"image", "a"},
            {"startupProbe", {{"periodSeconds", 5}, {"failureThreshold", 10}}},
            {"livenessProbe", {{"periodSeconds", 1}, {"failureThreshold", 3}}}}}}}},
       {"annotations", Sim({{"ready-after", "12s"}, {"fail-probe", "liveness"}})}},
      absl::Seconds(10));
  EXPECT_EQ(Container()["started"], false);
  EXPECT_EQ(Container()["restartCount"], 0);
  Wait(absl::Seconds(10));
  EXPECT_EQ(Container()["restartCount"], 1);
  EXPECT_THAT(environment.events,
              Contains("Killing: Container app failed liveness probe, will be restarted"));
}

TEST_F(PodWorkerTest, AnImageThatCannotBePulledIsTriedAgainWithBackoff) {
  Run({{"annotations", Sim({{"fail-pull", "true"}, {"pull-time", "100ms"}})}},
      absl::Milliseconds(500));
  EXPECT_EQ(State(), "waiting ErrImagePull");
  Wait(absl::Seconds(2));
  EXPECT_EQ(State(), "waiting ImagePullBackOff");
  EXPECT_EQ(Container()["state"]["waiting"]["message"], "Back-off pulling image \"app:1\"");
  EXPECT_EQ(Phase(), "Pending");
  Wait(absl::Seconds(8));
  EXPECT_EQ(State(), "waiting ErrImagePull");  // the second attempt
}

TEST_F(PodWorkerTest, DeletionWaitsForTheGraceAndClearsAway) {
  Run({{"annotations", Sim({{"stop-time", "2s"}})}});
  Delete(30);
  Wait(absl::Seconds(1));
  EXPECT_EQ(State(), "running");
  EXPECT_FALSE(worker().finished());
  Wait(absl::Seconds(2));
  EXPECT_TRUE(worker().finished());
  EXPECT_EQ(Phase(), "Succeeded");
  EXPECT_EQ(State(), "terminated Completed");
  EXPECT_EQ(environment.ips_returned, 1);
}

TEST_F(PodWorkerTest, WhoIgnoresTheRequestIsKilledWhenTheGraceIsOver) {
  Run({{"annotations", Sim({{"ignore-stop", "true"}})}});
  Delete(30);
  Wait(absl::Seconds(29));
  EXPECT_FALSE(worker().finished());
  Wait(absl::Seconds(2));
  EXPECT_TRUE(worker().finished());
  EXPECT_EQ(Container()["state"]["terminated"]["exitCode"], 137);
  EXPECT_EQ(Phase(), "Failed");
}

TEST_F(PodWorkerTest, ASecondDeletionMayShortenTheGrace) {
  Run({{"annotations", Sim({{"ignore-stop", "true"}})}});
  Delete(300);
  Wait(absl::Seconds(10));
  Delete(2);
  Wait(absl::Seconds(3));
  EXPECT_TRUE(worker().finished());
}

TEST_F(PodWorkerTest, DeletionOnTheWayUpStartsNothingMore) {
  Run({{"annotations", Sim({{"pull-time", "20s"}})}}, absl::Seconds(5));
  Delete(30);
  Wait(absl::Seconds(20));
  EXPECT_TRUE(worker().finished());
  EXPECT_EQ(Phase(), "Failed");
  EXPECT_EQ(State(), "terminated ContainerStatusUnknown");
}

TEST_F(PodWorkerTest, APodWhoseObjectIsGoneEnds) {
  Run({{"annotations", Sim({{"ignore-stop", "true"}})}});
  worker().OnGone();
  Wait(absl::Seconds(2));
  EXPECT_TRUE(worker().finished());
}

TEST_F(PodWorkerTest, TheDeadlineFailsThePod) {
  Run({{"spec", {{"activeDeadlineSeconds", 20}}}}, absl::Seconds(19));
  EXPECT_EQ(Phase(), "Running");
  Wait(absl::Seconds(2));
  EXPECT_EQ(Phase(), "Failed");
  EXPECT_EQ(worker().Status()["reason"], "DeadlineExceeded");
  EXPECT_EQ(worker().Status()["message"],
            "Pod was active on the node longer than the specified deadline");
}

TEST_F(PodWorkerTest, ReadinessGatesAreWaitedFor) {
  Run({{"spec", {{"readinessGates", {{{"conditionType", "lb"}}}}}}});
  EXPECT_EQ(Condition("ContainersReady"), "True");
  EXPECT_EQ(Condition("Ready"), "False ReadinessGatesNotReady");
  object["status"]["conditions"] = {{{"type", "lb"}, {"status", "True"}}};
  worker().OnPod(Shared());
  EXPECT_EQ(Condition("Ready"), "True");
}

TEST_F(PodWorkerTest, AfterARestartOfTheNodeThePodIsRunAgain) {
  Run({{"status",
        {{"phase", "Running"},
         {"podIP", "10.0.0.77"},
         {"startTime", "2026-01-01T00:00:00Z"},
         {"containerStatuses",
          {{{"name", "app"},
            {"restartCount", 4},
            {"state", {{"running", {{"startedAt", "2026-01-01T00:00:00Z"}}}}}}}}}}});
  EXPECT_EQ(Container()["restartCount"], 5);
  EXPECT_EQ(Container()["lastState"]["terminated"]["reason"], "Unknown");
  EXPECT_EQ(State(), "running");
  EXPECT_EQ(worker().Status()["podIP"], "10.0.0.77");
}

TEST_F(PodWorkerTest, WhatHadEndedStaysAsItWas) {
  Run({{"status", {{"phase", "Succeeded"}, {"message", "as it was"}}}});
  EXPECT_EQ(worker().Status()["message"], "as it was");
  EXPECT_TRUE(environment.events.empty());
  Delete(0);
  EXPECT_TRUE(worker().finished());
}

TEST_F(PodWorkerTest, AnEphemeralContainerJoinsARunningPod) {
  Run(Json::object());
  object["spec"]["ephemeralContainers"] = {{{"name", "debug"}, {"image", "busybox"}}};
  worker().OnPod(Shared());
  Wait(absl::Seconds(3));
  EXPECT_EQ(State("debug", "ephemeralContainerStatuses"), "running");
  EXPECT_EQ(Condition("Ready"), "True");
}

}  // namespace
}  // namespace keelson::node
