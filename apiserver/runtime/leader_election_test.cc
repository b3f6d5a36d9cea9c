#include "apiserver/runtime/leader_election.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/synchronization/notification.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/runtime/testing/memory_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::runtime {
namespace {

const Resource kLeases{"coordination.k8s.io", "v1", "leases"};

class LeaderElectionTest : public testing::Test {
 protected:
  LeaderElectionOptions Candidate(const std::string& identity) {
    return {.name = "kube-scheduler",
            .identity = identity,
            .lease = absl::Seconds(15),
            .renew_deadline = absl::Milliseconds(50),
            .retry = absl::Milliseconds(2)};
  }
  std::string Holder() {
    const auto lease = api_.Get(kLeases, "kube-system", "kube-scheduler");
    return lease.ok() ? api::TextAt(*lease, "spec.holderIdentity") : "nobody";
  }
  int64_t Transitions() {
    return api::NumberAt(*api_.Get(kLeases, "kube-system", "kube-scheduler"),
                         "spec.leaseTransitions");
  }
  MemoryApi api_;
  RealClock clock_;
};

TEST_F(LeaderElectionTest, NextCandidateTakesOverAtOnceWhenTheLeaderGivesUp) {
  LeaderElection first(&api_, &clock_, Candidate("one"));
  LeaderElection second(&api_, &clock_, Candidate("two"));
  ASSERT_TRUE(first.Acquire());
  EXPECT_EQ(Holder(), "one");
  EXPECT_EQ(Transitions(), 0);
  std::thread candidate([&] { EXPECT_TRUE(second.Acquire()); });
  first.Stop();
  candidate.join();
  EXPECT_FALSE(first.leading());
  EXPECT_TRUE(second.leading());
  EXPECT_EQ(Holder(), "two");
  EXPECT_EQ(Transitions(), 1);
}

TEST_F(LeaderElectionTest, LeaseIsRenewedWhileItIsHeld) {
  LeaderElection election(&api_, &clock_, Candidate("one"));
  ASSERT_TRUE(election.Acquire());
  const auto renewed = [&] {
    return api::TextAt(*api_.Get(kLeases, "kube-system", "kube-scheduler"), "spec.renewTime");
  };
  const std::string first = renewed();
  EXPECT_TRUE(api_.Await([&] { return renewed() != first; }));
  EXPECT_EQ(Transitions(), 0);
}

TEST_F(LeaderElectionTest, LeaderThatCannotRenewStepsDown) {
  LeaderElection election(&api_, &clock_, Candidate("one"));
  absl::Notification lost;
  election.OnLost([&] { lost.Notify(); });
  ASSERT_TRUE(election.Acquire());
  api_.SetIntercept(
      [](std::string_view, const Resource&, const api::Json&) { return api::Unavailable("gone"); });
  EXPECT_TRUE(lost.WaitForNotificationWithTimeout(absl::Minutes(1)));
  EXPECT_FALSE(election.leading());
}

TEST_F(LeaderElectionTest, LeaseOfOneWhoIsGoneIsTakenWhenItsDurationHasPassed) {
  ASSERT_TRUE(api_.Create(kLeases, "kube-system",
                          {{"metadata", {{"name", "kube-scheduler"}}},
                           {"spec", {{"holderIdentity", "dead"}, {"leaseDurationSeconds", 1}}}})
                  .ok());
  LeaderElection election(&api_, &clock_, Candidate("one"));
  const absl::Duration began = clock_.Now();
  ASSERT_TRUE(election.Acquire());
  EXPECT_GE(clock_.Now() - began, absl::Seconds(1));
  EXPECT_EQ(Transitions(), 1);
}

TEST_F(LeaderElectionTest, StopEndsWaitingForALeaseThatAnotherHolds) {
  LeaderElection first(&api_, &clock_, Candidate("one"));
  ASSERT_TRUE(first.Acquire());
  LeaderElection second(&api_, &clock_, Candidate("two"));
  std::atomic<bool> asked = false;
  api_.SetIntercept([&](std::string_view, const Resource&, const api::Json&) {
    asked = true;
    return absl::OkStatus();
  });
  std::thread candidate([&] { EXPECT_FALSE(second.Acquire()); });
  EXPECT_TRUE(api_.Await([&] { return asked.load(); }));
  second.Stop();
  candidate.join();
  EXPECT_EQ(Holder(), "one");
}

TEST_F(LeaderElectionTest, WhoIsStoppedWhileHeTakesTheLeaseGivesItBackAndDoesNotLead) {
  LeaderElection election(&api_, &clock_, Candidate("one"));
  api_.SetIntercept([&](std::string_view verb, const Resource&, const api::Json&) {
    if (verb == "create") election.Stop();
    return absl::OkStatus();
  });
  EXPECT_FALSE(election.Acquire());
  EXPECT_FALSE(election.leading());
  EXPECT_EQ(Holder(), "");
}

}  // namespace
}  // namespace keelson::runtime
