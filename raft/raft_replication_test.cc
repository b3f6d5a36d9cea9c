// Replication: how a leader brings its log to the others, over loss, reordering and conflict. Names
// follow etcd-io/raft's tests (after "Test"), where the same is shown.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
  cluster.Deliver(
      From(2, 1, 2,
           AppendRequest{.previous = {Term{2}, LogIndex{2}}, .entries = {{Term{2}, LogIndex{3}}}}));
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
  for (const Case& c :
       {// No such previous entry.
        Case{{.previous = {t1, LogIndex{2}}, .commit = LogIndex{3}}, 2, 0, true},
        Case{{.previous = {t2, LogIndex{3}}, .commit = LogIndex{3}}, 2, 0, true},
        // What conflicts is replaced, what matches stays.
        Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{1}}, 2, 1, false},
        Case{{.previous = {}, .commit = LogIndex{1}, .entries = {entry(1)}}, 1, 1, false},
        Case{
            {.previous = {t2, LogIndex{2}}, .commit = LogIndex{3}, .entries = {entry(3), entry(4)}},
            4,
            3,
            false},
        Case{{.previous = {t2, LogIndex{2}}, .commit = LogIndex{4}, .entries = {entry(3)}},
             3,
             3,
             false},
        Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{4}, .entries = {entry(2)}},
             2,
             2,
             false},
        // The commit index counts up to the last entry the message vouches for.
        Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{3}}, 2, 1, false},
        Case{{.previous = {t1, LogIndex{1}}, .commit = LogIndex{3}, .entries = {entry(2)}},
             2,
             2,
             false},
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

TEST(RaftReplication, HandleHeartbeat) {
  for (const uint64_t commit : {1, 2, 3}) {
    MemoryLog disk = DiskWith({1, 2, 3}, 3);
    disk.Write({.hard_state = HardState{Term{3}, NodeId{0}, LogIndex{2}}});
    LoneMember member;
    member.Start(2, std::move(disk));
    member.Receive(2, 3, Heartbeat{.commit = LogIndex{commit}});
    EXPECT_EQ(member.raft().commit(), LogIndex{std::max<uint64_t>(2, commit)});
    EXPECT_EQ(member.SentOf<HeartbeatResponse>().size(), 1u);
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
  cluster.Deliver(
      From(3, 2, 9, AppendRequest{.previous = {}, .entries = {{Term{9}, LogIndex{1}}}}));
  cluster.Deliver(
      From(3, 2, 9,
           AppendRequest{.previous = {Term{1}, LogIndex{1}}, .entries = {{Term{9}, LogIndex{2}}}}));
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
  for (const Case& c : {Case{{1, 2, 2, 4, 4, 4, 4}, {1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}, 1},
                        Case{{1, 2, 2, 3, 4, 4, 4, 5}, {1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}, 1},
                        Case{{1, 1, 1, 1}, {1, 1, 1, 1, 1}, 0}, Case{{1, 1, 1, 3}, {1, 1, 2, 2}, 2},
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
  cluster.Deliver(
      From(2, 1, 2,
           AppendRequest{.previous = {Term{1}, LogIndex{1}}, .entries = {{Term{2}, LogIndex{2}}}}));
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

// A heartbeat carries no log position, and a commit index that its receiver is known to have.
TEST(RaftReplication, BcastBeat) {
  MemoryLog disk(EntryId{Term{1}, LogIndex{1000}});
  disk.Write({.hard_state = HardState{Term{1}, NodeId{0}, LogIndex{1000}}});
  Config config = TestConfig(1, 3);
  config.applied = LogIndex{1000};
  LoneMember member;
  member.Start(config, std::move(disk));
  member.BecomeLeader();  // entry 1001
  for (int i = 0; i < 10; ++i) member.Propose("a");
  member.AcceptFrom(2, 1005);
  member.AcceptFrom(3, 1011);
  member.Sent();
  ASSERT_EQ(member.raft().commit(), LogIndex{1011});
  member.Tick(1);
  std::vector<std::pair<NodeId, LogIndex>> commits;
  for (const Message& message : member.Sent()) {
    ASSERT_TRUE(Is<Heartbeat>(message));
    commits.emplace_back(message.to, As<Heartbeat>(message).commit);
  }
  EXPECT_THAT(commits, ElementsAre(std::pair(NodeId{2}, LogIndex{1005}),
                                   std::pair(NodeId{3}, LogIndex{1011})));
}

TEST(RaftReplication, OnlyALeaderSendsHeartbeats) {
  for (const Role role : {Role::kFollower, Role::kCandidate, Role::kLeader}) {
    LoneMember member;
    member.Start(3, DiskWith({1, 1}, 1));
    if (role == Role::kCandidate) member.BecomeCandidate();
    if (role == Role::kLeader) member.BecomeLeader();
    ASSERT_EQ(member.raft().role(), role);
    member.Tick(1);
    EXPECT_EQ(member.SentOf<Heartbeat>().size(), role == Role::kLeader ? 2u : 0u);
  }
}

// What a leader of term 2 commits, by its definition, for everything its followers can have of the
// log 1/1 2/2 2/3.
TEST(RaftReplication, CommitIsWhatAMajorityHasOfTheLeadersTerm) {
  for (uint64_t voters = 1; voters <= 5; ++voters) {
    uint64_t combinations = 1;
    for (uint64_t peer = 2; peer <= voters; ++peer) combinations *= 4;
    for (uint64_t combination = 0; combination < combinations; ++combination) {
      std::vector<uint64_t> matches = {3};  // its own
      for (uint64_t rest = combination; matches.size() < voters; rest /= 4) {
        matches.push_back(rest % 4);
      }
      LoneMember member;
      member.Start(voters, DiskWith({1}, 1));
      member.BecomeLeader();
      member.Propose("a");
      member.Sent();
      for (uint64_t peer = 2; peer <= voters; ++peer) member.AcceptFrom(peer, matches[peer - 1]);
      uint64_t expected = 0;
      for (uint64_t index : {2, 3}) {
        const auto have = std::count_if(matches.begin(), matches.end(),
                                        [&](uint64_t match) { return match >= index; });
        if (2 * static_cast<uint64_t>(have) > voters) expected = index;
      }
      ASSERT_EQ(member.raft().commit(), LogIndex{expected})
          << voters << " voters, combination " << combination;
    }
  }
}

// Who has nobody to lead to a quorum, and who has.
TEST(RaftReplication, Proposal) {
  struct Case {
    uint64_t voters;
    std::vector<uint64_t> down;
    bool succeeds;
  };
  for (const Case& c : {Case{3, {}, true}, Case{3, {3}, true}, Case{3, {2, 3}, false},
                        Case{4, {2, 3}, false}, Case{5, {2, 3}, true}}) {
    TestCluster cluster(c.voters);
    for (uint64_t id : c.down) cluster.Isolate(id);
    cluster.Elect(1);
    cluster.Write(1, "somedata");
    EXPECT_EQ(cluster.raft(1).term(), Term{1});
    for (uint64_t id = 1; id <= c.voters; ++id) {
      const bool up = std::count(c.down.begin(), c.down.end(), id) == 0;
      EXPECT_EQ(LogOf(cluster, id), c.succeeds && up ? "[1/1 \"\", 1/2 \"somedata\"]" : "[]");
    }
  }
}

TEST(RaftReplication, AClusterThatIsNotDisturbedAppliesEverythingInOrder) {
  TestCluster cluster(5);
  cluster.TickAll(60);
  const uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back("entry " + std::to_string(i));
    cluster.Propose(1 + static_cast<uint64_t>(i) % 5, expected.back());
    cluster.Settle();
  }
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(cluster.Applied(id), expected);
}

// Members that die and come back, one after the other and two at once, while entries are proposed.
TEST(RaftReplication, MembersThatRestartCatchUp) {
  TestCluster cluster(5);
  cluster.Elect(1);
  std::vector<std::string> expected;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      expected.push_back("entry " + std::to_string(expected.size()));
      cluster.Write(1, expected.back());
    }
  };
  write(30);
  cluster.node(3).Crash();
  write(30);
  cluster.node(2).Crash();
  write(30);
  cluster.node(3).Restart(23);
  write(30);
  cluster.node(2).Restart(22);
  cluster.TickAll(2);
  ASSERT_EQ(cluster.Leader(), 1u);
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(cluster.Applied(id), expected) << id;
}

// Members that stand still for a while, and find all messages of that time waiting, or none.
TEST(RaftReplication, MembersThatPausedCatchUp) {
  TestCluster cluster(5);
  cluster.Elect(1);
  std::vector<Message> waiting;
  std::vector<std::string> expected;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      expected.push_back("entry " + std::to_string(expected.size()));
      cluster.Write(1, expected.back());
    }
  };
  write(30);
  cluster.Drop([&](const Message& message) {
    if (message.to == NodeId{2}) waiting.push_back(message);
    return message.to == NodeId{2} || message.to == NodeId{3};
  });
  write(30);
  cluster.Heal();
  EXPECT_FALSE(waiting.empty());
  for (Message& message : waiting) cluster.Deliver(std::move(message));
  cluster.Settle();
  EXPECT_EQ(cluster.Applied(2), expected);
  cluster.TickAll(2);
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(cluster.Applied(id), expected) << id;
}

TEST(RaftReplication, ProposalByProxy) {
  for (const bool one_is_down : {false, true}) {
    TestCluster cluster(3);
    if (one_is_down) cluster.Isolate(3);
    cluster.Elect(1);
    EXPECT_EQ(cluster.Propose(2, "somedata"), ProposeResult::kForwarded);
    cluster.Settle();
    EXPECT_EQ(cluster.raft(1).term(), Term{1});
    for (uint64_t id : {1, 2}) EXPECT_EQ(LogOf(cluster, id), "[1/1 \"\", 1/2 \"somedata\"]");
    EXPECT_EQ(LogOf(cluster, 3), one_is_down ? "[]" : LogOf(cluster, 1));
  }
}

// Entries follow each other and the previous one, in terms that do not decrease and are not above
// the sender's.
TEST(RaftReplication, AMalformedAppendIsRefused) {
  struct Case {
    EntryId previous;
    std::vector<EntryId> entries;
    bool good;
  };
  const auto id = [](uint64_t term, uint64_t index) {
    return EntryId{Term{term}, LogIndex{index}};
  };
  for (const Case& c :
       {Case{id(2, 2), {}, true}, Case{id(2, 2), {id(2, 3), id(4, 4)}, true},
        Case{id(2, 2), {id(2, 4)}, false}, Case{id(2, 2), {id(2, 2)}, false},
        Case{id(2, 2), {id(2, 3), id(2, 5)}, false}, Case{id(2, 2), {id(2, 3), id(2, 3)}, false},
        Case{id(2, 2), {id(1, 3)}, false}, Case{id(2, 2), {id(0, 3)}, false},
        Case{id(2, 2), {id(4, 3), id(3, 4)}, false}, Case{id(2, 2), {id(5, 3)}, false},
        Case{id(5, 2), {}, false}, Case{id(2, UINT64_MAX), {id(2, 0)}, false},
        Case{id(2, UINT64_MAX - 1), {}, false}}) {
    LoneMember member;
    member.Start(2, DiskWith({1, 2}, 4));
    AppendRequest request{.previous = c.previous};
    for (const EntryId& entry : c.entries) {
      request.entries.push_back({.term = entry.term, .index = entry.index});
    }
    const size_t entries = request.entries.size();
    member.Receive(2, 4, std::move(request));
    EXPECT_EQ(member.raft().status().refused_messages, c.good ? 0u : 1u) << Describe(c.previous);
    EXPECT_EQ(member.raft().status().last, LogIndex{2 + (c.good ? entries : 0)});
  }
}

// Whoever asks in a later term knows that this leader is deposed. It is not told so by a request on
// behalf of a client, and does not act on it.
TEST(RaftReplication, RequestsOfALaterTermAreNotForThisLeader) {
  LoneMember member;
  member.Start(3);
  member.BecomeLeader();
  member.AcceptFrom(2, 1);
  member.Sent();
  member.Receive(2, 2, ProposeRequest{.proposals = {{.data = SharedBytes(std::string("a"))}}});
  member.Receive(2, 2, ReadIndexRequest{.context = 5});
  member.Receive(2, 2, TransferRequest{.to = NodeId{2}});
  EXPECT_EQ(member.raft().status().last, LogIndex{1});
  EXPECT_EQ(member.raft().status().transferee, NodeId{0});
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_EQ(member.raft().term(), Term{1});
  EXPECT_THAT(member.Sent(), IsEmpty());
}

}  // namespace
}  // namespace keelson::raft
