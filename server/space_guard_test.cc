#include "server/space_guard.h"

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

using Answer = SpaceGuard::Answer;

constexpr uint64_t kMiB = 1 << 20;

class SpaceGuardTest : public testing::Test {
 protected:
  explicit SpaceGuardTest(int64_t quota = 1000 * kMiB)
      : guard_({.quota_bytes = quota, .disk_reserve_bytes = 100 * kMiB}) {}

  // How long a command of `mib` has to wait; fails when it is refused.
  absl::Duration Wait(uint64_t mib) {
    const SpaceGuard::Verdict verdict = guard_.Ask(mib * kMiB, now_);
    EXPECT_EQ(verdict.answer, Answer::kTake);
    return verdict.wait;
  }
  Answer Ask(uint64_t mib) { return guard_.Ask(mib * kMiB, now_).answer; }

  SpaceGuard guard_;
  absl::Duration now_ = absl::Seconds(10);
};

class NoQuotaTest : public SpaceGuardTest {
 protected:
  NoQuotaTest() : SpaceGuardTest(-1) {}
};

TEST_F(SpaceGuardTest, BelowNineTenthsNobodyWaits) {
  guard_.OnMeasured(899 * kMiB);
  EXPECT_EQ(Wait(1), absl::ZeroDuration());
  EXPECT_FALSE(SpaceGuard({.quota_bytes = 10}).near_quota());
}

TEST_F(SpaceGuardTest, CloseToTheQuotaTheRoomLeftIsMadeToLastAMinute) {
  guard_.OnMeasured(940 * kMiB);
  // 60 MiB are left: one of them is a second's worth at most.
  EXPECT_EQ(Wait(1), absl::Seconds(1));
  guard_.OnMeasured(900 * kMiB);
  guard_.OnDone(kMiB);
  guard_.OnMeasured(900 * kMiB);
  now_ += absl::Seconds(5);
  const absl::Duration first = guard_.Ask(kMiB / 10, now_).wait;
  EXPECT_EQ(absl::Trunc(first + absl::Microseconds(1), absl::Milliseconds(1)),
            absl::Milliseconds(60));
  // The next one goes after it, not beside it.
  EXPECT_GT(guard_.Ask(kMiB / 10, now_).wait, first + absl::Milliseconds(59));
}

TEST_F(SpaceGuardTest, NobodyWaitsLongerThanASecond) {
  guard_.OnMeasured(990 * kMiB);
  for (int i = 0; i < 5; ++i) EXPECT_LE(Wait(1), absl::Seconds(1));
}

TEST_F(SpaceGuardTest, WhatWouldReachTheQuotaIsRefusedAndNotCounted) {
  guard_.OnMeasured(980 * kMiB);
  EXPECT_EQ(Ask(20), Answer::kOverQuota);
  EXPECT_EQ(Ask(21), Answer::kOverQuota);
  EXPECT_EQ(Ask(19), Answer::kTake);
}

TEST_F(SpaceGuardTest, WhatIsOnItsWayCountsUntilTheStoreIsMeasuredWithIt) {
  guard_.OnMeasured(0);
  EXPECT_EQ(Ask(600), Answer::kTake);
  EXPECT_EQ(Ask(400), Answer::kOverQuota);
  guard_.OnDone(600 * kMiB);
  EXPECT_EQ(Ask(400), Answer::kOverQuota);
  guard_.OnMeasured(100 * kMiB);  // it compressed well
  EXPECT_EQ(Ask(400), Answer::kTake);
}

TEST_F(SpaceGuardTest, RoomThatCameBackIsTakenAtOnce) {
  guard_.OnMeasured(2000 * kMiB);
  EXPECT_TRUE(guard_.over_quota());
  EXPECT_EQ(Ask(1), Answer::kOverQuota);
  guard_.OnMeasured(10 * kMiB);
  EXPECT_FALSE(guard_.over_quota());
  EXPECT_EQ(Wait(1), absl::ZeroDuration());
}

TEST_F(NoQuotaTest, NothingIsTooMuch) {
  guard_.OnMeasured(uint64_t{1} << 50);
  EXPECT_EQ(Wait(1), absl::ZeroDuration());
  EXPECT_FALSE(guard_.over_quota());
  EXPECT_FALSE(guard_.near_quota());
}

TEST_F(NoQuotaTest, TheDisksReserveIsNotTouched) {
  guard_.OnDiskFree(300 * kMiB, 0);
  EXPECT_EQ(Wait(1), absl::ZeroDuration());
  guard_.OnDiskFree(160 * kMiB, 0);  // 60 above the reserve
  EXPECT_EQ(Wait(1), absl::Seconds(1));
  guard_.OnDiskFree(99 * kMiB, 0);
  EXPECT_TRUE(guard_.out_of_disk());
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace);
  guard_.OnDiskFree(300 * kMiB, 0);
  EXPECT_EQ(Ask(1), Answer::kTake);
}

TEST_F(NoQuotaTest, WhatTheStoreHasYetToWriteIsNotFree) {
  guard_.OnDiskFree(300 * kMiB, 201 * kMiB);
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace);
  guard_.OnDiskFree(99 * kMiB, 300 * kMiB);
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace);
}

TEST_F(NoQuotaTest, WhatWasTakenSinceTheDiskWasLookedAtIsNotFreeEither) {
  guard_.OnDiskFree(300 * kMiB, 0);
  EXPECT_EQ(Ask(60), Answer::kTake);
  EXPECT_EQ(Ask(41), Answer::kTake) << "180 are left";
  EXPECT_TRUE(guard_.out_of_disk()) << "98 are left";
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace);
  guard_.OnDiskFree(300 * kMiB, 0);
  EXPECT_EQ(Ask(1), Answer::kTake);
}

TEST_F(NoQuotaTest, AFailureForWantOfSpaceCountsWhateverTheSystemSaysIsFree) {
  guard_.OnDiskFree(uint64_t{1} << 40, 0);
  guard_.OnDiskFull(true);
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace);
  guard_.OnDiskFull(false);
  EXPECT_EQ(Ask(1), Answer::kTake);
}

TEST_F(SpaceGuardTest, AFullDiskIsNoMatterOfTheQuota) {
  guard_.OnMeasured(2000 * kMiB);
  guard_.OnDiskFree(0, 0);
  EXPECT_EQ(Ask(1), Answer::kNoDiskSpace) << "no alarm for what passes by itself";
}

}  // namespace
}  // namespace keelson::server
