#include "apiserver/controllers/rollout.h"

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/write.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;
using testing::ElementsAre;

TEST(LeewayTest, SurgeIsRoundedUpAndUnavailabilityDown) {
  const Leeway leeway = LeewayOf({{"maxSurge", "25%"}, {"maxUnavailable", "25%"}}, 10);
  EXPECT_EQ(leeway.surge, 3);
  EXPECT_EQ(leeway.unavailable, 2);
}

TEST(LeewayTest, OneMayBeUnavailableWhereBothRoundToNothing) {
  const Leeway leeway = LeewayOf({{"maxSurge", "0%"}, {"maxUnavailable", "10%"}}, 5);
  EXPECT_EQ(leeway.surge, 0);
  EXPECT_EQ(leeway.unavailable, 1);
}

TEST(LeewayTest, NoMoreAreUnavailableThanThereAre) {
  EXPECT_EQ(LeewayOf({{"maxSurge", 1}, {"maxUnavailable", 7}}, 3).unavailable, 3);
}

TEST(NewSetSizeTest, GrowsIntoTheRoomThatSurgeLeaves) {
  EXPECT_EQ(NewSetSize(10, {.surge = 3}, 0, 10), 3);
  EXPECT_EQ(NewSetSize(10, {.surge = 3}, 3, 13), 3);
  EXPECT_EQ(NewSetSize(10, {.surge = 3}, 8, 9), 10);
  EXPECT_EQ(NewSetSize(5, {.surge = 3}, 9, 9), 5);
}

TEST(ShrinkOldSetsTest, UnhealthyOnesGoFirstAndTheOldestSetBeforeOthers) {
  // 10 wanted, 8 must be available; the new set has 5 of which 2 are available.
  EXPECT_THAT(ShrinkOldSets(10, {.surge = 2, .unavailable = 2}, {.replicas = 5, .available = 2},
                            {{.replicas = 3, .available = 1}, {.replicas = 5, .available = 5}}),
              ElementsAre(1, 5));
}

TEST(ShrinkOldSetsTest, NothingGoesWhileTheNewOnesAreNotAvailable) {
  EXPECT_THAT(ShrinkOldSets(10, {.surge = 3, .unavailable = 0}, {.replicas = 3, .available = 0},
                            {{.replicas = 10, .available = 10}}),
              ElementsAre(10));
}

TEST(ShrinkOldSetsTest, AvailableOnesGoDownToWhatMustStay) {
  EXPECT_THAT(ShrinkOldSets(10, {.surge = 3, .unavailable = 2}, {.replicas = 3, .available = 3},
                            {{.replicas = 4, .available = 4}, {.replicas = 6, .available = 6}}),
              ElementsAre(0, 5));
}

// Whatever the numbers: no step takes more than may be missing, and repeated steps come to the end.
TEST(ShrinkOldSetsTest, EveryRolloutComesToItsEndWithoutLeavingItsBounds) {
  for (int64_t wanted = 1; wanted <= 12; ++wanted) {
    for (int64_t surge = 0; surge <= 3; ++surge) {
      for (int64_t unavailable = surge == 0 ? 1 : 0; unavailable <= 3; ++unavailable) {
        const Leeway leeway{surge, std::min(unavailable, wanted)};
        SetSize fresh;
        SetSize old{.replicas = wanted, .available = wanted};
        int steps = 0;
        while (fresh.replicas < wanted || old.replicas > 0) {
          ASSERT_LT(++steps, 100) << wanted << " " << surge << " " << unavailable;
          fresh.replicas =
              NewSetSize(wanted, leeway, fresh.replicas, fresh.replicas + old.replicas);
          ASSERT_LE(fresh.replicas + old.replicas, wanted + surge);
          old.replicas = ShrinkOldSets(wanted, leeway, fresh, {old})[0];
          old.available = std::min(old.available, old.replicas);
          ASSERT_GE(fresh.available + old.available, wanted - leeway.unavailable);
          fresh.available = fresh.replicas;
        }
      }
    }
  }
}

TEST(ScaleInProportionTest, DifferenceIsSpreadByTheSizesThereWere) {
  // 10 replicas and 3 more in the middle of an update become 20 and 5.
  EXPECT_THAT(ScaleInProportion(20, {.surge = 5}, 13,
                                {{.replicas = 8, .max_before_scaling = 13},
                                 {.replicas = 5, .max_before_scaling = 13}}),
              ElementsAre(15, 10));
  EXPECT_THAT(ScaleInProportion(5, {.surge = 2}, 13,
                                {{.replicas = 8, .max_before_scaling = 13},
                                 {.replicas = 5, .max_before_scaling = 13}}),
              ElementsAre(4, 3));
}

TEST(ScaleInProportionTest, SumIsAlwaysWhatIsAllowed) {
  for (int64_t wanted = 0; wanted <= 40; ++wanted) {
    const std::vector<int64_t> sizes =
        ScaleInProportion(wanted, {.surge = 2}, 12,
                          {{.replicas = 6, .max_before_scaling = 12},
                           {.replicas = 4, .max_before_scaling = 12},
                           {.replicas = 2, .max_before_scaling = 12}});
    int64_t sum = 0;
    for (const int64_t size : sizes) {
      EXPECT_GE(size, 0) << wanted;
      sum += size;
    }
    EXPECT_EQ(sum, wanted == 0 ? 0 : wanted + 2);
  }
}

TEST(TemplateHashTest, NamesTheTemplateAndTheNumberOfCollisions) {
  const Json one = {{"spec", {{"containers", Json::array({{{"image", "a"}}})}}}};
  const Json other = {{"spec", {{"containers", Json::array({{{"image", "b"}}})}}}};
  EXPECT_EQ(TemplateHash(one, 0), TemplateHash(one, 0));
  EXPECT_NE(TemplateHash(one, 0), TemplateHash(other, 0));
  EXPECT_NE(TemplateHash(one, 0), TemplateHash(one, 1));
  EXPECT_EQ(TemplateHash(one, 0).find_first_not_of("bcdfghjklmnpqrstvwxz2456789"),
            std::string::npos);
}

class DeletionOrderTest : public testing::Test {
 protected:
  struct Traits {
    std::string node = "n";
    std::string phase = "Running";
    bool ready = true;
    std::string cost = "0";
    absl::Duration ready_for = absl::Hours(1);
    int restarts = 0;
    absl::Duration age = absl::Hours(2);
  };
  runtime::Object Pod(const std::string& name, const Traits& traits) {
    return std::make_shared<const Json>(Json{
        {"metadata",
         {{"name", name},
          {"uid", name},
          {"creationTimestamp", api::FormatTime(now_ - traits.age)},
          {"annotations", {{"controller.kubernetes.io/pod-deletion-cost", traits.cost}}}}},
        {"spec", {{"nodeName", traits.node}}},
        {"status",
         {{"phase", traits.phase},
          {"containerStatuses", Json::array({{{"restartCount", traits.restarts}}})},
          {"conditions",
           Json::array({{{"type", "Ready"},
                         {"status", traits.ready ? "True" : "False"},
                         {"lastTransitionTime", api::FormatTime(now_ - traits.ready_for)}}})}}}});
  }
  // Which of the two goes.
  std::string First(const Traits& a, const Traits& b) {
    const std::vector<runtime::Object> pods = {Pod("a", a), Pod("b", b)};
    return api::Json(*PickForDeletion(pods, 1, pods, now_)[0])["metadata"]["name"];
  }
  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(DeletionOrderTest, EachRuleDecidesWhereAllBeforeItAreEven) {
  EXPECT_EQ(First({}, {.node = "", .phase = "Pending", .ready = false}), "b");
  EXPECT_EQ(First({.phase = "Unknown", .ready = false}, {.phase = "Pending", .ready = false}), "b");
  EXPECT_EQ(First({.cost = "-5"}, {.ready = false, .cost = "5"}), "b");
  EXPECT_EQ(First({.cost = "1", .ready_for = absl::Seconds(1)}, {.cost = "-1"}), "b");
  EXPECT_EQ(First({.restarts = 9}, {.ready_for = absl::Minutes(1)}), "b");
  EXPECT_EQ(First({.age = absl::Hours(1)}, {.restarts = 3}), "b");
  EXPECT_EQ(First({.age = absl::Hours(50)}, {.age = absl::Hours(5)}), "b");
}

TEST_F(DeletionOrderTest, PodsThatShareANodeGoBeforeTheOneThatIsAlone) {
  const std::vector<runtime::Object> pods = {Pod("a", {.node = "x"}), Pod("b", {.node = "y"}),
                                             Pod("c", {.node = "y"})};
  const Json first = *PickForDeletion(pods, 1, pods, now_)[0];
  EXPECT_EQ(first["spec"]["nodeName"], "y");
}

TEST(MergePatchTest, PatchOfTwoObjectsMakesOneOfTheOther) {
  const Json from = {{"a", 1}, {"b", {{"x", 1}, {"y", 2}}}, {"c", {1, 2}}};
  const Json to = {{"b", {{"y", 3}, {"z", 4}}}, {"c", {2}}, {"d", "new"}};
  const Json patch = MergePatch(from, to);
  Json made = from;
  made.merge_patch(patch);
  EXPECT_EQ(made, to);
  EXPECT_TRUE(MergePatch(to, to).empty());
}

TEST(SameMeaningTest, EmptyIsAsGoodAsAbsent) {
  EXPECT_TRUE(SameMeaning({{"a", nullptr}, {"b", Json::object()}, {"c", 1}},
                          {{"c", 1}, {"d", Json::array()}}));
  EXPECT_FALSE(SameMeaning({{"a", 0}}, Json::object()));
  EXPECT_FALSE(SameMeaning({{"a", {1, 2}}}, {{"a", {2, 1}}}));
}

TEST(GrowingBatchesTest, FirstErrorEndsWhatWouldFailAgain) {
  std::atomic<int> calls = 0;
  const BatchResult result = InGrowingBatches(100, [&](int index) {
    ++calls;
    return index < 3 ? absl::OkStatus() : absl::UnavailableError("no");
  });
  EXPECT_EQ(result.done, 3);
  EXPECT_EQ(calls, 7);  // 1 + 2 + 4
  EXPECT_FALSE(result.error.ok());
  EXPECT_EQ(InGrowingBatches(100, [](int) { return absl::OkStatus(); }).done, 100);
}

TEST(BatchTest, WhatOneCallThrowsIsItsError) {
  const auto throws = [](int index) -> absl::Status {
    if (index == 5) throw std::runtime_error("odd object");
    return absl::OkStatus();
  };
  EXPECT_EQ(InGrowingBatches(100, throws).error, absl::InternalError("odd object"));
  EXPECT_EQ(Everywhere(10, throws), absl::InternalError("odd object"));
}

TEST(ScaledValueTest, PercentsAndNumbersAreTold) {
  EXPECT_EQ(ScaledValue(7, 100, true), 7);
  EXPECT_EQ(ScaledValue("30%", 10, false), 3);
  EXPECT_EQ(ScaledValue("31%", 10, true), 4);
  EXPECT_EQ(ScaledValue("31%", 10, false), 3);
  EXPECT_EQ(ScaledValue("nonsense", 10, true), 0);
}

}  // namespace
}  // namespace keelson::controllers
