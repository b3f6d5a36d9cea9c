#include "tests/differential/shrink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::differential {
namespace {

std::vector<Operation> Numbered(uint64_t count) {
  std::vector<Operation> operations;
  for (uint64_t i = 0; i < count; ++i) operations.push_back(Operation{.choice = i});
  return operations;
}

bool Has(const std::vector<Operation>& operations, uint64_t number) {
  return std::any_of(operations.begin(), operations.end(),
                     [number](const Operation& o) { return o.choice == number; });
}

TEST(ShrinkTest, WhatTheDifferenceNeedsStaysAndAllElseGoes) {
  for (const uint64_t other : {0, 1, 50, 98}) {
    const auto shows = [other](const std::vector<Operation>& operations) {
      return Has(operations, other) && Has(operations, 99);
    };
    const auto rest = Shrink(Numbered(100), shows, absl::Seconds(10));
    ASSERT_EQ(rest.size(), 2u);
    EXPECT_EQ(rest[0].choice, other);
    EXPECT_EQ(rest[1].choice, 99u);
  }
}

TEST(ShrinkTest, WithoutTimeNothingIsLeftOut) {
  const auto always = [](const std::vector<Operation>&) { return true; };
  EXPECT_EQ(Shrink(Numbered(7), always, absl::ZeroDuration()).size(), 7u);
}

}  // namespace
}  // namespace keelson::differential
