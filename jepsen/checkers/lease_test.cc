#include "jepsen/checkers/lease.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

// Granted at 10, for 100; watched for a long time.
LeaseHistory Granted(Time known_gone) {
  return {.id = 1,
          .ttl = 100,
          .renewals = {{.sent = 10, .answered = 12}},
          .known_gone = known_gone,
          .watched_until = 10000};
}

TEST(CheckLease, EndsSoonAfterItsTime) {
  EXPECT_TRUE(CheckLease(Granted(112), {.slack = 10}).holds());
  EXPECT_TRUE(CheckLease(Granted(122), {.slack = 10}).holds());
  EXPECT_TRUE(CheckLease(Granted(123), {.slack = 10}).broken());
  EXPECT_TRUE(CheckLease(Granted(kNever), {.slack = 10}).broken());
}

TEST(CheckLease, DoesNotEndBeforeItsTime) {
  EXPECT_TRUE(CheckLease(Granted(109), {.slack = 10}).broken());
  LeaseHistory renewed = Granted(150);
  renewed.renewals.push_back({.sent = 60, .answered = 61});
  EXPECT_TRUE(CheckLease(renewed, {.slack = 10}).broken());
  renewed.known_gone = 165;
  EXPECT_TRUE(CheckLease(renewed, {.slack = 10}).holds());
}

TEST(CheckLease, ARevocationMayEndItAtAnyTimeAfterItsCall) {
  LeaseHistory revoked = Granted(50);
  revoked.revoke_called = 40;
  EXPECT_TRUE(CheckLease(revoked, {}).holds());
  revoked.revoke_called = 60;
  EXPECT_TRUE(CheckLease(revoked, {}).broken());
}

TEST(CheckLease, IsNotRenewedAfterItsEnd) {
  LeaseHistory history = Granted(112);
  history.renewals.push_back({.sent = 120, .answered = 121});
  EXPECT_TRUE(CheckLease(history, {.slack = 1000}).broken());
}

TEST(CheckLease, HasUntilTheClusterIsHealedAndAsFarAsClocksDrift) {
  EXPECT_TRUE(CheckLease(Granted(500), {.healed = 400, .slack = 10}).holds());
  EXPECT_TRUE(CheckLease(Granted(511), {.healed = 400, .slack = 10}).broken());
  EXPECT_TRUE(CheckLease(Granted(101), {.drift = 0.1, .slack = 10}).holds());
  EXPECT_TRUE(CheckLease(Granted(99), {.drift = 0.1, .slack = 10}).broken());
}

TEST(CheckLease, WhoWasNotWatchedToItsEndIsNotConvicted) {
  LeaseHistory history = Granted(kNever);
  history.watched_until = 115;
  EXPECT_TRUE(CheckLease(history, {.slack = 10}).holds());
}

}  // namespace
}  // namespace keelson::checkers
