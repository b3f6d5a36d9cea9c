// Linearizable reads as a cluster serves them; the parts are in reads_test.cc. Names follow
// etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

// Read requests cost nothing once they are answered.
TEST(RaftReads, RaftFreesReadOnlyMem) {
  LoneMember member;
  member.Start(2);
  member.BecomeLeader();
  member.AcceptFrom(2, 1);
  member.Sent();
  member.Hear(2, ReadIndexRequest{.context = 9});
  const auto rounds = member.SentOf<Heartbeat>();
  ASSERT_EQ(rounds.size(), 1u);
  EXPECT_NE(rounds[0].read_context, 0u);
  member.Hear(2, HeartbeatResponse{.read_context = rounds[0].read_context});
  const auto answers = member.SentOf<ReadIndexResponse>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].context, 9u);
  EXPECT_EQ(answers[0].index, LogIndex{1});
  // The same answer again confirms nothing, and heartbeats ask for nothing.
  member.Hear(2, HeartbeatResponse{.read_context = rounds[0].read_context});
  EXPECT_THAT(member.Sent(), IsEmpty());
  member.Tick(1);
  const auto beats = member.SentOf<Heartbeat>();
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_EQ(beats[0].read_context, 0u);
}

// etcd issue 20418: a leader that is deposed and does not know it is asked the same read twice,
// once before and once after, and late answers to the first asking arrive. They must not confirm
// what it was asked since.
TEST(RaftReads, LateAnswersToARepeatedRequestDoNotConfirmALaterRead) {
  TestCluster cluster(3);
  cluster.Elect(1);
  std::vector<Message> late;
  cluster.Drop([&](const Message& message) {
    if (!Is<HeartbeatResponse>(message)) return false;
    late.push_back(message);
    return true;
  });
  const Message request = From(2, 1, 1, ReadIndexRequest{.context = 5});
  cluster.Deliver(request);
  cluster.Settle();
  ASSERT_EQ(late.size(), 2u);
  cluster.Heal();

  cluster.Isolate(1);
  cluster.Elect(2);
  cluster.Write(2, "a");
  const LogIndex committed = cluster.raft(2).commit();
  ASSERT_EQ(cluster.raft(1).role(), Role::kLeader);
  ASSERT_TRUE(cluster.raft(1).RequestReadIndex(7));
  cluster.Settle();
  cluster.raft(1).Step(request);
  cluster.Settle();
  for (const Message& message : late) cluster.raft(1).Step(message);
  cluster.Settle();
  for (const ReadGrant& grant : cluster.node(1).TakeReads()) {
    ADD_FAILURE() << "read " << grant.context << " at " << grant.index << ", committed "
                  << committed;
  }
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_THAT(cluster.node(1).TakeDroppedReads(), ElementsAre(7));
}

}  // namespace
}  // namespace keelson::raft
