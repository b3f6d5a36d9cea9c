// Whole members without sockets and threads: three of them in one thread on real stores and logs.
#include "server/member_core.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/range_slices.h"
#include "server/testing/core_cluster.h"
#include "server/testing/recording_sink.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kStopped[] = "etcdserver: server stopped";
constexpr char kTimeout[] = "etcdserver: request timed out";
constexpr char kLeaderLost[] =
    "etcdserver: request timed out, possibly due to previous leader failure";
constexpr char kWaiting[] = "waiting";

// The outcome of something asked: "waiting", "ok", a number, or the error's text. May outlive the
// one that was asked.
using Outcome = std::shared_ptr<std::string>;
Outcome NewOutcome() { return std::make_shared<std::string>(kWaiting); }
std::string Text(const absl::Status& status) {
  return status.ok() ? "ok" : std::string(status.message());
}

class MemberCoreTest : public testing::Test {
 protected:
  MemberCoreTest() { std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_); }

  void MakeCluster(int members) { cluster_ = std::make_unique<CoreCluster>(members, seed_); }
  CoreCluster& cluster() {
    if (!cluster_) MakeCluster(3);
    return *cluster_;
  }
  // The leader of a cluster that has one, and one that is not leader.
  int Leader() {
    const int leader = cluster().AwaitLeader();
    KV_CHECK(leader != 0);
    return leader;
  }
  int Follower(int which = 0) {
    const int leader = Leader();
    return (leader + which) % cluster().members() + 1;
  }

  template <typename Request>
  Outcome Submit(int n, int field, const Request& request) {
    Outcome outcome = NewOutcome();
    cluster().core(n).Submit(field, request.SerializeAsString(), [outcome](Answer answer) {
      EXPECT_EQ(*outcome, kWaiting) << "answered twice";
      *outcome = answer.status.ok() ? std::to_string(answer.revision.value()) : Text(answer.status);
    });
    return outcome;
  }
  Outcome SubmitPut(int n, const std::string& key, const std::string& value, int64_t lease = 0) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    request.set_lease(lease);
    return Submit(n, Command::kPutFieldNumber, request);
  }
  Outcome SubmitGrant(int n, int64_t id, int64_t ttl) {
    etcdserverpb::LeaseGrantRequest request;
    request.set_id(id);
    request.set_ttl(ttl);
    return Submit(n, Command::kLeaseGrantFieldNumber, request);
  }
  Outcome SubmitRevoke(int n, int64_t id) {
    proto::LeaseRevoke request;
    request.add_ids(id);
    return Submit(n, Command::kLeaseRevokeFieldNumber, request);
  }
  Outcome SubmitCompact(int n, int64_t revision) {
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    return Submit(n, Command::kCompactionFieldNumber, request);
  }
  Outcome AskToRead(int n) {
    Outcome outcome = NewOutcome();
    cluster().core(n).AwaitLinearizable([outcome](const absl::Status& status) {
      EXPECT_EQ(*outcome, kWaiting) << "answered twice";
      *outcome = Text(status);
    });
    return outcome;
  }
  static MemberCore::LeaseDone Into(const Outcome& outcome) {
    return [outcome](const absl::StatusOr<int64_t>& answer) {
      EXPECT_EQ(*outcome, kWaiting) << "answered twice";
      *outcome = answer.ok() ? std::to_string(*answer) : Text(answer.status());
    };
  }
  Outcome AskToRenew(int n, int64_t id) {
    Outcome outcome = NewOutcome();
    cluster().core(n).RenewLease(LeaseId(id), Into(outcome));
    return outcome;
  }
  Outcome AskForRemaining(int n, int64_t id) {
    Outcome outcome = NewOutcome();
    cluster().core(n).LeaseRemaining(LeaseId(id), Into(outcome));
    return outcome;
  }
  // Runs until it is known, and returns it.
  std::string Await(const Outcome& outcome) {
    cluster().RunUntil([&] { return *outcome != kWaiting; });
    return *outcome;
  }

  // What member `n` has under `key` now, "-" for nothing.
  std::string Local(int n, const std::string& key) {
    storage::RangeQuery query;
    query.range = storage::KeyRange::FromWire(key, "");
    std::string value = "-";
    const auto read = cluster().store(n).Range(query, [&](std::string_view bytes) {
      storage::KeyValue kv;
      KV_CHECK(storage::ParseKeyValue(bytes, kv));
      value = std::string(kv.value);
    });
    KV_CHECK(read.ok());
    return value;
  }
  std::string Read(int n, const std::string& key) {
    const std::string outcome = Await(AskToRead(n));
    return outcome == "ok" ? Local(n, key) : outcome;
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  std::unique_ptr<CoreCluster> cluster_;
};

// -------------------------------------------------------------------------------- consensus

TEST_F(MemberCoreTest, WritesOnAnyMemberAreReadOnAll) {
  Leader();
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Await(SubmitPut(n, "k", std::to_string(n))), std::to_string(n + 1));
    for (int reader = 1; reader <= 3; ++reader) EXPECT_EQ(Read(reader, "k"), std::to_string(n));
  }
}

TEST_F(MemberCoreTest, AMemberAloneServes) {
  MakeCluster(1);
  EXPECT_EQ(Leader(), 1);
  EXPECT_EQ(Await(SubmitPut(1, "k", "v")), "2");
  EXPECT_EQ(Read(1, "k"), "v");
}

TEST_F(MemberCoreTest, ManyWritesAtOnceAreAllAnsweredInOrder) {
  Leader();
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 300; ++i) outcomes.push_back(SubmitPut(1, "k", std::to_string(i)));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(Await(outcomes[i]), std::to_string(i + 2));
  EXPECT_EQ(Read(2, "k"), "299");
}

TEST_F(MemberCoreTest, OthersGoOnWhenTheLeaderCrashesAndItComesBack) {
  const int old = Leader();
  EXPECT_EQ(Await(SubmitPut(old, "k", "1")), "2");
  cluster().Crash(old);
  const int next = Leader();
  EXPECT_NE(next, old);
  EXPECT_EQ(Await(SubmitPut(next, "k", "2")), "3");
  cluster().Start(old);
  EXPECT_EQ(Read(old, "k"), "2");
}

// Its store was never flushed: all of its state comes from the raft log.
TEST_F(MemberCoreTest, ARestartReplaysTheLogAndAnswersNobody) {
  Leader();
  for (int i = 0; i < 50; ++i) EXPECT_NE(Await(SubmitPut(1, "k" + std::to_string(i), "v")), "");
  for (int n = 1; n <= 3; ++n) cluster().Crash(n);
  for (int n = 1; n <= 3; ++n) {
    cluster().Start(n);
    EXPECT_EQ(cluster().core(n).header().revision, Revision(1));
  }
  Leader();
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Read(n, "k49"), "v");
    EXPECT_EQ(cluster().store(n).HashKv(Revision())->hash,
              cluster().store(1).HashKv(Revision())->hash);
  }
  EXPECT_EQ(Await(SubmitPut(1, "k", "again")), "52");
}

TEST_F(MemberCoreTest, ADeposedLeaderDoesNotServeReads) {
  const int old = Leader();
  EXPECT_EQ(Await(SubmitPut(old, "k", "old")), "2");
  cluster().Isolate(old, Link::kLosing);
  const Outcome stale = AskToRead(old);
  ASSERT_TRUE(cluster().RunUntil([&] {
    const int leader = cluster().Leader();
    return leader != 0 && leader != old;  // the old one may step down before there is a new one
  }));
  EXPECT_EQ(Await(SubmitPut(cluster().Leader(), "k", "new")), "3");
  EXPECT_EQ(*stale, kWaiting);
  cluster().Isolate(old, Link::kUp);
  EXPECT_EQ(Await(stale), "ok");
  EXPECT_EQ(Local(old, "k"), "new");
}

// ----------------------------------------------------------------------- without a leader

TEST_F(MemberCoreTest, WithoutAQuorumEverythingTimesOut) {
  const int leader = Leader();
  for (int n = 1; n <= 3; ++n) {
    if (n != leader) cluster().Crash(n);
  }
  const Outcome write = SubmitPut(leader, "k", "v");
  const Outcome read = AskToRead(leader);
  cluster().Run(absl::Seconds(6));
  EXPECT_EQ(*write, kWaiting);
  EXPECT_EQ(*read, kWaiting);
  EXPECT_EQ(Await(write), kLeaderLost);
  EXPECT_EQ(Await(read), kLeaderLost);
  EXPECT_EQ(Await(AskToRenew(leader, 5)), kTimeout);
}

TEST_F(MemberCoreTest, AClusterThatNeverHadALeaderDoesNotBlameOne) {
  for (const int n : {2, 3}) cluster().Crash(n);
  const Outcome write = SubmitPut(1, "k", "v");
  const Outcome read = AskToRead(1);
  EXPECT_EQ(Await(write), kTimeout);
  EXPECT_EQ(Await(read), kTimeout);
}

TEST_F(MemberCoreTest, AWriteWaitsForTheFirstLeader) {
  const Outcome write = SubmitPut(1, "k", "v");
  const Outcome read = AskToRead(2);
  EXPECT_EQ(Await(write), "2");
  EXPECT_EQ(Await(read), "ok");
}

TEST_F(MemberCoreTest, TooManyWaitingWritesAreRefused) {
  for (const int n : {2, 3}) cluster().Crash(n);
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 5000; ++i) outcomes.push_back(SubmitPut(1, "k", "v"));
  EXPECT_EQ(*SubmitPut(1, "k", "v"), "etcdserver: too many requests");
  EXPECT_EQ(*outcomes.back(), kWaiting);
}

TEST_F(MemberCoreTest, ARequestThatIsTooLargeIsRefused) {
  const uint64_t limit = cluster().core(1).options().request_bytes_max;
  EXPECT_EQ(*SubmitPut(1, "k", std::string(limit, 'x')), "etcdserver: request is too large");
}

// ------------------------------------------------------------------------------ forwarding

TEST_F(MemberCoreTest, AWriteForALeaderThatCannotBeReachedIsKept) {
  const int leader = Leader();
  const int follower = Follower();
  cluster().SetLink(follower, leader, Link::kDown);
  const Outcome write = SubmitPut(follower, "k", "v");
  cluster().Run(absl::Seconds(4));
  EXPECT_EQ(*write, kWaiting);
  cluster().SetLink(follower, leader, Link::kUp);
  EXPECT_EQ(Await(write), "2");
  cluster().Run(absl::Seconds(10));
  EXPECT_EQ(cluster().store(leader).revision(), Revision(2)) << "made twice";
}

TEST_F(MemberCoreTest, AWriteThatMayHaveArrivedIsNotSentAgain) {
  const int leader = Leader();
  const int follower = Follower();
  cluster().SetLink(follower, leader, Link::kLosing);
  const Outcome write = SubmitPut(follower, "k", "v");
  cluster().Run(absl::Seconds(1));
  cluster().SetLink(follower, leader, Link::kUp);
  EXPECT_THAT(Await(write), StartsWith(kTimeout));
  EXPECT_EQ(Read(follower, "k"), "-");
}

// A client that was told of a timeout must not see its write made much later.
TEST_F(MemberCoreTest, AWriteThatTimedOutIsNotMadeWhenTheLeaderIsReachedAgain) {
  const int leader = Leader();
  const int follower = Follower();
  cluster().SetLink(follower, leader, Link::kDown);
  const Outcome write = SubmitPut(follower, "k", "v");
  EXPECT_THAT(Await(write), StartsWith(kTimeout));
  cluster().Run(absl::Seconds(1));
  cluster().SetLink(follower, leader, Link::kUp);
  cluster().Run(absl::Seconds(5));
  EXPECT_EQ(Read(follower, "k"), "-");
}

TEST_F(MemberCoreTest, AWriteThatTimedOutIsNotMadeByALaterLeader) {
  for (const int n : {2, 3}) cluster().Crash(n);
  const Outcome write = SubmitPut(1, "k", "v");
  EXPECT_THAT(Await(write), StartsWith(kTimeout));
  cluster().Run(absl::Seconds(1));
  cluster().Start(2);
  Leader();
  EXPECT_EQ(Read(1, "k"), "-");
}

TEST_F(MemberCoreTest, AReadIsAskedForAgainWhenTheRequestWasLost) {
  const int leader = Leader();
  const int follower = Follower();
  cluster().SetLink(follower, leader, Link::kLosing);
  const Outcome read = AskToRead(follower);
  cluster().Run(absl::Milliseconds(300));
  cluster().SetLink(follower, leader, Link::kUp);
  EXPECT_EQ(Await(read), "ok");
}

// --------------------------------------------------------------------------- slow devices

TEST_F(MemberCoreTest, ALeaderWithAHangingLogDiskCommitsByTheOthers) {
  const int leader = Leader();
  cluster().log_writer(leader).Hold();
  const Outcome write = SubmitPut(leader, "k", "v");
  ASSERT_TRUE(cluster().RunUntil([&] { return Local(Follower(), "k") == "v"; }));
  cluster().log_writer(leader).Release();
  EXPECT_NE(Await(write), kWaiting);
}

class StalledMemberCoreTest : public MemberCoreTest {
 protected:
  StalledMemberCoreTest() { member_ = Leader(); }
  StallingStore& store() { return cluster().store(member_); }
  int member_;
};

TEST_F(StalledMemberCoreTest, AnswersAndEventsWaitForTheStoreAndNoneIsLost) {
  RecordingSink sink;
  const auto stream = cluster().core(member_).watch_hub().Open(&sink);
  etcdserverpb::WatchCreateRequest request;
  request.set_key("k");
  stream->Create(request);
  sink.TakeResponses();
  store().StallCommits(1000);
  std::vector<Outcome> writes;
  for (int i = 0; i < 5; ++i) {
    writes.push_back(SubmitPut(member_, "k", std::to_string(i)));
    cluster().Run(absl::Milliseconds(100));
  }
  const Outcome read = AskToRead(member_);
  cluster().Run(absl::Milliseconds(500));
  EXPECT_GT(store().stalls_left(), 0);
  for (const Outcome& write : writes) EXPECT_EQ(*write, kWaiting);
  EXPECT_EQ(*read, kWaiting);
  EXPECT_EQ(sink.Take(), "");
  EXPECT_EQ(Read(Follower(), "k"), "4") << "the others are not held up";
  store().StallCommits(0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Await(writes[i]), std::to_string(i + 2));
  EXPECT_EQ(Await(read), "ok");
  EXPECT_EQ(sink.Take(), "0 @2: put k=0; 0 @6: put k=1 put k=2 put k=3 put k=4");
}

TEST_F(StalledMemberCoreTest, ALeaderStaysLeader) {
  const Term term = cluster().core(member_).node().term();
  store().StallCommits(1000000);
  const Outcome write = SubmitPut(member_, "k", "v");
  cluster().Run(absl::Seconds(5));
  EXPECT_EQ(Leader(), member_);
  EXPECT_EQ(cluster().core(member_).node().term(), term);
  store().StallCommits(0);
  EXPECT_EQ(Await(write), "2");
}

// Others have applied the grant and answered for it while the leader's store stalls.
TEST_F(StalledMemberCoreTest, ALeaseThatTheLeaderHasNotCommittedYetIsNotDenied) {
  store().StallCommits(1000000);
  const int follower = Follower();
  ASSERT_EQ(Await(SubmitGrant(follower, 5, 60)), "1");
  ASSERT_TRUE(store().FindLease(LeaseId(5))) << "it is in the batch that waits";
  const Outcome renewed = AskToRenew(follower, 5);
  const Outcome left = AskForRemaining(follower, 5);
  cluster().Run(absl::Milliseconds(500));
  EXPECT_EQ(*renewed, kWaiting);
  EXPECT_EQ(*left, kWaiting);
  store().StallCommits(0);
  EXPECT_EQ(Await(renewed), "60");
  EXPECT_EQ(Await(left), "60");
}

// The store compacts between batches only, and a batch is under way as long as it stalls.
TEST_F(StalledMemberCoreTest, CompactionWaitsForTheBatch) {
  for (int i = 0; i < 20; ++i) Await(SubmitPut(member_, "k", std::to_string(i)));
  const Outcome compaction = SubmitCompact(member_, 15);
  EXPECT_EQ(Await(compaction), "21");
  store().StallCommits(10);
  const Outcome write = SubmitPut(member_, "k", "v");
  ASSERT_TRUE(cluster().RunUntil([&] { return store().stalls_left() < 10; }));
  bool compacted = false;
  cluster().core(member_).AwaitPhysicalCompaction(
      [&](absl::Status status) { compacted = status.ok(); });
  cluster().Settle();
  EXPECT_FALSE(compacted);
  EXPECT_EQ(Await(write), "22");
  EXPECT_TRUE(cluster().RunUntil([&] { return compacted; }));
}

TEST_F(StalledMemberCoreTest, AStoreThatFailsEndsTheMemberOnceAndAnswersEverybody) {
  store().StallCommits(1000000);
  const Outcome write = SubmitPut(member_, "k", "v");
  ASSERT_TRUE(cluster().RunUntil([&] { return Local(Follower(), "k") == "v"; }));
  const Outcome read = AskToRead(member_);
  cluster().Settle();
  store().FailCommits(absl::DataLossError("checksum"));
  EXPECT_EQ(Await(write), kStopped);
  EXPECT_EQ(Await(read), kStopped);
  EXPECT_EQ(cluster().fatal(member_).message(), "checksum");
  EXPECT_TRUE(cluster().core(member_).stopped());
  cluster().Run(absl::Seconds(5));
  EXPECT_NE(Leader(), member_);
}

// ---------------------------------------------------------------------------------- leases

TEST_F(MemberCoreTest, ALeaseIsRenewedAndAskedForThroughAnyMember) {
  Leader();
  ASSERT_EQ(Await(SubmitGrant(1, 5, 60)), "1");
  for (int n = 1; n <= 3; ++n) {
    cluster().Run(absl::Seconds(10));
    EXPECT_EQ(Await(AskForRemaining(n, 5)), "50") << n;
    EXPECT_EQ(Await(AskToRenew(n, 5)), "60");
    EXPECT_EQ(Await(AskToRenew(n, 6)), "0") << "unknown";
    EXPECT_EQ(Await(AskForRemaining(n, 6)), "-1");
  }
}

TEST_F(MemberCoreTest, ALeaseEndsWithItsKeysOnAllMembersAndNotBefore) {
  Leader();
  ASSERT_EQ(Await(SubmitGrant(1, 5, 3)), "1");
  ASSERT_EQ(Await(SubmitPut(2, "k", "v", 5)), "2");
  cluster().Run(absl::Milliseconds(2900));
  for (int n = 1; n <= 3; ++n) EXPECT_EQ(Read(n, "k"), "v");
  cluster().Run(absl::Milliseconds(500));
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Read(n, "k"), "-");
    EXPECT_FALSE(cluster().store(n).FindLease(LeaseId(5)));
  }
}

TEST_F(MemberCoreTest, ANewLeaderGivesLeasesTheirTimeAnew) {
  const int old = Leader();
  ASSERT_EQ(Await(SubmitGrant(old, 5, 10)), "1");
  ASSERT_EQ(Await(SubmitPut(old, "k", "v", 5)), "2");
  cluster().Run(absl::Seconds(9));
  cluster().Crash(old);
  const int leader = Leader();
  cluster().Run(absl::Seconds(9));
  EXPECT_EQ(Read(leader, "k"), "v");
  cluster().Run(absl::Seconds(3));
  EXPECT_EQ(Read(leader, "k"), "-");
}

TEST_F(MemberCoreTest, ARenewalFindsTheNextLeader) {
  const int old = Leader();
  ASSERT_EQ(Await(SubmitGrant(old, 5, 60)), "1");
  cluster().Crash(old);
  const int other = old % 3 + 1;
  EXPECT_EQ(Await(AskToRenew(other, 5)), "60");
}

// The next leader has the revocation in its log and has not committed it when it is asked.
TEST_F(MemberCoreTest, ANewLeaderRenewsNoLeaseThatIsRevokedInItsLog) {
  const int old = Leader();
  const int others[] = {old % 3 + 1, (old + 1) % 3 + 1};
  ASSERT_EQ(Await(SubmitGrant(old, 5, 60)), "1");
  for (const int n : others) {
    ASSERT_EQ(Read(n, "k"), "-");  // it has the grant
    cluster().SetLink(n, old, Link::kLosing);
  }
  SubmitRevoke(old, 5);
  cluster().Settle();
  cluster().Crash(old);
  const absl::Duration give_up = cluster().clock().Now() + absl::Seconds(30);
  const auto is_leader = [&](int n) { return cluster().core(n).node().is_leader(); };
  while (!is_leader(others[0]) && !is_leader(others[1])) {
    if (!cluster().SettleOneRound()) cluster().RunNextTimers(give_up);
    ASSERT_LT(cluster().clock().Now(), give_up);
  }
  const int leader = is_leader(others[0]) ? others[0] : others[1];
  for (const int n : others) cluster().Isolate(n, Link::kLosing);
  const Outcome renewal = AskToRenew(leader, 5);
  cluster().Settle();
  EXPECT_EQ(*renewal, kWaiting);
  for (const int n : others) cluster().Isolate(n, Link::kUp);
  EXPECT_EQ(Await(renewal), "0");
}

// Both may come in one group of entries; the lease that is there in the end must have its time.
TEST_F(MemberCoreTest, ALeaseGrantedAgainInOneGroupEndsLikeAnyOther) {
  const int leader = Leader();
  ASSERT_EQ(Await(SubmitGrant(leader, 5, 60)), "1");
  const Outcome revoke = SubmitRevoke(leader, 5);
  const Outcome grant = SubmitGrant(leader, 5, 3);
  ASSERT_EQ(Await(revoke), "1");
  ASSERT_EQ(Await(grant), "1");
  EXPECT_EQ(Await(AskToRenew(leader, 5)), "3");
  cluster().Run(absl::Seconds(4));
  EXPECT_FALSE(cluster().store(leader).FindLease(LeaseId(5)));
}

TEST_F(MemberCoreTest, ALeaseGrantedAndRevokedInOneGroupIsGone) {
  const int leader = Leader();
  const Outcome grant = SubmitGrant(leader, 5, 60);
  const Outcome revoke = SubmitRevoke(leader, 5);
  ASSERT_EQ(Await(grant), "1");
  ASSERT_EQ(Await(revoke), "1");
  EXPECT_EQ(Await(AskToRenew(leader, 5)), "0");
  EXPECT_EQ(Await(AskForRemaining(leader, 5)), "-1");
}

// ------------------------------------------------------------------------------- compaction

// As on a full disk. Tried without a pause it would take all of the loop's time.
TEST_F(MemberCoreTest, ACompactionThatTheStoreCannotTakeIsTriedAgainNowAndThen) {
  const int leader = cluster().AwaitLeader();
  for (int i = 0; i < 5; ++i) ASSERT_NE(Await(SubmitPut(leader, "k", "v")), "");
  cluster().store(leader).StallCompaction(true);
  ASSERT_EQ(Await(SubmitCompact(leader, 3)), "6");
  bool done = false;
  cluster().core(leader).AwaitPhysicalCompaction([&](absl::Status status) { done = status.ok(); });
  const int before = cluster().store(leader).compact_steps();
  cluster().Run(absl::Seconds(2));
  EXPECT_FALSE(done);
  EXPECT_GT(cluster().store(leader).compact_steps(), before + 5);
  EXPECT_LT(cluster().store(leader).compact_steps(), before + 50);
  cluster().store(leader).StallCompaction(false);
  EXPECT_TRUE(cluster().RunUntil([&] { return done; }));
}

TEST_F(MemberCoreTest, PhysicalCompactionIsAwaited) {
  const int leader = Leader();
  for (int i = 0; i < 20; ++i) Await(SubmitPut(leader, "k", std::to_string(i)));
  ASSERT_EQ(Await(SubmitCompact(leader, 15)), "21");
  bool done = false;
  cluster().core(leader).AwaitPhysicalCompaction([&](absl::Status status) { done = status.ok(); });
  EXPECT_TRUE(cluster().RunUntil([&] { return done; }));
  EXPECT_EQ(Await(SubmitCompact(leader, 15)),
            "etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(Await(SubmitCompact(leader, 99)),
            "etcdserver: mvcc: required revision is a future revision");
}

TEST_F(MemberCoreTest, AReadInSlicesGoesOnBehindACompactionThatOthersReadsDoNotPass) {
  const int leader = Leader();
  for (int i = 0; i < 3; ++i) Await(SubmitPut(leader, "k" + std::to_string(i), "old"));
  etcdserverpb::RangeRequest all;
  all.set_key("k");
  all.set_range_end("l");
  all.set_revision(4);
  RangeSlices begun(&cluster().store(leader), all);
  auto slice = begun.Next(1);
  ASSERT_TRUE(slice.ok() && !slice->at_end);
  Await(SubmitPut(leader, "k1", "new"));
  ASSERT_EQ(Await(SubmitCompact(leader, 5)), "5");
  bool done = false;
  cluster().core(leader).AwaitPhysicalCompaction([&](absl::Status status) { done = status.ok(); });
  ASSERT_TRUE(cluster().RunUntil([&] { return done; }));
  EXPECT_EQ(RangeSlices(&cluster().store(leader), all).Next(1).status().message(),
            "etcdserver: mvcc: required revision has been compacted");
  slice = begun.Next(5);
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_TRUE(slice->at_end);
  EXPECT_THAT(slice->kvs, AllOf(HasSubstr("k1"), HasSubstr("old"), HasSubstr("k2")));
  EXPECT_THAT(slice->kvs, Not(HasSubstr("new")));
}

// ------------------------------------------------------------------------------------- stop

TEST_F(MemberCoreTest, StopAnswersEverythingThatWaits) {
  const int leader = Leader();
  const int other = Follower();
  cluster().Crash(leader % 3 + 1 == other ? other % 3 + 1 : leader % 3 + 1);
  cluster().SetLink(other, leader, Link::kLosing);
  cluster().SetLink(leader, other, Link::kLosing);
  const Outcome write = SubmitPut(leader, "k", "v");
  const Outcome read = AskToRead(leader);
  cluster().Settle();
  MemberCore& core = cluster().core(leader);
  core.Stop();
  EXPECT_EQ(*write, kStopped);
  EXPECT_EQ(*read, kStopped);
  EXPECT_EQ(*SubmitPut(leader, "k", "v"), kStopped);
  EXPECT_EQ(*AskToRead(leader), kStopped);
  EXPECT_EQ(Await(AskToRenew(leader, 5)), kStopped);
  core.Stop();
  cluster().Run(absl::Seconds(20));
}

TEST_F(MemberCoreTest, StopAnswersARenewalThatLooksForALeader) {
  for (const int n : {2, 3}) cluster().Crash(n);
  const Outcome renewal = AskToRenew(1, 5);
  const Outcome remaining = AskForRemaining(1, 5);
  cluster().Run(absl::Seconds(1));
  EXPECT_EQ(*renewal, kWaiting);
  cluster().core(1).Stop();
  EXPECT_EQ(Await(renewal), kStopped);
  EXPECT_EQ(Await(remaining), kStopped);
}

TEST_F(MemberCoreTest, StopAnswersTheRenewalOfAnExpiredLease) {
  const int leader = Leader();
  ASSERT_EQ(Await(SubmitGrant(leader, 5, 3)), "1");
  cluster().Isolate(leader, Link::kLosing);
  // Expired, and its revocation cannot be committed; the leader does not know yet that it is cut
  // off.
  cluster().store(leader).StallCommits(1000000);
  cluster().Isolate(leader, Link::kUp);
  SubmitPut(leader, "k", "v");
  cluster().Run(absl::Milliseconds(3500));
  const Outcome renewal = AskToRenew(leader, 5);
  cluster().Run(absl::Milliseconds(200));
  EXPECT_EQ(*renewal, kWaiting);
  cluster().core(leader).Stop();
  EXPECT_EQ(Await(renewal), kStopped);
}

TEST_F(MemberCoreTest, AStoppedMemberIsSilentAndTheOthersGoOn) {
  const int old = Leader();
  cluster().core(old).Stop();
  const int next = Leader();
  EXPECT_NE(next, old);
  EXPECT_EQ(Await(SubmitPut(next, "k", "v")), "2");
  EXPECT_EQ(Local(old, "k"), "-");
}

// ------------------------------------------------------------------------------ determinism

// "Same seed, same bytes": the logs of two runs are equal, entry by entry.
TEST_F(MemberCoreTest, TheSameSeedGivesTheSameRun) {
  std::string runs[2];
  for (std::string& run : runs) {
    cluster_ = std::make_unique<CoreCluster>(3, seed_);
    for (int i = 0; i < 5; ++i) {
      run += Await(SubmitPut(1 + i % 3, "k", std::to_string(i))) + " ";
      run += std::to_string(Leader()) + " ";
      run += absl::FormatDuration(cluster().clock().Now()) + " ";
      if (i == 2) {
        const int leader = Leader();
        cluster().Crash(leader);
        run += std::to_string(Leader()) + " ";
        cluster().Start(leader);
      }
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

}  // namespace
}  // namespace keelson::server
