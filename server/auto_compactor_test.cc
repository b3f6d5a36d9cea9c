#include "server/auto_compactor.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/manual_executor.h"

namespace keelson::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AutoCompactorTest : public testing::Test {
 protected:
  void Start(const AutoCompaction& options) {
    compactor_ = std::make_unique<AutoCompactor>(
        options, AutoCompactor::Environment{
                     &executor_, &clock_, [this] { return leader_; }, [this] { return revision_; },
                     [this](int64_t revision, absl::AnyInvocable<void(bool)> done) {
                       asked_.push_back(revision);
                       if (holds_) {
                         held_ = std::move(done);
                       } else {
                         done(works_);
                       }
                     }});
    compactor_->Start();
  }
  void ByAge(absl::Duration age) {
    Start({.mode = AutoCompaction::Mode::kPeriodic, .retention = age});
  }
  // A revision comes into being a minute.
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      clock_.Advance(absl::Minutes(1));
      executor_.RunTimers();
      ++revision_;
    }
  }
  std::vector<int64_t> Asked() { return std::exchange(asked_, {}); }

  FakeClock clock_;
  ManualExecutor executor_{&clock_};
  int64_t revision_ = 1;
  bool leader_ = true;
  bool works_ = true;
  bool holds_ = false;
  absl::AnyInvocable<void(bool)> held_;
  std::vector<int64_t> asked_;
  std::unique_ptr<AutoCompactor> compactor_;
};

TEST_F(AutoCompactorTest, OffDoesNothing) {
  Start({});
  EXPECT_EQ(executor_.next_timer(), absl::InfiniteDuration());
}

TEST_F(AutoCompactorTest, WhatIsYoungerThanTheRetentionIsKept) {
  ByAge(absl::Minutes(10));
  Minutes(9);
  EXPECT_THAT(Asked(), IsEmpty());
  Minutes(1);
  EXPECT_THAT(Asked(), ElementsAre(1));
  Minutes(9);
  EXPECT_THAT(Asked(), IsEmpty());
  Minutes(1);
  EXPECT_THAT(Asked(), ElementsAre(10));  // the newest revision ten minutes ago
}

TEST_F(AutoCompactorTest, LongRetentionsAreKeptToEveryHour) {
  ByAge(absl::Hours(5));
  Minutes(299);
  EXPECT_THAT(Asked(), IsEmpty());
  Minutes(1);
  EXPECT_THAT(Asked(), ElementsAre(1));
  Minutes(60);
  EXPECT_THAT(Asked(), ElementsAre(60));
  Minutes(60);
  EXPECT_THAT(Asked(), ElementsAre(120));
}

TEST_F(AutoCompactorTest, AFailureIsTriedAgainAtTheNextSample) {
  ByAge(absl::Minutes(10));
  works_ = false;
  Minutes(12);
  EXPECT_THAT(Asked(), ElementsAre(1, 1, 2));
  works_ = true;
  Minutes(2);
  EXPECT_THAT(Asked(), ElementsAre(3));
}

TEST_F(AutoCompactorTest, OnlyALeaderCompactsAndANewOneKnowsTheAges) {
  ByAge(absl::Minutes(10));
  leader_ = false;
  Minutes(25);
  EXPECT_THAT(Asked(), IsEmpty());
  leader_ = true;
  Minutes(1);
  EXPECT_THAT(Asked(), ElementsAre(16));
}

TEST_F(AutoCompactorTest, AStoreThatDoesNotChangeIsNotCompactedAgain) {
  ByAge(absl::Minutes(10));
  Minutes(30);
  Asked();
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(absl::Minutes(1));
    executor_.RunTimers();
  }
  EXPECT_THAT(Asked(), ElementsAre(30, 31));
}

TEST_F(AutoCompactorTest, OneCompactionAtATime) {
  ByAge(absl::Minutes(10));
  holds_ = true;
  Minutes(30);
  EXPECT_THAT(Asked(), ElementsAre(1));
  held_(true);
  Minutes(10);
  EXPECT_THAT(Asked(), ElementsAre(30));
  compactor_.reset();
  held_(true);  // nobody waits any more
}

TEST_F(AutoCompactorTest, SoManyRevisionsAreKept) {
  Start({.mode = AutoCompaction::Mode::kRevision, .retention = {}, .revisions = 7});
  Minutes(5);
  EXPECT_THAT(Asked(), IsEmpty());
  Minutes(5);
  EXPECT_THAT(Asked(), ElementsAre(3));
  Minutes(4);
  EXPECT_THAT(Asked(), IsEmpty());
  Minutes(1);
  EXPECT_THAT(Asked(), ElementsAre(8));
  leader_ = false;
  Minutes(10);
  EXPECT_THAT(Asked(), IsEmpty());
}

}  // namespace
}  // namespace keelson::server
