#include "jepsen/checkers/collections.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

SetOperation Add(int64_t element, Time invoked, Time returned) {
  return {.add = true,
          .element = element,
          .outcome = returned == kNever ? Outcome::kUnknown : Outcome::kOk,
          .invoked = invoked,
          .returned = returned};
}
SetOperation Read(std::vector<int64_t> elements, Time invoked, Time returned) {
  return {.elements = std::move(elements), .invoked = invoked, .returned = returned};
}

TEST(CheckSet, WhatIsBeingAddedMayBeThereOrNot) {
  EXPECT_TRUE(
      CheckSet({Add(1, 0, 10), Read({}, 5, 6), Add(2, 0, kNever), Read({1}, 11, 12)}).holds());
}

TEST(CheckSet, AnAcknowledgedElementIsNotLost) {
  EXPECT_TRUE(CheckSet({Add(1, 0, 1), Read({}, 2, 3)}).broken());
}

TEST(CheckSet, AnElementOfUnknownOutcomeThatWasReadStays) {
  EXPECT_TRUE(CheckSet({Add(1, 0, kNever), Read({1}, 2, 3), Read({}, 4, 5)}).broken());
}

TEST(CheckSet, NothingComesFromNowhereTwiceTooEarlyOrAfterARefusal) {
  EXPECT_TRUE(CheckSet({Read({7}, 0, 1)}).broken());
  EXPECT_TRUE(CheckSet({Add(1, 0, 1), Read({1, 1}, 2, 3)}).broken());
  EXPECT_TRUE(CheckSet({Read({1}, 0, 1), Add(1, 2, 3)}).broken());
  SetOperation refused = Add(1, 0, 1);
  refused.outcome = Outcome::kRefused;
  EXPECT_TRUE(CheckSet({refused, Read({1}, 2, 3)}).broken());
}

TEST(CheckBank, MoneyOnlyMoves) {
  const std::vector<std::string> accounts = {"a", "b"};
  const auto check = [&](std::map<std::string, int64_t> balances) {
    return CheckBank({{.balances = std::move(balances)}}, accounts, 10);
  };
  EXPECT_TRUE(check({{"a", 3}, {"b", 7}}).holds());
  EXPECT_TRUE(check({{"a", 3}, {"b", 8}}).broken());
  EXPECT_TRUE(check({{"a", 11}, {"b", -1}}).broken());
  EXPECT_TRUE(check({{"a", 10}}).broken());
  EXPECT_TRUE(check({{"a", 3}, {"b", 7}, {"c", 0}}).broken());
}

}  // namespace
}  // namespace keelson::checkers
