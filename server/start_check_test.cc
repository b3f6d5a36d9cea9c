#include "server/start_check.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using Hashes = std::vector<std::optional<uint64_t>>;

// Of member 1, whose hash comes first.
StartVerdict Judge(const Hashes& hashes, bool is_last = false) {
  std::map<NodeId, std::optional<uint64_t>> by_member;
  for (size_t i = 0; i < hashes.size(); ++i) by_member[NodeId(i + 1)] = hashes[i];
  return JudgeStart(NodeId(1), by_member, is_last);
}

TEST(JudgeStartTest, TheMajorityIsRight) {
  EXPECT_EQ(Judge({7, 7, std::nullopt}), StartVerdict::kAgrees);
  EXPECT_EQ(Judge({7, 7, 8}), StartVerdict::kAgrees);
  EXPECT_EQ(Judge({7, 8, 8}), StartVerdict::kDiffers);
  EXPECT_EQ(Judge({7, 8, 8, 8, std::nullopt}), StartVerdict::kDiffers);
  EXPECT_EQ(Judge({7}), StartVerdict::kAgrees);
}

TEST(JudgeStartTest, AsLongAsOthersMaySayMoreNothingIsDecidedWithoutAMajority) {
  EXPECT_EQ(Judge({7, 8, std::nullopt}), StartVerdict::kUnknown);
  EXPECT_EQ(Judge({7, std::nullopt, std::nullopt}), StartVerdict::kUnknown);
  EXPECT_EQ(Judge({7, 8}), StartVerdict::kUnknown);
}

TEST(JudgeStartTest, InTheEndAnyContradictionCountsAndSilenceDoesNot) {
  EXPECT_EQ(Judge({7, 8, std::nullopt}, true), StartVerdict::kDiffers);
  EXPECT_EQ(Judge({7, 8}, true), StartVerdict::kDiffers);
  EXPECT_EQ(Judge({7, 8, 9}, true), StartVerdict::kDiffers);
  EXPECT_EQ(Judge({7, std::nullopt, std::nullopt}, true), StartVerdict::kUnknown);
  EXPECT_EQ(Judge({7, 7, std::nullopt, std::nullopt}, true), StartVerdict::kUnknown);
}

TEST(JudgeStartTest, AStateWithoutAHashIsNotJudged) {
  EXPECT_EQ(Judge({std::nullopt, 8, 8}), StartVerdict::kAgrees);
}

class StartCheckTest : public testing::Test {
 protected:
  StartCheckTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    leader_ = cluster_.AwaitLeader();
    cluster_.CheckDivergenceAtStart();
    restarted_ = leader_ % 3 + 1;
    third_ = 6 - leader_ - restarted_;
  }

  void Put(int n) {
    auto outcome = std::make_shared<std::string>();
    etcdserverpb::PutRequest request;
    request.set_key("k");
    cluster_.core(n).Submit(
        proto::Command::kPutFieldNumber, request.SerializeAsString(),
        [outcome](const Answer& answer) { *outcome = answer.status.ToString(); });
    ASSERT_TRUE(cluster_.RunUntil([&] { return *outcome == "OK"; })) << *outcome;
  }
  // All have applied it, and have it on disk.
  void PutEverywhere() {
    const Revision next = cluster_.store(leader_).revision() + 1;
    Put(leader_);
    for (int n = 1; n <= 3; ++n) {
      ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.store(n).revision() == next; }));
      ASSERT_TRUE(cluster_.store(n).Flush().ok());
    }
  }
  void Restart() {
    cluster_.Crash(restarted_);
    cluster_.Start(restarted_);
  }
  bool Serves(absl::Duration within) {
    return cluster_.RunUntil([&] { return cluster_.serving(restarted_); }, within);
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_};
  int leader_ = 0;
  int restarted_ = 0;
  int third_ = 0;
};

TEST_F(StartCheckTest, AMemberWithTheOthersStateTakesPartAsSoonAsOneOfThemSaysSo) {
  PutEverywhere();
  cluster_.Isolate(third_, Link::kLosing);
  Restart();
  EXPECT_FALSE(cluster_.serving(restarted_)) << "nobody was asked yet";
  EXPECT_TRUE(Serves(absl::Milliseconds(50)));
  Put(leader_);
}

TEST_F(StartCheckTest, AMemberWithAnotherStateEndsAndHasTakenPartInNothing) {
  cluster_.store(restarted_).CorruptNextPut();
  PutEverywhere();
  Restart();
  const Term term = cluster_.log(restarted_).state().term;
  const LogIndex last = cluster_.log(restarted_).LastIndex();
  EXPECT_TRUE(cluster_.RunUntil([&] { return !cluster_.fatal(restarted_).ok(); }));
  EXPECT_TRUE(absl::IsDataLoss(cluster_.fatal(restarted_)));
  Put(leader_);
  cluster_.Run(absl::Seconds(5));
  EXPECT_FALSE(cluster_.serving(restarted_));
  EXPECT_EQ(cluster_.log(restarted_).state().term, term);
  EXPECT_EQ(cluster_.log(restarted_).LastIndex(), last);
}

TEST_F(StartCheckTest, WhereItCannotBeToldWhoIsWrongTheMemberEnds) {
  cluster_.store(restarted_).CorruptNextPut();
  PutEverywhere();
  cluster_.Isolate(third_, Link::kDown);
  Restart();
  cluster_.Run(StartCheck::kTimeMax - absl::Milliseconds(200));
  EXPECT_TRUE(cluster_.fatal(restarted_).ok()) << "the third may still say who is right";
  EXPECT_FALSE(cluster_.serving(restarted_));
  cluster_.Run(absl::Milliseconds(400));
  EXPECT_TRUE(absl::IsDataLoss(cluster_.fatal(restarted_)));
}

TEST_F(StartCheckTest, AMemberThatNobodyAnswersTakesPartAfterAWhile) {
  PutEverywhere();
  for (const Link link : {Link::kDown, Link::kLosing}) {
    cluster_.Isolate(restarted_, link);
    Restart();
    EXPECT_FALSE(Serves(StartCheck::kTimeMax - absl::Milliseconds(10)));
    EXPECT_TRUE(Serves(absl::Milliseconds(20)));
  }
}

TEST_F(StartCheckTest, AMemberThatHasNothingYetHasNothingToCompare) {
  for (int n = 1; n <= 3; ++n) cluster_.Isolate(n, Link::kDown);
  Restart();  // nothing was flushed
  EXPECT_TRUE(cluster_.serving(restarted_));
}

TEST_F(StartCheckTest, AClusterStartsAsAWhole) {
  PutEverywhere();
  for (int n = 1; n <= 3; ++n) cluster_.Crash(n);
  for (int n = 1; n <= 3; ++n) cluster_.Start(n);
  leader_ = cluster_.AwaitLeader();
  ASSERT_NE(leader_, 0);
  Put(leader_);
}

TEST_F(StartCheckTest, AMemberIsStoppedInTheMiddleOfItsCheck) {
  PutEverywhere();
  cluster_.Isolate(restarted_, Link::kDown);
  Restart();
  cluster_.Run(absl::Seconds(1));
  cluster_.core(restarted_).Stop();
  cluster_.Run(absl::Seconds(5));
  EXPECT_FALSE(cluster_.serving(restarted_));
  EXPECT_TRUE(cluster_.fatal(restarted_).ok());
}

}  // namespace
}  // namespace keelson::server
