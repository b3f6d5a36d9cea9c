// Changes of membership (thesis 4) as members carry them out; what a change results in is
// conf_change_test.cc's subject. Names follow etcd-io/raft's tests (after "Test"), where the same
// is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/conf_change.h"
#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Voters 1..n of a cluster with members to spare, that begin with the same membership.
TestCluster::Adjust OnlyVoters(const std::vector<uint64_t>& voters,
                               const std::vector<uint64_t>& learners = {}) {
  return [=](Config& config) { config.conf = {.voters = Ids(voters), .learners = Ids(learners)}; };
}

class Membership : public ::testing::Test, protected LoneMember {
 protected:
  // A leader of its first entry, of this membership.
  void Lead(const std::vector<uint64_t>& voters, const std::vector<uint64_t>& learners = {},
            const TestCluster::Adjust& adjust = {}) {
    Config config = TestConfig(1, 0);
    OnlyVoters(voters, learners)(config);
    if (adjust) adjust(config);
    Start(config);
    BecomeLeader();
    if (voters.size() > 1) {
      for (uint64_t peer : voters) {
        if (peer != 1) AcceptFrom(peer, 1);
      }
      Sent();
    }
    ASSERT_EQ(raft().commit(), LogIndex{1});
    ASSERT_EQ(raft().status().applied, LogIndex{1});
  }
  // As if `change` were committed and applied as the newest entry.
  absl::StatusOr<ConfState> Apply(const ConfChange& change) {
    return raft().ApplyConfChange(raft().status().last + 1 + changes_++, change);
  }
  std::string Conf() { return Describe(raft().conf()); }

 private:
  uint64_t changes_ = 0;
};

// ---------------------------------------------------------------------------------------------
// proposing

TEST_F(Membership, StepConfig) {
  Lead({1, 2});
  ASSERT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kAccepted);
  EXPECT_EQ(raft().status().last, LogIndex{2});
  const auto requests = SentOf<AppendRequest>();
  ASSERT_EQ(requests.size(), 1u);
  ASSERT_EQ(requests[0].entries.size(), 1u);
  EXPECT_EQ(requests[0].entries[0].type, EntryType::kConfChange);
  EXPECT_EQ(DecodeConfChange(requests[0].entries[0].data), AddVoter(3));
  EXPECT_EQ(Conf(), "voters=(1 2)");  // until it is applied
}

// One change at a time, until it is applied.
TEST_F(Membership, StepIgnoreConfig) {
  Lead({1, 2});
  ASSERT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kAccepted);
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(4)), ProposeResult::kConfChangeRefused);
  Sent();
  AcceptFrom(2, 2);
  node().TakeReady();
  ASSERT_EQ(raft().commit(), LogIndex{2});
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(4)), ProposeResult::kConfChangeRefused);
  EXPECT_EQ(raft().status().last, LogIndex{2});
  EXPECT_EQ(Propose("somedata"), ProposeResult::kAccepted);
  Sent();
  EXPECT_EQ(Conf(), "voters=(1 2 3)");
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(4)), ProposeResult::kAccepted);
}

// Two in one proposal, or one among commands.
TEST_F(Membership, AProposalHasOneChangeAtMost) {
  Lead({1, 2});
  const Proposal change{.type = EntryType::kConfChange, .data = EncodeConfChange(AddVoter(3))};
  const Proposal command{.data = SharedBytes(std::string("a"))};
  EXPECT_EQ(raft().Propose({change, command, change}), ProposeResult::kConfChangeRefused);
  EXPECT_EQ(raft().status().last, LogIndex{1});
  EXPECT_EQ(raft().Propose({command, change}), ProposeResult::kAccepted);
  EXPECT_EQ(raft().status().last, LogIndex{3});
}

// A new leader cannot know whether a change is among the entries it found.
TEST_F(Membership, NewLeaderPendingConfig) {
  Start(TestConfig(1, 2), DiskWith({1}, 1));
  BecomeLeader();
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kConfChangeRefused);
  AcceptFrom(2, 2);
  Sent();
  ASSERT_EQ(raft().status().applied, LogIndex{2});
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kAccepted);

  Start(TestConfig(1, 2));
  BecomeLeader();
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kAccepted);
}

TEST_F(Membership, AnIllegalChangeIsNotProposed) {
  Lead({1, 2}, {3});
  EXPECT_EQ(raft().ProposeConfChange(ConfChange{}), ProposeResult::kConfChangeRefused);
  EXPECT_EQ(
      raft().Propose({{.type = EntryType::kConfChange, .data = SharedBytes(std::string("?"))}}),
      ProposeResult::kConfChangeRefused);
  EXPECT_EQ(raft().ProposeConfChange(Joint({Remove(1), Remove(2)})),
            ProposeResult::kConfChangeRefused);
  EXPECT_EQ(raft().status().last, LogIndex{1});
}

// Without validation it goes into the log and changes nothing when it is applied; bytes that are no
// change do not go even then.
TEST_F(Membership, WithoutValidationAnIllegalChangeChangesNothingWhenApplied) {
  Lead({1, 2}, {}, [](Config& config) { config.disable_conf_change_validation = true; });
  ASSERT_EQ(raft().ProposeConfChange(AddVoter(3)), ProposeResult::kAccepted);
  ASSERT_EQ(raft().ProposeConfChange(ConfChange{}), ProposeResult::kAccepted);
  EXPECT_EQ(
      raft().Propose({{.type = EntryType::kConfChange, .data = SharedBytes(std::string("?"))}}),
      ProposeResult::kConfChangeRefused);
  Sent();
  AcceptFrom(2, 3);
  Sent();
  ASSERT_EQ(raft().status().applied, LogIndex{3});
  EXPECT_EQ(Conf(), "voters=(1 2 3)");
}

TEST_F(Membership, AChangeSentOnByAFollowerIsProposedOrRefused) {
  Lead({1, 2});
  const auto forwarded = [](const ConfChange& change) {
    return ProposeRequest{
        .proposals = {{.type = EntryType::kConfChange, .data = EncodeConfChange(change)},
                      {.data = SharedBytes(std::string("a"))}}};
  };
  Hear(2, forwarded(AddVoter(3)));
  EXPECT_EQ(raft().status().last, LogIndex{3});
  Hear(2, forwarded(AddVoter(4)));
  EXPECT_EQ(raft().status().last, LogIndex{4});  // only the command
  Sent();
  AcceptFrom(2, 4);
  Sent();
  EXPECT_EQ(Conf(), "voters=(1 2 3)");
}

TEST_F(Membership, AFollowerSendsAChangeOn) {
  Start(3);
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(4)), ProposeResult::kNoLeader);
  Receive(2, 1, Heartbeat{});
  EXPECT_EQ(raft().ProposeConfChange(AddVoter(4)), ProposeResult::kForwarded);
  const auto requests = SentOf<ProposeRequest>();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].proposals[0].type, EntryType::kConfChange);
  EXPECT_EQ(DecodeConfChange(requests[0].proposals[0].data), AddVoter(4));
}

// ---------------------------------------------------------------------------------------------
// applying

TEST_F(Membership, AddNode) {
  Lead({1});
  EXPECT_TRUE(Apply(AddVoter(2)).ok());
  EXPECT_EQ(Conf(), "voters=(1 2)");
}

TEST_F(Membership, AddLearner) {
  Lead({1, 3}, {}, [](Config& config) { config.step_down_on_removal = false; });
  EXPECT_TRUE(Apply(AddLearner(2)).ok());
  EXPECT_EQ(Conf(), "voters=(1 3) learners=(2)");
  EXPECT_TRUE(progress(2).learner);
  EXPECT_TRUE(Apply(AddVoter(2)).ok());  // promoted
  EXPECT_FALSE(progress(2).learner);
  EXPECT_TRUE(Apply(AddLearner(1)).ok());  // the leader itself, demoted
  EXPECT_EQ(Conf(), "voters=(2 3) learners=(1)");
  EXPECT_TRUE(progress(1).learner);
  EXPECT_TRUE(Apply(AddVoter(1)).ok());
  EXPECT_EQ(Conf(), "voters=(1 2 3)");
  EXPECT_FALSE(progress(1).learner);
}

// A new member has an election timeout to be heard, and no more.
TEST_F(Membership, AddNodeCheckQuorum) {
  Lead({1}, {}, CheckQuorum);
  Tick(9);
  ASSERT_TRUE(Apply(AddVoter(2)).ok());
  Tick(1);
  EXPECT_EQ(raft().role(), Role::kLeader);
  Tick(10);
  EXPECT_EQ(raft().role(), Role::kFollower);
}

TEST_F(Membership, RemoveNode) {
  Lead({1, 2});
  EXPECT_TRUE(Apply(Remove(2)).ok());
  EXPECT_EQ(Conf(), "voters=(1)");
  EXPECT_FALSE(Apply(Remove(1)).ok());  // somebody must stay
  EXPECT_EQ(Conf(), "voters=(1)");
}

TEST_F(Membership, RemoveLearner) {
  Lead({1}, {2});
  EXPECT_TRUE(Apply(Remove(2)).ok());
  EXPECT_EQ(Conf(), "voters=(1)");
  EXPECT_FALSE(Apply(Remove(1)).ok());
}

// Only a voter may become leader.
TEST_F(Membership, Promotable) {
  struct Case {
    ConfState conf;
    bool promotable;
  };
  for (const Case& c : {Case{{.voters = Ids({1})}, true}, Case{{.voters = Ids({1, 2, 3})}, true},
                        Case{{}, false}, Case{{.voters = Ids({2, 3})}, false},
                        Case{{.voters = Ids({2}), .learners = Ids({1})}, false},
                        Case{{.voters = Ids({1}), .voters_outgoing = Ids({2})}, true},
                        Case{{.voters = Ids({2}), .voters_outgoing = Ids({1})}, true}}) {
    Config config = TestConfig(1, 0);
    config.conf = c.conf;
    Start(config);
    Tick(40);
    Sent();
    EXPECT_EQ(raft().term() > Term{0}, c.promotable) << Describe(c.conf);
  }
}

// Members are listed by their ids, in whatever order they came.
TEST_F(Membership, RaftNodes) {
  Lead({1});
  for (uint64_t id : {7, 3, 5}) ASSERT_TRUE(Apply(AddVoter(id)).ok());
  std::vector<uint64_t> ids;
  for (const ProgressStatus& member : raft().status().progress) ids.push_back(member.id.value());
  EXPECT_THAT(ids, ElementsAre(1, 3, 5, 7));
  EXPECT_EQ(Conf(), "voters=(1 3 5 7)");
}

// What the smaller membership has a majority for is committed as soon as the change is applied.
TEST_F(Membership, CommitAfterRemoveNode) {
  Lead({1, 2});
  ASSERT_EQ(raft().ProposeConfChange(Remove(2)), ProposeResult::kAccepted);
  ASSERT_EQ(Propose("hello"), ProposeResult::kAccepted);
  Sent();
  EXPECT_EQ(raft().commit(), LogIndex{1});
  AcceptFrom(2, 2);  // the change, not what follows it
  const std::optional<Ready> ready = node().TakeReady();
  ASSERT_EQ(ready->committed.size(), 1u);
  EXPECT_EQ(ready->committed[0].type, EntryType::kConfChange);
  EXPECT_EQ(raft().commit(), LogIndex{2});
  node().Apply();
  EXPECT_EQ(raft().commit(), LogIndex{3});
  Sent();
  EXPECT_EQ(node().applied().back().data.view(), "hello");
}

// A read that waited for a majority, too.
TEST_F(Membership, AReadWaitsForTheMajorityOfTheMembershipThereIs) {
  Lead({1, 2});
  ASSERT_TRUE(raft().RequestReadIndex(7));
  Sent();
  EXPECT_THAT(node().TakeReads(), IsEmpty());
  ASSERT_TRUE(Apply(Remove(2)).ok());
  Sent();
  ASSERT_EQ(node().TakeReads().size(), 1u);
}

TEST_F(Membership, ChangesThatWereAppliedBeforeARestartAreNotAppliedAgain) {
  Config config = TestConfig(1, 3);
  config.applied = LogIndex{5};
  Start(config, DiskFrom({.id = {Term{1}, LogIndex{5}}, .conf = config.conf}));
  const absl::StatusOr<ConfState> conf = raft().ApplyConfChange(LogIndex{5}, Remove(3));
  ASSERT_TRUE(conf.ok());
  EXPECT_EQ(Describe(*conf), "voters=(1 2 3)");
  EXPECT_EQ(Conf(), "voters=(1 2 3)");
}

// ---------------------------------------------------------------------------------------------
// passing through a joint configuration

struct Passage {
  ConfChange change;
  std::string first;   // what applying it results in
  std::string second;  // after the joint configuration is left; empty: there was none
  bool by_itself = false;
};

class MembershipPassage : public Membership, public ::testing::WithParamInterface<Passage> {};

// Demotes 1, which leads, and makes 2 the only voter.
ConfChange Swap(ConfTransition transition) {
  return Joint({AddVoter(2), AddLearner(1), AddLearner(3)}, transition);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, MembershipPassage,
    ::testing::Values(Passage{AddVoter(2), "voters=(1 2)", "", false},
                      Passage{AddLearner(2), "voters=(1) learners=(2)", "", false},
                      Passage{Joint({AddLearner(2)}, ConfTransition::kJointExplicit),
                              "voters=(1)&&(1) learners=(2)", "voters=(1) learners=(2)", false},
                      Passage{Joint({AddLearner(2)}, ConfTransition::kJointImplicit),
                              "voters=(1)&&(1) learners=(2) autoleave", "voters=(1) learners=(2)",
                              true},
                      Passage{Swap(ConfTransition::kAuto),
                              "voters=(2)&&(1) learners=(3) learners_next=(1) autoleave",
                              "voters=(2) learners=(1 3)", true},
                      Passage{Swap(ConfTransition::kJointExplicit),
                              "voters=(2)&&(1) learners=(3) learners_next=(1)",
                              "voters=(2) learners=(1 3)", false},
                      Passage{Swap(ConfTransition::kJointImplicit),
                              "voters=(2)&&(1) learners=(3) learners_next=(1) autoleave",
                              "voters=(2) learners=(1 3)", true}));

TEST_P(MembershipPassage, ProposeAndConfChange) {
  const Passage& passage = GetParam();
  Lead({1});
  Propose("somedata");
  ASSERT_EQ(raft().ProposeConfChange(passage.change), ProposeResult::kAccepted);
  node().TakeReady();
  node().Acknowledge();
  node().TakeReady();
  EXPECT_EQ(DecodeConfChange(node().disk().entries().back().data), passage.change);
  ASSERT_TRUE(node().Apply());
  EXPECT_EQ(Conf(), passage.first);
  const LogIndex last = raft().status().last;
  Sent();
  if (passage.second.empty()) {
    EXPECT_EQ(raft().status().last, last);
    EXPECT_EQ(raft().ProposeConfChange(ConfChange{}), ProposeResult::kConfChangeRefused);
    return;
  }
  ConfChange leave;
  if (!passage.by_itself) {
    EXPECT_EQ(raft().ProposeConfChange(AddVoter(9)), ProposeResult::kConfChangeRefused);
    leave.context = SharedBytes(std::string("manual"));
    ASSERT_EQ(raft().ProposeConfChange(leave), ProposeResult::kAccepted);
    Sent();
  }
  const Entry& entry = node().disk().entries().back();
  EXPECT_EQ(entry.index, LogIndex{4});
  EXPECT_EQ(DecodeConfChange(entry.data), leave);
  AcceptFrom(2, 4);
  Sent();
  EXPECT_EQ(Conf(), passage.second);
}

// The leader that began is deposed meanwhile: whoever leads next leaves the joint configuration.
TEST_F(Membership, JointAutoLeave) {
  Lead({1});
  ASSERT_EQ(raft().ProposeConfChange(Joint({AddLearner(2)})), ProposeResult::kAccepted);
  node().TakeReady();
  node().Acknowledge();
  node().TakeReady();
  Receive(2, 9, HeartbeatResponse{});
  ASSERT_EQ(raft().role(), Role::kFollower);
  ASSERT_TRUE(node().Apply());
  EXPECT_EQ(Conf(), "voters=(1)&&(1) learners=(2) autoleave");
  Sent();
  EXPECT_EQ(raft().status().last, LogIndex{2});
  raft().Campaign();
  Sent();
  EXPECT_EQ(raft().role(), Role::kLeader);
  EXPECT_EQ(Conf(), "voters=(1) learners=(2)");
}

// The limit on what is uncommitted does not keep a cluster in two halves.
TEST_F(Membership, LeavingIsNotRefusedByALimit) {
  Lead({1}, {}, [](Config& config) { config.uncommitted_bytes_max = 1; });
  ASSERT_EQ(raft().ProposeConfChange(Joint({AddLearner(2)})), ProposeResult::kAccepted);
  node().TakeReady();
  node().Acknowledge();
  ASSERT_EQ(Propose("fills the limit"), ProposeResult::kAccepted);
  Sent();
  EXPECT_EQ(Conf(), "voters=(1) learners=(2)");
}

// Adding what is there is no error, and no obstacle.
TEST_F(Membership, ProposeAddDuplicateNode) {
  Lead({1});
  for (const ConfChange& change : {AddVoter(1), AddVoter(1), AddVoter(2)}) {
    ASSERT_EQ(raft().ProposeConfChange(change), ProposeResult::kAccepted);
    Sent();
  }
  const std::vector<Entry>& entries = node().disk().entries();
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(DecodeConfChange(entries[1].data), AddVoter(1));
  EXPECT_EQ(DecodeConfChange(entries[2].data), AddVoter(1));
  EXPECT_EQ(DecodeConfChange(entries[3].data), AddVoter(2));
  EXPECT_EQ(Conf(), "voters=(1 2)");
}

// ---------------------------------------------------------------------------------------------
// elections amid changes

// A member that has a committed change before it, not applied, does not campaign, neither by itself
// nor when it is told to: with the old membership two leaders could be elected side by side.
TEST(MembershipCluster, ConfChangeCheckBeforeCampaign) {
  struct Case {
    ConfChange change;
    std::string applied;
  };
  for (const auto& [change, applied] :
       {Case{Remove(2), "voters=(1 3)"},
        Case{Joint({Remove(2)}, ConfTransition::kJointExplicit), "voters=(1 3)&&(1 2 3)"},
        Case{AddVoter(4), "voters=(1 2 3 4)"}}) {
    TestCluster cluster(3);
    cluster.Elect(1);
    ASSERT_EQ(cluster.raft(1).ProposeConfChange(change), ProposeResult::kAccepted);
    // 2 has it, and learns that it is committed, but does not get to apply it.
    const auto step = [&](uint64_t id) {
      cluster.node(id).TakeReady();
      while (cluster.node(id).Acknowledge() != 0) {
      }
      if (id != 2) {
        while (cluster.node(id).Apply()) {
        }
      }
      for (Message& message : cluster.node(id).TakeSent()) cluster.Deliver(std::move(message));
    };
    for (int i = 0; i < 4; ++i) {
      for (uint64_t id : {1, 3, 2}) step(id);
    }
    ASSERT_EQ(cluster.raft(2).commit(), cluster.raft(1).commit());
    ASSERT_TRUE(cluster.node(2).HasApplyWaiting());
    for (int i = 0; i < 40; ++i) cluster.raft(2).Tick();
    EXPECT_EQ(cluster.raft(2).role(), Role::kFollower);
    cluster.raft(2).Step(From(1, 2, 1, TimeoutNow{}));
    EXPECT_EQ(cluster.raft(2).role(), Role::kFollower);
    EXPECT_EQ(cluster.raft(2).term(), Term{1});
    while (cluster.node(2).Apply()) {
    }
    EXPECT_EQ(Describe(cluster.raft(2).conf()), applied);
    const bool votes = change.steps[0] != Remove(2).steps[0] || cluster.raft(2).conf().IsJoint();
    cluster.raft(2).Step(From(1, 2, 1, TimeoutNow{}));
    EXPECT_EQ(cluster.raft(2).role(), votes ? Role::kCandidate : Role::kFollower);
  }
}

// Leadership can be handed over as soon as a change is applied.
TEST(MembershipCluster, AnAppliedChangeDoesNotKeepAMemberFromCampaigning) {
  for (const ConfChange& change : {AddLearner(4), Joint({AddLearner(4)})}) {
    TestCluster cluster(3);
    cluster.Elect(1);
    ASSERT_EQ(cluster.raft(1).ProposeConfChange(change), ProposeResult::kAccepted);
    cluster.Settle();
    EXPECT_EQ(Describe(cluster.raft(2).conf()), "voters=(1 2 3) learners=(4)");
    cluster.raft(1).TransferLeadership(NodeId{2});
    cluster.Settle();
    EXPECT_EQ(cluster.Leader(), 2u);
  }
}

TEST_F(Membership, LearnerElectionTimeout) {
  Config config = TestConfig(1, 0);
  config.conf = {.voters = Ids({2}), .learners = Ids({1})};
  Start(config);
  Tick(100);
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(raft().term(), Term{0});
  EXPECT_THAT(Sent(), IsEmpty());
}

// Neither by itself, nor asked to, nor told to by a leader that did not know.
TEST_F(Membership, LearnerCampaign) {
  Config config = TestConfig(1, 0);
  config.conf = {.voters = Ids({2}), .learners = Ids({1})};
  Start(config);
  raft().Campaign();
  EXPECT_EQ(raft().role(), Role::kFollower);
  Receive(2, 1, Heartbeat{});
  Receive(2, 1, TimeoutNow{});
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(raft().term(), Term{1});
}

// A learner may have been promoted without knowing it. Its vote may be the one that is needed.
TEST_F(Membership, LearnerCanVote) {
  Config config = TestConfig(1, 0);
  config.conf = {.voters = Ids({2}), .learners = Ids({1})};
  Start(config);
  Receive(2, 2, VoteRequest{.last = {Term{1}, LogIndex{11}}});
  const auto answers = SentOf<VoteResponse>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].granted);
}

TEST(MembershipCluster, LearnerPromotion) {
  TestCluster cluster(2, OnlyVoters({1}, {2}));
  cluster.TickAll(20);
  ASSERT_EQ(cluster.Leader(), 1u);
  ASSERT_EQ(cluster.raft(1).ProposeConfChange(AddVoter(2)), ProposeResult::kAccepted);
  cluster.Settle();
  EXPECT_EQ(Describe(cluster.raft(2).conf()), "voters=(1 2)");
  for (int i = 0; i < 20; ++i) cluster.raft(2).Tick();
  cluster.Settle();
  EXPECT_EQ(cluster.Leader(), 2u);
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

TEST(MembershipCluster, LearnerLogReplication) {
  TestCluster cluster(2, OnlyVoters({1}, {2}));
  cluster.Elect(1);
  cluster.Write(1, "somedata");
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{2});
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{2});
  EXPECT_EQ(cluster.raft(1).status().progress[1].match, LogIndex{2});
  EXPECT_TRUE(cluster.raft(1).status().progress[1].learner);
}

// A learner that has an entry is no part of the majority that commits it.
TEST(MembershipCluster, LearnersDoNotCommit) {
  TestCluster cluster(4, OnlyVoters({1, 2, 3}, {4}));
  cluster.Elect(1);
  cluster.Cut(1, 2);
  cluster.Cut(1, 3);
  cluster.Write(1, "a");
  EXPECT_EQ(LogOf(cluster, 4), "[1/1 \"\", 1/2 \"a\"]");
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{1});
}

// ---------------------------------------------------------------------------------------------
// leaders that are removed

// It leads until a majority of the rest knows of it, and hands over to one of them.
TEST(MembershipCluster, ALeaderThatIsRemovedHandsOver) {
  for (const ConfChange& change : {Remove(1), AddLearner(1), Joint({Remove(1), AddVoter(4)})}) {
    TestCluster cluster(4, OnlyVoters({1, 2, 3}));
    cluster.Elect(1);
    cluster.Write(1, "a");
    ASSERT_EQ(cluster.raft(1).ProposeConfChange(change), ProposeResult::kAccepted);
    cluster.Settle();
    EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
    EXPECT_FALSE(cluster.raft(1).conf().IsJoint());
    for (uint64_t id : {2, 3}) {
      EXPECT_EQ(Describe(cluster.raft(id).conf()), Describe(cluster.raft(1).conf())) << id;
    }
    ASSERT_GT(cluster.Leader(), 1u);
    cluster.Write(cluster.Leader(), "b");
    EXPECT_THAT(cluster.Applied(3), ElementsAre("a", "b"));
  }
}

// Without stepping down it leads on, is not counted, and takes no proposals.
TEST(MembershipCluster, ALeaderThatIsRemovedMayLeadOnUncounted) {
  TestCluster cluster(3, [](Config& config) { config.step_down_on_removal = false; });
  cluster.Elect(1);
  ASSERT_EQ(cluster.raft(1).ProposeConfChange(Remove(1)), ProposeResult::kAccepted);
  ASSERT_EQ(cluster.Propose(1, "behind the change"), ProposeResult::kAccepted);
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.Propose(1, "a"), ProposeResult::kNoLeader);
  EXPECT_THAT(cluster.Applied(2), ElementsAre("behind the change"));
  cluster.Isolate(3);
  cluster.TickAll(3);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  cluster.Heal();
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).role(), Role::kLeader);
  cluster.Write(2, "b");
  EXPECT_THAT(cluster.Applied(3), ElementsAre("behind the change", "b"));
}

// Its reads rest on the members that are left, in rounds and by a lease.
TEST(MembershipCluster, ALeaderThatIsRemovedServesReadsUncounted) {
  for (const ReadMode mode : {ReadMode::kQuorum, ReadMode::kLease}) {
    TestCluster cluster(3, [mode](Config& config) {
      config.step_down_on_removal = false;
      config.check_quorum = true;
      config.read_mode = mode;
    });
    for (int i = 0; i < 10; ++i) cluster.raft(1).Tick();
    for (uint64_t id : {2, 3}) {
      for (int i = 0; i < 10; ++i) cluster.raft(id).Tick();
    }
    cluster.Settle();
    cluster.Elect(1);
    ASSERT_EQ(cluster.raft(1).ProposeConfChange(Remove(1)), ProposeResult::kAccepted);
    cluster.Settle();
    ASSERT_EQ(Describe(cluster.raft(1).conf()), "voters=(2 3)");
    cluster.raft(1).Tick();
    ASSERT_TRUE(cluster.raft(1).RequestReadIndex(1));
    cluster.Settle();
    EXPECT_EQ(cluster.node(1).TakeReads().size(), 1u);
    EXPECT_EQ(cluster.raft(1).status().holds_lease, mode == ReadMode::kLease);
    // One of two is no majority.
    cluster.Isolate(3);
    cluster.raft(1).RevokeLease();
    ASSERT_TRUE(cluster.raft(1).RequestReadIndex(2));
    cluster.Settle();
    EXPECT_EQ(cluster.node(1).TakeReads().size(), 0u);
  }
}

// Who refuses its vote says what it knows to be committed; who grants it does not.
TEST_F(Membership, ARefusalSaysWhatIsCommitted) {
  MemoryLog disk = DiskWith({1, 1, 2}, 2);
  disk.Write({.hard_state = HardState{Term{2}, NodeId{0}, LogIndex{2}}});
  Start(TestConfig(1, 3), std::move(disk));
  Receive(2, 3, VoteRequest{.last = {Term{1}, LogIndex{9}}});
  Receive(2, 1, VoteRequest{.last = {Term{1}, LogIndex{9}}});  // and to one that is late
  Receive(3, 3, VoteRequest{.last = {Term{2}, LogIndex{3}}});
  const auto answers = SentOf<VoteResponse>();
  ASSERT_EQ(answers.size(), 3u);
  for (const size_t i : {0, 1}) {
    EXPECT_FALSE(answers[i].granted);
    EXPECT_EQ(answers[i].commit, (EntryId{Term{1}, LogIndex{2}}));
  }
  EXPECT_TRUE(answers[2].granted);
  EXPECT_EQ(answers[2].commit, EntryId{});
}

// A candidate that lacks the vote of a member that is removed by a change it holds itself, and does
// not know to be committed, would never be elected.
TEST_F(Membership, ACandidateLearnsFromARefusalThatAChangeIsCommitted) {
  Start(2);
  Receive(2, 1, AppendRequest{.entries = {{Term{1}, LogIndex{1}}, ChangeEntry(1, 2, Remove(2))}});
  Sent();
  BecomeCandidate();
  ASSERT_EQ(raft().role(), Role::kCandidate);
  Hear(2, VoteResponse{.commit = {Term{9}, LogIndex{2}}});  // not what is here
  EXPECT_EQ(raft().commit(), LogIndex{0});
  Hear(2, VoteResponse{.commit = {Term{1}, LogIndex{3}}});
  EXPECT_EQ(raft().commit(), LogIndex{0});
  BecomeCandidate();
  Hear(2, VoteResponse{.commit = {Term{1}, LogIndex{2}}});
  EXPECT_EQ(raft().commit(), LogIndex{2});
  EXPECT_EQ(raft().role(), Role::kFollower);  // until it is applied
  Sent();
  EXPECT_EQ(Conf(), "voters=(1)");
  BecomeCandidate();
  EXPECT_EQ(raft().role(), Role::kLeader);
}

TEST(MembershipCluster, AMemberThatIsRemovedDisturbsNobody) {
  TestCluster cluster(3, PreVoteAndCheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);  // it does not learn that it is removed
  ASSERT_EQ(cluster.raft(1).ProposeConfChange(Remove(3)), ProposeResult::kAccepted);
  cluster.Settle();
  cluster.Heal();
  for (int i = 0; i < 100; ++i) {
    for (uint64_t id : {1, 2, 3}) cluster.raft(id).Tick();
    cluster.Settle();
  }
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
}

// In a joint configuration either half can stop everything.
TEST(MembershipCluster, AJointConfigurationNeedsBothMajorities) {
  TestCluster cluster(6, OnlyVoters({1, 2, 3}));
  cluster.Elect(1);
  ASSERT_EQ(cluster.raft(1).ProposeConfChange(
                Joint({AddVoter(4), AddVoter(5), AddVoter(6), Remove(2), Remove(3)},
                      ConfTransition::kJointExplicit)),
            ProposeResult::kAccepted);
  cluster.Settle();
  ASSERT_EQ(Describe(cluster.raft(1).conf()), "voters=(1 4 5 6)&&(1 2 3)");
  cluster.Write(1, "a");
  ASSERT_THAT(cluster.Applied(1), ElementsAre("a"));
  // The old half loses its majority, the new one has all.
  cluster.Isolate(2);
  cluster.Isolate(3);
  cluster.Write(1, "b");
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a"));
  cluster.raft(1).RequestReadIndex(1);
  cluster.Settle();
  EXPECT_THAT(cluster.node(1).TakeReads(), IsEmpty());
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a", "b"));
  EXPECT_EQ(cluster.node(1).TakeReads().size(), 1u);
  // The other way round.
  cluster.Isolate(5);
  cluster.Isolate(6);
  cluster.Write(1, "c");
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a", "b"));
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).role(), Role::kCandidate);
  cluster.Heal();
  cluster.Elect(4);
  ASSERT_EQ(cluster.raft(4).role(), Role::kLeader);
  ASSERT_EQ(cluster.raft(4).ProposeConfChange(ConfChange{}), ProposeResult::kAccepted);
  cluster.Settle();
  EXPECT_EQ(Describe(cluster.raft(4).conf()), "voters=(1 4 5 6)");
}

}  // namespace
}  // namespace keelson::raft
