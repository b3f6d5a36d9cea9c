// Changes of the membership on whole members without sockets and threads: what becomes of the
// cluster, of its data, and of the members that come and go; also when all of them crash in the
// middle.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/force_new_cluster.h"
#include "server/membership.h"
#include "server/reconfigurator.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;
using ::testing::StartsWith;

constexpr char kWaiting[] = "waiting";

class ReconfigurationTest : public testing::Test {
 protected:
  ReconfigurationTest() { std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_); }

  void MakeCluster(int members) { cluster_ = std::make_unique<CoreCluster>(members, seed_); }
  CoreCluster& cluster() { return *cluster_; }
  int Leader() {
    const int leader = cluster().AwaitLeader();
    KV_CHECK(leader != 0);
    return leader;
  }
  // A running member that does not lead.
  int Follower() {
    const int leader = Leader();
    for (int n = 1; n <= cluster().members(); ++n) {
      if (n != leader && cluster().running(n) && !cluster().core(n).stopped()) return n;
    }
    KV_CHECK(false) << "no follower";
    return 0;
  }

  // --- asking; the outcome is "waiting", "ok" or the error's text
  struct Asked {
    std::string text = kWaiting;
    std::string body;
  };
  using Outcome = std::shared_ptr<Asked>;
  static Reconfigurator::Done Into(const Outcome& outcome) {
    return [outcome](Answer answer) {
      EXPECT_EQ(outcome->text, kWaiting) << "answered twice";
      outcome->text = answer.status.ok() ? "ok" : std::string(answer.status.message());
      outcome->body = std::move(answer.body);
    };
  }
  Reconfigurator& at(int n) { return cluster().core(n).reconfigurator(); }
  Outcome AskToAdd(int n, const std::string& url, bool learner = false) {
    etcdserverpb::MemberAddRequest request;
    request.add_peerurls(url);
    request.set_islearner(learner);
    auto outcome = std::make_shared<Asked>();
    at(n).Add(request, Into(outcome));
    return outcome;
  }
  Outcome AskToRemove(int n, NodeId id) {
    auto outcome = std::make_shared<Asked>();
    at(n).Remove(id, Into(outcome));
    return outcome;
  }
  Outcome AskToPromote(int n, NodeId id) {
    auto outcome = std::make_shared<Asked>();
    at(n).Promote(id, Into(outcome));
    return outcome;
  }
  Outcome AskToUpdate(int n, NodeId id, const std::string& url) {
    etcdserverpb::MemberUpdateRequest request;
    request.set_id(id.value());
    request.add_peerurls(url);
    auto outcome = std::make_shared<Asked>();
    at(n).Update(request, Into(outcome));
    return outcome;
  }
  std::string Await(const Outcome& outcome) {
    cluster().RunUntil([&] { return outcome->text != kWaiting; });
    return outcome->text;
  }

  static NodeId AddedId(const Outcome& outcome) {
    etcdserverpb::MemberAddResponse response;
    EXPECT_TRUE(response.ParseFromString(outcome->body));
    return NodeId(response.member().id());
  }
  // Adds a member and starts it; it has told its name when this returns.
  int Grow(int asked, const std::string& url, bool learner = false) {
    const Outcome outcome = AskToAdd(asked, url, learner);
    EXPECT_EQ(Await(outcome), "ok");
    if (outcome->text != "ok") return 0;
    const int n = cluster().Join(AddedId(outcome), asked);
    EXPECT_EQ(Publish(n), "ok");
    return n;
  }
  // Again when a snapshot came in between and nobody can say what became of it, as a member does.
  std::string Publish(int n) {
    proto::MemberAttributes attributes;
    attributes.set_id(cluster().id(n).value());
    attributes.set_name(absl::StrCat("m", n));
    std::string outcome;
    for (int i = 0; i < 2 && outcome != "ok"; ++i) {
      outcome = Submit(n, Command::kMemberAttributesFieldNumber, attributes);
    }
    return outcome;
  }

  template <typename Request>
  std::string Submit(int n, int field, const Request& request) {
    auto outcome = std::make_shared<Asked>();
    cluster().core(n).Submit(field, request.SerializeAsString(), Into(outcome));
    return Await(outcome);
  }
  std::string Put(int n, const std::string& key, const std::string& value) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return Submit(n, Command::kPutFieldNumber, request);
  }
  // Until all members that take part have applied the same.
  bool AllEqual() {
    return cluster().RunUntil([this] {
      std::set<uint64_t> applied;
      for (int n = 1; n <= cluster().members(); ++n) {
        if (!TakesPart(n)) continue;
        applied.insert(cluster().store(n).applied().value());
      }
      return applied.size() == 1;
    });
  }
  bool TakesPart(int n) {
    return cluster().running(n) && !cluster().removed(n) && !at(n).removed();
  }

  // "m1 m2 m3*": by number, a star for a learner; the members as member `n` has them stored.
  std::string StoredMembers(int n) {
    std::vector<std::string> names;
    for (const auto& member : Members(cluster().store(n))) {
      const int number = cluster().NumberOf(NodeId(member.id()));
      names.push_back(absl::StrCat("m", number, member.islearner() ? "*" : ""));
    }
    std::sort(names.begin(), names.end());
    return absl::StrJoin(names, " ");
  }
  // The records, raft's stored membership and the one in force say the same.
  void ExpectConsistent(int n) {
    raft::ConfState conf;
    for (const auto& member : Members(cluster().store(n))) {
      (member.islearner() ? conf.learners : conf.voters).emplace_back(member.id());
    }
    EXPECT_EQ(StoredConfState(cluster().store(n)), conf) << n;
    EXPECT_EQ(cluster().core(n).node().status().conf, conf) << n;
  }
  void ExpectMembers(const std::string& members) {
    ASSERT_TRUE(AllEqual());
    for (int n = 1; n <= cluster().members(); ++n) {
      if (!TakesPart(n)) continue;
      EXPECT_EQ(StoredMembers(n), members) << n;
      ExpectConsistent(n);
    }
  }
  void ExpectSameKeys() {
    std::set<uint32_t> hashes;
    for (int n = 1; n <= cluster().members(); ++n) {
      if (TakesPart(n)) hashes.insert(cluster().store(n).HashKv(Revision())->hash);
    }
    EXPECT_EQ(hashes.size(), 1u);
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  std::unique_ptr<CoreCluster> cluster_;
};

TEST_F(ReconfigurationTest, AnAddedMemberGetsAllThereIsAndCounts) {
  MakeCluster(1);
  ASSERT_EQ(Put(Leader(), "a", "1"), "ok");
  const int second = Grow(1, "http://new:1");
  ASSERT_EQ(second, 2);
  ASSERT_EQ(Put(2, "b", "2"), "ok");
  ExpectMembers("m1 m2");
  ExpectSameKeys();
  // Without it there is no quorum any more.
  cluster().Crash(2);
  EXPECT_THAT(Put(1, "c", "3"), StartsWith("etcdserver: request timed out"));
}

TEST_F(ReconfigurationTest, GrowsToFiveAndShrinksToThreeWithNothingLost) {
  MakeCluster(3);
  int written = 0;
  const auto write = [&] {
    for (int i = 0; i < 20; ++i, ++written) {
      ASSERT_EQ(Put(Leader(), absl::StrCat("k", written), "v"), "ok");
    }
  };
  write();
  EXPECT_EQ(Grow(Follower(), "http://new:4"), 4);
  write();
  EXPECT_EQ(Grow(Leader(), "http://new:5"), 5);
  write();
  ExpectMembers("m1 m2 m3 m4 m5");
  EXPECT_EQ(Await(AskToRemove(5, NodeId(1))), "ok");
  write();
  EXPECT_EQ(Await(AskToRemove(4, NodeId(2))), "ok");
  write();
  ExpectMembers("m3 m4 m5");
  ExpectSameKeys();
  EXPECT_EQ(cluster().store(3).KeyCount(), written);
  ASSERT_TRUE(cluster().RunUntil([this] { return cluster().removed(1) && cluster().removed(2); }));
}

TEST_F(ReconfigurationTest, AMemberThatIsRemovedServesNobodyAndStops) {
  MakeCluster(3);
  const int follower = Follower();
  ASSERT_EQ(Await(AskToRemove(Leader(), cluster().id(follower))), "ok");
  ASSERT_TRUE(cluster().RunUntil([&] { return at(follower).removed(); }));
  EXPECT_EQ(Put(follower, "a", "1"), "etcdserver: server stopped");
  EXPECT_FALSE(cluster().removed(follower)) << "it stops a little later";
  EXPECT_TRUE(cluster().RunUntil([&] { return cluster().removed(follower); }));
  EXPECT_EQ(Put(Leader(), "a", "1"), "ok");
}

TEST_F(ReconfigurationTest, ALeaderThatIsRemovedHandsOver) {
  MakeCluster(3);
  const int old = Leader();
  const absl::Duration asked = cluster().clock().Now();
  ASSERT_EQ(Await(AskToRemove(old, cluster().id(old))), "ok");
  ASSERT_TRUE(
      cluster().RunUntil([&] { return cluster().Leader() != old && cluster().Leader() != 0; }));
  // Nobody had to notice that it is silent.
  EXPECT_LT(cluster().clock().Now() - asked, absl::Seconds(1));
  EXPECT_EQ(Put(Leader(), "a", "1"), "ok");
  EXPECT_TRUE(cluster().RunUntil([&] { return cluster().removed(old); }));
}

TEST_F(ReconfigurationTest, AnIdIsNeverUsedAgain) {
  MakeCluster(3);
  Leader();
  const absl::Time asked = cluster().clock().WallTime();
  const Outcome first = AskToAdd(Leader(), "http://new:4");
  ASSERT_EQ(Await(first), "ok");
  ASSERT_EQ(Await(AskToRemove(Leader(), AddedId(first))), "ok");
  EXPECT_EQ(Await(AskToRemove(Leader(), AddedId(first))), "etcdserver: member not found");
  // The same URLs, in a second that the clock has been put back to.
  cluster().clock().JumpWallTime(asked - cluster().clock().WallTime());
  const Outcome second = AskToAdd(Leader(), "http://new:4");
  ASSERT_EQ(Await(second), "ok");
  EXPECT_NE(AddedId(first), AddedId(second));
  proto::MemberChange change;
  change.mutable_add()->mutable_member()->set_id(AddedId(first).value());
  const auto outcome = std::make_shared<Asked>();
  cluster().core(Leader()).SubmitConfChange({raft::ConfChangeType::kAddVoter, AddedId(first)},
                                            change, Into(outcome));
  EXPECT_EQ(Await(outcome), "etcdserver: member not found");
}

TEST_F(ReconfigurationTest, WhatMakesNoSenseIsRefusedOnEveryMember) {
  MakeCluster(3);
  Leader();
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Await(AskToAdd(n, "new:4")), "etcdserver: given member URLs are invalid");
    EXPECT_EQ(Await(AskToAdd(n, "http://new:4/path")), "etcdserver: given member URLs are invalid");
    EXPECT_EQ(Await(AskToAdd(n, "http://m2:2380")), "etcdserver: Peer URLs already exists");
    EXPECT_EQ(Await(AskToRemove(n, NodeId(99))), "etcdserver: member not found");
    EXPECT_EQ(Await(AskToPromote(n, NodeId(99))), "etcdserver: member not found");
    EXPECT_EQ(Await(AskToPromote(n, NodeId(1))), "etcdserver: can only promote a learner member");
    EXPECT_EQ(Await(AskToUpdate(n, NodeId(99), "http://x:1")), "etcdserver: member not found");
    EXPECT_EQ(Await(AskToUpdate(n, NodeId(1), "http://m2:2380")),
              "etcdserver: Peer URLs already exists");
    EXPECT_EQ(Await(AskToUpdate(n, NodeId(1), "")), "etcdserver: given member URLs are invalid");
  }
  ExpectMembers("m1 m2 m3");
}

TEST_F(ReconfigurationTest, AnUpdateIsKnownToAllAndSurvivesARestart) {
  MakeCluster(3);
  ASSERT_EQ(Await(AskToUpdate(Follower(), NodeId(2), "http://elsewhere:1")), "ok");
  EXPECT_EQ(Await(AskToAdd(Leader(), "http://elsewhere:1")),
            "etcdserver: Peer URLs already exists");
  for (int n = 1; n <= 3; ++n) cluster().Crash(n);
  for (int n = 1; n <= 3; ++n) cluster().Start(n);
  Leader();
  ASSERT_TRUE(AllEqual());
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(FindMember(cluster().store(n), NodeId(2))->peerurls(0), "http://elsewhere:1");
    EXPECT_EQ(FindMember(cluster().store(n), NodeId(2))->name(), "m2");
  }
}

TEST_F(ReconfigurationTest, ChangesAskedForAtOnceAreMadeOneAfterTheOther) {
  MakeCluster(3);
  cluster().Adjust([](MemberOptions& options) { options.strict_reconfig_check = false; });
  for (int n = 1; n <= 3; ++n) cluster().Crash(n);
  for (int n = 1; n <= 3; ++n) cluster().Start(n);
  Leader();
  std::vector<Outcome> outcomes;
  for (int n = 1; n <= 3; ++n) outcomes.push_back(AskToAdd(n, absl::StrCat("http://new:", n)));
  for (const Outcome& outcome : outcomes) EXPECT_EQ(Await(outcome), "ok");
  EXPECT_EQ(Members(cluster().store(Leader())).size(), 6u);
}

// ---------------------------------------------------------------------------------------- strict

TEST_F(ReconfigurationTest, AQuorumIsProtected) {
  MakeCluster(3);
  const int leader = Leader();
  const int down = Follower();
  // One that was added and has not joined: another would need the quorum of five from three.
  ASSERT_EQ(Await(AskToAdd(leader, "http://new:4")), "ok");
  EXPECT_EQ(Await(AskToAdd(leader, "http://new:5")), "ok");
  EXPECT_EQ(Await(AskToAdd(leader, "http://new:6")),
            "etcdserver: re-configuration failed due to not enough started members");
  cluster().Crash(down);
  const int other = 6 - leader - down;
  EXPECT_EQ(Await(AskToRemove(leader, cluster().id(other))),
            "etcdserver: re-configuration failed due to not enough started members");
}

TEST_F(ReconfigurationTest, AMemberThatIsDownMayBeRemovedAndOneThatIsNeededMayNot) {
  MakeCluster(3);
  const int leader = Leader();
  const int down = Follower();
  const int other = 6 - leader - down;
  cluster().Crash(down);
  EXPECT_EQ(Await(AskToRemove(leader, cluster().id(other))), "etcdserver: unhealthy cluster");
  EXPECT_EQ(Await(AskToAdd(leader, "http://new:4")), "etcdserver: unhealthy cluster");
  EXPECT_EQ(Await(AskToRemove(leader, cluster().id(down))), "ok");
  EXPECT_EQ(Put(leader, "a", "1"), "ok");
}

TEST_F(ReconfigurationTest, TheOnlyMemberStays) {
  MakeCluster(1);
  EXPECT_EQ(Await(AskToRemove(Leader(), NodeId(1))),
            "etcdserver: re-configuration failed due to not enough started members");
  cluster().Adjust([](MemberOptions& options) { options.strict_reconfig_check = false; });
  cluster().Crash(1);
  cluster().Start(1);
  // Raft does not let the last voter go either; nobody waits for it beyond the timeout.
  EXPECT_THAT(Await(AskToRemove(Leader(), NodeId(1))), StartsWith("etcdserver: request timed out"));
  EXPECT_EQ(Put(1, "a", "1"), "ok");
}

// -------------------------------------------------------------------------------------- learners

TEST_F(ReconfigurationTest, ALearnerDoesNotCountUntilItIsPromoted) {
  MakeCluster(1);
  ASSERT_EQ(Put(Leader(), "a", "1"), "ok");
  const int learner = Grow(1, "http://new:1", /*learner=*/true);
  ASSERT_EQ(learner, 2);
  ExpectMembers("m1 m2*");
  EXPECT_TRUE(at(2).is_learner());
  cluster().Crash(2);
  EXPECT_EQ(Put(1, "b", "2"), "ok") << "it is not needed";
  cluster().Start(2);
  ASSERT_TRUE(AllEqual());
  // Asked of the learner itself, whose leader knows.
  EXPECT_EQ(Await(AskToPromote(2, cluster().id(2))), "ok");
  ExpectMembers("m1 m2");
  EXPECT_FALSE(at(2).is_learner());
  cluster().Crash(2);
  EXPECT_THAT(Put(1, "c", "3"), StartsWith("etcdserver: request timed out"));
}

TEST_F(ReconfigurationTest, ALearnerIsPromotedOnlyWhenItHasCaughtUp) {
  MakeCluster(3);
  const Outcome added = AskToAdd(Leader(), "http://new:4", /*learner=*/true);
  ASSERT_EQ(Await(added), "ok");
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Await(AskToPromote(n, AddedId(added))),
              "etcdserver: can only promote a learner member which is in sync with leader");
  }
  EXPECT_EQ(Await(AskToAdd(Leader(), "http://new:5", /*learner=*/true)),
            "etcdserver: too many learner members in cluster");
  const int learner = cluster().Join(AddedId(added), Leader());
  ASSERT_TRUE(AllEqual());
  EXPECT_EQ(Await(AskToPromote(Follower(), AddedId(added))), "ok");
  EXPECT_EQ(Await(AskToPromote(Leader(), AddedId(added))),
            "etcdserver: can only promote a learner member");
  EXPECT_EQ(learner, 4);
}

// The leader is asked how far the learner is, and it may be the last to apply what it committed.
TEST_F(ReconfigurationTest, ALearnerThatTheLeaderHasYetToApplyIsNotUnknown) {
  MakeCluster(3);
  const int follower = Follower();
  const int leader = Leader();
  // It applies nothing more before this write is on its disk.
  cluster().store(leader).StallCommits(100);
  ASSERT_EQ(Put(follower, "a", "1"), "ok");
  const Outcome added = AskToAdd(follower, "http://new:4", /*learner=*/true);
  ASSERT_EQ(Await(added), "ok");
  const auto known_to_leader = [&] {
    return !cluster().core(leader).node().status().conf.learners.empty();
  };
  ASSERT_FALSE(known_to_leader());
  EXPECT_EQ(Await(AskToPromote(follower, AddedId(added))),
            "etcdserver: can only promote a learner member which is in sync with leader");
  EXPECT_TRUE(known_to_leader());
}

TEST_F(ReconfigurationTest, LearnersArePromotedByThemselvesOnlyWhenTold) {
  MakeCluster(1);
  Leader();
  ASSERT_EQ(Grow(1, "http://new:1", /*learner=*/true), 2);
  cluster().Run(absl::Seconds(30));
  ExpectMembers("m1 m2*");
  cluster().Adjust([](MemberOptions& options) { options.promote_learners = true; });
  cluster().Crash(1);
  cluster().Start(1);
  EXPECT_TRUE(cluster().RunUntil([this] { return StoredMembers(1) == "m1 m2"; }));
  ExpectMembers("m1 m2");
}

// ------------------------------------------------------------------------------------ leadership

TEST_F(ReconfigurationTest, LeadershipIsMovedToAVoterAndToNobodyElse) {
  MakeCluster(3);
  const int old = Leader();
  const int to = Follower();
  const auto move = [this](int asked, NodeId target, absl::Duration patience = absl::Seconds(5)) {
    auto outcome = std::make_shared<Asked>();
    at(asked).TransferLeadership(
        target, cluster().clock().Now() + patience, [outcome](const absl::Status& status) {
          outcome->text = status.ok() ? "ok" : std::string(status.message());
        });
    return Await(outcome);
  };
  EXPECT_EQ(move(to, cluster().id(to)), "etcdserver: not leader");
  EXPECT_EQ(move(old, NodeId(99)), "etcdserver: bad leader transferee");
  EXPECT_EQ(move(old, cluster().id(old)), "ok");
  EXPECT_EQ(Leader(), old);
  EXPECT_EQ(move(old, cluster().id(to)), "ok");
  EXPECT_EQ(Leader(), to);
  ASSERT_EQ(Grow(to, "http://new:4", /*learner=*/true), 4);
  EXPECT_EQ(move(to, cluster().id(4)), "etcdserver: bad leader transferee");
  cluster().Isolate(old, Link::kLosing);
  EXPECT_EQ(move(to, cluster().id(old), absl::Seconds(3)),
            "etcdserver: request timed out, leader transfer took too long");
}

// A member that still has a change of membership to apply must not campaign; it does as soon as it
// has.
TEST_F(ReconfigurationTest, LeadershipIsMovedRightAfterAChange) {
  MakeCluster(3);
  const int old = Leader();
  const int to = Follower();
  const Outcome added = AskToAdd(old, "http://new:4", /*learner=*/true);
  const auto moved = std::make_shared<Asked>();
  while (added->text == kWaiting) ASSERT_TRUE(cluster().SettleOneRound());
  const absl::Duration asked = cluster().clock().Now();
  at(old).TransferLeadership(cluster().id(to), asked + absl::Seconds(5),
                             [moved](const absl::Status& status) {
                               moved->text = status.ok() ? "ok" : std::string(status.message());
                             });
  EXPECT_EQ(Await(moved), "ok");
  EXPECT_LT(cluster().clock().Now() - asked, absl::Milliseconds(900));
}

TEST_F(ReconfigurationTest, ALeaderThatEndsHandsOver) {
  MakeCluster(3);
  const int old = Leader();
  const int follower = Follower();
  bool done = false;
  at(follower).HandOver([&done] { done = true; });
  EXPECT_TRUE(done) << "it has nothing to hand over";
  // What is asked of it meanwhile is done by the next one.
  done = false;
  const absl::Duration asked = cluster().clock().Now();
  at(old).HandOver([&done] { done = true; });
  EXPECT_EQ(Put(old, "a", "1"), "ok");
  ASSERT_TRUE(cluster().RunUntil([&done] { return done; }));
  EXPECT_LT(cluster().clock().Now() - asked, absl::Milliseconds(500));
  EXPECT_NE(Leader(), old);
  cluster().core(old).Stop();
  EXPECT_EQ(Put(follower, "b", "2"), "ok");
}

TEST_F(ReconfigurationTest, ALeaderThatEndsWaitsForNobodyForLong) {
  MakeCluster(3);
  const int old = Leader();
  cluster().Isolate(old, Link::kLosing);
  bool done = false;
  const absl::Duration asked = cluster().clock().Now();
  at(old).HandOver([&done] { done = true; });
  ASSERT_TRUE(cluster().RunUntil([&done] { return done; }));
  EXPECT_LE(cluster().clock().Now() - asked, absl::Seconds(3));
  MakeCluster(1);
  Leader();
  done = false;
  at(1).HandOver([&done] { done = true; });
  EXPECT_TRUE(done) << "it is alone";
}

// --------------------------------------------------------------------------------------- crashes

// All members crash after any number of steps of a change, and come back: it was made everywhere or
// nowhere, and what raft and the records say is the same.
TEST_F(ReconfigurationTest, ACrashOfAllInTheMiddleOfAChangeLeavesOneMembership) {
  int made = 0, not_made = 0;
  for (int rounds = 0; rounds <= 24; ++rounds) {
    MakeCluster(3);
    const int leader = Leader();
    AskToRemove(rounds % 2 == 0 ? leader : Follower(), NodeId(3));
    for (int i = 0; i < rounds; ++i) cluster().SettleOneRound();
    for (int n = 1; n <= 3; ++n) cluster().Crash(n);
    for (int n = 1; n <= 3; ++n) cluster().Start(n);
    Leader();
    ASSERT_EQ(Put(Leader(), "a", "1"), "ok");
    ASSERT_TRUE(AllEqual());
    const std::string members = StoredMembers(Leader());
    EXPECT_TRUE(members == "m1 m2 m3" || members == "m1 m2") << members;
    ++(members == "m1 m2" ? made : not_made);
    ExpectMembers(members);
  }
  EXPECT_GT(made, 0);
  EXPECT_GT(not_made, 0);
}

TEST_F(ReconfigurationTest, AMemberThatCrashesWhileItJoinsJoinsAllTheSame) {
  for (int rounds = 0; rounds <= 30; rounds += 3) {
    MakeCluster(1);
    ASSERT_EQ(Put(Leader(), "a", "1"), "ok");
    const Outcome added = AskToAdd(1, "http://new:1", /*learner=*/true);
    ASSERT_EQ(Await(added), "ok");
    ASSERT_EQ(cluster().Join(AddedId(added), 1), 2);
    for (int i = 0; i < rounds; ++i) {
      cluster().SettleOneRound();
      cluster().Run(absl::Milliseconds(20));
    }
    cluster().Crash(2);
    cluster().Start(2);
    ASSERT_EQ(Put(1, "b", "2"), "ok");
    ASSERT_TRUE(AllEqual());
    ExpectMembers("m1 m2*");
    ExpectSameKeys();
  }
}

// -------------------------------------------------------------------------------------- one alone

TEST_F(ReconfigurationTest, OneMemberGoesOnAloneWithAllThatIsInItsLog) {
  MakeCluster(3);
  const int leader = Leader();
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Put(leader, absl::StrCat("k", i), "v"), "ok");
  // Also a member that nobody has started yet, and an entry that nobody has acknowledged.
  ASSERT_EQ(Await(AskToAdd(leader, "http://new:4")), "ok");
  cluster().Isolate(leader, Link::kLosing);
  etcdserverpb::PutRequest last;
  last.set_key("last");
  cluster().core(leader).Submit(Command::kPutFieldNumber, last.SerializeAsString(), [](Answer) {});
  cluster().Settle();
  ASSERT_GT(cluster().log(leader).LastIndex(), cluster().store(leader).applied());
  ASSERT_EQ(cluster().ForceAlone(leader), absl::OkStatus());
  EXPECT_EQ(Leader(), leader);
  EXPECT_EQ(StoredMembers(leader), absl::StrCat("m", leader));
  ExpectConsistent(leader);
  EXPECT_EQ(cluster().store(leader).KeyCount(), 31);
  EXPECT_EQ(Put(leader, "b", "2"), "ok");
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(WasRemoved(cluster().store(leader), NodeId(static_cast<uint64_t>(n))), n != leader);
  }
  // It can grow again.
  EXPECT_EQ(Grow(leader, "http://new:5"), 4);
}

}  // namespace
}  // namespace keelson::server
