// Commands on the state machine over the real store: KV as KvExecutor does it, leases, alarms,
// attributes. Requests and answers are shown as text.
#include "server/state_machine.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/membership.h"
#include "server/testing/text_proto.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using etcdserverpb::AlarmResponse;
using etcdserverpb::DeleteRangeResponse;
using etcdserverpb::PutResponse;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnResponse;
using proto::Command;

constexpr char kNotFound[] = "etcdserver: key not found";

class StateMachineTest : public testing::Test {
 protected:
  StateMachineTest() {
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    KV_CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
    machine_ = std::make_unique<StateMachine>(store_.get(), NodeId(1));
  }

  // The text of a Command's operation; applied as an entry of `term`, and not yet committed.
  void Enqueue(const std::string& op, Term term = Term(1), uint64_t origin = 1) {
    Command command = FromText<Command>(op);
    command.set_format(kCommandFormat);
    command.set_origin(origin);
    command.set_request(++last_request_);
    ApplyRaw(command.SerializeAsString(), term);
  }
  void ApplyRaw(const std::string& data, Term term = Term(1),
                raft::EntryType type = raft::EntryType::kNormal) {
    const raft::Entry entry{term, store_->applied() + 1, type, SharedBytes(data)};
    machine_->Apply({&entry, 1});
  }
  Applied Commit() {
    auto applied = machine_->Commit();
    EXPECT_TRUE(applied.ok()) << applied.status();
    return applied.ok() ? *std::move(applied) : Applied();
  }
  Answer Do(const std::string& op, Term term = Term(1)) {
    Enqueue(op, term);
    applied_ = Commit();
    EXPECT_EQ(applied_.answers.size(), 1u);
    return applied_.answers.empty() ? Answer() : std::move(applied_.answers[0]);
  }
  // "@<revision> <answer>", or the error's text.
  template <typename Response>
  std::string As(const Answer& answer) {
    if (!answer.status.ok()) return std::string(answer.status.message());
    Response response;
    EXPECT_TRUE(response.ParseFromString(answer.body));
    std::string text = ToText(response);
    return "@" + std::to_string(answer.revision.value()) + (text.empty() ? "" : " ") + text;
  }
  std::string Put(const std::string& request) {
    return As<PutResponse>(Do("put { " + request + " }"));
  }
  std::string Delete(const std::string& request) {
    return As<DeleteRangeResponse>(Do("delete_range { " + request + " }"));
  }
  std::string Txn(const std::string& request) {
    return As<TxnResponse>(Do("txn { " + request + " }"));
  }
  // Whether the compares hold.
  bool Holds(const std::string& compares) {
    return Txn(compares).find("succeeded: true") != std::string::npos;
  }
  std::string Grant(int64_t id, int64_t ttl = 60) {
    return As<etcdserverpb::LeaseGrantResponse>(
        Do("lease_grant { ID: " + std::to_string(id) + " TTL: " + std::to_string(ttl) + " }"));
  }
  std::string Error(const std::string& op, Term term = Term(1)) {
    return std::string(Do(op, term).status.message());
  }
  std::string Alarm(const std::string& request) {
    const std::string text = As<AlarmResponse>(Do("alarm { " + request + " }"));
    return text.substr(text.find(' ') == std::string::npos ? text.size() : text.find(' ') + 1);
  }
  // "key=value key=value …" of everything.
  std::string All() {
    KvCounters counters;
    KvExecutor kv(store_.get(), &counters);
    const auto body = kv.Range(FromText<etcdserverpb::RangeRequest>("key: '\\0' range_end: '\\0'"));
    RangeResponse response;
    KV_CHECK(body.ok() && response.ParseFromString(*body));
    std::string text;
    for (const auto& kv_pair : response.kvs()) {
      text += (text.empty() ? "" : " ") + kv_pair.key() + "=" + kv_pair.value();
    }
    return text;
  }

  const storage::TemporaryDirectory directory_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<StateMachine> machine_;
  uint64_t last_request_ = 0;
  Applied applied_;  // of the last Do
};

// ------------------------------------------------------------------------------------ entries

TEST_F(StateMachineTest, AnswersAreForCommandsOfThisMemberOnly) {
  Enqueue("put { key: 'a' }", Term(1), 1);
  Enqueue("put { key: 'b' }", Term(1), 2);
  Enqueue("put { key: 'c' }", Term(1), 1);
  const Applied applied = Commit();
  ASSERT_EQ(applied.answers.size(), 2u);
  EXPECT_EQ(applied.answers[0].request, 1u);
  EXPECT_EQ(applied.answers[0].revision, Revision(2));
  EXPECT_EQ(applied.answers[1].request, 3u);
  EXPECT_EQ(applied.answers[1].revision, Revision(4));
  EXPECT_EQ(applied.events.size(), 3u);
  EXPECT_EQ(store_->applied(), LogIndex(3));
}

TEST_F(StateMachineTest, AnEntryWithoutACommandOnlyMovesTheIndex) {
  ApplyRaw("");
  ApplyRaw("whatever", Term(2), raft::EntryType::kConfChange);
  const Applied applied = Commit();
  EXPECT_TRUE(applied.answers.empty());
  EXPECT_EQ(store_->applied(), LogIndex(2));
  EXPECT_EQ(store_->applied_term(), Term(2));
  EXPECT_EQ(store_->revision(), Revision(1));
}

// Members of other versions must stop rather than differ.
TEST_F(StateMachineTest, ACommandOfAnotherFormatEndsTheMember) {
  Command command = FromText<Command>("format: 2 put { key: 'a' }");
  ApplyRaw(command.SerializeAsString());
  EXPECT_EQ(machine_->Commit().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(machine_->Commit().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StateMachineTest, AnUnknownCommandIsRefusedAndChangesNothing) {
  EXPECT_EQ(Do("username: 'u'").status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(store_->revision(), Revision(1));
}

// ----------------------------------------------------------------------------- put and delete

TEST_F(StateMachineTest, PutGivesThePreviousPairWhenAsked) {
  EXPECT_EQ(Put("key: 'a' value: '1' prev_kv: true"), "@2");
  EXPECT_EQ(Put("key: 'a' value: '2' prev_kv: true"),
            "@3 prev_kv { key: \"a\" create_revision: 2 mod_revision: 2 version: 1 value: \"1\" }");
  EXPECT_EQ(Put("key: 'a' value: '3'"), "@4");
}

TEST_F(StateMachineTest, IgnoredFieldsAreKeptAndNeedTheKey) {
  Grant(7);
  EXPECT_EQ(Put("key: 'a' ignore_value: true"), kNotFound);
  EXPECT_EQ(Put("key: 'a' ignore_lease: true"), kNotFound);
  EXPECT_EQ(Put("key: 'a' value: '1' lease: 7"), "@2");
  EXPECT_EQ(Put("key: 'a' ignore_value: true"), "@3");
  EXPECT_EQ(All(), "a=1");
  EXPECT_EQ(store_->LeaseOf("a"), LeaseId(0)) << "a put without a lease lets it go";
  EXPECT_EQ(Put("key: 'a' ignore_value: true lease: 7"), "@4");
  EXPECT_EQ(Put("key: 'a' value: '2' ignore_lease: true"), "@5");
  EXPECT_EQ(All(), "a=2");
  EXPECT_EQ(store_->LeaseOf("a"), LeaseId(7));
}

TEST_F(StateMachineTest, APutWithAnUnknownLeaseIsRefused) {
  EXPECT_EQ(Put("key: 'a' lease: 9"), "etcdserver: requested lease not found");
  EXPECT_EQ(All(), "");
}

TEST_F(StateMachineTest, APutLacksItsLeaseFirstAndInATransactionItsKey) {
  const std::string request = "key: 'a' lease: 9 ignore_value: true";
  EXPECT_EQ(Put(request), "etcdserver: requested lease not found");
  EXPECT_EQ(Txn("success { request_put { " + request + " } }"), "etcdserver: key not found");
}

TEST_F(StateMachineTest, ATransactionLacksAKeyBeforeARevision) {
  EXPECT_EQ(Txn("success { request_range { key: 'a' revision: 99 } } "
                "success { request_put { key: 'a' ignore_value: true } }"),
            "etcdserver: key not found");
}

TEST_F(StateMachineTest, APutThatNeedsWhatItsTransactionDeletesIsRefusedBeforeAnythingChanges) {
  const std::string gone = "etcdserver: key not found";
  const std::string keep = "success { request_put { key: 'b' ignore_value: true } }";
  Put("key: 'b' value: '1'");
  EXPECT_EQ(Txn("success { request_delete_range { key: 'a' range_end: '\\000' } }" + keep), gone);
  EXPECT_EQ(Txn("success { request_txn { success { request_delete_range { key: 'b' } } } }"
                "success { request_txn { " +
                keep + " } }"),
            gone);
  EXPECT_EQ(All(), "b=1");
}

TEST_F(StateMachineTest, ANegativeRevisionInATransactionIsCompacted) {
  const std::string compacted = "etcdserver: mvcc: required revision has been compacted";
  Put("key: 'a' value: '1'");
  EXPECT_EQ(Txn("success { request_range { key: 'a' revision: -2 } }"), compacted);
  EXPECT_NE(Txn("success { request_range { key: 'a' revision: -1 } }"), compacted);
  Do("compaction { revision: 2 }");
  EXPECT_EQ(Txn("success { request_range { key: 'a' revision: -1 } }"), compacted);
}

TEST_F(StateMachineTest, DeleteCountsAndGivesPreviousPairs) {
  EXPECT_EQ(Delete("key: 'a'"), "@1");
  Put("key: 'a' value: '1'");
  Put("key: 'b' value: '2'");
  EXPECT_EQ(Delete("key: 'b' range_end: 'a'"), "@3");
  EXPECT_EQ(Delete("key: 'a' range_end: 'z' prev_kv: true"),
            "@4 deleted: 2 "
            "prev_kvs { key: \"a\" create_revision: 2 mod_revision: 2 version: 1 value: \"1\" } "
            "prev_kvs { key: \"b\" create_revision: 3 mod_revision: 3 version: 1 value: \"2\" }");
}

// -------------------------------------------------------------------------------- transactions

TEST_F(StateMachineTest, OperationsOfATxnSeeTheEarlierOnes) {
  EXPECT_EQ(Txn("success { request_range { key: 'a' count_only: true } }"
                "success { request_put { key: 'a' value: '1' } }"
                "success { request_range { key: 'a' count_only: true } }"),
            "@2 succeeded: true "
            "responses { response_range { header { revision: 1 } } } "
            "responses { response_put { header { revision: 2 } } } "
            "responses { response_range { header { revision: 2 } count: 1 } }");
}

TEST_F(StateMachineTest, ATxnHasOneRevision) {
  Txn("success { request_put { key: 'a' } } success { request_put { key: 'b' } }");
  ASSERT_EQ(applied_.events.size(), 2u);
  EXPECT_EQ(applied_.events[0].revision, Revision(2));
  EXPECT_EQ(applied_.events[1].revision, Revision(2));
  EXPECT_EQ(applied_.events[1].sub, 1);
}

TEST_F(StateMachineTest, ADeleteOfNothingInATxnHasTheOldRevision) {
  EXPECT_EQ(Txn("success { request_delete_range { key: 'x' } }"),
            "@1 succeeded: true responses { response_delete_range { header { revision: 1 } } }");
  EXPECT_EQ(Txn("success { request_put { key: 'a' } }"
                "success { request_delete_range { key: 'x' } }"),
            "@2 succeeded: true responses { response_put { header { revision: 2 } } } "
            "responses { response_delete_range { header { revision: 2 } } }");
}

TEST_F(StateMachineTest, ComparesLookAtKeysThatAreThere) {
  Put("key: 'a' value: 'm'");
  Put("key: 'a' value: 'm'");
  EXPECT_TRUE(Holds(""));
  EXPECT_TRUE(Holds("compare { key: 'a' target: VERSION version: 2 }"));
  EXPECT_FALSE(Holds("compare { key: 'a' target: VERSION result: NOT_EQUAL version: 2 }"));
  EXPECT_TRUE(Holds("compare { key: 'a' target: CREATE create_revision: 2 }"));
  EXPECT_TRUE(Holds("compare { key: 'a' target: MOD result: GREATER mod_revision: 2 }"));
  EXPECT_FALSE(Holds("compare { key: 'a' target: MOD result: LESS mod_revision: 3 }"));
  EXPECT_TRUE(Holds("compare { key: 'a' target: VALUE result: LESS value: 'n' }"));
  EXPECT_TRUE(Holds("compare { key: 'a' target: VALUE result: GREATER value: 'M' }"));
  EXPECT_TRUE(Holds("compare { key: 'a' target: LEASE }"));
  EXPECT_FALSE(
      Holds("compare { key: 'a' target: VERSION version: 2 }"
            "compare { key: 'a' target: VERSION version: 3 }"));
}

TEST_F(StateMachineTest, AnAbsentKeyIsZeroAndHasNoValue) {
  EXPECT_TRUE(Holds("compare { key: 'x' target: VERSION }"));
  EXPECT_TRUE(Holds("compare { key: 'x' target: CREATE }"));
  EXPECT_TRUE(Holds("compare { key: 'x' target: MOD result: LESS mod_revision: 1 }"));
  EXPECT_TRUE(Holds("compare { key: 'x' target: LEASE }"));
  EXPECT_FALSE(Holds("compare { key: 'x' target: VALUE value: '' }"));
  EXPECT_FALSE(Holds("compare { key: 'x' target: VALUE result: NOT_EQUAL value: 'v' }"));
  EXPECT_FALSE(Holds("compare { key: 'x' range_end: 'y' target: VALUE result: NOT_EQUAL }"));
  EXPECT_TRUE(Holds("compare { key: 'x' range_end: 'y' target: VERSION }"));
}

TEST_F(StateMachineTest, ARangeComparesEveryKey) {
  Put("key: 'a' value: '1'");
  Put("key: 'b' value: '2'");
  EXPECT_TRUE(Holds("compare { key: 'a' range_end: 'c' target: VERSION version: 1 }"));
  Put("key: 'b' value: '2'");
  EXPECT_FALSE(Holds("compare { key: 'a' range_end: 'c' target: VERSION version: 1 }"));
  EXPECT_TRUE(
      Holds("compare { key: 'a' range_end: '\\0' target: MOD result: GREATER "
            "mod_revision: 1 }"));
}

TEST_F(StateMachineTest, TheFailureBranchIsTakenAndSaidSo) {
  EXPECT_EQ(Txn("compare { key: 'a' target: VERSION version: 1 } "
                "success { request_put { key: 'a' value: 'then' } }"
                "failure { request_put { key: 'a' value: 'else' } }"),
            "@2 responses { response_put { header { revision: 2 } } }");
  EXPECT_EQ(All(), "a=else");
}

TEST_F(StateMachineTest, AFailedCheckChangesNothing) {
  Put("key: 'a' value: '1'");
  Enqueue("compaction { revision: 2 }");
  Commit();
  Put("key: 'a' value: '2'");
  Enqueue("compaction { revision: 3 }");
  Commit();
  const std::string put = "success { request_put { key: 'b' } } ";
  EXPECT_EQ(Txn(put + "success { request_put { key: 'c' lease: 9 } }"),
            "etcdserver: requested lease not found");
  EXPECT_EQ(Txn(put + "success { request_put { key: 'c' ignore_value: true } }"), kNotFound);
  EXPECT_EQ(Txn(put + "success { request_range { key: 'a' revision: 99 } }"),
            "etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(Txn(put + "success { request_range { key: 'a' revision: 2 } }"),
            "etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(Txn(put + "success { request_txn { success { request_put { key: 'c' lease: 9 } } } }"),
            "etcdserver: requested lease not found");
  // The revision that the txn itself makes is in its future.
  EXPECT_EQ(Txn(put + "success { request_range { key: 'a' revision: 4 } }"),
            "etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(All(), "a=2");
  EXPECT_EQ(store_->revision(), Revision(3));
  EXPECT_TRUE(applied_.events.empty());
}

TEST_F(StateMachineTest, ChecksOfABranchNotTakenDoNotMatter) {
  EXPECT_EQ(Txn("failure { request_put { key: 'c' lease: 9 } }"), "@1 succeeded: true");
}

TEST_F(StateMachineTest, ARangeWithARevisionInATxnReadsThatRevision) {
  Put("key: 'a' value: 'old'");
  EXPECT_EQ(Txn("success { request_put { key: 'a' value: 'new' } }"
                "success { request_range { key: 'a' revision: 2 } }"),
            "@3 succeeded: true responses { response_put { header { revision: 3 } } } "
            "responses { response_range { header { revision: 3 } "
            "kvs { key: \"a\" create_revision: 2 mod_revision: 2 version: 1 value: \"old\" } "
            "count: 1 } }");
}

TEST_F(StateMachineTest, NestedComparesSeeTheStateBeforeTheTxn) {
  EXPECT_EQ(Txn("success { request_put { key: 'a' value: '1' } }"
                "success { request_txn { "
                "  compare { key: 'a' target: VERSION version: 0 } "
                "  success { request_put { key: 'b' value: 'then' } } "
                "  failure { request_put { key: 'b' value: 'else' } } } }"),
            "@2 succeeded: true "
            "responses { response_put { header { revision: 2 } } } "
            "responses { response_txn { header { } succeeded: true "
            "responses { response_put { header { revision: 2 } } } } }");
  EXPECT_EQ(All(), "a=1 b=then");
}

TEST_F(StateMachineTest, NestedReadsSeeTheOuterWrites) {
  EXPECT_EQ(Txn("success { request_put { key: 'a' } }"
                "success { request_txn { "
                "  success { request_range { key: 'a' count_only: true } } } }"),
            "@2 succeeded: true "
            "responses { response_put { header { revision: 2 } } } "
            "responses { response_txn { header { } succeeded: true "
            "responses { response_range { header { revision: 2 } count: 1 } } } }");
}

TEST_F(StateMachineTest, EmptyTxnsChangeNothing) {
  EXPECT_EQ(Txn(""), "@1 succeeded: true");
  EXPECT_EQ(Txn("compare { key: 'a' target: VERSION version: 1 }"), "@1");
  EXPECT_EQ(Txn("success { request_txn { } }"),
            "@1 succeeded: true responses { response_txn { header { } succeeded: true } }");
}

TEST_F(StateMachineTest, APutByOneSiblingMayBeDeletedByTheNext) {
  EXPECT_EQ(Txn("success { request_txn { success { request_put { key: 'a' } } } }"
                "success { request_txn { success { request_delete_range { key: 'a' } } } }"),
            "@2 succeeded: true responses { response_txn { header { } succeeded: true "
            "responses { response_put { header { revision: 2 } } } } } "
            "responses { response_txn { header { } succeeded: true "
            "responses { response_delete_range { header { revision: 2 } deleted: 1 } } } }");
  EXPECT_EQ(All(), "");
}

// --------------------------------------------------------------------------------- compaction

TEST_F(StateMachineTest, CompactionKnowsPastAndFuture) {
  Put("key: 'a'");
  EXPECT_EQ(Error("compaction { revision: 3 }"),
            "etcdserver: mvcc: required revision is a future revision");
  EXPECT_EQ(Error("compaction { revision: 2 }"), "");
  EXPECT_TRUE(applied_.compacted);
  EXPECT_EQ(Error("compaction { revision: 2 }"),
            "etcdserver: mvcc: required revision has been compacted");
  EXPECT_FALSE(applied_.compacted);
}

// ------------------------------------------------------------------------------------- leases

TEST_F(StateMachineTest, ALeaseIsGrantedOnce) {
  EXPECT_EQ(Grant(7, 60), "@1 ID: 7 TTL: 60");
  EXPECT_EQ(applied_.granted, (std::vector<LeaseId>{LeaseId(7)}));
  EXPECT_EQ(Grant(7), "etcdserver: lease already exists");
  EXPECT_TRUE(applied_.granted.empty());
  EXPECT_EQ(Grant(-3), "@1 ID: -3 TTL: 60");
}

TEST_F(StateMachineTest, ALeaseForCenturiesIsRefusedAfterAllElseThatSpeaksAgainstIt) {
  EXPECT_EQ(Grant(7, 9'000'000'000), "@1 ID: 7 TTL: 9000000000");
  EXPECT_EQ(Grant(8, 9'000'000'001), "etcdserver: too large lease TTL");
  EXPECT_EQ(Grant(7, 9'000'000'001), "etcdserver: too large lease TTL");
  EXPECT_FALSE(store_->FindLease(LeaseId(8)));
  Alarm("action: ACTIVATE memberID: 5 alarm: NOSPACE");
  EXPECT_EQ(Grant(8, 9'000'000'001), "etcdserver: mvcc: database space exceeded");
  Alarm("action: ACTIVATE memberID: 5 alarm: CORRUPT");
  EXPECT_EQ(Grant(8, 9'000'000'001), "etcdserver: corrupt cluster");
}

TEST_F(StateMachineTest, ARevokedLeaseTakesItsKeysInOneRevision) {
  Grant(7);
  for (const char* key : {"c", "a", "b"}) Put("lease: 7 key: '" + std::string(key) + "'");
  EXPECT_EQ(Error("lease_revoke { ids: 7 }"), "");
  EXPECT_EQ(applied_.revoked, (std::vector<LeaseId>{LeaseId(7)}));
  std::string keys;
  for (const auto& event : applied_.events) {
    EXPECT_EQ(event.revision, Revision(5));
    keys += event.key;
  }
  EXPECT_EQ(keys, "abc");
  EXPECT_EQ(Error("lease_revoke { ids: 7 }"), "etcdserver: requested lease not found");
}

TEST_F(StateMachineTest, ALeaseWithoutKeysGoesWithoutARevision) {
  Grant(7);
  EXPECT_EQ(Error("lease_revoke { ids: 7 }"), "");
  EXPECT_EQ(store_->revision(), Revision(1));
  EXPECT_TRUE(applied_.events.empty());
}

// The leader of term 2 saw it expire, but by the time its entry is applied it may be renewed by the
// leader of term 3.
TEST_F(StateMachineTest, ARevocationByTheClockOfADeposedLeaderIsIgnored) {
  Grant(7);
  EXPECT_EQ(Error("lease_revoke { ids: 7 leader_term: 2 }", Term(3)), "");
  EXPECT_TRUE(applied_.revoked.empty());
  EXPECT_TRUE(store_->FindLease(LeaseId(7)));
  EXPECT_EQ(Error("lease_revoke { ids: 7 leader_term: 3 }", Term(3)), "");
  EXPECT_FALSE(store_->FindLease(LeaseId(7)));
}

TEST_F(StateMachineTest, ARevocationByTheClockSkipsWhatIsGone) {
  Grant(7);
  Grant(8);
  Put("key: 'a' lease: 7");
  Put("key: 'b' lease: 8");
  EXPECT_EQ(Error("lease_revoke { ids: 7 ids: 9 ids: 8 leader_term: 1 }"), "");
  EXPECT_EQ(applied_.revoked, (std::vector<LeaseId>{LeaseId(7), LeaseId(8)}));
  EXPECT_EQ(All(), "");
}

TEST_F(StateMachineTest, ACheckpointIsKeptForLeasesThatExist) {
  Grant(7, 60);
  EXPECT_EQ(Error("lease_checkpoint { checkpoints { ID: 7 remaining_TTL: 20 } "
                  "checkpoints { ID: 9 remaining_TTL: 5 } }"),
            "");
  EXPECT_EQ(store_->FindLease(LeaseId(7))->remaining_ttl, 20);
  EXPECT_FALSE(store_->FindLease(LeaseId(9)));
}

// ------------------------------------------------------------------------ alarms and members

TEST_F(StateMachineTest, UnderNoSpaceWhatAddsIsRefusedAndWhatMakesRoomIsNot) {
  const std::string no_space = "etcdserver: mvcc: database space exceeded";
  Put("key: 'a' value: '1'");
  Put("key: 'b' value: '2'");
  Grant(7);
  Alarm("action: ACTIVATE memberID: 5 alarm: NOSPACE");
  EXPECT_EQ(Put("key: 'a'"), no_space);
  EXPECT_EQ(Grant(8), no_space);
  EXPECT_EQ(Txn("success { request_put { key: 'a' } }"), no_space);
  EXPECT_EQ(Txn("failure { request_put { key: 'a' } }"), no_space) << "the branch not taken";
  EXPECT_EQ(Txn("success { request_delete_range { key: 'a' } }"),
            "@4 succeeded: true responses { response_delete_range { header { revision: 4 } "
            "deleted: 1 } }");
  EXPECT_EQ(Delete("key: 'b'"), "@5 deleted: 1");
  EXPECT_EQ(Error("compaction { revision: 4 }"), "");
  EXPECT_EQ(Error("lease_revoke { ids: 7 }"), "");
  EXPECT_EQ(All(), "");
  Alarm("action: DEACTIVATE memberID: 5 alarm: NOSPACE");
  EXPECT_EQ(Put("key: 'a' value: '3'"), "@6");
}

TEST_F(StateMachineTest, AnAlarmHoldsForTheEntriesAfterItInItsGroup) {
  Enqueue("put { key: 'a' value: '1' }");
  Enqueue("alarm { action: ACTIVATE memberID: 5 alarm: NOSPACE }");
  Enqueue("put { key: 'a' value: '2' }");
  Enqueue("alarm { action: DEACTIVATE memberID: 5 alarm: NOSPACE }");
  Enqueue("put { key: 'b' value: '3' }");
  const Applied applied = Commit();
  EXPECT_TRUE(applied.grown);
  EXPECT_EQ(All(), "a=1 b=3");
}

TEST_F(StateMachineTest, AnAlarmOutlivesTheProcess) {
  Alarm("action: ACTIVATE memberID: 5 alarm: NOSPACE");
  ASSERT_TRUE(store_->Flush().ok());
  machine_.reset();
  store_.reset();
  auto store = storage::Store::Open({.directory = directory_.File("store")});
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  machine_ = std::make_unique<StateMachine>(store_.get(), NodeId(1));
  EXPECT_EQ(Put("key: 'a'"), "etcdserver: mvcc: database space exceeded");
  EXPECT_FALSE(applied_.grown);
}

TEST_F(StateMachineTest, UnderCorruptNothingChangesTheData) {
  const std::string corrupt = "etcdserver: corrupt cluster";
  Put("key: 'a' value: '1'");
  Grant(7);
  Alarm("action: ACTIVATE memberID: 5 alarm: CORRUPT");
  EXPECT_EQ(Put("key: 'a'"), corrupt);
  EXPECT_EQ(Delete("key: 'a'"), corrupt);
  EXPECT_EQ(Txn("success { request_delete_range { key: 'a' } }"), corrupt);
  EXPECT_EQ(Error("compaction { revision: 2 }"), corrupt);
  EXPECT_EQ(Grant(8), corrupt);
  EXPECT_EQ(Error("lease_revoke { ids: 7 }"), corrupt);
  EXPECT_EQ(All(), "a=1");
  EXPECT_EQ(Alarm("action: GET"), "alarms { memberID: 5 alarm: CORRUPT }");
}

TEST_F(StateMachineTest, AlarmsAreRaisedListedAndLowered) {
  EXPECT_EQ(Alarm("action: GET"), "");
  EXPECT_EQ(Alarm("action: ACTIVATE memberID: 5 alarm: NOSPACE"),
            "alarms { memberID: 5 alarm: NOSPACE }");
  EXPECT_EQ(Alarm("action: ACTIVATE memberID: 5 alarm: NOSPACE"),
            "alarms { memberID: 5 alarm: NOSPACE }");
  EXPECT_EQ(Alarm("action: ACTIVATE memberID: 3 alarm: CORRUPT"),
            "alarms { memberID: 3 alarm: CORRUPT }");
  EXPECT_EQ(Alarm("action: ACTIVATE memberID: 3 alarm: NONE"), "");
  EXPECT_EQ(Alarm("action: GET"),
            "alarms { memberID: 3 alarm: CORRUPT } alarms { memberID: 5 alarm: NOSPACE }");
  EXPECT_EQ(Alarm("action: GET alarm: NOSPACE"), "alarms { memberID: 5 alarm: NOSPACE }");
  EXPECT_EQ(Alarm("action: DEACTIVATE memberID: 9 alarm: NOSPACE"), "");
  EXPECT_EQ(Alarm("action: DEACTIVATE memberID: 5 alarm: NOSPACE"),
            "alarms { memberID: 5 alarm: NOSPACE }");
  EXPECT_EQ(Alarm("action: GET alarm: NOSPACE"), "");
  EXPECT_EQ(store_->revision(), Revision(1));
}

TEST_F(StateMachineTest, AttributesAreKeptForMembersThatExist) {
  store_->BeginEntry(store_->applied() + 1, Term(1));
  StoreMember(*store_, FromText<etcdserverpb::Member>("ID: 5 peerURLs: 'http://p:1'"));
  store_->EndEntry();
  const std::string op = "member_attributes { name: 'n' client_urls: 'http://c:1' id: ";
  Error(op + "5 }");
  EXPECT_TRUE(applied_.members_changed);
  EXPECT_EQ(ToText(*FindMember(*store_, NodeId(5))),
            "ID: 5 name: \"n\" peerURLs: \"http://p:1\" clientURLs: \"http://c:1\"");
  Error(op + "6 }");
  EXPECT_FALSE(applied_.members_changed);
  EXPECT_FALSE(FindMember(*store_, NodeId(6)));
}

// The state, the answers and the events are the same on all members.
TEST_F(StateMachineTest, GroupsOfAnySizeGiveTheSame) {
  const storage::TemporaryDirectory other_directory;
  auto other = storage::Store::Open({.directory = other_directory.File("store")});
  ASSERT_TRUE(other.ok());
  StateMachine other_machine(other->get(), NodeId(2));
  uint64_t index = 0;
  for (const char* op :
       {"put { key: 'a' value: '1' }", "lease_grant { ID: 7 TTL: 9 }", "put { key: 'b' lease: 7 }",
        "delete_range { key: 'a' }", "lease_revoke { ids: 7 }", "put { key: 'a' lease: 7 }",
        "put { key: 'a' value: '2' }"}) {
    Enqueue(op);
    Command command = FromText<Command>(op);
    command.set_format(kCommandFormat);
    const raft::Entry entry{Term(1), LogIndex(++index), raft::EntryType::kNormal,
                            SharedBytes(command.SerializeAsString())};
    other_machine.Apply({&entry, 1});
    ASSERT_TRUE(other_machine.Commit().ok());
  }
  Commit();
  EXPECT_EQ(store_->revision(), (*other)->revision());
  EXPECT_EQ(store_->HashKv(Revision())->hash, (*other)->HashKv(Revision())->hash);
}

}  // namespace
}  // namespace keelson::server
