// Leadership transfer (thesis 3.10), forgetting a leader, and leaders whose disk stands still.
// Names follow etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "raft/conf_change.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Three members, led by 1.
class LeaderTransfer : public ::testing::Test {
 protected:
  explicit LeaderTransfer(const TestCluster::Adjust& adjust = {}) : cluster_(3, adjust) {
    cluster_.Elect(1);
    EXPECT_EQ(cluster_.Leader(), 1u);
  }
  // Asks member `at` to hand leadership over to `to`; everything settles.
  void Transfer(uint64_t at, uint64_t to) {
    cluster_.raft(at).TransferLeadership(NodeId{to});
    cluster_.Settle();
  }
  // A transfer to 3, which does not hear of it.
  void LeavePending() {
    cluster_.Isolate(3);
    Transfer(1, 3);
    ASSERT_EQ(Transferee(), NodeId{3});
    ASSERT_EQ(cluster_.raft(1).role(), Role::kLeader);
  }
  NodeId Transferee() { return cluster_.raft(1).status().transferee; }
  void TickLeader(int ticks) {
    for (int i = 0; i < ticks; ++i) cluster_.raft(1).Tick();
    cluster_.Settle();
  }
  void ExpectLeader(uint64_t id) {
    EXPECT_EQ(cluster_.Leader(), id);
    EXPECT_EQ(cluster_.raft(1).leader(), NodeId{id});
    EXPECT_EQ(Transferee(), NodeId{0});
  }

  TestCluster cluster_;
};

TEST_F(LeaderTransfer, ToUpToDateNode) {
  Transfer(1, 2);
  ExpectLeader(2);
  cluster_.Write(2, "a");
  Transfer(2, 1);
  ExpectLeader(1);
  EXPECT_THAT(cluster_.Applied(1), ElementsAre("a"));
}

// Whoever is asked asks its leader.
TEST_F(LeaderTransfer, ToUpToDateNodeFromFollower) {
  Transfer(2, 2);
  ExpectLeader(2);
  cluster_.Write(1, "a");
  Transfer(3, 1);
  ExpectLeader(1);
}

// Members that hear their leader vote for the one it has named.
class LeaderTransferWithLoyalVoters : public LeaderTransfer {
 protected:
  LeaderTransferWithLoyalVoters() : LeaderTransfer(PreVoteAndCheckQuorum) {}
};

TEST_F(LeaderTransferWithLoyalVoters, WithCheckQuorum) {
  Transfer(1, 2);
  ExpectLeader(2);
  cluster_.Write(1, "a");
  Transfer(2, 1);
  ExpectLeader(1);
  EXPECT_EQ(cluster_.raft(1).term(), Term{3});  // no election in between
}

TEST_F(LeaderTransfer, ToSlowFollower) {
  cluster_.Isolate(3);
  cluster_.Write(1, "a");
  cluster_.Heal();
  Transfer(1, 3);
  cluster_.TickAll(1);  // its answer to a heartbeat shows that it is there
  ExpectLeader(3);
  EXPECT_THAT(cluster_.Applied(3), ElementsAre("a"));
}

class LeaderTransferWithoutCache : public LeaderTransfer {
 protected:
  LeaderTransferWithoutCache()
      : LeaderTransfer([](Config& config) { config.cache_bytes_max = 0; }) {}
};

// The member is told to campaign when it has installed what it lacked, not when it was sent it.
TEST_F(LeaderTransferWithoutCache, AfterSnapshot) {
  cluster_.Isolate(3);
  cluster_.Write(1, "a");
  cluster_.node(1).Compact(cluster_.raft(1).commit());
  cluster_.Heal();
  std::vector<Message> answers;
  cluster_.Drop([&](const Message& message) {
    if (message.from != NodeId{3} || !Is<AppendResponse>(message)) return false;
    if (As<AppendResponse>(message).rejected) return false;
    answers.push_back(message);
    return true;
  });
  Transfer(1, 3);
  TickLeader(1);
  EXPECT_EQ(cluster_.raft(1).status().progress[2].state, ProgressState::kSnapshot);
  EXPECT_EQ(cluster_.raft(1).role(), Role::kLeader);
  ASSERT_EQ(answers.size(), 1u);
  cluster_.Heal();
  cluster_.Deliver(answers[0]);
  cluster_.Settle();
  ExpectLeader(3);
  EXPECT_EQ(cluster_.node(3).disk().FirstIndex(), LogIndex{3});
}

TEST_F(LeaderTransfer, ToSelf) {
  Transfer(1, 1);
  ExpectLeader(1);
  EXPECT_EQ(cluster_.raft(1).term(), Term{1});
}

TEST_F(LeaderTransfer, ToNonExistingNode) {
  Transfer(1, 4);
  Transfer(2, 4);
  Transfer(1, 0);
  ExpectLeader(1);
  EXPECT_EQ(cluster_.Propose(1, "a"), ProposeResult::kAccepted);
}

TEST(LeaderTransferToALearner, IsNoTransfer) {
  TestCluster cluster(
      2, [](Config& config) { config.conf = {.voters = Ids({1}), .learners = Ids({2})}; });
  cluster.Elect(1);
  cluster.raft(1).TransferLeadership(NodeId{2});
  cluster.Settle();
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.raft(1).status().transferee, NodeId{0});
}

// Given up after an election timeout.
TEST_F(LeaderTransfer, Timeout) {
  LeavePending();
  TickLeader(9);
  EXPECT_EQ(Transferee(), NodeId{3});
  TickLeader(1);
  ExpectLeader(1);
  EXPECT_EQ(cluster_.Propose(1, "a"), ProposeResult::kAccepted);
}

TEST_F(LeaderTransfer, IgnoreProposal) {
  LeavePending();
  const LogIndex last = cluster_.raft(1).status().last;
  EXPECT_EQ(cluster_.Propose(1, "a"), ProposeResult::kTransferring);
  EXPECT_EQ(cluster_.raft(1).ProposeConfChange(AddVoter(4)), ProposeResult::kTransferring);
  cluster_.Write(2, "b");  // sent on, lost
  EXPECT_EQ(cluster_.raft(1).status().last, last);
}

// Somebody else is elected meanwhile.
TEST_F(LeaderTransfer, ReceiveHigherTermVote) {
  LeavePending();
  cluster_.Elect(2);
  ExpectLeader(2);
}

TEST_F(LeaderTransfer, RemoveNode) {
  cluster_.Drop([](const Message& message) { return Is<TimeoutNow>(message); });
  ASSERT_EQ(cluster_.raft(1).ProposeConfChange(Remove(3)), ProposeResult::kAccepted);
  cluster_.raft(1).TransferLeadership(NodeId{3});
  ASSERT_EQ(Transferee(), NodeId{3});
  cluster_.Settle();
  ASSERT_EQ(Describe(cluster_.raft(1).conf()), "voters=(1 2)");
  ExpectLeader(1);
  EXPECT_EQ(cluster_.Propose(1, "a"), ProposeResult::kAccepted);
}

TEST_F(LeaderTransfer, DemoteNode) {
  cluster_.Drop([](const Message& message) { return Is<TimeoutNow>(message); });
  ASSERT_EQ(cluster_.raft(1).ProposeConfChange(Joint({Remove(3), AddLearner(3)})),
            ProposeResult::kAccepted);
  cluster_.raft(1).TransferLeadership(NodeId{3});
  ASSERT_EQ(Transferee(), NodeId{3});
  cluster_.Settle();
  ASSERT_EQ(Describe(cluster_.raft(1).conf()), "voters=(1 2) learners=(3)");
  ExpectLeader(1);
}

// To the leader itself: it keeps what it was about to hand over.
TEST_F(LeaderTransfer, Back) {
  LeavePending();
  Transfer(1, 1);
  ExpectLeader(1);
  EXPECT_EQ(cluster_.Propose(1, "a"), ProposeResult::kAccepted);
}

TEST_F(LeaderTransfer, SecondTransferToAnotherNode) {
  LeavePending();
  Transfer(1, 2);
  ExpectLeader(2);
}

// Does not begin anew.
TEST_F(LeaderTransfer, SecondTransferToSameNode) {
  LeavePending();
  TickLeader(5);
  Transfer(1, 3);
  EXPECT_EQ(Transferee(), NodeId{3});
  TickLeader(5);
  ExpectLeader(1);
}

// Lost, or come to a member that could not campaign just then.
TEST_F(LeaderTransfer, TheMemberIsToldAgainWithEveryHeartbeat) {
  cluster_.Drop([](const Message& message) { return Is<TimeoutNow>(message); });
  Transfer(1, 3);
  TickLeader(2);
  ASSERT_EQ(cluster_.Leader(), 1u);
  ASSERT_EQ(Transferee(), NodeId{3});
  cluster_.Heal();
  TickLeader(1);
  ExpectLeader(3);
}

// A member that was removed is told to take over, and even gets votes.
TEST_F(LeaderTransfer, TransferNonMember) {
  LoneMember member;
  Config config = TestConfig(1, 0);
  config.conf.voters = Ids({2, 3, 4});
  member.Start(config);
  member.Receive(2, 1, TimeoutNow{});
  member.Receive(2, 1, VoteResponse{.granted = true});
  member.Receive(3, 1, VoteResponse{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_THAT(member.SentOf<VoteRequest>(), IsEmpty());
}

// The word of a leader that is deposed counts for nothing.
TEST_F(LeaderTransfer, AnOldLeadersWordIsIgnored) {
  cluster_.Elect(2);
  cluster_.raft(3).Step(From(1, 3, 1, TimeoutNow{}));
  cluster_.Settle();
  ExpectLeader(2);
}

// Whoever campaigns already needs no order to.
TEST_F(LeaderTransfer, ACandidateIsNotToldToCampaign) {
  for (const bool pre_vote : {false, true}) {
    Config config = TestConfig(1, 3);
    config.pre_vote = pre_vote;
    LoneMember member;
    member.Start(config, DiskWith({}, 1));
    member.BecomeCandidate();
    const Term term = member.raft().term();
    member.Hear(2, TimeoutNow{});
    EXPECT_EQ(member.raft().term(), term);
    EXPECT_EQ(member.raft().role(), pre_vote ? Role::kPreCandidate : Role::kCandidate);
  }
}

// But a request meant for one reaches who leads now.
TEST_F(LeaderTransfer, ARequestToADeposedLeaderIsSentOn) {
  cluster_.Drop([](const Message& message) { return message.to == NodeId{3}; });
  cluster_.Elect(2);
  cluster_.Heal();
  ASSERT_EQ(cluster_.raft(3).leader(), NodeId{1});
  Transfer(3, 3);  // 1 knows who leads
  cluster_.TickAll(1);
  EXPECT_EQ(cluster_.Leader(), 3u);
  EXPECT_EQ(cluster_.raft(2).leader(), NodeId{3});
}

TEST_F(LeaderTransfer, WithoutALeaderNothingHappens) {
  LoneMember member;
  member.Start(3);
  member.raft().TransferLeadership(NodeId{1});
  EXPECT_FALSE(member.raft().HasReady());
}

// ---------------------------------------------------------------------------------------------
// forgetting

class ForgetLeader : public LeaderTransferWithLoyalVoters {};

// The term stays, and so does the time since the leader was heard; but it helps a candidate now.
TEST_F(ForgetLeader, AFollowerThatForgetsHelpsACandidate) {
  for (uint64_t id : {2, 3}) {
    cluster_.raft(id).ForgetLeader();
    EXPECT_EQ(cluster_.raft(id).leader(), NodeId{0});
    EXPECT_EQ(cluster_.raft(id).term(), Term{1});
    EXPECT_EQ(cluster_.raft(id).role(), Role::kFollower);
  }
  cluster_.Elect(3);
  ExpectLeader(3);
}

TEST_F(ForgetLeader, ItIsRememberedWhenItSpeaks) {
  cluster_.raft(2).ForgetLeader();
  EXPECT_EQ(cluster_.Propose(2, "a"), ProposeResult::kNoLeader);
  TickLeader(1);
  EXPECT_EQ(cluster_.raft(2).leader(), NodeId{1});
  EXPECT_EQ(cluster_.raft(2).term(), Term{1});
}

TEST_F(ForgetLeader, LeadersAndCandidatesHaveNothingToForget) {
  cluster_.raft(1).ForgetLeader();
  ExpectLeader(1);
  cluster_.Isolate(3);
  for (int i = 0; i < 20; ++i) cluster_.raft(3).Tick();
  ASSERT_EQ(cluster_.raft(3).role(), Role::kPreCandidate);
  cluster_.raft(3).ForgetLeader();
  EXPECT_EQ(cluster_.raft(3).role(), Role::kPreCandidate);
}

TEST_F(ForgetLeader, ReadsOfAFollowerThatForgetsAreDropped) {
  ASSERT_TRUE(cluster_.raft(2).RequestReadIndex(7));
  cluster_.raft(2).ForgetLeader();
  cluster_.node(2).TakeReady();
  EXPECT_THAT(cluster_.node(2).TakeDroppedReads(), ElementsAre(7));
}

// ---------------------------------------------------------------------------------------------
// disks that stand still

class StorageStalled : public LeaderTransferWithLoyalVoters {};

// The member that is furthest takes over, without waiting for an election timeout.
TEST_F(StorageStalled, ALeaderWhoseDiskStandsStillHandsOver) {
  cluster_.Isolate(2);
  cluster_.Write(1, "a");
  cluster_.Heal();
  cluster_.raft(1).OnStorageStalled();
  EXPECT_EQ(cluster_.raft(1).role(), Role::kFollower);
  EXPECT_TRUE(cluster_.raft(1).status().storage_stalled);
  cluster_.Settle();
  ExpectLeader(3);
}

TEST_F(StorageStalled, NobodyCampaignsOnADiskThatStandsStill) {
  cluster_.raft(2).OnStorageStalled();
  cluster_.Isolate(2);
  for (int i = 0; i < 40; ++i) cluster_.raft(2).Tick();
  cluster_.raft(2).Campaign();
  cluster_.raft(2).Step(From(1, 2, 1, TimeoutNow{}));
  EXPECT_EQ(cluster_.raft(2).role(), Role::kFollower);
  EXPECT_EQ(cluster_.raft(2).term(), Term{1});
}

// A write that is acknowledged is the sign that it goes on.
TEST_F(StorageStalled, AWriteThatIsAcknowledgedEndsIt) {
  cluster_.raft(2).OnStorageStalled();
  cluster_.Write(1, "a");
  EXPECT_FALSE(cluster_.raft(2).status().storage_stalled);
  Transfer(1, 2);
  ExpectLeader(2);
}

TEST_F(StorageStalled, ALeaderThatHearsNobodyStepsDownAllTheSame) {
  LoneMember member;
  member.Start(1);
  member.BecomeLeader();
  member.raft().OnStorageStalled();
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_THAT(member.SentOf<TimeoutNow>(), IsEmpty());
}

}  // namespace
}  // namespace keelson::raft
