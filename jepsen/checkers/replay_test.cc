#include "jepsen/checkers/replay.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

using Kind = KvOperation::Kind;

Change PutOf(std::string key, std::string value, int64_t create, int64_t mod, int64_t version,
             int64_t lease = 0) {
  return {false, {std::move(key), std::move(value), create, mod, version, lease}};
}
Change DeletionOf(std::string key, int64_t mod) {
  Change change{true, {}};
  change.kv.key = std::move(key);
  change.kv.mod_revision = mod;
  return change;
}

KvOperation Put(std::string key, std::string value, int64_t revision, Time invoked, Time returned,
                int64_t lease = 0) {
  return {.success = {{.kind = Request::Kind::kPut,
                       .key = std::move(key),
                       .value = std::move(value),
                       .lease = lease}},
          .outcome = returned == kNever ? Outcome::kUnknown : Outcome::kOk,
          .revision = revision,
          .responses = {{}},
          .invoked = invoked,
          .returned = returned};
}
KvOperation Get(std::string key, std::vector<KeyVersion> kvs, int64_t revision, Time invoked,
                Time returned, int64_t at = 0) {
  const auto count = static_cast<int64_t>(kvs.size());
  return {.success = {{.key = std::move(key), .revision = at}},
          .revision = revision,
          .responses = {{.kvs = std::move(kvs), .count = count}},
          .invoked = invoked,
          .returned = returned};
}
KvOperation CompactAt(int64_t revision, Time invoked, Time returned) {
  return {.kind = Kind::kCompact,
          .compact_revision = revision,
          .revision = 5,
          .invoked = invoked,
          .returned = returned};
}

class ReplayTest : public testing::Test {
 protected:
  // 2: a=1, 3: b=1, 4: a=2, 5: a deleted.
  ReplayTest() {
    Apply({PutOf("a", "1", 2, 2, 1)});
    Apply({PutOf("b", "1", 3, 3, 1)});
    Apply({PutOf("a", "2", 2, 4, 2)});
    Apply({DeletionOf("a", 5)});
    history_ = {Put("a", "1", 2, 0, 1), Put("b", "1", 3, 2, 3), Put("a", "2", 4, 4, 5), DeleteA()};
  }
  void Apply(KeySpace::Changes changes) { EXPECT_TRUE(truth_.Apply(std::move(changes)).holds()); }
  static KvOperation DeleteA() {
    return {.success = {{.kind = Request::Kind::kDelete, .key = "a"}},
            .revision = 5,
            .responses = {{.count = 1}},
            .invoked = 6,
            .returned = 7};
  }
  Verdict With(std::vector<KvOperation> more) {
    std::vector<KvOperation> history = history_;
    history.insert(history.end(), more.begin(), more.end());
    return CheckReplay(truth_, history);
  }

  KeySpace truth_;
  std::vector<KvOperation> history_;
};

TEST_F(ReplayTest, AcceptsWhatHappened) {
  const Verdict verdict = With({Get("b", {{"b", "1", 3, 3, 1, 0}}, 5, 8, 9), Get("a", {}, 5, 8, 9),
                                Get("a", {{"a", "1", 2, 2, 1, 0}}, 5, 8, 9, /*at=*/3)});
  EXPECT_TRUE(verdict.holds()) << verdict;
}

TEST_F(ReplayTest, EveryFieldOfAnAnswerCounts) {
  EXPECT_TRUE(With({Get("b", {{"b", "2", 3, 3, 1, 0}}, 5, 8, 9)}).broken());
  EXPECT_TRUE(With({Get("b", {{"b", "1", 2, 3, 1, 0}}, 5, 8, 9)}).broken());
  EXPECT_TRUE(With({Get("b", {{"b", "1", 3, 3, 2, 0}}, 5, 8, 9)}).broken());
  EXPECT_TRUE(With({Get("b", {{"b", "1", 3, 3, 1, 7}}, 5, 8, 9)}).broken());
  history_.back().responses[0].count = 2;
  EXPECT_TRUE(With({}).broken());
}

TEST_F(ReplayTest, AReadIsNotOlderThanWhatReturnedBefore) {
  EXPECT_TRUE(With({Get("a", {{"a", "2", 2, 4, 2, 0}}, 4, 8, 9)}).broken());
  EXPECT_TRUE(With({Get("a", {}, 1, 8, 9)}).broken());  // from before there was anything
  KvOperation serializable = Get("a", {{"a", "2", 2, 4, 2, 0}}, 4, 8, 9);
  serializable.serializable = true;
  EXPECT_TRUE(With({serializable}).holds());
  // But of a state that there was.
  serializable.responses[0].kvs[0].value.pop_back();
  EXPECT_TRUE(With({serializable}).broken());
}

TEST_F(ReplayTest, WritesHaveTheOrderOfTime) {
  history_[0].invoked = 20;
  history_[0].returned = 21;
  EXPECT_TRUE(With({}).broken());
}

TEST_F(ReplayTest, TwoWritesDoNotShareARevision) {
  EXPECT_TRUE(With({Put("b", "1", 3, 2, 3)}).broken());
}

TEST_F(ReplayTest, AnAcknowledgedWriteIsNotLost) {
  const Verdict verdict = With({Put("c", "1", 5, 6, 7)});
  EXPECT_TRUE(verdict.broken());
}

TEST_F(ReplayTest, ARevisionThatNobodyAskedForIsConvicted) {
  history_.pop_back();
  EXPECT_TRUE(With({}).broken());
}

TEST_F(ReplayTest, OfTwoThatWantTheSameChangeOneMakesIt) {
  Apply({PutOf("t", "x", 6, 6, 1)});
  KvOperation made{.compare = {{.key = "t", .target = Comparison::Target::kVersion, .number = 0}},
                   .success = {{.kind = Request::Kind::kPut, .key = "t", .value = "x"}},
                   .revision = 6,
                   .responses = {{}},
                   .invoked = 8,
                   .returned = 20};
  KvOperation failed = made;
  failed.succeeded = false;
  failed.responses.clear();
  EXPECT_TRUE(With({failed, made}).holds()) << With({failed, made});
  EXPECT_TRUE(With({failed, failed}).broken());
  EXPECT_TRUE(With({made, made}).broken());
}

TEST_F(ReplayTest, WhatServicesWriteNobodyHasToAskFor) {
  Apply({PutOf("lock/1", "", 6, 6, 1)});
  EXPECT_TRUE(CheckReplay(truth_, history_).broken());
  EXPECT_TRUE(CheckReplay(truth_, history_, {"lock/"}).holds());
}

TEST_F(ReplayTest, AnUnknownWriteMayExplainARevisionOnceAndNotBeforeItsCall) {
  history_[2] = Put("a", "2", 0, 4, kNever);
  EXPECT_TRUE(With({}).holds());
  history_[2].invoked = 50;
  EXPECT_TRUE(With({}).broken());
}

TEST_F(ReplayTest, OfAlikeUnknownWritesTheOneThatWasCalledInTimeExplains) {
  const auto delete_b = [](Time invoked) {
    KvOperation operation = DeleteA();
    operation.success = {{.kind = Request::Kind::kDelete, .key = "b"}};
    operation.outcome = Outcome::kUnknown;
    operation.revision = 0;
    operation.responses = {};
    operation.invoked = invoked;
    operation.returned = kNever;
    return operation;
  };
  Apply({DeletionOf("b", 6)});
  const KvOperation seen = Get("b", {}, 6, 11, 12);
  // Called after the deletion was seen, it cannot be the one; whichever comes first in the history.
  EXPECT_TRUE(With({delete_b(20), delete_b(8), seen}).holds());
  EXPECT_TRUE(With({delete_b(8), delete_b(20), seen}).holds());
  EXPECT_TRUE(With({delete_b(20), seen}).broken());
  // One that could be either of two leaves the one for which there is no other.
  Apply({PutOf("b", "1", 7, 7, 1)});
  Apply({DeletionOf("b", 8)});
  const KvOperation put = Put("b", "1", 7, 30, kNever);
  EXPECT_TRUE(With({delete_b(31), delete_b(8), put, seen, Get("b", {}, 8, 40, 41)}).holds());
  EXPECT_TRUE(With({delete_b(8), put, seen, Get("b", {}, 8, 40, 41)}).broken());
}

TEST_F(ReplayTest, TransactionsTakeTheRightBranchAndSeeThemselves) {
  Apply({PutOf("t", "x", 6, 6, 1)});
  KvOperation txn{
      .compare = {{.key = "a", .target = Comparison::Target::kVersion, .number = 0}},
      .success = {{.kind = Request::Kind::kPut, .key = "t", .value = "x"}, {.key = "t"}},
      .failure = {{.key = "b"}},
      .revision = 6,
      .responses = {{}, {.kvs = {{"t", "x", 6, 6, 1, 0}}, .count = 1}},
      .invoked = 8,
      .returned = 9};
  EXPECT_TRUE(With({txn}).holds()) << With({txn});
  txn.succeeded = false;
  EXPECT_TRUE(With({txn}).broken());
}

TEST_F(ReplayTest, LeasesThatEndExplainDeletionsOfAllTheirKeys) {
  Apply({PutOf("l", "1", 6, 6, 1, 77)});
  Apply({PutOf("m", "1", 7, 7, 1, 77)});
  history_.push_back(Put("l", "1", 6, 8, 9, 77));
  history_.push_back(Put("m", "1", 7, 10, 11, 77));
  KeySpace whole = truth_;
  EXPECT_TRUE(whole.Apply({DeletionOf("l", 8), DeletionOf("m", 8)}).holds());
  EXPECT_TRUE(CheckReplay(whole, history_).holds());
  KeySpace half = truth_;
  EXPECT_TRUE(half.Apply({DeletionOf("l", 8)}).holds());
  EXPECT_TRUE(CheckReplay(half, history_).broken());
}

TEST_F(ReplayTest, RefusalsNeedAReason) {
  KvOperation refused = Get("a", {}, 0, 8, 9, /*at=*/2);
  refused.outcome = Outcome::kRefused;
  refused.refusal = KvOperation::Refusal::kCompacted;
  EXPECT_TRUE(With({refused}).broken());
  EXPECT_TRUE(With({CompactAt(3, 7, 20), refused}).holds());
  refused.refusal = KvOperation::Refusal::kFuture;
  EXPECT_TRUE(With({refused}).broken());
  refused.success[0].revision = 100;
  EXPECT_TRUE(With({refused}).holds());
}

TEST_F(ReplayTest, WhatIsCompactedIsNotRead) {
  const KvOperation read = Get("a", {{"a", "1", 2, 2, 1, 0}}, 5, 10, 11, /*at=*/2);
  EXPECT_TRUE(With({CompactAt(3, 7, 12), read}).holds());
  EXPECT_TRUE(With({CompactAt(3, 7, 8), read}).broken());
}

TEST(KeySpaceTest, RefusesWhatDoesNotFollow) {
  KeySpace space;
  EXPECT_TRUE(KeySpace().Apply({PutOf("a", "1", 3, 3, 1)}).broken());
  EXPECT_TRUE(KeySpace().Apply({PutOf("a", "1", 2, 2, 2)}).broken());
  EXPECT_TRUE(KeySpace().Apply({DeletionOf("a", 2)}).broken());
  EXPECT_TRUE(space.Apply({PutOf("a", "1", 2, 2, 1)}).holds());
  EXPECT_TRUE(space.Apply({PutOf("a", "1", 3, 3, 1)}).broken());
}

}  // namespace
}  // namespace keelson::checkers
