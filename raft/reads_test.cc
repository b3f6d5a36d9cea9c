// ReadRounds and ForwardedReads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/forwarded_reads.h"
#include "raft/read_rounds.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr NodeId kSelf{1};

TEST(ReadRounds, WhatWaitsTogetherIsOneRound) {
  ReadRounds rounds;
  EXPECT_FALSE(rounds.CanBegin());
  rounds.AddOwn({kSelf, 10});
  rounds.AddOwn({kSelf, 11});
  EXPECT_EQ(rounds.Begin(LogIndex{5}), 1u);
  const std::vector<ReadRound> confirmed = rounds.TakeConfirmed(1);
  ASSERT_EQ(confirmed.size(), 1u);
  EXPECT_EQ(confirmed[0].index, LogIndex{5});
  EXPECT_EQ(confirmed[0].requests.size(), 2u);
  EXPECT_EQ(rounds.newest(), 0u);
}

TEST(ReadRounds, AnAnswerConfirmsAllRoundsBeforeIt) {
  ReadRounds rounds;
  rounds.AddOwn({kSelf, 10});
  rounds.Begin(LogIndex{5});
  rounds.AddOwn({kSelf, 11});
  rounds.Begin(LogIndex{6});
  EXPECT_EQ(rounds.newest(), 2u);
  EXPECT_THAT(rounds.TakeConfirmed(0), IsEmpty());
  EXPECT_EQ(rounds.TakeConfirmed(2).size(), 2u);
  EXPECT_THAT(rounds.TakeConfirmed(2), IsEmpty());
}

TEST(ReadRounds, FewRoundsAreUnderWay) {
  ReadRounds rounds;
  for (size_t i = 0; i < ReadRounds::kUnderWayMax; ++i) {
    rounds.AddOwn({kSelf, i});
    rounds.Begin(LogIndex{1});
  }
  rounds.AddOwn({kSelf, 99});
  EXPECT_FALSE(rounds.CanBegin());
  rounds.TakeConfirmed(1);
  EXPECT_TRUE(rounds.CanBegin());
}

TEST(ReadRounds, NumbersAreNotUsedAgainAfterAllWereDropped) {
  ReadRounds rounds;
  rounds.AddOwn({kSelf, 10});
  rounds.Begin(LogIndex{5});
  rounds.AddOwn({kSelf, 11});
  EXPECT_EQ(rounds.TakeAll().size(), 2u);
  rounds.AddOwn({kSelf, 12});
  EXPECT_EQ(rounds.Begin(LogIndex{5}), 2u);
}

TEST(ReadRounds, APeerCannotMakeItGrowWithoutBound) {
  ReadRounds rounds;
  size_t taken = 0;
  for (uint64_t i = 0; i < 100000; ++i) taken += rounds.AddOfPeer({NodeId{2}, i}) ? 1 : 0;
  EXPECT_EQ(taken, ReadRounds::kPeerRequestsMax);
}

TEST(ForwardedReads, OneBatchForAllThatWait) {
  ForwardedReads reads(70);
  reads.Add(1);
  reads.Add(2);
  EXPECT_EQ(reads.Begin(), 70u);
  EXPECT_THAT(reads.TakeAnswered(71), IsEmpty());
  EXPECT_THAT(reads.TakeAnswered(70), ElementsAre(1, 2));
  EXPECT_THAT(reads.TakeAnswered(70), IsEmpty());
}

TEST(ForwardedReads, OverdueBatchesAreAskedAgainUnderTheirNumber) {
  ForwardedReads reads(70);
  reads.Add(1);
  reads.Begin();
  EXPECT_THAT(reads.TickAndTakeOverdue(3), IsEmpty());
  reads.Add(2);
  reads.Begin();
  EXPECT_THAT(reads.TickAndTakeOverdue(3), IsEmpty());
  EXPECT_THAT(reads.TickAndTakeOverdue(3), ElementsAre(70));
  EXPECT_THAT(reads.TickAndTakeOverdue(3), ElementsAre(71));
}

TEST(ForwardedReads, ZeroIsNoNumber) {
  ForwardedReads reads(UINT64_MAX);
  reads.Add(1);
  EXPECT_EQ(reads.Begin(), UINT64_MAX);
  reads.Add(2);
  EXPECT_EQ(reads.Begin(), 1u);
}

TEST(ForwardedReads, AllAreReturnedWhenTheLeaderChanges) {
  ForwardedReads reads(70);
  reads.Add(1);
  reads.Begin();
  reads.Add(2);
  EXPECT_THAT(reads.TakeAll(), ElementsAre(1, 2));
  EXPECT_THAT(reads.TakeAnswered(70), IsEmpty());
  EXPECT_FALSE(reads.CanBegin());
}

}  // namespace
}  // namespace keelson::raft
