// Members whose stores are said to be as large as the test wants: what is refused, what waits, and
// which alarm goes up.
#include "server/space_gate.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/alarm_key.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;

constexpr char kNoSpace[] = "etcdserver: mvcc: database space exceeded";
constexpr char kWaiting[] = "waiting";
constexpr uint64_t kQuota = 1 << 30;

class SpaceGateTest : public testing::Test {
 protected:
  SpaceGateTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    leader_ = cluster_.AwaitLeader();
    follower_ = leader_ % 3 + 1;
  }

  using Outcome = std::shared_ptr<std::string>;
  MemberCore::Done Into(const Outcome& outcome) {
    return [outcome](const Answer& answer) {
      EXPECT_EQ(*outcome, kWaiting) << "answered twice";
      *outcome = answer.status.ok() ? "ok" : std::string(answer.status.message());
    };
  }
  Outcome StartPut(int n, uint64_t cost = 300) {
    auto outcome = std::make_shared<std::string>(kWaiting);
    etcdserverpb::PutRequest request;
    request.set_key("k");
    cluster_.core(n).SubmitGrowth(Command::kPutFieldNumber, request.SerializeAsString(),
                                  Caller(), cost, Into(outcome));
    return outcome;
  }
  Outcome StartAlarm(int n, etcdserverpb::AlarmRequest::AlarmAction action, int member) {
    auto outcome = std::make_shared<std::string>(kWaiting);
    etcdserverpb::AlarmRequest request;
    request.set_action(action);
    request.set_memberid(static_cast<uint64_t>(member));
    request.set_alarm(etcdserverpb::NOSPACE);
    cluster_.core(n).Submit(Command::kAlarmFieldNumber, request.SerializeAsString(), Into(outcome));
    return outcome;
  }
  std::string Await(const Outcome& outcome) {
    cluster_.RunUntil([&] { return *outcome != kWaiting; });
    return *outcome;
  }
  std::string Put(int n, uint64_t cost = 300) { return Await(StartPut(n, cost)); }
  // "1:NOSPACE …" as member `n` knows them.
  std::string Alarms(int n) {
    std::string text;
    ForEachAlarm(cluster_.store(n), [&](const AlarmKey& alarm) {
      text += (text.empty() ? "" : " ") + std::to_string(alarm.member.value()) + ":" +
              etcdserverpb::AlarmType_Name(static_cast<etcdserverpb::AlarmType>(alarm.alarm));
    });
    return text;
  }
  void FillStore(int n, uint64_t bytes) {
    cluster_.store(n).SetSizeInUse(bytes);
    cluster_.Run(absl::Milliseconds(200));  // until it is measured
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_, {.quota_bytes = kQuota}};
  int leader_ = 0;
  int follower_ = 0;
};

TEST_F(SpaceGateTest, TheMemberThatIsFullRaisesTheAlarmAndAllRefuse) {
  FillStore(follower_, kQuota - 100);
  EXPECT_EQ(Put(follower_), kNoSpace);
  const std::string raised = std::to_string(follower_) + ":NOSPACE";
  EXPECT_EQ(Alarms(follower_), raised) << "the alarm is up when the client hears of it";
  EXPECT_EQ(Put(leader_), kNoSpace) << "a member with room refuses at apply";
  EXPECT_EQ(Alarms(leader_), raised);
}

TEST_F(SpaceGateTest, ManyRefusalsRaiseOneAlarm) {
  FillStore(leader_, kQuota);
  const LogIndex before = cluster_.core(leader_).node().commit();
  std::vector<Outcome> puts;
  for (int i = 0; i < 10; ++i) puts.push_back(StartPut(leader_));
  for (const Outcome& put : puts) EXPECT_EQ(Await(put), kNoSpace);
  EXPECT_EQ(Put(leader_), kNoSpace);
  EXPECT_EQ(cluster_.core(leader_).node().commit(), before + 1);
}

TEST_F(SpaceGateTest, OnceDisarmedWritesGoOnWhenThereIsRoomAndTheAlarmReturnsWhenThereIsNot) {
  FillStore(leader_, kQuota);
  EXPECT_EQ(Put(leader_), kNoSpace);
  EXPECT_EQ(Await(StartAlarm(leader_, etcdserverpb::AlarmRequest::DEACTIVATE, leader_)), "ok");
  EXPECT_EQ(Alarms(leader_), "");
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Alarms(leader_), "") << "nobody wrote";
  EXPECT_EQ(Put(leader_), kNoSpace);
  EXPECT_NE(Alarms(leader_), "");
  cluster_.store(leader_).SetSizeInUse(kQuota / 2);
  EXPECT_EQ(Put(leader_), kNoSpace) << "the alarm stays until it is disarmed";
  EXPECT_EQ(Await(StartAlarm(leader_, etcdserverpb::AlarmRequest::DEACTIVATE, leader_)), "ok");
  EXPECT_EQ(Put(leader_), "ok");
}

TEST_F(SpaceGateTest, AMemberThatOthersWritesFillRaisesTheAlarmToo) {
  FillStore(follower_, kQuota + 1);
  EXPECT_EQ(Put(leader_), "ok");
  EXPECT_TRUE(cluster_.RunUntil([&] { return Alarms(leader_) != ""; }));
  EXPECT_EQ(Alarms(leader_), std::to_string(follower_) + ":NOSPACE");
}

TEST_F(SpaceGateTest, CloseToTheQuotaWritesWaitAndKeepTheirOrder) {
  FillStore(leader_, kQuota / 100 * 95);
  const uint64_t room = kQuota - kQuota / 100 * 95;
  const absl::Duration start = cluster_.clock().Now();
  const Outcome first = StartPut(leader_, room / 600);   // 100 ms of the minute
  const Outcome second = StartPut(leader_, room / 600);  // the next 100 ms
  ASSERT_EQ(Await(first), "ok");
  EXPECT_GE(cluster_.clock().Now() - start, absl::Milliseconds(99));
  EXPECT_LT(cluster_.clock().Now() - start, absl::Milliseconds(200));
  EXPECT_EQ(*second, kWaiting);
  ASSERT_EQ(Await(second), "ok");
  EXPECT_GE(cluster_.clock().Now() - start, absl::Milliseconds(198));
}

TEST_F(SpaceGateTest, WhatIsHeldWhenTheMemberStopsIsAnswered) {
  FillStore(leader_, kQuota / 100 * 95);
  const Outcome put = StartPut(leader_, kQuota / 1000);
  cluster_.core(leader_).Stop();
  EXPECT_EQ(*put, "etcdserver: server stopped");
}

TEST_F(SpaceGateTest, AMemberThatEndsWhileItReclaimsTellsNobodyAfterwards) {
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    cluster_.core(follower_).Reclaim([&](const absl::Status&) { ++answers; });
  }
  cluster_.Crash(follower_);
  EXPECT_EQ(answers, 0);
  cluster_.Start(follower_);
  cluster_.core(follower_).Reclaim([&](const absl::Status& status) { answers += status.ok(); });
  // It is another thread that does it: no time of ours passes meanwhile.
  while (answers == 0) cluster_.Settle();
  EXPECT_EQ(answers, 1);
}

TEST_F(SpaceGateTest, AFullDiskRefusesHereAloneAndPassesByItself) {
  cluster_.core(follower_).OnDiskFree(1 << 20);
  EXPECT_EQ(Put(follower_), kNoSpace);
  EXPECT_TRUE(cluster_.core(follower_).out_of_disk());
  EXPECT_EQ(Put(leader_), "ok");
  EXPECT_EQ(Alarms(leader_), "");
  cluster_.core(follower_).OnDiskFree(uint64_t{1} << 40);
  EXPECT_EQ(Put(follower_), "ok");
}

}  // namespace
}  // namespace keelson::server
