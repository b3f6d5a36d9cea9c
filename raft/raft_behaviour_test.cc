// How members behave together. Names follow etcd-io/raft's raft_test.go and rawnode_test.go (after
// "Test"), where the same is shown.
#include <algorithm>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/testing/describe.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void PreVote(Config& config) { config.pre_vote = true; }
void CheckQuorum(Config& config) { config.check_quorum = true; }
void PreVoteAndCheckQuorum(Config& config) {
  config.pre_vote = true;
  config.check_quorum = true;
}

MemoryLog DiskWith(std::vector<uint64_t> terms, uint64_t term, uint64_t vote = 0) {
  MemoryLog log;
  LogWrite write;
  write.hard_state = HardState{Term{term}, NodeId{vote}, LogIndex{0}};
  for (uint64_t entry_term : terms) {
    const LogIndex index{write.entries.size() + 1};
    write.entries.push_back({.term = Term{entry_term}, .index = index});
  }
  log.Write(write);
  return log;
}

std::string LogOf(TestCluster& cluster, uint64_t id) {
  return Describe(cluster.node(id).disk().entries());
}

Message From(uint64_t from, uint64_t to, uint64_t term, MessageBody body) {
  return {NodeId{from}, NodeId{to}, Term{term}, std::move(body)};
}

// ---------------------------------------------------------------------------------------------
// elections

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
  logs.push_back(DiskWith({1}, 1));        // won the first election
  logs.push_back(DiskWith({1}, 1));        // has its entry
  logs.push_back(DiskWith({2}, 2));        // won the second
  logs.push_back(DiskWith({}, 2, 3));      // voted in it
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

// A vote of one's own, made durable late, for an election that is over.
TEST(RaftElection, CandidateSelfVoteAfterLostElection) {
  TestCluster cluster(3);
  RawNode& raft = cluster.raft(1);
  raft.Campaign();
  cluster.node(1).TakeReady();
  raft.Step(From(2, 1, 1, Heartbeat{}));
  EXPECT_EQ(raft.role(), Role::kFollower);
  cluster.node(1).Run();
  EXPECT_EQ(raft.role(), Role::kFollower);
  EXPECT_EQ(raft.leader(), NodeId{2});
}

// As above, for an election of an earlier term than the one under way.
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

// ---------------------------------------------------------------------------------------------
// check-quorum

TEST(RaftCheckQuorum, LeaderStepdownWhenQuorumActive) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  for (int i = 0; i < 30; ++i) {
    cluster.raft(1).Tick();
    cluster.raft(1).Step(From(2, 1, 1, HeartbeatResponse{}));
  }
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
}

TEST(RaftCheckQuorum, LeaderStepdownWhenQuorumLost) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(1);
  for (int i = 0; i < 20; ++i) cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).leader(), NodeId{0});
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
}

TEST(RaftCheckQuorum, AQuorumThatIsSilentForExactlyAnElectionTimeoutDeposes) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.raft(1).Tick();  // the first check finds the election
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  for (int i = 0; i < 9; ++i) cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

TEST(RaftCheckQuorum, LeaderSupersedingWithCheckQuorum) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Elect(3);
  // 2 hears its leader and does not answer.
  EXPECT_EQ(cluster.raft(3).role(), Role::kCandidate);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  for (int i = 0; i < 10; ++i) cluster.raft(2).Tick();
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
}

// A candidate that got ahead of the leader's term alone is stuck: nobody votes for it and it does
// not accept its leader. Its answer to a heartbeat brings the leader up.
TEST(RaftCheckQuorum, FreeStuckCandidateWithCheckQuorum) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Elect(3);
  cluster.Elect(3);
  cluster.Heal();
  EXPECT_EQ(cluster.raft(3).term(), Term{3});
  cluster.raft(1).Tick();
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).term(), Term{3});
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
}

// Without pre-vote a member that was cut off brings down a leader ...
TEST(RaftCheckQuorum, DisruptiveFollower) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Elect(3);
  cluster.Heal();
  cluster.raft(1).Tick();
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

// ... and with it, it does not.
TEST(RaftCheckQuorum, DisruptiveFollowerPreVote) {
  TestCluster cluster(3, PreVoteAndCheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Write(1, "a");
  for (int i = 0; i < 100; ++i) cluster.raft(3).Tick();
  EXPECT_EQ(cluster.raft(3).role(), Role::kPreCandidate);
  cluster.Heal();
  cluster.TickAll(3);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
  EXPECT_EQ(cluster.raft(3).leader(), NodeId{1});
  EXPECT_THAT(cluster.Applied(3), ElementsAre("a"));
}

TEST(RaftCheckQuorum, ASmallerTermCanCompleteAnElection) {
  TestCluster cluster(3, PreVote);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Write(1, "a");
  cluster.Elect(2);  // term 2, not seen by 3
  ASSERT_EQ(cluster.raft(2).role(), Role::kLeader);
  cluster.node(1).Crash();
  cluster.Heal();
  // 3 lags in term and log: refused, and told the term.
  cluster.Elect(3);
  EXPECT_NE(cluster.raft(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(3).term(), Term{2});
  cluster.Elect(2);
  cluster.TickAll(1);
  EXPECT_EQ(cluster.Leader(), 2u);
  EXPECT_EQ(cluster.raft(3).leader(), NodeId{2});
}

// ---------------------------------------------------------------------------------------------
// replication

TEST(RaftReplication, LogReplication) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.Write(2, "b");  // by way of the leader
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_THAT(cluster.Applied(id), ElementsAre("a", "b"));
}

TEST(RaftReplication, SingleNodeCommit) {
  TestCluster cluster(1);
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.Write(1, "b");
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{3});
}

TEST(RaftReplication, CannotCommitWithoutNewTermEntry) {
  TestCluster cluster(5);
  cluster.Elect(1);
  for (uint64_t id : {3, 4, 5}) cluster.Cut(1, id);
  cluster.Write(1, "a");
  cluster.Write(1, "b");
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{1});
  cluster.Heal();
  // A new leader has a quorum for the old entries as soon as they are sent, but commits them only
  // with one of its own.
  cluster.Drop([](const Message& message) {
    return Is<AppendRequest>(message) && !As<AppendRequest>(message).entries.empty() &&
           As<AppendRequest>(message).entries.back().term == Term{2};
  });
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{1});
  cluster.Heal();
  cluster.TickAll(2);
  cluster.Write(2, "c");
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{5});
}

TEST(RaftReplication, CommitWithoutNewTermEntryComesWithTheEmptyOne) {
  TestCluster cluster(5);
  cluster.Elect(1);
  for (uint64_t id : {3, 4, 5}) cluster.Cut(1, id);
  cluster.Write(1, "a");
  cluster.Heal();
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{3});
  EXPECT_THAT(cluster.Applied(5), ElementsAre("a"));
}

TEST(RaftReplication, OldMessages) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Elect(2);
  cluster.Elect(1);
  // Of the leader of term 2, with an entry that would be wrong.
  cluster.Deliver(From(2, 1, 2,
                       AppendRequest{.previous = {Term{2}, LogIndex{2}},
                                     .entries = {{Term{2}, LogIndex{3}}}}));
  cluster.Write(1, "a");
  EXPECT_EQ(LogOf(cluster, 1), "[1/1 \"\", 2/2 \"\", 3/3 \"\", 3/4 \"a\"]");
  EXPECT_EQ(LogOf(cluster, 2), LogOf(cluster, 1));
}

TEST(RaftReplication, ProposalsNeedAQuorumOrALeader) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(2);
  cluster.Write(1, "a");
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a"));
  cluster.Isolate(3);
  cluster.Write(1, "b");
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a"));
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a", "b"));
  EXPECT_THAT(cluster.Applied(2), ElementsAre("a", "b"));
}

TEST(RaftReplication, AForwardedProposalFindsTheLeaderOverAThird) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Drop([](const Message& m) { return m.to == NodeId{3}; });
  cluster.Elect(2);
  cluster.Heal();
  // 3 believes in 1, which sends on to 2.
  EXPECT_EQ(cluster.raft(3).leader(), NodeId{1});
  cluster.Write(3, "a");
  EXPECT_THAT(cluster.Applied(2), ElementsAre("a"));
}

TEST(RaftReplication, HandleMsgApp) {
  struct Case {
    AppendRequest request;
    uint64_t last;
    uint64_t commit;
    bool rejected;
  };
  const Term t1{1}, t2{2};
  const auto entry = [&](uint64_t index) { return Entry{t2, LogIndex{index}}; };
  for (const Case& c : {
           // No such previous entry.
           Case{{.previous = {t1, LogIndex{2}}, .commit = LogIndex{3}}, 2, 0, true},
           Case{{.previous = {t2, LogIndex{3}}, .commit = LogIndex{3}}, 2, 0, true},
           // What conflicts is replaced, what matches stays.
           Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{1}}, 2, 1, false},
           Case{{.previous = {}, .commit = LogIndex{1}, .entries = {entry(1)}}, 1, 1, false},
           Case{{.previous = {t2, LogIndex{2}},
                 .commit = LogIndex{3},
                 .entries = {entry(3), entry(4)}},
                4, 3, false},
           Case{{.previous = {t2, LogIndex{2}}, .commit = LogIndex{4}, .entries = {entry(3)}},
                3, 3, false},
           Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{4}, .entries = {entry(2)}},
                2, 2, false},
           // The commit index counts up to the last entry the message vouches for.
           Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{3}}, 2, 1, false},
           Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{3}, .entries = {entry(2)}},
                2, 2, false},
           Case{{.previous = {t2, LogIndex{2}}, .commit = LogIndex{3}}, 2, 2, false},
           Case{{.previous = {t2, LogIndex{2}}, .commit = LogIndex{4}}, 2, 2, false}}) {
    Config config = TestConfig(1, 3);
    MemoryLog disk = DiskWith({1, 2}, 2);
    config.hard_state = disk.hard_state();
    TestNode node(config, std::move(disk), 1);
    node.raft().Step(From(2, 1, 2, c.request));
    node.Run();
    EXPECT_EQ(node.raft().status().last, LogIndex{c.last});
    EXPECT_EQ(node.raft().commit(), LogIndex{c.commit});
    const std::vector<Message> sent = node.TakeSent();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(As<AppendResponse>(sent[0]).rejected, c.rejected);
  }
}

TEST(RaftReplication, HandleHeartbeatCommitsButNeverBack) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Write(1, "a");
  const LogIndex commit = cluster.raft(2).commit();
  cluster.Deliver(From(1, 2, 1, Heartbeat{.commit = commit - 1}));
  EXPECT_EQ(cluster.raft(2).commit(), commit);
  // Beyond the log: refused, not believed.
  cluster.Deliver(From(1, 2, 1, Heartbeat{.commit = commit + 1}));
  EXPECT_EQ(cluster.raft(2).commit(), commit);
  EXPECT_EQ(cluster.raft(2).status().refused_messages, 1u);
}

TEST(RaftReplication, ALeaderThatWouldReplaceCommittedEntriesIsRefused) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Write(1, "a");
  const std::string before = LogOf(cluster, 2);
  cluster.Deliver(From(3, 2, 9,
                       AppendRequest{.previous = {}, .entries = {{Term{9}, LogIndex{1}}}}));
  cluster.Deliver(From(3, 2, 9,
                       AppendRequest{.previous = {Term{1}, LogIndex{1}},
                                     .entries = {{Term{9}, LogIndex{2}}}}));
  cluster.Settle();
  EXPECT_EQ(LogOf(cluster, 2), before);
}

TEST(RaftReplication, LogReplicationWithReorderedMessage) {
  TestCluster cluster(2);
  cluster.Elect(1);
  std::vector<Message> requests;
  for (const char* data : {"a", "b", "c"}) {
    cluster.Propose(1, data);
    for (Message& message : cluster.RunAndIntercept(1)) requests.push_back(std::move(message));
  }
  ASSERT_EQ(requests.size(), 3u);
  // The last one comes first and is refused; the refusal comes back after all acknowledgements.
  cluster.Deliver(requests[2]);
  std::vector<Message> refusal = cluster.RunAndIntercept(2);
  ASSERT_TRUE(As<AppendResponse>(refusal.at(0)).rejected);
  cluster.Deliver(requests[0]);
  cluster.Deliver(requests[1]);
  cluster.Deliver(requests[2]);
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{4});
  cluster.Deliver(refusal[0]);
  EXPECT_EQ(cluster.raft(1).status().progress[1].state, ProgressState::kReplicate);
  EXPECT_EQ(cluster.raft(1).status().progress[1].next, LogIndex{5});
}

// How many rounds it takes to find where two logs agree; without hints it would be one an entry.
TEST(RaftReplication, FastLogRejection) {
  struct Case {
    std::vector<uint64_t> leader;
    std::vector<uint64_t> follower;
    int refusals;
  };
  const std::vector<uint64_t> long_tail = [] {
    std::vector<uint64_t> terms(1, 1);
    terms.insert(terms.end(), 200, 4);
    return terms;
  }();
  for (const Case& c : {
           Case{{1, 2, 2, 4, 4, 4, 4}, {1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}, 1},
           Case{{1, 2, 2, 3, 4, 4, 4, 5}, {1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}, 1},
           Case{{1, 1, 1, 1}, {1, 1, 1, 1, 1}, 0},
           Case{{1, 1, 1, 3}, {1, 1, 2, 2}, 2},
           Case{{1, 3, 3, 3, 3}, {1, 2, 2, 2, 2}, 1},
           Case{{1, 1, 1, 1, 5, 5, 5}, {1, 1, 1, 1, 4, 4, 4}, 1},
           Case{long_tail, {1, 2, 2, 3, 3, 3}, 1}}) {
    std::vector<MemoryLog> logs;
    logs.push_back(DiskWith(c.leader, 8));
    logs.push_back(DiskWith(c.follower, 8));
    logs.push_back(DiskWith({}, 8));
    TestCluster cluster(3, {}, std::move(logs));
    int refusals = 0;
    cluster.Drop([&](const Message& message) {
      if (message.from == NodeId{2} && Is<AppendResponse>(message) &&
          As<AppendResponse>(message).rejected) {
        ++refusals;
      }
      return false;
    });
    cluster.Elect(1);
    ASSERT_EQ(cluster.Leader(), 1u);
    EXPECT_EQ(refusals, c.refusals) << Describe(cluster.node(1).disk().entries());
    EXPECT_EQ(LogOf(cluster, 2), LogOf(cluster, 1));
  }
}

TEST(RaftReplication, MsgAppFlowControlFull) {
  TestCluster cluster(2, [](Config& config) { config.inflight_messages_max = 3; });
  cluster.Elect(1);
  for (int i = 0; i < 3; ++i) {
    cluster.Propose(1, "a");
    EXPECT_EQ(cluster.RunAndIntercept(1).size(), 1u);
  }
  for (int i = 0; i < 10; ++i) {
    cluster.Propose(1, "a");
    EXPECT_THAT(cluster.RunAndIntercept(1), IsEmpty());
  }
  // An acknowledgement moves the window, by what it covers.
  cluster.raft(1).Step(From(2, 1, 1, AppendResponse{.index = LogIndex{2}}));
  EXPECT_EQ(cluster.RunAndIntercept(1).size(), 1u);
  cluster.raft(1).Step(From(2, 1, 1, AppendResponse{.index = LogIndex{2}}));
  EXPECT_THAT(cluster.RunAndIntercept(1), IsEmpty());
}

TEST(RaftReplication, MsgAppFlowControlRecvHeartbeat) {
  TestCluster cluster(2, [](Config& config) { config.inflight_messages_max = 2; });
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, "a");
    cluster.RunAndIntercept(1);
  }
  for (int i = 0; i < 3; ++i) {
    // One message, without entries, an answer.
    cluster.raft(1).Step(From(2, 1, 1, HeartbeatResponse{}));
    const std::vector<Message> sent = cluster.RunAndIntercept(1);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(As<AppendRequest>(sent[0]).entries.empty());
  }
}

TEST(RaftReplication, ProgressFlowControlByBytes) {
  TestCluster cluster(2, [](Config& config) {
    config.append_bytes_max = 2048;
    config.inflight_messages_max = 100;
    config.inflight_bytes_max = 4096;
  });
  cluster.Elect(1);
  const std::string blob(1000, 'a');
  for (int i = 0; i < 10; ++i) cluster.Propose(1, blob);
  const std::vector<Message> sent = cluster.RunAndIntercept(1);
  // One entry a message would be 1032 bytes: a message takes one; the window closes after four.
  ASSERT_EQ(sent.size(), 4u);
  for (const Message& message : sent) EXPECT_EQ(As<AppendRequest>(message).entries.size(), 1u);
}

TEST(RaftReplication, RecvMsgUnreachable) {
  TestCluster cluster(2);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  cluster.RunAndIntercept(1);
  EXPECT_EQ(cluster.raft(1).status().progress[1].next, LogIndex{3});
  cluster.raft(1).OnUnreachable(NodeId{2});
  EXPECT_EQ(cluster.raft(1).status().progress[1].state, ProgressState::kProbe);
  EXPECT_EQ(cluster.raft(1).status().progress[1].next, LogIndex{2});
  cluster.Settle();
  EXPECT_THAT(cluster.Applied(2), ElementsAre("a"));
}

// An acknowledgement of the own log that arrives after the node led and was deposed.
TEST(RaftReplication, LeaderMsgAppSelfAckAfterTermChange) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  cluster.node(1).TakeReady();
  cluster.node(1).TakeSent();
  cluster.Deliver(From(2, 1, 2, AppendRequest{.previous = {Term{1}, LogIndex{1}},
                                              .entries = {{Term{2}, LogIndex{2}}}}));
  cluster.node(1).Acknowledge();
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{1});
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  cluster.node(1).Run();
  EXPECT_EQ(LogOf(cluster, 1), "[1/1 \"\", 2/2 \"\"]");
}

TEST(RaftReplication, ALaggingFollowerIsServedFromTheLog) {
  TestCluster cluster(3, [](Config& config) {
    config.cache_bytes_max = 0;
    config.append_bytes_max = 200;
  });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 50; ++i) cluster.Write(1, "entry " + std::to_string(i));
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(LogOf(cluster, 3), LogOf(cluster, 1));
  EXPECT_GT(cluster.node(1).disk().reads(), 0);
}

TEST(RaftReplication, ALeaderThatCannotReadItsLogGoesOnWithTheOthers) {
  TestCluster cluster(3, [](Config& config) { config.cache_bytes_max = 0; });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 5; ++i) cluster.Write(1, "a");
  cluster.node(1).disk().CompactThrough(LogIndex{5});
  cluster.Heal();
  cluster.TickAll(2);  // 3 would need a snapshot
  cluster.Write(1, "b");
  EXPECT_EQ(cluster.Applied(2).back(), "b");
  EXPECT_THAT(cluster.Applied(3), IsEmpty());
}

// ---------------------------------------------------------------------------------------------
// limits

TEST(RaftLimits, UncommittedEntryLimit) {
  constexpr size_t kEntries = 1024;
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = kEntries * 4; });
  cluster.Elect(1);
  for (size_t i = 0; i < kEntries; ++i) {
    ASSERT_EQ(cluster.Propose(1, "test"), ProposeResult::kAccepted);
  }
  EXPECT_EQ(cluster.Propose(1, "test"), ProposeResult::kFull);
  EXPECT_EQ(cluster.Propose(1, ""), ProposeResult::kAccepted);  // weighs nothing
  cluster.Settle();
  EXPECT_EQ(cluster.Propose(1, "test"), ProposeResult::kAccepted);
}

TEST(RaftLimits, ASingleProposalAlwaysFits) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 4; });
  cluster.Elect(1);
  EXPECT_EQ(cluster.Propose(1, std::string(100, 'x')), ProposeResult::kAccepted);
  EXPECT_EQ(cluster.Propose(1, "y"), ProposeResult::kFull);
  cluster.Settle();
  EXPECT_EQ(cluster.Propose(1, "y"), ProposeResult::kAccepted);
}

TEST(RaftLimits, BoundedLogGrowthWithPartition) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 64; });
  cluster.Elect(1);
  cluster.Isolate(1);
  for (int i = 0; i < 1024; ++i) cluster.Write(1, "testdata");
  EXPECT_EQ(cluster.raft(1).status().last, LogIndex{1 + 64 / 8});
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{9});
  EXPECT_EQ(cluster.Propose(1, "testdata"), ProposeResult::kAccepted);
}

TEST(RaftLimits, ProposalsFromOtherTermsDoNotWeigh) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 16; });
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Write(1, "0123456789abcdef");
  EXPECT_EQ(cluster.Propose(1, "x"), ProposeResult::kFull);
  cluster.node(1).Crash();
  cluster.node(1).Restart(7);
  cluster.Heal();
  cluster.Drop([](const Message& message) { return Is<AppendRequest>(message); });
  cluster.Elect(1);  // a new term, with the old entry uncommitted
  ASSERT_EQ(cluster.raft(1).commit(), LogIndex{1});
  EXPECT_EQ(cluster.Propose(1, "0123456789abcdef"), ProposeResult::kAccepted);
  EXPECT_EQ(cluster.Propose(1, "x"), ProposeResult::kFull);
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.Propose(1, "0123456789abcdef"), ProposeResult::kAccepted);
}

TEST(RaftLimits, CommitPagination) {
  TestCluster cluster(1, [](Config& config) { config.committed_bytes_max = 2048; });
  cluster.Elect(1);
  for (int i = 0; i < 3; ++i) cluster.Propose(1, std::string(1000, 'a'));
  cluster.node(1).TakeReady();
  cluster.node(1).Acknowledge();
  EXPECT_EQ(cluster.node(1).TakeReady()->committed.size(), 1u);
  EXPECT_EQ(cluster.node(1).TakeReady()->committed.size(), 1u);
}

// Batches are handed out ahead of OnApplied, and only so far.
TEST(RaftLimits, CommitPaginationWithAsyncStorageWrites) {
  TestCluster cluster(1, [](Config& config) { config.committed_bytes_max = 2100; });
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, std::string(1000, 'a'));
  cluster.node(1).TakeReady();
  cluster.node(1).Acknowledge();
  std::vector<size_t> sizes;
  while (const auto ready = cluster.node(1).TakeReady()) sizes.push_back(ready->committed.size());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 2));  // the limit of two batches is passed by the third
  cluster.node(1).Apply();
  sizes.clear();
  while (const auto ready = cluster.node(1).TakeReady()) sizes.push_back(ready->committed.size());
  EXPECT_THAT(sizes, ElementsAre(2));
}

// ---------------------------------------------------------------------------------------------
// reads

uint64_t GrantedIndex(TestCluster& cluster, uint64_t id, uint64_t context) {
  for (const ReadGrant& grant : cluster.node(id).TakeReads()) {
    if (grant.context == context) return grant.index.value();
  }
  return 0;
}

TEST(RaftReads, ReadOnlyOptionSafe) {
  TestCluster cluster(3);
  cluster.Elect(1);
  uint64_t context = 0;
  for (uint64_t id : {1, 2, 3, 1, 2, 3}) {
    for (int i = 0; i < 10; ++i) cluster.Write(1, "x");
    ASSERT_TRUE(cluster.raft(id).RequestReadIndex(++context));
    cluster.Settle();
    EXPECT_EQ(GrantedIndex(cluster, id, context), cluster.raft(1).commit().value());
  }
}

TEST(RaftReads, ReadOnlyWithLearner) {
  TestCluster cluster(2, [](Config& config) {
    config.conf.voters = {NodeId{1}};
    config.conf.learners = {NodeId{2}};
  });
  cluster.Elect(1);
  cluster.Write(1, "a");
  for (uint64_t id : {1, 2}) {
    ASSERT_TRUE(cluster.raft(id).RequestReadIndex(id));
    cluster.Settle();
    EXPECT_EQ(GrantedIndex(cluster, id, id), 2u);
  }
}

TEST(RaftReads, ASingleVoterAnswersAtOnce) {
  TestCluster cluster(1);
  cluster.Elect(1);
  cluster.raft(1).RequestReadIndex(7);
  const std::optional<Ready> ready = cluster.node(1).TakeReady();
  ASSERT_EQ(ready->reads.size(), 1u);
  EXPECT_EQ(ready->reads[0].index, LogIndex{1});
}

TEST(RaftReads, ReadOnlyForNewLeader) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.Drop([](const Message& message) { return Is<AppendResponse>(message); });
  cluster.Elect(2);
  ASSERT_TRUE(cluster.raft(2).RequestReadIndex(7));
  cluster.Settle();
  cluster.TickAll(2);
  EXPECT_THAT(cluster.node(2).TakeReads(), IsEmpty());  // nothing committed in its term
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(GrantedIndex(cluster, 2, 7), 3u);
}

// A context that comes again is a read of its own: an answer to the first must not confirm the
// second.
TEST(RaftReads, ReadOnlyDuplicateRequest) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Deliver(From(2, 1, 1, ReadIndexRequest{.context = 5}));
  std::vector<Message> first = cluster.RunAndIntercept(1);
  cluster.Deliver(first.at(0));
  std::vector<Message> answers = cluster.RunAndIntercept(2);
  // The same request again, after more was committed.
  for (Message& message : first) cluster.Deliver(message);
  cluster.Settle();
  cluster.Write(1, "a");
  std::vector<LogIndex> indexes;
  cluster.Drop([&](const Message& message) {
    if (Is<ReadIndexResponse>(message)) indexes.push_back(As<ReadIndexResponse>(message).index);
    return Is<HeartbeatResponse>(message);
  });
  cluster.Deliver(From(2, 1, 1, ReadIndexRequest{.context = 5}));
  cluster.Settle();
  cluster.raft(1).Step(answers.at(0));  // late, of the first
  cluster.Settle();
  EXPECT_THAT(indexes, IsEmpty());
  cluster.Heal();
  cluster.TickAll(1);
}

TEST(RaftReads, ALeaderThatIsCutOffGrantsNothing) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Elect(2);
  cluster.Write(2, "a");
  ASSERT_TRUE(cluster.raft(1).RequestReadIndex(7));
  cluster.TickAll(5);
  EXPECT_THAT(cluster.node(1).TakeReads(), IsEmpty());
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_THAT(cluster.node(1).TakeReads(), IsEmpty());
  EXPECT_THAT(cluster.node(1).TakeDroppedReads(), ElementsAre(7));
}

TEST(RaftReads, ReadIndexToOldLeader) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Drop([](const Message& m) { return m.to == NodeId{3}; });
  cluster.Elect(2);
  cluster.Heal();
  // 3 asks its old leader, which leads no more; the new leader's next message tells it.
  ASSERT_TRUE(cluster.raft(3).RequestReadIndex(7));
  cluster.Settle();
  EXPECT_THAT(cluster.node(3).TakeReads(), IsEmpty());
  cluster.TickAll(2);
  EXPECT_THAT(cluster.node(3).TakeDroppedReads(), ElementsAre(7));
  ASSERT_TRUE(cluster.raft(3).RequestReadIndex(8));
  cluster.Settle();
  EXPECT_EQ(GrantedIndex(cluster, 3, 8), 2u);
}

TEST(RaftReads, ALostRequestIsAskedAgain) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Drop([](const Message& message) { return Is<ReadIndexRequest>(message); });
  ASSERT_TRUE(cluster.raft(2).RequestReadIndex(7));
  cluster.Settle();
  cluster.Heal();
  cluster.TickAll(5);
  EXPECT_EQ(GrantedIndex(cluster, 2, 7), 1u);
  // The leader's answer may come twice; the grant does not.
  cluster.TickAll(10);
  EXPECT_THAT(cluster.node(2).TakeReads(), IsEmpty());
}

TEST(RaftReads, ALostRoundIsConfirmedByTheNextHeartbeat) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Drop([](const Message& message) { return Is<Heartbeat>(message); });
  ASSERT_TRUE(cluster.raft(1).RequestReadIndex(7));
  cluster.Settle();
  cluster.Heal();
  cluster.TickAll(1);
  EXPECT_EQ(GrantedIndex(cluster, 1, 7), 1u);
}

TEST(RaftReads, ReadsThatWaitTogetherCostOneRound) {
  TestCluster cluster(3);
  cluster.Elect(1);
  int heartbeats = 0;
  cluster.Drop([&](const Message& message) {
    heartbeats += Is<Heartbeat>(message) ? 1 : 0;
    return false;
  });
  for (uint64_t context = 1; context <= 100; ++context) {
    ASSERT_TRUE(cluster.raft(1).RequestReadIndex(context));
  }
  cluster.Settle();
  EXPECT_EQ(heartbeats, 2);
  EXPECT_EQ(cluster.node(1).TakeReads().size(), 100u);
}

// ---------------------------------------------------------------------------------------------
// disks

TEST(RaftDisk, AVoteDoesNotOutrunItsWrite) {
  TestNode node(TestConfig(1, 3), 1);
  node.raft().Step(From(2, 1, 1, VoteRequest{}));
  const std::optional<Ready> ready = node.TakeReady();
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_TRUE(ready->write.must_sync);
  EXPECT_EQ(ready->send_after_write.size(), 1u);
}

TEST(RaftDisk, APromiseAboutWhatIsDurableIsSentNow) {
  TestCluster cluster(3);
  cluster.Elect(1);
  // A repeated message: all it asks for is on the disk.
  const Entry first{Term{1}, LogIndex{1}};
  cluster.Deliver(From(1, 2, 1, AppendRequest{.previous = {}, .entries = {first}}));
  const std::optional<Ready> ready = cluster.node(2).TakeReady();
  EXPECT_TRUE(ready->write.empty());
  EXPECT_EQ(ready->send_now.size(), 1u);
  EXPECT_THAT(ready->send_after_write, IsEmpty());
}

TEST(RaftDisk, APromiseWaitsForTheWritesBeforeIt) {
  TestCluster cluster(3);
  cluster.Elect(1);
  const Entry entry{Term{1}, LogIndex{2}};
  cluster.Deliver(From(1, 2, 1, AppendRequest{{Term{1}, LogIndex{1}}, {}, {entry}}));
  cluster.node(2).TakeReady();
  // The same again, while the write is under way.
  cluster.Deliver(From(1, 2, 1, AppendRequest{{Term{1}, LogIndex{1}}, {}, {entry}}));
  const std::optional<Ready> ready = cluster.node(2).TakeReady();
  EXPECT_TRUE(ready->write.empty());
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_EQ(ready->send_after_write.size(), 1u);
}

TEST(RaftDisk, ACommitAloneIsNotWritten) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  cluster.Settle();
  // The commit was learned by all, and rides on the next write.
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{2});
  EXPECT_EQ(cluster.node(2).disk().hard_state().commit, LogIndex{1});
  cluster.Write(1, "b");
  EXPECT_EQ(cluster.node(2).disk().hard_state().commit, LogIndex{2});
}

TEST(RaftDisk, TheLeaderSendsBeforeItWrites) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  const std::optional<Ready> ready = cluster.node(1).TakeReady();
  EXPECT_EQ(ready->send_now.size(), 2u);
  EXPECT_EQ(ready->write.entries.size(), 1u);
  EXPECT_THAT(ready->send_after_write, IsEmpty());
}

TEST(RaftDisk, ManyProposalsBetweenTwoReadysAreOneMessage) {
  TestCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 100; ++i) cluster.Propose(1, "a");
  const std::optional<Ready> ready = cluster.node(1).TakeReady();
  ASSERT_EQ(ready->send_now.size(), 2u);
  EXPECT_EQ(As<AppendRequest>(ready->send_now[0]).entries.size(), 100u);
  // All copies share their bytes.
  EXPECT_EQ(As<AppendRequest>(ready->send_now[0]).entries[7].data.data(),
            ready->write.entries[7].data.data());
}

TEST(RaftDisk, EntriesWithoutTheirHardStateAreKeptAndPromiseNothing) {
  MemoryLog disk;
  disk.Write({.hard_state = HardState{Term{1}, NodeId{2}, LogIndex{0}},
              .entries = {{Term{3}, LogIndex{1}}}});
  Config config = TestConfig(1, 3);
  config.hard_state = disk.hard_state();
  TestNode node(config, std::move(disk), 1);
  EXPECT_EQ(node.raft().term(), Term{3});
  EXPECT_EQ(node.raft().status().vote, NodeId{0});
  node.Run();
  EXPECT_EQ(node.disk().hard_state().term, Term{3});
}

TEST(RaftDisk, WholeClusterRestarts) {
  TestCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) cluster.Write(1, "v" + std::to_string(i));
  for (uint64_t id = 1; id <= 3; ++id) cluster.node(id).Crash();
  for (uint64_t id = 1; id <= 3; ++id) cluster.node(id).Restart(id + 10);
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).term(), Term{2});
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(cluster.Applied(id), ElementsAre("v0", "v1", "v2", "v3", "v4"));
  }
}

}  // namespace
}  // namespace keelson::raft
