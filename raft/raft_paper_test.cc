// The rules of section 5 of the Raft paper (In Search of an Understandable Consensus Algorithm,
// extended version), one test each; the rule is quoted or put short above its test. Names follow
// etcd-io/raft's raft_paper_test.go where the rule is the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Paper : public ::testing::Test, protected LoneMember {};

// 5.1: if one server's current term is smaller than the other's, it updates its term to the larger
// value; if a candidate or leader discovers that its term is out of date, it reverts to follower.
TEST_F(Paper, UpdateTermFromMessage) {
  for (const Role role : {Role::kFollower, Role::kCandidate, Role::kLeader}) {
    Start(3);
    if (role == Role::kCandidate) BecomeCandidate();
    if (role == Role::kLeader) BecomeLeader();
    ASSERT_EQ(raft().role(), role);
    Receive(2, 5, AppendRequest{});
    EXPECT_EQ(raft().term(), Term{5});
    EXPECT_EQ(raft().role(), Role::kFollower);
  }
}

// 5.1: if a server receives a request with a stale term number, it rejects the request.
TEST_F(Paper, RejectStaleTermMessage) {
  Start(3, DiskWith({}, 2));
  Receive(2, 1, AppendRequest{.entries = {{Term{1}, LogIndex{1}, EntryType::kNormal, {}}}});
  Receive(2, 1, VoteRequest{});
  for (const Message& message : Sent()) {
    EXPECT_EQ(message.term, Term{2}) << Describe(message);
    if (Is<VoteResponse>(message)) {
      EXPECT_FALSE(As<VoteResponse>(message).granted);
    }
  }
  EXPECT_EQ(raft().status().last, LogIndex{0});
  EXPECT_EQ(raft().status().vote, NodeId{0});
}

// 5.2: when servers start up, they begin as followers.
TEST_F(Paper, StartAsFollower) {
  Start(3);
  EXPECT_EQ(raft().role(), Role::kFollower);
}

// 5.2: a leader sends periodic heartbeats to all followers.
TEST_F(Paper, LeaderBcastBeat) {
  Start(3);
  BecomeLeader();
  raft().Tick();
  EXPECT_EQ(SentOf<Heartbeat>().size(), 2u);
}

// Not more often than it is told to.
TEST_F(Paper, HeartbeatsKeepTheirInterval) {
  Config config = TestConfig(1, 3);
  config.heartbeat_ticks = 3;
  Start(config);
  BecomeLeader();
  Tick(2);
  EXPECT_EQ(SentOf<Heartbeat>().size(), 0u);
  Tick(1);
  EXPECT_EQ(SentOf<Heartbeat>().size(), 2u);
}

// 5.2: a follower that hears nothing over the election timeout begins an election: it increments
// its term, becomes a candidate, votes for itself and requests votes from all others.
TEST_F(Paper, FollowerStartElection) {
  Start(3, DiskWith({}, 1));
  for (int i = 0; i < 2 * 10; ++i) raft().Tick();
  EXPECT_EQ(raft().role(), Role::kCandidate);
  EXPECT_EQ(raft().term(), Term{2});
  EXPECT_EQ(raft().status().vote, NodeId{1});
  EXPECT_EQ(SentOf<VoteRequest>().size(), 2u);
}

// 5.2: a candidate whose election ends in nothing starts another one, in a new term.
TEST_F(Paper, CandidateStartNewElection) {
  Start(3, DiskWith({}, 1));
  BecomeCandidate();
  for (int i = 0; i < 2 * 10; ++i) raft().Tick();
  EXPECT_EQ(raft().role(), Role::kCandidate);
  EXPECT_EQ(raft().term(), Term{3});
  EXPECT_EQ(SentOf<VoteRequest>().size(), 2u);
}

// 5.2: a candidate wins an election if it receives votes from a majority of the servers.
TEST_F(Paper, LeaderElectionInOneRoundRPC) {
  struct Case {
    uint64_t voters;
    std::map<uint64_t, bool> votes;
    Role role;
  };
  for (const Case& c : {Case{1, {}, Role::kLeader}, Case{3, {{2, true}}, Role::kLeader},
                        Case{3, {{2, true}, {3, true}}, Role::kLeader},
                        Case{5, {{2, true}, {3, true}}, Role::kLeader},
                        Case{5, {{2, true}, {3, true}, {4, true}, {5, true}}, Role::kLeader},
                        Case{3, {{2, false}, {3, false}}, Role::kFollower},
                        Case{5, {{2, false}, {3, false}, {4, false}}, Role::kFollower},
                        Case{5, {{2, true}, {3, false}, {4, false}, {5, false}}, Role::kFollower},
                        Case{3, {}, Role::kCandidate}, Case{5, {{2, true}}, Role::kCandidate},
                        Case{5, {{2, false}, {3, false}}, Role::kCandidate}}) {
    Start(c.voters);
    BecomeCandidate();
    for (const auto& [peer, granted] : c.votes) Receive(peer, 1, VoteResponse{.granted = granted});
    EXPECT_EQ(raft().role(), c.role) << c.voters << " voters, " << c.votes.size() << " votes";
    EXPECT_EQ(raft().term(), Term{1});
  }
}

// 5.2: each server votes for at most one candidate in a given term, first come, first served.
TEST_F(Paper, FollowerVote) {
  for (uint64_t vote : {0, 2, 3}) {
    for (uint64_t asker : {2, 3}) {
      Start(3, DiskWith({}, 1, vote));
      Receive(asker, 1, VoteRequest{});
      const auto answers = SentOf<VoteResponse>();
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_EQ(answers[0].granted, vote == 0 || vote == asker) << vote << " " << asker;
    }
  }
}

// 5.2 (figure 2): a follower campaigns if the election timeout elapses without its hearing from the
// leader or granting a vote; one that it refuses does not put it off.
TEST_F(Paper, AGrantedVoteBeginsTheElectionTimeoutAnew) {
  for (const bool granted : {true, false}) {
    Start(3, DiskWith({1}, 1));
    for (int i = 0; i < 9; ++i) raft().Tick();
    const EntryId last = granted ? EntryId{Term{1}, LogIndex{1}} : EntryId{};
    Receive(2, 1, keelson::raft::VoteRequest{.last = last});
    ASSERT_EQ(SentOf<VoteResponse>().at(0).granted, granted);
    int ticks = 9;
    for (; raft().role() == Role::kFollower; ++ticks) raft().Tick();
    if (granted) {
      EXPECT_GE(ticks, 9 + 10);
    } else {
      EXPECT_LE(ticks, 19);
    }
  }
}

// 5.2: a candidate that hears from a leader of its term, or a later one, becomes its follower.
TEST_F(Paper, CandidateFallback) {
  for (uint64_t term : {1, 2}) {
    Start(3);
    BecomeCandidate();
    Receive(2, term, AppendRequest{});
    EXPECT_EQ(raft().role(), Role::kFollower);
    EXPECT_EQ(raft().term(), Term{term});
    EXPECT_EQ(raft().leader(), NodeId{2});
  }
}

// 5.2: election timeouts are chosen randomly from a fixed interval: here [10, 20) ticks, and every
// value of it occurs, for followers and for candidates.
TEST_F(Paper, ElectionTimeoutRandomized) {
  for (const Role role : {Role::kFollower, Role::kCandidate}) {
    std::set<int> seen;
    for (uint64_t seed = 1; seed <= 300; ++seed) {
      Start(TestConfig(1, 3), MemoryLog(), seed);
      if (role == Role::kCandidate) BecomeCandidate();
      const Term before = raft().term();
      int ticks = 0;
      for (; raft().term() == before; ++ticks) raft().Tick();
      seen.insert(ticks);
    }
    EXPECT_EQ(*seen.begin(), 10);
    EXPECT_EQ(*seen.rbegin(), 19);
    EXPECT_EQ(seen.size(), 10u);
  }
}

// 5.2: ... and every value is as likely as the others: after so many ticks, so many have timed out.
TEST_F(Paper, ElectionTimeoutsAreSpreadEvenly) {
  constexpr int kMembers = 4000;
  std::map<int, int> timed_out = {{5, 0}, {10, 0}, {13, 0}, {15, 0}, {18, 0}, {20, 0}};
  for (uint64_t seed = 1; seed <= kMembers; ++seed) {
    Start(TestConfig(1, 3), MemoryLog(), seed);
    for (int ticks = 1; ticks <= 20; ++ticks) {
      raft().Tick();
      if (raft().role() == Role::kFollower) continue;
      for (auto& [elapsed, count] : timed_out) count += ticks <= elapsed ? 1 : 0;
      break;
    }
  }
  for (const auto& [elapsed, count] : timed_out) {
    const double expected = std::clamp((elapsed - 9) / 10.0, 0.0, 1.0);
    EXPECT_NEAR(static_cast<double>(count) / kMembers, expected, 0.03) << elapsed;
  }
}

// 5.2: so that split votes are rare: in most cases only a single server will time out, whether it
// follows or campaigns.
TEST_F(Paper, ElectionTimeoutsSeldomCoincide) {
  constexpr int kRounds = 1000;
  for (const Role role : {Role::kFollower, Role::kCandidate}) {
    int conflicts = 0;
    for (uint64_t seed = 1; seed <= kRounds; ++seed) {
      std::vector<std::unique_ptr<TestNode>> nodes;
      for (uint64_t i = 0; i < 5; ++i) {
        nodes.push_back(std::make_unique<TestNode>(TestConfig(1, 5), seed * 100 + i));
        if (role == Role::kCandidate) nodes.back()->raft().Campaign();
      }
      const Term before = nodes[0]->raft().term();
      int timed_out = 0;
      while (timed_out == 0) {
        for (auto& node : nodes) {
          node->raft().Tick();
          if (node->raft().term() > before) ++timed_out;
        }
      }
      if (timed_out > 1) ++conflicts;
    }
    EXPECT_LT(conflicts, kRounds / 3) << Describe(role);
  }
}

// 5.3: the leader appends the command to its log and sends it to the others, naming the index and
// term of the entry before it.
TEST_F(Paper, LeaderStartReplication) {
  Start(3);
  BecomeLeader();
  AcceptFrom(2, 1);
  AcceptFrom(3, 1);
  Sent();
  Propose("some data");
  const auto requests = SentOf<AppendRequest>();
  ASSERT_EQ(requests.size(), 2u);
  for (const AppendRequest& request : requests) {
    EXPECT_EQ(request.previous, (EntryId{Term{1}, LogIndex{1}}));
    ASSERT_EQ(request.entries.size(), 1u);
    EXPECT_EQ(request.entries[0].data.view(), "some data");
  }
  EXPECT_EQ(raft().commit(), LogIndex{1});
}

// 5.3: when an entry is replicated to a majority the leader applies it, and keeps track of the
// highest index it knows to be committed, which it includes in further messages.
TEST_F(Paper, LeaderCommitEntry) {
  Start(3);
  BecomeLeader();
  AcceptFrom(2, 1);
  AcceptFrom(3, 1);
  Sent();
  Propose("some data");
  Sent();
  AcceptFrom(2, 2);
  const auto requests = SentOf<AppendRequest>();
  EXPECT_EQ(raft().commit(), LogIndex{2});
  EXPECT_EQ(node().applied().back().data.view(), "some data");
  ASSERT_FALSE(requests.empty());
  for (const AppendRequest& request : requests) EXPECT_EQ(request.commit, LogIndex{2});
}

// 5.3: an entry is committed once the leader has replicated it on a majority (its own disk
// included).
TEST_F(Paper, LeaderAcknowledgeCommit) {
  struct Case {
    uint64_t voters;
    std::set<uint64_t> acceptors;
    bool committed;
  };
  for (const Case& c :
       {Case{1, {}, true}, Case{3, {}, false}, Case{3, {2}, true}, Case{3, {2, 3}, true},
        Case{5, {}, false}, Case{5, {2}, false}, Case{5, {2, 3}, true}, Case{5, {2, 3, 4}, true}}) {
    Start(c.voters);
    BecomeLeader();
    for (uint64_t peer = 2; peer <= c.voters; ++peer) AcceptFrom(peer, 1);
    Sent();
    Propose("x");
    Sent();
    for (uint64_t peer : c.acceptors) AcceptFrom(peer, 2);
    EXPECT_EQ(raft().commit() == LogIndex{2}, c.committed) << c.voters << c.acceptors.size();
  }
}

// 5.3: the leader counts its own disk like everybody's: an entry is not committed by followers of
// a minority and a leader that has not written.
TEST_F(Paper, LeaderCountsItselfOnlyWhenDurable) {
  Start(3);
  BecomeLeader();
  AcceptFrom(2, 1);
  Sent();
  Propose("x");
  node().TakeReady();
  AcceptFrom(2, 2);
  EXPECT_EQ(raft().commit(), LogIndex{1});
  node().Acknowledge();
  EXPECT_EQ(raft().commit(), LogIndex{2});
}

// 5.3: committing an entry commits all preceding entries, including those of previous leaders.
TEST_F(Paper, LeaderCommitPrecedingEntries) {
  for (const std::vector<uint64_t>& terms :
       {std::vector<uint64_t>{}, {2}, {1, 2}, {1}, {1, 1, 2}}) {
    Start(3, DiskWith(terms, 2));
    BecomeLeader();
    Propose("some data");
    Sent();
    AcceptFrom(2, terms.size() + 2);
    Sent();
    ASSERT_EQ(node().applied().size(), terms.size() + 2);
    for (size_t i = 0; i < terms.size(); ++i) {
      EXPECT_EQ(node().applied()[i].term, Term{terms[i]});
    }
    EXPECT_EQ(node().applied().back().data.view(), "some data");
  }
}

// 5.3: once a follower learns that an entry is committed, it applies it, in log order.
TEST_F(Paper, FollowerCommitEntry) {
  for (uint64_t commit = 1; commit <= 3; ++commit) {
    Start(3);
    AppendRequest request{.commit = LogIndex{commit}, .entries = {}};
    for (uint64_t i = 1; i <= 3; ++i) {
      request.entries.push_back(
          {.term = Term{1}, .index = LogIndex{i}, .data = SharedBytes(std::to_string(i))});
    }
    Receive(2, 1, std::move(request));
    Sent();
    EXPECT_EQ(raft().commit(), LogIndex{commit});
    ASSERT_EQ(node().applied().size(), commit);
    for (uint64_t i = 1; i <= commit; ++i) {
      EXPECT_EQ(node().applied()[i - 1].data.view(), std::to_string(i));
    }
  }
}

// 5.3: if the follower does not find an entry with the same index and term as the previous one, it
// refuses the new entries.
TEST_F(Paper, FollowerCheckMsgApp) {
  struct Case {
    EntryId previous;
    bool accepted;
    EntryId hint;
  };
  const Term t0{0}, t1{1}, t2{2}, t4{4};
  for (const Case& c :
       {Case{{t0, LogIndex{0}}, true, {}}, Case{{t1, LogIndex{1}}, true, {}},
        Case{{t2, LogIndex{2}}, true, {}}, Case{{t1, LogIndex{2}}, false, {t1, LogIndex{1}}},
        Case{{t4, LogIndex{4}}, false, {t2, LogIndex{2}}}}) {
    Start(3, DiskWith({1, 2}, 5));
    Receive(2, 5, AppendRequest{.previous = c.previous, .entries = {}});
    const auto answers = SentOf<AppendResponse>();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].rejected, !c.accepted);
    EXPECT_EQ(answers[0].index, c.previous.index);
    if (!c.accepted) {
      EXPECT_EQ(answers[0].reject_hint, c.hint);
    }
  }
}

// 5.3: the follower deletes what conflicts with the leader's entries, and all that follows it, and
// appends what it lacks.
TEST_F(Paper, FollowerAppendEntries) {
  struct Case {
    EntryId previous;
    std::vector<uint64_t> terms;
    std::vector<uint64_t> log;
    std::vector<uint64_t> written;  // terms
  };
  const Term t0{0}, t1{1}, t2{2};
  for (const Case& c :
       {Case{{t2, LogIndex{2}}, {3}, {1, 2, 3}, {3}},
        Case{{t1, LogIndex{1}}, {3, 4}, {1, 3, 4}, {3, 4}},
        Case{{t0, LogIndex{0}}, {1}, {1, 2}, {}}, Case{{t0, LogIndex{0}}, {3}, {3}, {3}}}) {
    Start(3, DiskWith({1, 2}, 2));
    AppendRequest request{.previous = c.previous, .entries = {}};
    for (uint64_t term : c.terms) {
      const LogIndex index = c.previous.index + request.entries.size() + 1;
      request.entries.push_back({.term = Term{term}, .index = index, .data = {}});
    }
    Receive(2, 4, std::move(request));
    const std::optional<Ready> ready = node().TakeReady();
    std::vector<uint64_t> written;
    for (const Entry& entry : ready->write.entries) written.push_back(entry.term.value());
    EXPECT_EQ(written, c.written);
    Sent();
    std::vector<uint64_t> log;
    for (const Entry& entry : node().disk().entries()) log.push_back(entry.term.value());
    EXPECT_EQ(log, c.log);
  }
}

// 5.3, Figure 7: the leader brings every follower's log in line with its own.
TEST(PaperCluster, LeaderSyncFollowerLog) {
  const std::vector<uint64_t> leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<uint64_t>> followers = {
      {1, 1, 1, 4, 4, 5, 5, 6, 6},
      {1, 1, 1, 4},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
      {1, 1, 1, 4, 4, 4, 4},
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
  };
  for (const std::vector<uint64_t>& follower : followers) {
    // The third member's vote makes up for a follower that has more.
    std::vector<MemoryLog> logs;
    logs.push_back(DiskWith(leader, 7));
    logs.push_back(DiskWith(follower, 7));
    logs.push_back(DiskWith({}, 7));
    TestCluster cluster(3, {}, std::move(logs));
    cluster.Elect(1);
    ASSERT_EQ(cluster.Leader(), 1u);
    cluster.Write(1, "x");
    const auto& expected = cluster.node(1).disk().entries();
    const auto& actual = cluster.node(2).disk().entries();
    EXPECT_EQ(Describe(actual), Describe(expected));
  }
}

// 5.4.1: the request for a vote says what the candidate's log ends with.
TEST_F(Paper, VoteRequest) {
  for (const std::vector<uint64_t>& terms : {std::vector<uint64_t>{1}, {1, 2}}) {
    Start(3, DiskWith(terms, 2));
    raft().Campaign();
    const auto requests = SentOf<keelson::raft::VoteRequest>();
    ASSERT_EQ(requests.size(), 2u);
    for (const auto& request : requests) {
      EXPECT_EQ(request.last, (EntryId{Term{terms.back()}, LogIndex{terms.size()}}));
    }
  }
}

// 5.4.1: the voter denies its vote if its own log is more up-to-date.
TEST_F(Paper, Voter) {
  struct Case {
    std::vector<uint64_t> log;
    EntryId candidate;
    bool granted;
  };
  const Term t1{1}, t2{2};
  for (const Case& c : {Case{{1}, {t1, LogIndex{1}}, true}, Case{{1}, {t1, LogIndex{2}}, true},
                        Case{{1, 1}, {t1, LogIndex{1}}, false}, Case{{1}, {t2, LogIndex{1}}, true},
                        Case{{1}, {t2, LogIndex{2}}, true}, Case{{1, 1}, {t2, LogIndex{1}}, true},
                        Case{{2}, {t1, LogIndex{1}}, false}, Case{{2}, {t1, LogIndex{2}}, false},
                        Case{{1, 2}, {t1, LogIndex{1}}, false}}) {
    Start(2, DiskWith(c.log, c.log.back()));
    Receive(2, 3, keelson::raft::VoteRequest{.last = c.candidate});
    const auto answers = SentOf<VoteResponse>();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].granted, c.granted) << Describe(c.candidate);
  }
}

// 5.4.2: only entries of the leader's current term are committed by counting replicas.
TEST_F(Paper, LeaderOnlyCommitsLogFromCurrentTerm) {
  struct Case {
    uint64_t accepted;
    uint64_t commit;
  };
  for (const Case& c : {Case{1, 0}, Case{2, 0}, Case{3, 3}}) {
    Start(3, DiskWith({1, 2}, 2));
    BecomeLeader();
    ASSERT_EQ(raft().term(), Term{3});
    AcceptFrom(2, c.accepted);
    EXPECT_EQ(raft().commit(), LogIndex{c.commit});
  }
}

// 5.2, 8: a leader begins its term with an empty entry, so that it learns what is committed.
TEST_F(Paper, LeaderBeginsItsTermWithAnEmptyEntry) {
  Start(3, DiskWith({1, 2}, 2));
  BecomeLeader();
  const Entry& entry = node().disk().entries().back();
  EXPECT_EQ(entry.id(), (EntryId{Term{3}, LogIndex{3}}));
  EXPECT_TRUE(entry.data.empty());
}

// 5.5: a crashed follower's or candidate's requests are idempotent: one that is repeated changes
// nothing.
TEST_F(Paper, RepeatedRequestsChangeNothing) {
  Start(3);
  for (int i = 0; i < 3; ++i) {
    Receive(2, 1,
            AppendRequest{.commit = LogIndex{1},
                          .entries = {{Term{1}, LogIndex{1}, EntryType::kNormal, {}}}});
    const auto answers = SentOf<AppendResponse>();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].index, LogIndex{1});
  }
  EXPECT_EQ(node().disk().entries().size(), 1u);
  EXPECT_EQ(node().applied().size(), 1u);
}

// 5.6 (broadcastTime << electionTimeout): a follower that hears its leader never campaigns.
TEST_F(Paper, AFollowerThatHearsItsLeaderDoesNotCampaign) {
  Start(3);
  for (int i = 0; i < 100; ++i) {
    for (int t = 0; t < 9; ++t) raft().Tick();
    Receive(2, 1, Heartbeat{});
    EXPECT_EQ(raft().role(), Role::kFollower);
  }
}

}  // namespace
}  // namespace keelson::raft
