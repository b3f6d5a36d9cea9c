#include "raft/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/random.h"

namespace keelson::raft {
namespace {

uint64_t Reached(std::vector<uint64_t> values) { return MajorityReached(values); }

VoteResult Vote(size_t voters, size_t granted, size_t rejected) {
  return MajorityVote({.voters = voters, .granted = granted, .rejected = rejected});
}

TEST(Quorum, AMajorityIsMoreThanHalf) {
  EXPECT_EQ(MajorityOf(1), 1u);
  EXPECT_EQ(MajorityOf(2), 2u);
  EXPECT_EQ(MajorityOf(3), 2u);
  EXPECT_EQ(MajorityOf(4), 3u);
  EXPECT_EQ(MajorityOf(5), 3u);
}

TEST(Quorum, ReachedIsWhatAMajorityHas) {
  EXPECT_EQ(Reached({12}), 12u);
  EXPECT_EQ(Reached({12, 5}), 5u);
  EXPECT_EQ(Reached({12, 5, 6}), 6u);
  EXPECT_EQ(Reached({12, 12, 0}), 12u);
  EXPECT_EQ(Reached({7, 8, 9, 10}), 8u);
  EXPECT_EQ(Reached({101, 104, 103, 103, 0}), 103u);
}

TEST(Quorum, NobodyToAskIsNoObstacle) {
  EXPECT_EQ(Reached({}), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Vote(0, 0, 0), VoteResult::kWon);
}

TEST(Quorum, AVoteIsOpenUntilAMajorityDecidesIt) {
  EXPECT_EQ(Vote(1, 0, 0), VoteResult::kPending);
  EXPECT_EQ(Vote(1, 1, 0), VoteResult::kWon);
  EXPECT_EQ(Vote(3, 1, 1), VoteResult::kPending);
  EXPECT_EQ(Vote(3, 2, 0), VoteResult::kWon);
  EXPECT_EQ(Vote(3, 1, 2), VoteResult::kLost);
  EXPECT_EQ(Vote(4, 2, 1), VoteResult::kPending);
  EXPECT_EQ(Vote(4, 2, 2), VoteResult::kLost);
  EXPECT_EQ(Vote(5, 3, 2), VoteResult::kWon);
}

// The definition, spelled out: the largest value such that more than half are not below it.
TEST(Quorum, ReachedAgreesWithItsDefinition) {
  SeededRandom random(1);
  for (int i = 0; i < 5000; ++i) {
    std::vector<uint64_t> values(1 + random.Below(9));
    for (uint64_t& value : values) value = random.Below(8);
    uint64_t expected = 0;
    for (uint64_t candidate : values) {
      const auto reached = std::count_if(values.begin(), values.end(),
                                         [&](uint64_t value) { return value >= candidate; });
      if (static_cast<size_t>(reached) * 2 > values.size()) {
        expected = std::max(expected, candidate);
      }
    }
    EXPECT_EQ(Reached(values), expected);
  }
}

}  // namespace
}  // namespace keelson::raft
