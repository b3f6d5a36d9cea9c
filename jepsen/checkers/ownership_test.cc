#include "jepsen/checkers/ownership.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

Ownership Owns(int64_t token, Time granted, Time until) {
  return {.client = static_cast<int>(token), .token = token, .granted = granted, .until = until};
}

TEST(CheckOwnership, OneAfterTheOther) {
  EXPECT_TRUE(CheckOwnership({Owns(5, 0, 10), Owns(7, 10, 20), Owns(9, 25, kNever)}).holds());
}

TEST(CheckOwnership, NotTwoAtATimeEvenWithAnotherBetween) {
  EXPECT_TRUE(CheckOwnership({Owns(5, 0, 10), Owns(7, 9, 20)}).broken());
  EXPECT_TRUE(CheckOwnership({Owns(5, 0, 30), Owns(6, 5, 5), Owns(7, 29, 40)}).broken());
}

TEST(CheckOwnership, InTheOrderOfTheLine) {
  EXPECT_TRUE(CheckOwnership({Owns(7, 0, 10), Owns(5, 11, 20)}).broken());
  EXPECT_TRUE(CheckOwnership({Owns(7, 0, 10), Owns(7, 11, 20)}).broken());
}

TEST(CheckOwnership, WhoLearnsOfAGrantAfterItsLeaseOwnedNothing) {
  EXPECT_TRUE(CheckOwnership({Owns(7, 0, 10), Owns(5, 5, 4)}).holds());
}

TEST(CheckFenced, UpdatesFollowEachOther) {
  EXPECT_TRUE(CheckFenced({{.token = 3, .read = 0, .written = 1, .revision = 10},
                           {.token = 3, .read = 1, .written = 2, .revision = 11},
                           {.token = 8, .read = 2, .written = 3, .revision = 15}})
                  .holds());
}

TEST(CheckFenced, NoUpdateIsLostAndNoOldOwnerComesBack) {
  EXPECT_TRUE(CheckFenced({{.token = 3, .read = 0, .written = 1, .revision = 10},
                           {.token = 8, .read = 0, .written = 1, .revision = 15}})
                  .broken());
  EXPECT_TRUE(CheckFenced({{.token = 8, .read = 0, .written = 1, .revision = 10},
                           {.token = 3, .read = 1, .written = 2, .revision = 15}})
                  .broken());
}

TEST(CheckObservations, LeadersAreSeenInOrderAndOnlyLeaders) {
  EXPECT_TRUE(CheckObservations({{.tokens = {3, 3, 9}}, {.tokens = {9}}}, {3, 5, 9}).holds());
  EXPECT_TRUE(CheckObservations({{.tokens = {5, 3}}}, {3, 5}).broken());
  EXPECT_TRUE(CheckObservations({{.tokens = {4}}}, {3, 5}).broken());
}

}  // namespace
}  // namespace keelson::checkers
