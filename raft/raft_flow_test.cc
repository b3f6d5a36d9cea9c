// Flow control: what a leader has under way to a follower, and what makes it send more. Names
// follow etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RaftFlow : public ::testing::Test, protected LoneMember {
 protected:
  // A leader of term 1 whose first entry is sent to all and answered by nobody.
  void Lead(uint64_t voters, const TestCluster::Adjust& adjust = {}) {
    Config config = TestConfig(1, voters);
    if (adjust) adjust(config);
    Start(config);
    BecomeLeader();
  }
  // As many entries as each message to `to` has.
  std::vector<size_t> EntriesSentTo(uint64_t to) {
    std::vector<size_t> counts;
    for (const Message& message : Sent()) {
      if (message.to == NodeId{to} && Is<AppendRequest>(message)) {
        counts.push_back(As<AppendRequest>(message).entries.size());
      }
    }
    return counts;
  }
};

// The leader's own part in counting is what its disk holds, not what its log does.
TEST_F(RaftFlow, ProgressLeader) {
  Lead(2);
  for (int i = 0; i < 5; ++i) Propose("foo");
  const std::optional<Ready> ready = node().TakeReady();
  EXPECT_EQ(ready->write.entries.size(), 5u);
  EXPECT_EQ(progress(1).match, LogIndex{1});
  node().Acknowledge();
  EXPECT_EQ(progress(1).match, LogIndex{6});
  EXPECT_EQ(progress(1).next, LogIndex{7});
}

// While a follower is probed, one message is under way to it.
TEST_F(RaftFlow, ProgressPaused) {
  Lead(2);
  for (int i = 0; i < 3; ++i) {
    Propose("somedata");
    EXPECT_THAT(Sent(), IsEmpty());
  }
}

// Only the answer to a heartbeat makes it go on, not the heartbeat.
TEST_F(RaftFlow, ProgressResumeByHeartbeatResp) {
  Lead(2);
  Propose("somedata");
  Tick(1);
  EXPECT_THAT(EntriesSentTo(2), IsEmpty());
  Hear(2, HeartbeatResponse{});
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(2));
}

TEST_F(RaftFlow, SendAppendForProgressProbe) {
  Lead(2);
  AcceptFrom(2, 1);
  raft().OnUnreachable(NodeId{2});
  Propose("somedata");
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(1));
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 10; ++j) {
      Propose("somedata");
      EXPECT_THAT(Sent(), IsEmpty());
    }
    Tick(1);
    EXPECT_THAT(SentOf<Heartbeat>().size(), 1u);
  }
  // Everything from the place that is probed, not what comes after the message that may be lost.
  Hear(2, HeartbeatResponse{});
  const auto requests = SentOf<AppendRequest>();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].previous.index, LogIndex{1});
  EXPECT_EQ(requests[0].entries.size(), 31u);
  Propose("somedata");
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(RaftFlow, SendAppendForProgressReplicate) {
  Lead(2);
  AcceptFrom(2, 1);
  Sent();
  for (int i = 0; i < 10; ++i) {
    Propose("somedata");
    EXPECT_THAT(EntriesSentTo(2), ElementsAre(1));
  }
}

// In a stream the next entry to send runs ahead of what is acknowledged; a probe does not move it.
TEST_F(RaftFlow, LeaderIncreaseNext) {
  Start(2, DiskWith({1, 2, 3}, 3));
  BecomeLeader();
  ASSERT_EQ(progress(2).state, ProgressState::kProbe);
  EXPECT_EQ(progress(2).next, LogIndex{4});
  Propose("somedata");
  Sent();
  EXPECT_EQ(progress(2).next, LogIndex{4});
  AcceptFrom(2, 3);
  Sent();
  ASSERT_EQ(progress(2).state, ProgressState::kReplicate);
  EXPECT_EQ(progress(2).next, LogIndex{6});  // entries of the log, of the new term, proposed
}

// What an answer makes of a follower that is probed at 2, of a log that ends with the leader's
// entry 3.
TEST_F(RaftFlow, LeaderAppResp) {
  struct Case {
    AppendResponse answer;
    uint64_t match;
    uint64_t next;
    std::vector<size_t> sent;  // messages to it, by their entries
    uint64_t previous;
    uint64_t commit;
  };
  const auto rejected = [](uint64_t index) {
    return AppendResponse{
        .rejected = true, .index = LogIndex{index}, .reject_hint = {Term{1}, LogIndex{index - 1}}};
  };
  const auto accepted = [](uint64_t index) { return AppendResponse{.index = LogIndex{index}}; };
  for (const Case& c : {
           Case{rejected(3), 0, 3, {}, 0, 0},   // of no message that is under way
           Case{rejected(2), 0, 2, {2}, 1, 0},  // tried again one entry before
           Case{accepted(2), 2, 4, {1}, 2, 0},  // entry 2 is of an earlier term
           Case{accepted(3), 3, 4, {0}, 3, 3},  // committed, which it is told
           Case{accepted(0), 0, 4, {3}, 0, 0},  // it has nothing: gets everything
       }) {
    Start(3, DiskWith({1, 1}, 1));
    BecomeLeader();
    Hear(2, c.answer);
    EXPECT_EQ(raft().commit(), LogIndex{c.commit});
    std::vector<size_t> sent;
    for (const Message& message : Sent()) {
      ASSERT_EQ(message.to, NodeId{2}) << Describe(message);
      sent.push_back(As<AppendRequest>(message).entries.size());
      EXPECT_EQ(As<AppendRequest>(message).previous.index, LogIndex{c.previous});
      EXPECT_EQ(As<AppendRequest>(message).commit, LogIndex{c.commit});
    }
    EXPECT_EQ(sent, c.sent);
    EXPECT_EQ(progress(2).match, LogIndex{c.match});
    EXPECT_EQ(progress(2).next, LogIndex{c.next});
  }
}

// A member that is behind is sent an append after each answer to a heartbeat, since a lost message
// may be why it is behind; one that has everything is not.
TEST_F(RaftFlow, HandleHeartbeatResp) {
  Start(2, DiskWith({1, 2, 3}, 3));
  BecomeLeader();
  for (int i = 0; i < 2; ++i) {
    Hear(2, HeartbeatResponse{});
    EXPECT_THAT(EntriesSentTo(2), ElementsAre(1));
  }
  AcceptFrom(2, 4);
  Sent();
  Hear(2, HeartbeatResponse{});
  EXPECT_THAT(Sent(), IsEmpty());
}

// An acknowledgement lets one follower go on, not the other.
TEST_F(RaftFlow, MsgAppRespWaitReset) {
  Lead(3);
  AcceptFrom(2, 1);
  EXPECT_EQ(raft().commit(), LogIndex{1});
  Sent();
  Propose("a");
  std::vector<Message> sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, NodeId{2});
  ASSERT_EQ(As<AppendRequest>(sent[0]).entries.size(), 1u);
  EXPECT_EQ(As<AppendRequest>(sent[0]).entries[0].index, LogIndex{2});
  AcceptFrom(3, 1);
  sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, NodeId{3});
  ASSERT_EQ(As<AppendRequest>(sent[0]).entries.size(), 1u);
  EXPECT_EQ(As<AppendRequest>(sent[0]).entries[0].index, LogIndex{2});
}

// The window is bounded in messages and in bytes, and a message in bytes.
TEST_F(RaftFlow, ProgressFlowControl) {
  constexpr uint64_t kOverhead = 32;  // docs/raft.md, limits
  Lead(2, [](Config& config) {
    config.inflight_messages_max = 3;
    config.append_bytes_max = 2 * (1000 + kOverhead);
    config.inflight_bytes_max = 9000;
  });
  for (int i = 0; i < 22; ++i) {
    const size_t bytes = i >= 10 && i < 16 ? 5000 : 1000;
    Propose(std::string(bytes, 'a'));
    ASSERT_THAT(EntriesSentTo(2), IsEmpty());  // probed
  }
  AcceptFrom(2, 1);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(2, 2, 2));
  AcceptFrom(2, 7);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(2, 2, 1));
  // Two large ones are more than the window has bytes.
  AcceptFrom(2, 12);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(1, 1));
  AcceptFrom(2, 14);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(1, 1));
  AcceptFrom(2, 16);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(1, 2, 2));
  AcceptFrom(2, 21);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(2));
  AcceptFrom(2, 23);
  EXPECT_THAT(EntriesSentTo(2), ElementsAre(0));  // the commit index
}

// An acknowledgement moves the window by what it covers, one that comes late does not.
TEST_F(RaftFlow, MsgAppFlowControlMoveForward) {
  constexpr int kWindow = 20;
  Lead(2, [](Config& config) { config.inflight_messages_max = kWindow; });
  AcceptFrom(2, 1);
  Sent();
  for (int i = 0; i < kWindow; ++i) {
    Propose("somedata");
    EXPECT_THAT(EntriesSentTo(2), ElementsAre(1));
  }
  for (uint64_t acknowledged = 2; acknowledged <= kWindow; ++acknowledged) {
    Propose("somedata");
    EXPECT_THAT(Sent(), IsEmpty());
    for (uint64_t late = 1; late < acknowledged; ++late) {
      AcceptFrom(2, late);
      EXPECT_THAT(Sent(), IsEmpty()) << late;
    }
    AcceptFrom(2, acknowledged);
    EXPECT_THAT(EntriesSentTo(2), ElementsAre(1));
  }
}

// A follower that catches up gets messages of the size that is set, not one entry at a time.
TEST_F(RaftFlow, AppendPagination) {
  constexpr size_t kBytesMax = 2048;
  TestCluster cluster(3, [](Config& config) { config.append_bytes_max = kBytesMax; });
  cluster.Elect(1);
  cluster.Cut(1, 2);
  cluster.Cut(1, 3);
  for (int i = 0; i < 5; ++i) cluster.Write(1, std::string(kBytesMax / 3, 'a'));
  cluster.Heal();
  size_t largest = 0;
  cluster.Drop([&](const Message& message) {
    if (!Is<AppendRequest>(message)) return false;
    size_t bytes = 0;
    for (const Entry& entry : As<AppendRequest>(message).entries) bytes += entry.data.size();
    largest = std::max(largest, bytes);
    EXPECT_LE(bytes, kBytesMax);
    return false;
  });
  cluster.TickAll(2);
  EXPECT_EQ(LogOf(cluster, 3), LogOf(cluster, 1));
  EXPECT_GT(largest, kBytesMax / 2);
}

}  // namespace
}  // namespace keelson::raft
