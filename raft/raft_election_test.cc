// Elections: who may win, what an answer counts for, who is disturbed. Names follow etcd-io/raft's
// tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;

class Elections : public ::testing::TestWithParam<bool> {
 protected:
  TestCluster::Adjust Adjust() const {
    return [](Config& config) { config.pre_vote = GetParam(); };
  }
};
INSTANTIATE_TEST_SUITE_P(PreVote, Elections, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "With" : "Without"; });

TEST_P(Elections, LeaderElectionNeedsAQuorum) {
  TestCluster all(3, Adjust());
  all.Elect(1);
  EXPECT_EQ(all.Leader(), 1u);

  TestCluster one_down(3, Adjust());
  one_down.Isolate(3);
  one_down.Elect(1);
  EXPECT_EQ(one_down.Leader(), 1u);

  TestCluster two_down(3, Adjust());
  two_down.Isolate(2);
  two_down.Isolate(3);
  two_down.Elect(1);
  EXPECT_EQ(two_down.Leader(), 0u);
  // Without an answer, a pre-candidate has not even left its term.
  EXPECT_EQ(two_down.raft(1).term(), Term{GetParam() ? 0u : 1u});
}

TEST_P(Elections, LeaderElectionIsLostToLongerLogs) {
  std::vector<MemoryLog> logs;
  for (const std::vector<uint64_t>& terms : {std::vector<uint64_t>{}, {1}, {1}, {1, 1}, {}}) {
    logs.push_back(DiskWith(terms, 1));
  }
  TestCluster cluster(5, Adjust(), std::move(logs));
  cluster.Elect(1);
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).term(), Term{GetParam() ? 1u : 2u});
}

TEST_P(Elections, LeaderCycle) {
  TestCluster cluster(3, Adjust());
  for (uint64_t id : {1, 2, 3, 1}) {
    cluster.Elect(id);
    EXPECT_EQ(cluster.Leader(), id);
    for (uint64_t other = 1; other <= 3; ++other) {
      EXPECT_EQ(cluster.raft(other).leader(), NodeId{id});
    }
  }
}

// Members 4 and 5 have an uncommitted entry of a later term; the leader of an even later one
// overwrites it.
TEST_P(Elections, LeaderElectionOverwriteNewerLogs) {
  std::vector<MemoryLog> logs;
  logs.push_back(DiskWith({1}, 1));    // won the first election
  logs.push_back(DiskWith({1}, 1));    // has its entry
  logs.push_back(DiskWith({2}, 2));    // won the second
  logs.push_back(DiskWith({}, 2, 3));  // voted in it
  logs.push_back(DiskWith({}, 2, 3));
  TestCluster cluster(5, Adjust(), std::move(logs));
  cluster.Elect(1);  // refused: a quorum knows of term 2
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).term(), Term{2});
  cluster.Elect(1);
  ASSERT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.raft(1).term(), Term{3});
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(LogOf(cluster, id), "[1/1 \"\", 3/2 \"\"]");
}

TEST_P(Elections, VoteFromAnyState) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate, Role::kLeader}) {
    TestCluster cluster(3, [&](Config& config) { config.pre_vote = role == Role::kPreCandidate; });
    RawNode& raft = cluster.raft(1);
    if (role != Role::kFollower) raft.Campaign();
    cluster.node(1).Run();
    if (role == Role::kLeader) raft.Step(From(2, 1, 1, VoteResponse{.granted = true}));
    ASSERT_EQ(raft.role(), role);
    cluster.node(1).Run();
    cluster.node(1).TakeSent();
    const Term asked = raft.term() + 1;
    const EntryId last{asked, LogIndex{9}};
    raft.Step(From(2, 1, asked.value(), VoteRequest{.pre_vote = GetParam(), .last = last}));
    cluster.node(1).Run();
    const std::vector<Message> sent = cluster.node(1).TakeSent();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(As<VoteResponse>(sent[0]).granted);
    EXPECT_EQ(sent[0].term, asked);
    if (GetParam()) {
      // A pre-vote changes nothing.
      EXPECT_EQ(raft.role(), role);
      EXPECT_EQ(raft.term(), asked - 1);
    } else {
      EXPECT_EQ(raft.role(), Role::kFollower);
      EXPECT_EQ(raft.status().vote, NodeId{2});
    }
  }
}

TEST_P(Elections, DuelingCandidates) {
  TestCluster cluster(3, Adjust());
  cluster.Cut(1, 3);
  cluster.raft(1).Campaign();
  cluster.raft(3).Campaign();
  cluster.Settle();
  // 1 came first and won; 3 lost, or has not won.
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_NE(cluster.raft(3).role(), Role::kLeader);
  cluster.Heal();
  // Its log lacks the leader's first entry.
  cluster.Elect(3);
  EXPECT_NE(cluster.raft(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).role(), GetParam() ? Role::kLeader : Role::kFollower);
}

TEST_P(Elections, CandidateConcede) {
  TestCluster cluster(3, Adjust());
  cluster.Isolate(1);
  cluster.Elect(1);
  cluster.Elect(3);
  ASSERT_EQ(cluster.raft(3).role(), Role::kLeader);
  cluster.Heal();
  cluster.TickAll(1);
  cluster.Write(3, "force");
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(LogOf(cluster, 1), LogOf(cluster, 3));
}

// The whole of paper 5.4.1 in one member whose log ends with 2/2: what the candidate's ends with,
// whom the member has voted for, and what role it has. A pre-vote asks for a term that nobody has
// voted in.
TEST_P(Elections, RecvMsgVote) {
  struct Case {
    Role role;
    uint64_t index;  // the candidate's log
    uint64_t term;
    uint64_t voted;
    bool granted;
    bool pre_granted;
  };
  for (const Case& c :
       {Case{Role::kFollower, 0, 0, 0, false, false}, Case{Role::kFollower, 0, 1, 0, false, false},
        Case{Role::kFollower, 0, 2, 0, false, false}, Case{Role::kFollower, 0, 3, 0, true, true},
        Case{Role::kFollower, 1, 2, 0, false, false}, Case{Role::kFollower, 1, 3, 0, true, true},
        Case{Role::kFollower, 2, 1, 0, false, false}, Case{Role::kFollower, 2, 2, 0, true, true},
        Case{Role::kFollower, 2, 3, 0, true, true}, Case{Role::kFollower, 3, 1, 0, false, false},
        Case{Role::kFollower, 3, 2, 0, true, true}, Case{Role::kFollower, 3, 2, 2, true, true},
        Case{Role::kFollower, 3, 2, 3, false, true},
        Case{Role::kPreCandidate, 3, 2, 3, false, true},
        Case{Role::kCandidate, 3, 3, 1, false, true}, Case{Role::kLeader, 3, 3, 1, false, true},
        Case{Role::kLeader, 2, 3, 1, false, false}}) {
    LoneMember member;
    Config config = TestConfig(1, 3);
    config.pre_vote = c.role == Role::kPreCandidate;
    // A candidate or leader of term 3 has come there by itself.
    const bool elected = c.role == Role::kCandidate || c.role == Role::kLeader;
    const uint64_t term = std::max<uint64_t>(2, c.term);
    member.Start(config, DiskWith({2, 2}, elected ? term - 1 : term, elected ? 0 : c.voted));
    if (c.role == Role::kLeader) member.BecomeLeader();
    if (c.role == Role::kCandidate || c.role == Role::kPreCandidate) member.BecomeCandidate();
    ASSERT_EQ(member.raft().role(), c.role);
    ASSERT_EQ(member.raft().term(), Term{term});
    const EntryId last{Term{c.term}, LogIndex{c.index}};
    member.Receive(2, GetParam() ? term + 1 : term,
                   VoteRequest{.pre_vote = GetParam(), .last = last});
    const auto answers = member.SentOf<VoteResponse>();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].pre_vote, GetParam());
    EXPECT_EQ(answers[0].granted, GetParam() ? c.pre_granted : c.granted)
        << Describe(last) << " " << Describe(c.role) << " " << c.voted;
  }
}

TEST_P(Elections, ASingleVoterElectsItself) {
  TestCluster cluster(1, Adjust());
  cluster.Elect(1);
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
}

TEST_P(Elections, CampaigningWhileLeaderChangesNothing) {
  TestCluster cluster(1, Adjust());
  cluster.Elect(1);
  cluster.Elect(1);
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
  EXPECT_EQ(cluster.raft(1).status().last, LogIndex{1});
}

// A vote of one's own, made durable late, for an election that is over.
TEST_P(Elections, CandidateSelfVoteAfterLostElection) {
  TestCluster cluster(3, Adjust());
  RawNode& raft = cluster.raft(1);
  raft.Campaign();
  cluster.node(1).TakeReady();
  raft.Step(From(2, 1, 1, Heartbeat{}));
  EXPECT_EQ(raft.role(), Role::kFollower);
  cluster.node(1).Run();
  EXPECT_EQ(raft.role(), Role::kFollower);
  EXPECT_EQ(raft.leader(), NodeId{2});
}

TEST(RaftElection, DuelingPreCandidates) {
  TestCluster cluster(3, PreVote);
  cluster.Cut(1, 3);
  cluster.Elect(1);
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(3).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(3).term(), Term{1});
  cluster.Heal();
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
}

TEST(RaftElection, PreVoteWithSplitVote) {
  TestCluster cluster(3, PreVote);
  cluster.Elect(1);
  cluster.node(1).Crash();
  for (uint64_t id : {2, 3}) {
    for (int i = 0; i < 10; ++i) cluster.raft(id).Tick();
  }
  cluster.raft(2).Campaign();
  cluster.raft(3).Campaign();
  cluster.Settle();
  // Both were encouraged, and split the vote.
  EXPECT_EQ(cluster.raft(2).role(), Role::kCandidate);
  EXPECT_EQ(cluster.raft(3).role(), Role::kCandidate);
  EXPECT_EQ(cluster.raft(2).term(), Term{2});
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(2).term(), Term{3});
}

TEST(RaftElection, PreVoteWithCheckQuorum) {
  TestCluster cluster(3, PreVoteAndCheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(1);
  // 2 and 3 must stop hearing before they help each other.
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).role(), Role::kPreCandidate);
  cluster.TickAll(60);
  EXPECT_NE(cluster.raft(1).role(), Role::kLeader);
  EXPECT_GT(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.raft(2).leader(), cluster.raft(3).leader());
}

// A vote of one's own, made durable late, of an earlier term than the election under way.
TEST(RaftElection, SelfVoteOfAnEarlierTermDoesNotCount) {
  TestCluster cluster(3);
  RawNode& raft = cluster.raft(1);
  raft.Campaign();
  cluster.node(1).TakeReady();
  raft.Campaign();
  raft.Step(From(2, 1, 2, VoteResponse{.granted = true}));
  cluster.node(1).Acknowledge();
  EXPECT_EQ(raft.role(), Role::kCandidate);  // its vote in term 2 is not durable
  cluster.node(1).Run();
  EXPECT_EQ(raft.role(), Role::kLeader);
}

TEST(RaftElection, AnswersToAPreVoteDoNotCountInTheElection) {
  TestCluster cluster(5, PreVote);
  RawNode& raft = cluster.raft(1);
  raft.Campaign();
  raft.Step(From(2, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  raft.Step(From(3, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  cluster.node(1).Run();
  ASSERT_EQ(raft.role(), Role::kCandidate);
  raft.Step(From(4, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  raft.Step(From(5, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  EXPECT_EQ(raft.role(), Role::kCandidate);
}

TEST(RaftElection, ANonVoterDoesNotCampaign) {
  TestCluster cluster(3, [](Config& config) {
    config.conf.voters = {NodeId{1}, NodeId{2}};
    config.conf.learners = {NodeId{3}};
  });
  cluster.raft(3).Campaign();
  for (int i = 0; i < 50; ++i) cluster.raft(3).Tick();
  EXPECT_EQ(cluster.raft(3).role(), Role::kFollower);
  // But it gets everything.
  cluster.Elect(1);
  cluster.Write(1, "a");
  EXPECT_THAT(cluster.Applied(3), ElementsAre("a"));
}

// Every change of role, by what causes it; those that cannot happen have no cause.
TEST(RaftElection, RolesChangeOnlyAsTheProtocolSays) {
  Config config = TestConfig(1, 3);
  config.pre_vote = true;
  LoneMember member;
  member.Start(config);
  RawNode& raft = member.raft();
  const auto expect = [&](Role role, uint64_t term, uint64_t leader) {
    EXPECT_EQ(Describe(raft.role()), Describe(role));
    EXPECT_EQ(raft.term(), Term{term});
    EXPECT_EQ(raft.leader(), NodeId{leader});
  };
  const VoteResponse pre_granted{.pre_vote = true, .granted = true};
  const VoteResponse granted{.granted = true};
  expect(Role::kFollower, 0, 0);
  member.Receive(2, 1, Heartbeat{});  // follower -> follower, of a leader
  expect(Role::kFollower, 1, 2);
  member.Receive(2, 1, granted);  // not asked for
  expect(Role::kFollower, 1, 2);
  member.BecomeCandidate();  // follower -> pre-candidate
  expect(Role::kPreCandidate, 1, 0);
  member.BecomeCandidate();  // pre-candidate -> pre-candidate
  expect(Role::kPreCandidate, 1, 0);
  member.Receive(2, 1, Heartbeat{});  // pre-candidate -> follower
  expect(Role::kFollower, 1, 2);
  member.BecomeCandidate();
  member.Receive(2, 2, pre_granted);  // pre-candidate -> candidate
  expect(Role::kCandidate, 2, 0);
  member.Sent();
  member.BecomeCandidate();  // candidate -> pre-candidate, of the next election
  expect(Role::kPreCandidate, 2, 0);
  member.Receive(2, 3, pre_granted);
  member.Sent();
  member.Receive(2, 3, Heartbeat{});  // candidate -> follower
  expect(Role::kFollower, 3, 2);
  member.BecomeLeader();  // candidate -> leader
  expect(Role::kLeader, 4, 1);
  member.BecomeCandidate();  // a leader does not campaign
  expect(Role::kLeader, 4, 1);
  member.Receive(2, 5, Heartbeat{});  // leader -> follower
  expect(Role::kFollower, 5, 2);
}

// A member in any role steps down for a later term, learned from a candidate or from a leader, and
// keeps its log.
TEST(RaftElection, AllServerStepdown) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate, Role::kLeader}) {
    for (const bool of_leader : {false, true}) {
      Config config = TestConfig(1, 3);
      config.pre_vote = role == Role::kPreCandidate;
      LoneMember member;
      member.Start(config);
      if (role == Role::kPreCandidate || role == Role::kCandidate) member.BecomeCandidate();
      if (role == Role::kLeader) member.BecomeLeader();
      ASSERT_EQ(member.raft().role(), role);
      const LogIndex last = member.raft().status().last;
      if (of_leader) {
        member.Receive(2, 3, AppendRequest{.previous = {Term{3}, LogIndex{5}}});
      } else {
        member.Receive(2, 3, VoteRequest{.last = {Term{3}, LogIndex{5}}});
      }
      EXPECT_EQ(member.raft().role(), Role::kFollower);
      EXPECT_EQ(member.raft().term(), Term{3});
      EXPECT_EQ(member.raft().status().last, last);
      EXPECT_EQ(member.raft().leader(), NodeId{of_leader ? 2u : 0u});
    }
  }
}

// A member that was cut off and campaigned in vain follows the leader of a later term by its first
// heartbeat or append.
TEST(RaftElection, CandidateResetTerm) {
  for (const bool by_heartbeat : {true, false}) {
    TestCluster cluster(3);
    cluster.Elect(1);
    cluster.Isolate(3);
    cluster.Elect(2);
    cluster.Elect(1);
    for (int i = 0; i < 20; ++i) cluster.raft(3).Tick();
    cluster.Settle();
    ASSERT_EQ(cluster.raft(3).role(), Role::kCandidate);
    cluster.Heal();
    if (by_heartbeat) {
      cluster.raft(3).Step(From(1, 3, 3, Heartbeat{}));
    } else {
      cluster.raft(3).Step(From(1, 3, 3, AppendRequest{}));
    }
    EXPECT_EQ(cluster.raft(3).role(), Role::kFollower);
    EXPECT_EQ(cluster.raft(3).term(), cluster.raft(1).term());
    EXPECT_EQ(cluster.raft(3).leader(), NodeId{1});
  }
}

// A pre-vote of one's own does not count in the election that it led to, nor does a vote of one's
// own before it is durable.
TEST(RaftElection, CandidateDeliversPreCandidateSelfVoteAfterBecomingCandidate) {
  Config config = TestConfig(1, 3);
  config.pre_vote = true;
  TestNode node(config, 1);
  RawNode& raft = node.raft();
  raft.Campaign();
  node.TakeReady();
  raft.Step(From(2, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  raft.Step(From(3, 1, 1, VoteResponse{.pre_vote = true, .granted = true}));
  ASSERT_EQ(raft.role(), Role::kCandidate);
  node.Acknowledge();  // of the time before
  EXPECT_EQ(raft.role(), Role::kCandidate);
  raft.Step(From(2, 1, 1, VoteResponse{.granted = true}));
  EXPECT_EQ(raft.role(), Role::kCandidate);
  node.Run();
  EXPECT_EQ(raft.role(), Role::kLeader);
}

// Members with and without pre-vote in one cluster, as while a setting is rolled out: 3 was cut off
// without it, and got ahead in terms, and behind in its log.
class PreVoteMigration : public ::testing::Test {
 protected:
  PreVoteMigration() {
    cluster_.Elect(1);
    cluster_.Isolate(3);
    cluster_.Write(1, "a");
    cluster_.Elect(3);
    cluster_.Elect(3);
    EXPECT_EQ(cluster_.raft(3).role(), Role::kCandidate);
    EXPECT_EQ(cluster_.raft(3).term(), Term{3});
    EXPECT_EQ(cluster_.raft(1).term(), Term{1});
    cluster_.Heal();
  }
  // It restarts with pre-vote.
  void Restart() {
    cluster_.node(3).Crash();
    cluster_.node(3).next_config().pre_vote = true;
    cluster_.node(3).Restart(33);
    cluster_.Settle();
  }

  TestCluster cluster_{3, [](Config& config) { config.pre_vote = config.id != NodeId{3}; }};
};

TEST_F(PreVoteMigration, CanCompleteElection) {
  Restart();
  cluster_.node(1).Crash();
  cluster_.Elect(3);
  cluster_.Elect(2);
  EXPECT_NE(cluster_.raft(3).role(), Role::kLeader);  // its log is behind
  cluster_.Elect(3);
  cluster_.Elect(2);
  EXPECT_EQ(cluster_.raft(2).role(), Role::kLeader);
  EXPECT_GT(cluster_.raft(2).term(), Term{3});
  EXPECT_EQ(cluster_.raft(3).leader(), NodeId{2});
}

// A pre-candidate that is ahead in terms cannot be elected and does not follow; its answer to the
// leader's heartbeat brings the leader up to its term.
TEST_F(PreVoteMigration, WithFreeStuckPreCandidate) {
  Restart();
  for (int i = 0; i < 2; ++i) {
    cluster_.Elect(3);
    EXPECT_EQ(cluster_.raft(1).role(), Role::kLeader);
    EXPECT_EQ(cluster_.raft(2).role(), Role::kFollower);
    EXPECT_EQ(cluster_.raft(3).role(), Role::kPreCandidate);
  }
  cluster_.raft(1).Tick();
  cluster_.Settle();
  EXPECT_EQ(cluster_.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster_.raft(1).term(), cluster_.raft(3).term());
}

// Nor do answers to a pre-vote for another term than the one that would come now.
TEST(RaftElection, AnswersToAnotherPreVoteDoNotCount) {
  Config config = TestConfig(1, 3);
  config.pre_vote = true;
  LoneMember member;
  member.Start(config, DiskWith({}, 2));
  member.BecomeCandidate();
  for (const uint64_t term : {2, 4, 9}) {
    member.Receive(2, term, VoteResponse{.pre_vote = true, .granted = true});
    EXPECT_EQ(member.raft().role(), Role::kPreCandidate) << term;
    EXPECT_EQ(member.raft().term(), Term{2});
  }
  member.Receive(2, 3, VoteResponse{.pre_vote = true, .granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
}

// A member whose log is too short to be elected must not keep those from it that could be, by
// campaigning again and again before their time has come.
TEST(ElectionTimeout, IsNotPutOffByCandidatesThatAreRefused) {
  LoneMember member;
  member.Start(3, DiskWith({1}, 1));
  const int longest = 2 * member.node().config().election_timeout_ticks;
  uint64_t term = 1;
  for (int ticks = 0; ticks < longest && member.raft().role() == Role::kFollower; ticks += 4) {
    member.Receive(2, ++term, VoteRequest{});
    for (const auto& response : member.SentOf<VoteResponse>()) EXPECT_FALSE(response.granted);
    member.Tick(4);
  }
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
}

}  // namespace
}  // namespace keelson::raft
