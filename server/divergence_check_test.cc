#include "server/divergence_check.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/alarm_key.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<NodeId> Divergent(std::vector<std::optional<uint64_t>> hashes) {
  std::map<NodeId, std::optional<uint64_t>> by_member;
  for (size_t i = 0; i < hashes.size(); ++i) by_member[NodeId(i + 1)] = hashes[i];
  return FindDivergent(by_member);
}

TEST(FindDivergentTest, TheMinorityIsAtFault) {
  EXPECT_THAT(Divergent({7, 7, 7}), IsEmpty());
  EXPECT_THAT(Divergent({7, 8, 7}), ElementsAre(NodeId(2)));
  EXPECT_THAT(Divergent({7, 8, 7, 9, 7}), ElementsAre(NodeId(2), NodeId(4)));
}

TEST(FindDivergentTest, WhoSaysNothingIsNotAtFault) {
  EXPECT_THAT(Divergent({7, std::nullopt, 7}), IsEmpty());
  EXPECT_THAT(Divergent({7, 8, 7, std::nullopt, 7}), ElementsAre(NodeId(2)));
}

TEST(FindDivergentTest, WithoutAMajorityItIsNobodyInParticularOnceAllHaveSpoken) {
  EXPECT_THAT(Divergent({7, 8}), ElementsAre(NodeId(0)));
  EXPECT_THAT(Divergent({7, 8, 9}), ElementsAre(NodeId(0)));
  EXPECT_THAT(Divergent({7, 8, std::nullopt}), IsEmpty());
}

class DivergenceTest : public testing::Test {
 protected:
  DivergenceTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    leader_ = cluster_.AwaitLeader();
  }

  std::string Put(int n, const std::string& value) {
    auto outcome = std::make_shared<std::string>();
    etcdserverpb::PutRequest request;
    request.set_key("k");
    request.set_value(value);
    cluster_.core(n).Submit(proto::Command::kPutFieldNumber, request.SerializeAsString(),
                            [outcome](const Answer& answer) {
                              *outcome =
                                  answer.status.ok() ? "ok" : std::string(answer.status.message());
                            });
    cluster_.RunUntil([&] { return !outcome->empty(); });
    return *outcome;
  }
  std::string Alarms(int n) {
    std::string text;
    ForEachAlarm(cluster_.store(n), [&](const AlarmKey& alarm) {
      text += std::to_string(alarm.member.value()) + ":" +
              etcdserverpb::AlarmType_Name(static_cast<etcdserverpb::AlarmType>(alarm.alarm)) + " ";
    });
    return text;
  }
  void ExpectAlarmOf(int bad) {
    const std::string wanted = std::to_string(bad) + ":CORRUPT ";
    for (int n = 1; n <= 3; ++n) {
      EXPECT_TRUE(cluster_.RunUntil([&] { return Alarms(n) == wanted; })) << n << " " << Alarms(n);
    }
    for (int n = 1; n <= 3; ++n) EXPECT_EQ(Put(n, "x"), "etcdserver: corrupt cluster");
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_};
  int leader_ = 0;
};

TEST_F(DivergenceTest, AFollowerWithOtherDataIsFoundAndNobodyWritesAnyMore) {
  const int bad = leader_ % 3 + 1;
  cluster_.store(bad).CorruptNextPut();
  EXPECT_EQ(Put(leader_, "v"), "ok");
  ExpectAlarmOf(bad);
}

TEST_F(DivergenceTest, ALeaderWithOtherDataIsFoundByItself) {
  cluster_.store(leader_).CorruptNextPut();
  EXPECT_EQ(Put(leader_, "v"), "ok");
  ExpectAlarmOf(leader_);
}

TEST_F(DivergenceTest, WhatDivergedLongAgoIsStillFound) {
  const int bad = leader_ % 3 + 1;
  cluster_.store(bad).CorruptNextPut();
  EXPECT_EQ(Put(leader_, "v"), "ok");
  // Overwritten at once: every key has the same value everywhere, the histories have not.
  EXPECT_EQ(Put(leader_, "w"), "ok");
  ExpectAlarmOf(bad);
}

// Members that crash apply entries again, lag and lead in turn; their hashes stay the same.
TEST_F(DivergenceTest, CrashesLagsAndLeadersRaiseNoAlarm) {
  for (int turn = 0; turn < 6; ++turn) {
    const int crashed = turn % 3 + 1;
    const int other = crashed % 3 + 1;
    cluster_.Isolate(crashed, Link::kLosing);
    cluster_.RunUntil([&] { return Put(other, std::to_string(turn)) == "ok"; });
    if (turn % 2 == 0) {
      ASSERT_TRUE(cluster_.store(other).Flush().ok());
    }
    cluster_.Crash(crashed);
    EXPECT_TRUE(cluster_.RunUntil([&] { return Put(other, "again") == "ok"; }));
    cluster_.Start(crashed);
    cluster_.Isolate(crashed, Link::kUp);
    cluster_.Run(absl::Seconds(12));
    for (int n = 1; n <= 3; ++n) ASSERT_EQ(Alarms(n), "") << "turn " << turn;
  }
  std::set<uint64_t> hashes;
  for (int n = 1; n <= 3; ++n) hashes.insert(cluster_.store(n).state_hash());
  EXPECT_EQ(hashes.size(), 1u);
}

}  // namespace
}  // namespace keelson::server
