// What controllers decide without asking anybody: Jobs, CronJobs, DaemonSets, taints.
#include <nlohmann/json.hpp>

#include "apiserver/controllers/cron_job.h"
#include "apiserver/controllers/daemon_set.h"
#include "apiserver/controllers/job_decide.h"
#include "apiserver/controllers/node_rules.h"
#include "apiserver/controllers/stateful_set_sync.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;
using testing::ElementsAre;

TEST(JobIndexesTest, TextAndSetAreOneAnother) {
  EXPECT_EQ(FormatIndexes({0, 1, 2, 5, 7, 8}), "0-2,5,7,8");
  EXPECT_EQ(FormatIndexes({}), "");
  EXPECT_EQ(ParseIndexes("0-2,5,7,8", 100), (std::set<int64_t>{0, 1, 2, 5, 7, 8}));
  EXPECT_EQ(ParseIndexes("0-2,5,7,8", 6), (std::set<int64_t>{0, 1, 2, 5}));
  EXPECT_TRUE(ParseIndexes("x,-,3-x,9223372036854775807-9223372036854775807", 5).empty());
  EXPECT_EQ(ParseIndexes("0-9223372036854775807", 3).size(), 3u);
}

TEST(JobRetryTest, PauseDoublesFromTenSecondsToTenMinutes) {
  EXPECT_EQ(RetryPause(0), absl::ZeroDuration());
  EXPECT_EQ(RetryPause(1), absl::Seconds(10));
  EXPECT_EQ(RetryPause(3), absl::Seconds(40));
  EXPECT_EQ(RetryPause(1000), absl::Minutes(10));
}

TEST(JobWantedTest, NoMorePodsThanAreStillToSucceed) {
  const Json fixed = {{"spec", {{"parallelism", 3}, {"completions", 5}}}};
  EXPECT_EQ(WantedActive(fixed, 0, 0), 3);
  EXPECT_EQ(WantedActive(fixed, 3, 4), 1);
  EXPECT_EQ(WantedActive(fixed, 1, 5), 0);
  EXPECT_EQ(WantedActive(fixed, 1, 9), 0);
  const Json queue = {{"spec", {{"parallelism", 3}}}};
  EXPECT_EQ(WantedActive(queue, 1, 0), 3);
  EXPECT_EQ(WantedActive(queue, 2, 1), 2);
}

class JobPolicyTest : public testing::Test {
 protected:
  static Json Pod(int exit_code) {
    return {{"metadata", {{"name", "p"}, {"namespace", "ns"}}},
            {"status",
             {{"phase", "Failed"},
              {"containerStatuses",
               Json::array(
                   {{{"name", "main"}, {"state", {{"terminated", {{"exitCode", exit_code}}}}}}})},
              {"conditions", Json::array({{{"type", "DisruptionTarget"}, {"status", "True"}}})}}}};
  }
  static Json Job(const Json& rules) {
    return {{"spec", {{"podFailurePolicy", {{"rules", rules}}}}}};
  }
};

TEST_F(JobPolicyTest, FirstRuleThatMatchesDecides) {
  const Json job = Job(
      Json::array({{{"action", "FailJob"},
                    {"onExitCodes", {{"operator", "In"}, {"values", Json::array({42, 43})}}}},
                   {{"action", "Count"},
                    {"onExitCodes", {{"operator", "NotIn"}, {"values", Json::array({1, 2, 42})}}}},
                   {{"action", "Ignore"},
                    {"onPodConditions", Json::array({{{"type", "DisruptionTarget"}}})}}}));
  const FailureMatch fatal = MatchFailurePolicy(job, Pod(42));
  EXPECT_EQ(fatal.action, FailureAction::kFailJob);
  EXPECT_EQ(
      fatal.message,
      "Container main for pod ns/p failed with exit code 42 matching FailJob rule at index 0");
  EXPECT_EQ(MatchFailurePolicy(job, Pod(7)).action, FailureAction::kCount);
  EXPECT_EQ(MatchFailurePolicy(job, Pod(1)).action, FailureAction::kIgnore);
  EXPECT_EQ(MatchFailurePolicy(Json::object(), Pod(1)).action, FailureAction::kCount);
}

TEST_F(JobPolicyTest, SuccessPolicyCountsTheIndexesOfItsRule) {
  const Json job = {
      {"spec",
       {{"completions", 10},
        {"successPolicy",
         {{"rules", Json::array({{{"succeededIndexes", "0,2-3"}, {"succeededCount", 2}}})}}}}}};
  EXPECT_FALSE(MatchSuccessPolicy(job, {0, 1, 4, 5}).has_value());
  EXPECT_EQ(MatchSuccessPolicy(job, {0, 3}), "Matched rules at index 0");
}

class LastDueTest : public testing::Test {
 protected:
  static absl::Time At(int day, int hour, int minute) {
    return absl::FromCivil(absl::CivilMinute(2026, 3, day, hour, minute), absl::UTCTimeZone());
  }
  std::optional<absl::Time> Last(const char* schedule, absl::Time since, absl::Time now) {
    return LastDue(*api::CronSchedule::Parse(schedule), since, now, &many_);
  }
  bool many_ = false;
};

TEST_F(LastDueTest, LatestOfTheMissedTimesIsDueAndManyAreTold) {
  EXPECT_EQ(Last("*/10 * * * *", At(1, 0, 0), At(1, 0, 9)), std::nullopt);
  EXPECT_EQ(Last("*/10 * * * *", At(1, 0, 0), At(1, 0, 10)), At(1, 0, 10));
  EXPECT_EQ(Last("*/10 * * * *", At(1, 0, 0), At(1, 2, 9)), At(1, 2, 0));
  EXPECT_FALSE(many_);
  EXPECT_EQ(Last("* * * * *", At(1, 0, 0), At(20, 5, 7)), At(20, 5, 7));
  EXPECT_TRUE(many_);
  EXPECT_EQ(Last("0 * * * *", At(1, 0, 0), At(20, 5, 59)), At(20, 5, 0));
  EXPECT_TRUE(many_);
}

TEST_F(LastDueTest, YearsOfMissedMinutesCostNoTime) {
  EXPECT_EQ(Last("* * * * *", absl::UnixEpoch(), At(1, 0, 5)), At(1, 0, 5));
}

class TaintsTest : public testing::Test {
 protected:
  const Json no_execute_ = {{"key", "k"}, {"value", "v"}, {"effect", "NoExecute"}};
};

TEST_F(TaintsTest, TolerationMatchesKeyValueAndEffectOrAll) {
  EXPECT_TRUE(Tolerates(Json::array({{{"operator", "Exists"}}}), no_execute_));
  EXPECT_TRUE(Tolerates(Json::array({{{"key", "k"}, {"operator", "Exists"}}}), no_execute_));
  EXPECT_TRUE(Tolerates(Json::array({{{"key", "k"}, {"value", "v"}}}), no_execute_));
  EXPECT_FALSE(Tolerates(Json::array({{{"key", "k"}, {"value", "w"}}}), no_execute_));
  EXPECT_FALSE(
      Tolerates(Json::array({{{"key", "k"}, {"operator", "Exists"}, {"effect", "NoSchedule"}}}),
                no_execute_));
  EXPECT_FALSE(Tolerates(Json::array(), no_execute_));
}

TEST_F(TaintsTest, PodStaysAsLongAsTheShortestOfItsTolerations) {
  const Json taints = Json::array({no_execute_, {{"key", "x"}, {"effect", "NoSchedule"}}});
  EXPECT_EQ(MayStay(Json::array(), taints), absl::ZeroDuration());
  EXPECT_EQ(MayStay(Json::array({{{"key", "k"}, {"operator", "Exists"}, {"tolerationSeconds", 300}},
                                 {{"operator", "Exists"}, {"tolerationSeconds", 60}}}),
                    taints),
            absl::Seconds(60));
  EXPECT_EQ(MayStay(Json::array({{{"operator", "Exists"}}}), taints), absl::InfiniteDuration());
  EXPECT_EQ(MayStay(Json::array(), Json::array({taints[1]})), absl::InfiniteDuration());
}

TEST(NodeSelectionTest, RequiredTermsAreAlternativesAndTheirConditionsAreNot) {
  const Json node = {{"metadata", {{"name", "n1"}, {"labels", {{"zone", "a"}, {"cpus", "8"}}}}}};
  const auto spec = [](const Json& terms) {
    return Json{
        {"affinity",
         {{"nodeAffinity",
           {{"requiredDuringSchedulingIgnoredDuringExecution", {{"nodeSelectorTerms", terms}}}}}}}};
  };
  const auto expression = [](const char* key, const char* op, const Json& values) {
    return Json{{"key", key}, {"operator", op}, {"values", values}};
  };
  const auto term = [](const Json& expressions) { return Json{{"matchExpressions", expressions}}; };
  const Json in_b = term(Json::array({expression("zone", "In", Json::array({"b"}))}));
  const Json large = term(Json::array({expression("cpus", "Gt", Json::array({"4"})),
                                       expression("gpu", "DoesNotExist", Json::array())}));
  EXPECT_TRUE(SelectsNode(Json::object(), node));
  EXPECT_FALSE(SelectsNode(spec(Json::array({in_b})), node));
  EXPECT_TRUE(SelectsNode(spec(Json::array({in_b, large})), node));
  EXPECT_FALSE(SelectsNode(spec(Json::array({Json::object()})), node));
  EXPECT_TRUE(SelectsNode({{"nodeSelector", {{"zone", "a"}}}}, node));
  EXPECT_FALSE(SelectsNode({{"nodeSelector", {{"zone", "b"}}}}, node));
}

TEST(DaemonFitTest, PodsStayWhereTheyMayNotBegin) {
  const auto node = [](const char* key, const char* effect) {
    return Json{{"metadata", {{"name", "n"}}},
                {"spec", {{"taints", Json::array({{{"key", key}, {"effect", effect}}})}}}};
  };
  const Json plain = {{"spec", Json::object()}};
  EXPECT_TRUE(FitOf(plain, node("node.kubernetes.io/not-ready", "NoExecute")).should_run);
  EXPECT_TRUE(FitOf(plain, node("node.kubernetes.io/unschedulable", "NoSchedule")).should_run);
  EXPECT_FALSE(FitOf(plain, node("mine", "NoSchedule")).should_run);
  EXPECT_TRUE(FitOf(plain, node("mine", "NoSchedule")).may_stay);
  EXPECT_FALSE(FitOf(plain, node("mine", "NoExecute")).may_stay);
}

TEST(OrdinalTest, OnlyNamesThatTheSetWouldGiveHaveOne) {
  EXPECT_EQ(OrdinalOf("web", "web-0"), 0);
  EXPECT_EQ(OrdinalOf("web", "web-12"), 12);
  EXPECT_EQ(OrdinalOf("web", "web-01"), -1);
  EXPECT_EQ(OrdinalOf("web", "web-"), -1);
  EXPECT_EQ(OrdinalOf("web", "web-x"), -1);
  EXPECT_EQ(OrdinalOf("web", "webs-1"), -1);
  EXPECT_EQ(OrdinalOf("web", "web-99999999999"), -1);
}

}  // namespace
}  // namespace keelson::controllers
