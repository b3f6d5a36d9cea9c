// Kinds that run pods: what is filled in, refused and printed.
#include <string>
#include <vector>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/manifest_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kTemplate =
    R"("template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}})";

// A workload whose spec has `more`, a selector and a template that goes with it.
std::string Workload(std::string_view more = "") {
  return Concat(R"({"metadata": {"name": "web", "creationTimestamp": "2026-01-02T11:55:00Z"},
                    "spec": {)",
                more, more.empty() ? "" : ", ", R"("selector": {"matchLabels": {"app": "web"}}, )",
                kTemplate, "}}");
}

// A job (or what is in a CronJob) with `more` in its spec.
std::string JobSpec(std::string_view more = "", std::string_view policy = "Never") {
  return Concat("{", more, more.empty() ? "" : ", ", R"("template": {"spec": {"restartPolicy": ")",
                policy, R"(", "containers": [{"name": "c", "image": "busybox"}]}}})");
}
std::string JobManifest(std::string_view more = "", std::string_view policy = "Never") {
  return Concat(R"({"metadata": {"name": "j"}, "spec": )", JobSpec(more, policy), "}");
}
std::string CronManifest(std::string_view schedule, std::string_view more = "") {
  return Concat(R"({"metadata": {"name": "cj", "creationTimestamp": "2026-01-02T10:00:00Z"},
                    "spec": {"schedule": ")",
                schedule, "\"", more.empty() ? "" : ", ", more, R"(, "jobTemplate": {"spec": )",
                JobSpec(), "}}}");
}

TEST(WorkloadKindsTest, AllAreServedWithWhatClientsAskDiscoveryFor) {
  const Kind* deployment = FindKindByResource("apps", "v1", "deployments");
  ASSERT_EQ(deployment, &DeploymentKind());
  EXPECT_THAT(deployment->short_names, ElementsAre("deploy"));
  EXPECT_THAT(deployment->categories, ElementsAre("all"));
  for (const char* plural : {"deployments", "replicasets", "statefulsets"}) {
    const Kind* kind = FindKindByResource("apps", "v1", plural);
    ASSERT_NE(kind, nullptr) << plural;
    const Subresource* scale = kind->FindSubresource("scale");
    ASSERT_NE(scale, nullptr) << plural;
    EXPECT_EQ(Concat(scale->group, "/", scale->version, " ", scale->kind), "autoscaling/v1 Scale");
    EXPECT_TRUE(kind->scale.has_value());
  }
  EXPECT_EQ(DaemonSetKind().FindSubresource("scale"), nullptr);
  EXPECT_EQ(FindKind("batch/v1", "CronJob"), &CronJobKind());
}

TEST(WorkloadKindsTest, DeploymentRollsByAQuarter) {
  const Json spec = Made(DeploymentKind(), Workload())["spec"];
  EXPECT_EQ(spec["replicas"], 1);
  EXPECT_EQ(spec["revisionHistoryLimit"], 10);
  EXPECT_EQ(spec["progressDeadlineSeconds"], 600);
  EXPECT_EQ(spec["strategy"], Parse(R"({"type": "RollingUpdate", "rollingUpdate":
                                       {"maxUnavailable": "25%", "maxSurge": "25%"}})"));
  EXPECT_EQ(spec["template"]["spec"]["restartPolicy"], "Always");
  EXPECT_EQ(spec["template"]["spec"]["securityContext"], Json::object());
}

TEST(WorkloadKindsTest, DefaultsDoNotTouchWhatIsThereAndAreDoneOnce) {
  Json object = Made(DeploymentKind(), Workload(R"("replicas": 0,
      "strategy": {"rollingUpdate": {"maxSurge": 2}})"));
  EXPECT_EQ(object["spec"]["replicas"], 0);
  EXPECT_EQ(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], 2);
  EXPECT_EQ(object["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], "25%");
  const Json once = object;
  DeploymentKind().set_defaults(object);
  EXPECT_EQ(object, once);
}

TEST(WorkloadKindsTest, DeploymentIsRefusedForWhatItCannotMean) {
  const struct {
    std::string manifest;
    std::vector<std::string> findings;
  } cases[] = {
      {Workload(), {}},
      {Workload(R"("replicas": -1)"),
       {"spec.replicas: Invalid value: -1: must be greater than or equal to 0"}},
      {Workload(R"("strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})"),
       {"spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
        "'Recreate'"}},
      {Workload(R"("strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}})"),
       {"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when "
        "`maxSurge` is 0"}},
      {Workload(R"("strategy": {"rollingUpdate": {"maxUnavailable": "101%"}})"),
       {"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater "
        "than 100%"}},
      {Workload(R"("strategy": {"rollingUpdate": {"maxSurge": "some"}})"),
       {"spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": a valid percent string "
        "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
        "validation is '[0-9]+%')"}},
      {Workload(R"("progressDeadlineSeconds": 10, "minReadySeconds": 10)"),
       {"spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds"}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Refusals(DeploymentKind(), c.manifest), c.findings) << c.manifest;
  }
}

TEST(WorkloadKindsTest, SelectorMustBeThereAndMatchTheTemplate) {
  const std::string without = Concat(R"({"spec": {)", kTemplate, "}}");
  EXPECT_THAT(
      Refusals(ReplicaSetKind(), without),
      ElementsAre(
          "spec.selector: Required value",
          "spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"web\"}: "
          "`selector` does not match template `labels`"));
  const std::string other =
      Concat(R"({"spec": {"selector": {"matchLabels": {"app": "db"}}, )", kTemplate, "}}");
  for (const Kind* kind :
       {&DeploymentKind(), &ReplicaSetKind(), &StatefulSetKind(), &DaemonSetKind()}) {
    EXPECT_THAT(
        Refusals(*kind, other),
        ElementsAre(
            "spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"web\"}: "
            "`selector` does not match template `labels`"))
        << kind->kind;
  }
  const std::string empty = Concat(R"({"spec": {"selector": {}, )", kTemplate, "}}");
  EXPECT_THAT(
      Refusals(StatefulSetKind(), empty),
      ElementsAre("spec.selector: Invalid value: {}: empty selector is invalid for statefulset"));
}

TEST(WorkloadKindsTest, SelectorNeverChanges) {
  for (const Kind* kind : {&DeploymentKind(), &ReplicaSetKind(), &DaemonSetKind()}) {
    const Json old = Made(*kind, Workload());
    EXPECT_THAT(ChangeRefusals(*kind, old, R"({"spec": {"minReadySeconds": 3}})"), IsEmpty());
    EXPECT_THAT(ChangeRefusals(*kind, old, R"({"spec": {
                    "selector": {"matchLabels": {"app": "b"}},
                    "template": {"metadata": {"labels": {"app": "b"}}}}})"),
                ElementsAre("spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: "
                            "field is immutable"))
        << kind->kind;
  }
}

TEST(WorkloadKindsTest, TemplatesOfControllersRunForever) {
  const std::string once = R"({"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
      "metadata": {"labels": {"app": "web"}},
      "spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 5,
               "containers": [{"name": "c", "image": "i"}]}}}})";
  EXPECT_THAT(Refusals(DeploymentKind(), once),
              ElementsAre("spec.template.spec.restartPolicy: Unsupported value: \"Never\": "
                          "supported values: \"Always\"",
                          "spec.template.spec.activeDeadlineSeconds: Forbidden: "
                          "activeDeadlineSeconds in ReplicaSet is not Supported"));
}

TEST(WorkloadKindsTest, CountsOfAStatusGoTogether) {
  const Json object = Made(DeploymentKind(), Workload());
  EXPECT_THAT(StatusRefusals(DeploymentKind(), object, R"({"collisionCount": 2})",
                             R"({"replicas": 1, "readyReplicas": 2, "availableReplicas": 3,
                                 "collisionCount": 1})"),
              ElementsAre("status.readyReplicas: Invalid value: 2: cannot be greater than "
                          "status.replicas",
                          "status.availableReplicas: Invalid value: 3: cannot be greater than "
                          "status.replicas",
                          "status.availableReplicas: Invalid value: 3: cannot be greater than "
                          "readyReplicas",
                          "status.collisionCount: Invalid value: 1: cannot be decremented"));
}

TEST(WorkloadKindsTest, StatefulSetIsFilledIn) {
  const Json spec = Made(StatefulSetKind(), Workload(R"("serviceName": "db",
      "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}},
      "volumeClaimTemplates": [{"metadata": {"name": "data"},
                                "spec": {"accessModes": ["ReadWriteOnce"]}}])"))["spec"];
  EXPECT_EQ(spec["podManagementPolicy"], "OrderedReady");
  EXPECT_EQ(spec["updateStrategy"],
            Parse(R"({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})"));
  EXPECT_EQ(spec["persistentVolumeClaimRetentionPolicy"],
            Parse(R"({"whenDeleted": "Retain", "whenScaled": "Retain"})"));
  EXPECT_EQ(spec["volumeClaimTemplates"][0],
            Parse(R"({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                      "metadata": {"name": "data"}, "status": {"phase": "Pending"},
                      "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"}})"));
}

TEST(WorkloadKindsTest, FewFieldsOfAStatefulSetChange) {
  const Json old = Made(StatefulSetKind(), Workload(R"("serviceName": "db")"));
  EXPECT_THAT(ChangeRefusals(StatefulSetKind(), old, R"({"spec": {"replicas": 3,
                  "ordinals": {"start": 1}, "minReadySeconds": 1, "revisionHistoryLimit": 2}})"),
              IsEmpty());
  EXPECT_THAT(
      ChangeRefusals(StatefulSetKind(), old, R"({"spec": {"serviceName": "other"}})"),
      ElementsAre("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
                  "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                  "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
}

TEST(WorkloadKindsTest, DaemonSetCountsChangesOfItsTemplate) {
  constexpr const char* kKey = "deprecated.daemonset.template.generation";
  const Json old = Made(DaemonSetKind(), Workload());
  EXPECT_EQ(old["spec"]["updateStrategy"]["rollingUpdate"],
            Parse(R"({"maxUnavailable": 1, "maxSurge": 0})"));
  EXPECT_EQ(AnnotationsOf(old).value(kKey, ""), "1");
  Json object = old;
  object["metadata"].erase("annotations");
  DaemonSetKind().prepare_update(object, old);
  EXPECT_EQ(AnnotationsOf(object).value(kKey, ""), "1");
  object["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2";
  DaemonSetKind().prepare_update(object, old);
  EXPECT_EQ(AnnotationsOf(object).value(kKey, ""), "2");
}

TEST(WorkloadKindsTest, DaemonSetSurgesOrLeavesNodesButNotBoth) {
  EXPECT_THAT(
      Refusals(DaemonSetKind(), Workload(R"("updateStrategy": {"rollingUpdate": {
                                              "maxSurge": 1}})")),
      ElementsAre("spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set "
                  "when maxUnavailable is non-zero"));
  EXPECT_THAT(
      Refusals(DaemonSetKind(), Workload(R"("updateStrategy": {"rollingUpdate": {
                                              "maxUnavailable": 0}})")),
      ElementsAre("spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 "
                  "when maxSurge is 0"));
  EXPECT_THAT(Refusals(DaemonSetKind(), Workload(R"("updateStrategy": {"type": "OnDelete"})")),
              IsEmpty());
}

TEST(WorkloadKindsTest, ControllerRevisionKeepsItsData) {
  EXPECT_THAT(Refusals(ControllerRevisionKind(), R"({"revision": -1})"),
              ElementsAre("revision: Invalid value: -1: must be greater than or equal to 0",
                          "data: Required value: data is mandatory"));
  const Json old = Made(ControllerRevisionKind(), R"({"revision": 1, "data": {"spec": 1},
      "metadata": {"creationTimestamp": "2026-01-02T11:00:00Z", "ownerReferences": [
          {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": true}]}})");
  EXPECT_THAT(ChangeRefusals(ControllerRevisionKind(), old, R"({"revision": 2})"), IsEmpty());
  EXPECT_THAT(ChangeRefusals(ControllerRevisionKind(), old, R"({"data": {"spec": 2}})"),
              ElementsAre("data: Invalid value: {\"spec\":2}: field is immutable"));
  EXPECT_EQ(RowOf(ControllerRevisionKind(), old),
            "Name=x Controller=statefulset.apps/web Revision=1 Age=60m");
}

TEST(WorkloadKindsTest, TablesOfControllers) {
  Json object = Made(DeploymentKind(), Workload(R"("replicas": 3)"));
  object["status"] = Parse(R"({"replicas": 4, "readyReplicas": 2, "updatedReplicas": 1,
                               "availableReplicas": 2})");
  EXPECT_EQ(RowOf(DeploymentKind(), object),
            "Name=web Ready=2/3 Up-to-date=1 Available=2 Age=5m [Containers=c] [Images=nginx:1] "
            "[Selector=app=web]");
  EXPECT_EQ(RowOf(ReplicaSetKind(), object),
            "Name=web Desired=3 Current=4 Ready=2 Age=5m [Containers=c] [Images=nginx:1] "
            "[Selector=app=web]");
  EXPECT_EQ(RowOf(StatefulSetKind(), object),
            "Name=web Ready=2/3 Age=5m [Containers=c] [Images=nginx:1]");
  object["status"] = Parse(R"({"desiredNumberScheduled": 5, "currentNumberScheduled": 4,
      "numberReady": 3, "updatedNumberScheduled": 2, "numberAvailable": 1})");
  EXPECT_EQ(RowOf(DaemonSetKind(), object),
            "Name=web Desired=5 Current=4 Ready=3 Up-to-date=2 Available=1 Node Selector=<none> "
            "Age=5m [Containers=c] [Images=nginx:1] [Selector=app=web]");
}

TEST(WorkloadKindsTest, JobIsFilledInAndSelectsItsPodsByItsUid) {
  const Json job = Made(JobKind(), JobManifest());
  const Json& spec = job["spec"];
  EXPECT_EQ(spec["completions"], 1);
  EXPECT_EQ(spec["parallelism"], 1);
  EXPECT_EQ(spec["backoffLimit"], 6);
  EXPECT_EQ(spec["completionMode"], "NonIndexed");
  EXPECT_EQ(spec["suspend"], false);
  EXPECT_EQ(spec["manualSelector"], false);
  EXPECT_EQ(spec["podReplacementPolicy"], "TerminatingOrFailed");
  EXPECT_EQ(spec["selector"],
            Parse(R"({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}})"));
  EXPECT_EQ(spec["template"]["metadata"]["labels"], Parse(R"({
      "batch.kubernetes.io/controller-uid": "u-1", "controller-uid": "u-1",
      "batch.kubernetes.io/job-name": "j", "job-name": "j"})"));
  EXPECT_EQ(Made(JobKind(), JobManifest(R"("parallelism": 3)"))["spec"].count("completions"), 0u);
  EXPECT_EQ(Made(JobKind(), JobManifest(R"("completionMode": "Indexed", "completions": 2,
                "backoffLimitPerIndex": 1)"))["spec"]["backoffLimit"],
            2147483647);
}

TEST(WorkloadKindsTest, JobIsRefusedForWhatItCannotMean) {
  const struct {
    std::string manifest;
    std::vector<std::string> findings;
  } cases[] = {
      {JobManifest(), {}},
      {JobManifest("", "Always"),
       {"spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
        "\"Never\""}},
      {JobManifest(R"("completionMode": "Indexed", "parallelism": 1)"),
       {"spec.completions: Required value: when completion mode is Indexed"}},
      {JobManifest(R"("backoffLimitPerIndex": 1)"),
       {"spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"}},
      {JobManifest(R"("completionMode": "Indexed", "completions": 3, "maxFailedIndexes": 4)"),
       {"spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"}},
      {JobManifest(R"("podFailurePolicy": {"rules": [{"action": "Retry",
                       "onExitCodes": {"operator": "In", "values": [3, 0]}}]})"),
       {"spec.podFailurePolicy.rules[0].action: Unsupported value: \"Retry\": supported values: "
        "\"Count\", \"FailIndex\", \"FailJob\", \"Ignore\"",
        "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 "
        "for the In operator",
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0]: must be "
        "ordered"}},
      {JobManifest(R"("podFailurePolicy": {"rules": [{"action": "FailJob"}]})", "OnFailure"),
       {"spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and "
        "OnPodConditions is required",
        "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is "
        "supported when podFailurePolicy is specified"}},
      {JobManifest(R"("completionMode": "Indexed", "completions": 4, "successPolicy": {"rules": [
                       {"succeededIndexes": "0-1,9", "succeededCount": 5}]})"),
       {"spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-1,9\": error parsing "
        "succeededIndexes: too large index: \"9\"",
        "spec.successPolicy.rules[0].succeededCount: Invalid value: 5: must be less than or equal "
        "to 4 (the number of specified completions)",
        "spec.successPolicy.rules[0].succeededCount: Invalid value: 5: must be less than or equal "
        "to 0 (the number of indexes in the specified succeededIndexes field)"}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Refusals(JobKind(), c.manifest), c.findings) << c.manifest;
  }
}

TEST(WorkloadKindsTest, AJobsTemplateChangesOnlyWhileItWaits) {
  const Json running = Made(JobKind(), JobManifest());
  constexpr std::string_view kElsewhere =
      R"({"spec": {"template": {"spec": {"nodeSelector": {"zone": "b"}}}}})";
  const std::vector<std::string> findings = ChangeRefusals(JobKind(), running, kElsewhere);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0], ::testing::StartsWith("spec.template: Invalid value: "));
  EXPECT_THAT(findings[0], ::testing::EndsWith(": field is immutable"));
  const Json waiting = Made(JobKind(), JobManifest(R"("suspend": true)"));
  EXPECT_THAT(ChangeRefusals(JobKind(), waiting, kElsewhere), IsEmpty());
  EXPECT_THAT(ChangeRefusals(JobKind(), running, R"({"spec": {"completions": 2}})"),
              ElementsAre("spec.completions: Invalid value: 2: field is immutable"));
  EXPECT_THAT(ChangeRefusals(JobKind(), running, R"({"spec": {"parallelism": 2}})"), IsEmpty());
  const Json indexed =
      Made(JobKind(), JobManifest(R"("completionMode": "Indexed", "completions": 2)"));
  EXPECT_THAT(ChangeRefusals(JobKind(), indexed, R"({"spec": {"completions": 3}})"),
              ElementsAre("spec.completions: Invalid value: 3: can only be modified in tandem "
                          "with spec.parallelism"));
  EXPECT_THAT(
      ChangeRefusals(JobKind(), indexed, R"({"spec": {"completions": 3, "parallelism": 3}})"),
      IsEmpty());
}

TEST(WorkloadKindsTest, AJobEndsOnce) {
  const Json job = Made(JobKind(), JobManifest());
  constexpr std::string_view kComplete = R"({"succeeded": 1, "startTime": "2026-01-02T11:00:00Z",
      "completionTime": "2026-01-02T11:05:00Z", "conditions": [
      {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]})";
  EXPECT_THAT(StatusRefusals(JobKind(), job, R"({"startTime": "2026-01-02T11:00:00Z"})", kComplete),
              IsEmpty());
  EXPECT_THAT(StatusRefusals(JobKind(), job, kComplete, kComplete), IsEmpty());
  EXPECT_THAT(
      StatusRefusals(JobKind(), job, kComplete,
                     R"({"succeeded": 0, "startTime": "2026-01-02T11:00:00Z"})"),
      ElementsAre(
          "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
          "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
          "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True "
          "condition"));
  EXPECT_THAT(
      StatusRefusals(JobKind(), job, "{}", R"({"active": 1, "ready": 2, "conditions": [
                         {"type": "Complete", "status": "True"},
                         {"type": "Failed", "status": "True"}]})"),
      ElementsAre(
          "status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions",
          "status.conditions: Invalid value: cannot set Failed=True condition without the "
          "FailureTarget=true condition",
          "status.conditions: Invalid value: cannot set Complete=True condition without the "
          "SuccessCriteriaMet=true condition",
          "status.completionTime: Required value: completionTime is required for Complete jobs",
          "status.active: Invalid value: 1: active>0 is invalid for finished job",
          "status.startTime: Required value: startTime is required for finished job",
          "status.ready: Invalid value: 2: cannot set more ready pods than active"));
}

TEST(WorkloadKindsTest, IndexesOfAJobAreAscendingAndEndOneWay) {
  const Json job = Made(JobKind(), JobManifest(R"("completionMode": "Indexed",
      "completions": 9, "backoffLimitPerIndex": 1)"));
  const auto findings = [&job](std::string_view completed, std::string_view failed) {
    return StatusRefusals(JobKind(), job, "{}",
                          Concat(R"({"completedIndexes": ")", completed, R"(", "failedIndexes": ")",
                                 failed, R"("})"));
  };
  EXPECT_THAT(findings("0-2,5", "3,6-8"), IsEmpty());
  EXPECT_THAT(findings("5,0-2", "3"),
              ElementsAre("status.completedIndexes: Invalid value: \"5,0-2\": error parsing "
                          "completedIndexes: non-increasing order, previous: 5, current: 0"));
  EXPECT_THAT(findings("0-4", "3"),
              ElementsAre("status.failedIndexes: Invalid value: \"3\": failedIndexes and "
                          "completedIndexes overlap at index: 3"));
  EXPECT_THAT(findings("1-2-3", "x"),
              ElementsAre("status.completedIndexes: Invalid value: \"1-2-3\": error parsing "
                          "completedIndexes: the fragment \"1-2-3\" violates the requirement that "
                          "an index interval can have at most two parts separated by '-'",
                          "status.failedIndexes: Invalid value: \"x\": error parsing "
                          "failedIndexes: cannot convert string to integer for index: \"x\""));
}

TEST(WorkloadKindsTest, TableOfJobs) {
  Json job = Made(JobKind(), JobManifest());
  Make(job, "metadata.creationTimestamp") = "2026-01-02T11:50:00Z";
  EXPECT_EQ(RowOf(JobKind(), job),
            "Name=j Status=Running Completions=0/1 Duration= Age=10m [Containers=c] "
            "[Images=busybox] [Selector=batch.kubernetes.io/controller-uid=u-1]");
  job["status"] = Parse(R"({"succeeded": 1, "startTime": "2026-01-02T11:50:00Z",
      "completionTime": "2026-01-02T11:51:30Z",
      "conditions": [{"type": "Complete", "status": "True"}]})");
  EXPECT_THAT(RowOf(JobKind(), job),
              ::testing::StartsWith("Name=j Status=Complete Completions=1/1 Duration=90s Age=10m"));
  job["spec"].erase("completions");
  job["spec"]["parallelism"] = 3;
  job["status"].erase("conditions");
  EXPECT_THAT(RowOf(JobKind(), job),
              ::testing::StartsWith("Name=j Status=Running Completions=1/1 of 3 "));
}

TEST(WorkloadKindsTest, CronJobIsFilledInCheckedAndPrinted) {
  Json object = Made(CronJobKind(), CronManifest("*/5 * * * *", R"("timeZone": "Etc/UTC")"));
  EXPECT_EQ(object["spec"]["concurrencyPolicy"], "Allow");
  EXPECT_EQ(object["spec"]["suspend"], false);
  EXPECT_EQ(object["spec"]["successfulJobsHistoryLimit"], 3);
  EXPECT_EQ(object["spec"]["failedJobsHistoryLimit"], 1);
  object["status"] = Parse(R"({"active": [{}, {}], "lastScheduleTime": "2026-01-02T11:59:00Z"})");
  EXPECT_EQ(RowOf(CronJobKind(), object),
            "Name=cj Schedule=*/5 * * * * Timezone=Etc/UTC Suspend=False Active=2 "
            "Last Schedule=60s Age=120m [Containers=c] [Images=busybox] [Selector=<none>]");
}

TEST(WorkloadKindsTest, CronJobIsRefusedForWhatItCannotMean) {
  const struct {
    std::string manifest;
    std::vector<std::string> findings;
  } cases[] = {
      {CronManifest("@hourly"), {}},
      {CronManifest(""), {"spec.schedule: Required value"}},
      {CronManifest("61 * * * *"),
       {"spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61"}},
      {CronManifest("TZ=UTC 0 * * * *"),
       {"spec.schedule: Invalid value: \"TZ=UTC 0 * * * *\": cannot use TZ or CRON_TZ in "
        "schedule, use timeZone field instead"}},
      {CronManifest("@daily", R"("timeZone": "")"),
       {"spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string"}},
      {CronManifest("@daily", R"("timeZone": "Local")"),
       {"spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as "
        "defined in https://www.iana.org/time-zones"}},
      {CronManifest("@daily", R"("timeZone": "../x")"),
       {"spec.timeZone: Invalid value: \"../x\": unknown time zone ../x"}},
      {CronManifest("@daily", R"("timeZone": "Foo/Bar")"),
       {"spec.timeZone: Invalid value: \"Foo/Bar\": unknown time zone Foo/Bar"}},
      {CronManifest("@daily", R"("concurrencyPolicy": "Never")"),
       {"spec.concurrencyPolicy: Unsupported value: \"Never\": supported values: \"Allow\", "
        "\"Forbid\", \"Replace\""}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Refusals(CronJobKind(), c.manifest), c.findings) << c.manifest;
  }
  Json named = Made(CronJobKind(), CronManifest("@daily"));
  named["metadata"]["name"] = std::string(53, 'a');
  EXPECT_THAT(Refusals(CronJobKind(), named.dump()),
              Contains(::testing::EndsWith("must be no more than 52 characters")));
}

}  // namespace
}  // namespace keelson::api
