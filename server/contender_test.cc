// The line for a lock on whole members: who gets it, in which order, and what ends the waiting.
#include "server/contender.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;

constexpr char kWaiting[] = "waiting";

class ContenderTest : public testing::Test {
 protected:
  ContenderTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    leader_ = cluster_.AwaitLeader();
    EXPECT_NE(leader_, 0);
    for (int64_t lease = 1; lease <= kLeases; ++lease) Grant(lease);
  }

  template <typename Request>
  std::string Do(int field, const Request& request) {
    auto outcome = std::make_shared<std::string>(kWaiting);
    cluster_.core(leader_).Submit(field, request.SerializeAsString(), [outcome](Answer answer) {
      *outcome = answer.status.ok() ? "ok" : std::string(answer.status.message());
    });
    cluster_.RunUntil([&] { return *outcome != kWaiting; });
    return *outcome;
  }
  void Grant(int64_t lease) {
    etcdserverpb::LeaseGrantRequest request;
    request.set_id(lease);
    request.set_ttl(10000);
    ASSERT_EQ(Do(Command::kLeaseGrantFieldNumber, request), "ok");
  }
  void Revoke(int64_t lease) {
    proto::LeaseRevoke request;
    request.add_ids(lease);
    ASSERT_EQ(Do(Command::kLeaseRevokeFieldNumber, request), "ok");
  }
  void Delete(const std::string& key) {
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(key);
    ASSERT_EQ(Do(Command::kDeleteRangeFieldNumber, request), "ok");
  }
  void Put(const std::string& key) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    ASSERT_EQ(Do(Command::kPutFieldNumber, request), "ok");
  }
  void CompactAll() {
    etcdserverpb::CompactionRequest request;
    request.set_revision(cluster_.store(leader_).revision().value());
    ASSERT_EQ(Do(Command::kCompactionFieldNumber, request), "ok");
  }

  // What became of one that contends for "name": "waiting", its key, or the error.
  struct Asked {
    std::shared_ptr<Contender> contender;
    std::string text = kWaiting;
    Contender::Won won;
  };
  std::shared_ptr<Asked> Contend(int64_t lease, int member = 0, const std::string& value = "",
                                 bool replace_value = false) {
    auto asked = std::make_shared<Asked>();
    asked->contender =
        std::make_shared<Contender>(&cluster_.core(member == 0 ? leader_ : member),
                                    Contender::Options{.name = "name",
                                                       .lease = lease,
                                                       .value = value,
                                                       .caller = Caller(),
                                                       .replace_value = replace_value,
                                                       .lost = absl::UnknownError("lost")});
    asked->contender->Start([asked = asked.get()](absl::StatusOr<Contender::Won> won) {
      EXPECT_EQ(asked->text, kWaiting) << "answered twice";
      asked->text = won.ok() ? won->key : std::string(won.status().message());
      if (won.ok()) asked->won = *won;
    });
    return asked;
  }
  std::string Await(const std::shared_ptr<Asked>& asked) {
    cluster_.RunUntil([&] { return asked->text != kWaiting; });
    return asked->text;
  }
  // Of those that entered one after the other.
  std::vector<std::shared_ptr<Asked>> Line(int count) {
    std::vector<std::shared_ptr<Asked>> line;
    for (int i = 1; i <= count; ++i) {
      line.push_back(Contend(i, i % 3 + 1));
      const std::string key = absl::StrCat("name/", absl::Hex(i));
      EXPECT_TRUE(cluster_.RunUntil([&] { return Exists(key); }));
    }
    cluster_.Run(absl::Milliseconds(200));
    return line;
  }
  bool Exists(const std::string& key) {
    const auto found = cluster_.store(leader_).Find(key, Revision());
    return found.ok() && found->has_value();
  }
  // As the members have it: "name/1 name/2"
  std::string Keys() {
    std::string keys;
    storage::RangeQuery query;
    query.range = storage::KeyRange::FromWire("name/", "name0");
    KV_CHECK(cluster_.store(leader_)
                 .Range(query,
                        [&keys](std::string_view kv) {
                          storage::KeyValue parsed;
                          KV_CHECK(storage::ParseKeyValue(kv, parsed));
                          keys += (keys.empty() ? "" : " ") + std::string(parsed.key);
                        })
                 .ok());
    return keys;
  }

  static constexpr int64_t kLeases = 20;
  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_};
  int leader_ = 0;
};

TEST_F(ContenderTest, TheFirstHasItAtOnce) {
  const auto first = Contend(0x1a);
  Grant(0x1a);
  EXPECT_EQ(Await(first), "etcdserver: requested lease not found");
  const auto again = Contend(0x1a);
  EXPECT_EQ(Await(again), "name/1a");
  EXPECT_EQ(again->won.create_revision.value(), again->won.entered.revision());
  EXPECT_EQ(again->won.entered.member_id(), cluster_.id(leader_).value());
}

TEST_F(ContenderTest, TheyComeToItInTheOrderInWhichTheyCame) {
  const auto line = Line(8);
  EXPECT_EQ(line[0]->text, "name/1");
  for (size_t i = 1; i < line.size(); ++i) {
    for (size_t j = i; j < line.size(); ++j) ASSERT_EQ(line[j]->text, kWaiting) << i << " " << j;
    Delete(absl::StrCat("name/", i));
    EXPECT_EQ(Await(line[i]), absl::StrCat("name/", i + 1));
    EXPECT_GE(line[i]->won.won.revision(), line[i]->won.entered.revision());
    cluster_.Run(absl::Milliseconds(200));
  }
}

// One key that goes wakes the one behind it. All have two watches: of that key, and of their own.
TEST_F(ContenderTest, EachWaitsForTheOneBeforeIt) {
  const auto line = Line(20);
  size_t watchers = 0;
  for (int n = 1; n <= 3; ++n) watchers += cluster_.core(n).watch_hub().watcher_count();
  EXPECT_EQ(watchers, 2u * 19);
  // In the middle: nobody gets anything, and the one behind waits for another.
  Delete("name/a");
  EXPECT_EQ(Await(line[9]), "lost");
  cluster_.Run(absl::Milliseconds(200));
  for (const auto& asked : line) {
    if (asked == line[0] || asked == line[9]) continue;
    EXPECT_EQ(asked->text, kWaiting);
  }
  for (int i = 1; i <= 9; ++i) Delete(absl::StrCat("name/", i));
  EXPECT_EQ(Await(line[10]), "name/b");
}

TEST_F(ContenderTest, OneWhoseLeaseEndsIsTold) {
  const auto line = Line(3);
  Revoke(2);
  EXPECT_EQ(Await(line[1]), "lost");
  EXPECT_EQ(line[2]->text, kWaiting);
  Revoke(1);
  EXPECT_EQ(Await(line[2]), "name/3");
}

TEST_F(ContenderTest, OneThatWithdrawsLeavesNothingBehind) {
  const auto line = Line(3);
  line[1]->contender->Withdraw();
  EXPECT_TRUE(cluster_.RunUntil([this] { return !Exists("name/2"); }));
  Delete("name/1");
  EXPECT_EQ(Await(line[2]), "name/3");
  EXPECT_EQ(line[1]->text, kWaiting) << "nobody is told";
  // One that has won does not lose it when its call is over.
  line[2]->contender->Withdraw();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Keys(), "name/3");
}

TEST_F(ContenderTest, OneThatWithdrawsWhileItEntersLeavesNothingBehind) {
  const Revision before = cluster_.store(leader_).revision();
  const auto asked = Contend(1);
  asked->contender->Withdraw();
  // The key comes and goes again.
  EXPECT_TRUE(cluster_.RunUntil([&] { return cluster_.store(leader_).revision() == before + 2; }));
  EXPECT_FALSE(Exists("name/1"));
  EXPECT_EQ(asked->text, kWaiting);
  // But it does not take away what the lease had before.
  ASSERT_EQ(Await(Contend(1)), "name/1");
  Contend(1)->contender->Withdraw();
  cluster_.Run(absl::Seconds(1));
  EXPECT_EQ(Keys(), "name/1");
}

TEST_F(ContenderTest, ALeaseHasOnePlaceInTheLine) {
  const auto first = Contend(1);
  EXPECT_EQ(Await(first), "name/1");
  const auto second = Contend(1, leader_ % 3 + 1);
  EXPECT_EQ(Await(second), "name/1");
  EXPECT_EQ(first->won.create_revision, second->won.create_revision);
  EXPECT_GT(second->won.won.revision(), 0);
}

TEST_F(ContenderTest, WhatIsCompactedMeanwhileDoesNotMatter) {
  const auto line = Line(3);
  for (int i = 0; i < 10; ++i) Put("other");
  CompactAll();
  Delete("name/2");
  CompactAll();
  EXPECT_EQ(Await(line[1]), "lost");
  Delete("name/1");
  CompactAll();
  EXPECT_EQ(Await(line[2]), "name/3");
}

TEST_F(ContenderTest, ACandidateOfTheSameLeaseProclaimsAnew) {
  ASSERT_EQ(Await(Contend(1, 0, "one", /*replace_value=*/true)), "name/1");
  const auto again = Contend(1, 0, "two", /*replace_value=*/true);
  ASSERT_EQ(Await(again), "name/1");
  const auto found = cluster_.store(leader_).Find("name/1", Revision());
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->version, 2);
  EXPECT_EQ((*found)->create_revision, again->won.create_revision);
}

TEST_F(ContenderTest, TheLineOutlivesTheLeader) {
  ASSERT_EQ(Await(Contend(1)), "name/1");
  const auto waits = Contend(2, leader_ % 3 + 1);
  ASSERT_TRUE(cluster_.RunUntil([this] { return Exists("name/2"); }));
  cluster_.Crash(leader_);
  leader_ = cluster_.AwaitLeader();
  ASSERT_NE(leader_, 0);
  EXPECT_EQ(waits->text, kWaiting);
  Delete("name/1");
  EXPECT_EQ(Await(waits), "name/2");
}

// Whoever is cut off may not take the lock for its own: its lease may have ended, and the next have
// it.
TEST_F(ContenderTest, AMemberThatIsCutOffGivesNothingAway) {
  const int follower = leader_ % 3 + 1;
  ASSERT_EQ(Await(Contend(1)), "name/1");
  const auto waits = Contend(2, follower);
  ASSERT_TRUE(cluster_.RunUntil([this] { return Exists("name/2"); }));
  cluster_.Run(absl::Milliseconds(200));
  // It hears that the key is gone, and is cut off before it can ask.
  Delete("name/1");
  for (int i = 0;
       i < 1000 && cluster_.store(follower).applied() < cluster_.store(leader_).applied(); ++i) {
    cluster_.SettleOneRound();
  }
  cluster_.Isolate(follower, Link::kLosing);
  cluster_.Run(absl::Seconds(5));
  EXPECT_EQ(waits->text, kWaiting);
  cluster_.Isolate(follower, Link::kUp);
  EXPECT_EQ(Await(waits), "name/2");
}

TEST_F(ContenderTest, ALeaseIsMadeForOneThatBringsNone) {
  auto made = std::make_shared<int64_t>(0);
  LeaseFor(&cluster_.core(leader_), Caller(), 0, [made](absl::StatusOr<int64_t> lease) {
    ASSERT_TRUE(lease.ok());
    *made = *lease;
  });
  ASSERT_TRUE(cluster_.RunUntil([&] { return *made != 0; }));
  const auto lease = cluster_.store(leader_).FindLease(LeaseId(*made));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->granted_ttl, 60);
}

}  // namespace
}  // namespace keelson::server
