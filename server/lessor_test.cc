#include "server/lessor.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using Ids = std::vector<LeaseId>;

// A lessor over a real store; times are in milliseconds from the start of the test.
class LessorTest : public testing::Test {
 protected:
  LessorTest() {
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    KV_CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
    lessor_ = std::make_unique<Lessor>(store_.get(), &clock_, absl::Seconds(1));
  }

  void Entry(const std::function<void()>& change) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    change();
    store_->EndEntry();
    ASSERT_TRUE(store_->CommitBatch().ok());
  }
  void Grant(int64_t id, int64_t ttl, int64_t remaining = 0) {
    Entry([&] { store_->GrantLease({LeaseId(id), ttl, remaining}); });
    lessor_->OnGranted(LeaseId(id));
  }
  void Revoke(int64_t id) {
    Entry([&] { ASSERT_TRUE(store_->RevokeLease(LeaseId(id)).ok()); });
    lessor_->OnRevoked(LeaseId(id));
  }
  void AdvanceTo(int64_t ms) { clock_.Advance(absl::Milliseconds(ms) - clock_.Now()); }
  std::string Expired(int count_max = 100) {
    std::string text;
    for (const LeaseId id : lessor_->TakeExpired(count_max)) {
      text += (text.empty() ? "" : " ") + std::to_string(id.value());
    }
    return text;
  }
  // Where the answer to a renewal will be; "waiting" until then.
  std::shared_ptr<std::string> Renew(int64_t id) {
    auto answer = std::make_shared<std::string>("waiting");
    lessor_->Renew(LeaseId(id), [answer](int64_t ttl) {
      EXPECT_EQ(*answer, "waiting");
      *answer = std::to_string(ttl);
    });
    return answer;
  }
  int64_t Remaining(int64_t id) { return lessor_->Remaining(LeaseId(id)); }

  const storage::TemporaryDirectory directory_;
  FakeClock clock_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Lessor> lessor_;
};

TEST_F(LessorTest, ALeaseEndsAtItsTimeAndNotBefore) {
  lessor_->Promote(Term(3));
  Grant(1, 10);
  AdvanceTo(9999);
  EXPECT_EQ(Expired(), "");
  AdvanceTo(10000);
  EXPECT_EQ(Expired(), "1");
  EXPECT_EQ(lessor_->term(), Term(3));
}

TEST_F(LessorTest, ThoseThatEndedFirstAreTakenFirst) {
  lessor_->Promote(Term(1));
  Grant(1, 30);
  Grant(2, 10);
  Grant(3, 20);
  AdvanceTo(60000);
  EXPECT_EQ(Expired(2), "2 3");
  EXPECT_EQ(Expired(2), "1");
  EXPECT_EQ(Expired(2), "");
}

TEST_F(LessorTest, ARenewalStartsItAnew) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(9999);
  EXPECT_EQ(*Renew(1), "10");
  AdvanceTo(19998);
  EXPECT_EQ(Expired(), "");
  AdvanceTo(19999);
  EXPECT_EQ(Expired(), "1");
}

TEST_F(LessorTest, RemainingIsInWholeSecondsCutOff) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  EXPECT_EQ(Remaining(1), 10);
  AdvanceTo(1);
  EXPECT_EQ(Remaining(1), 9);
  AdvanceTo(9999);
  EXPECT_EQ(Remaining(1), 0);
  AdvanceTo(20000);
  EXPECT_EQ(Remaining(1), 0);
  EXPECT_EQ(Expired(), "1");
  EXPECT_EQ(Remaining(1), 0) << "its retry is not its time";
}

TEST_F(LessorTest, AnUnknownLeaseIsRenewedWithNothing) {
  lessor_->Promote(Term(1));
  EXPECT_EQ(*Renew(9), "0");
  Grant(1, 10);
  Revoke(1);
  EXPECT_EQ(*Renew(1), "0");
  AdvanceTo(60000);
  EXPECT_EQ(Expired(), "");
}

// It must not be told that it lives and then be revoked by what is under way.
TEST_F(LessorTest, ARenewalOfAnExpiredLeaseWaitsForItsEnd) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(10000);
  const auto before = Renew(1);
  EXPECT_EQ(Expired(), "1");
  const auto after = Renew(1);
  EXPECT_EQ(*before, "waiting");
  EXPECT_EQ(*after, "waiting");
  Revoke(1);
  EXPECT_EQ(*before, "0");
  EXPECT_EQ(*after, "0");
}

TEST_F(LessorTest, ALostRevocationIsAskedForAgain) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(10000);
  EXPECT_EQ(Expired(), "1");
  AdvanceTo(12999);
  EXPECT_EQ(Expired(), "");
  EXPECT_EQ(*Renew(1), "waiting");
  AdvanceTo(13000);
  EXPECT_EQ(Expired(), "1");
  Revoke(1);
  AdvanceTo(60000);
  EXPECT_EQ(Expired(), "");
}

TEST_F(LessorTest, AFollowerKnowsNoTimes) {
  Grant(1, 10);
  EXPECT_FALSE(lessor_->is_primary());
  AdvanceTo(60000);
  EXPECT_EQ(Expired(), "");
  EXPECT_EQ(*Renew(1), "-1");
}

TEST_F(LessorTest, ANewLeaderGivesTheWholeTimeAndAnElectionMore) {
  Grant(1, 10);
  AdvanceTo(60000);
  lessor_->Promote(Term(2));
  EXPECT_EQ(Remaining(1), 11);
  AdvanceTo(70999);
  EXPECT_EQ(Expired(), "");
  AdvanceTo(71000);
  EXPECT_EQ(Expired(), "1");
}

TEST_F(LessorTest, ANewLeaderGivesWhatACheckpointLeft) {
  Grant(1, 100);
  Entry([&] { store_->CheckpointLease(LeaseId(1), 5); });
  lessor_->Promote(Term(2));
  AdvanceTo(5999);
  EXPECT_EQ(Expired(), "");
  AdvanceTo(6000);
  EXPECT_EQ(Expired(), "1");
}

TEST_F(LessorTest, ARenewalAfterACheckpointGivesTheWholeTime) {
  Grant(1, 100);
  Entry([&] { store_->CheckpointLease(LeaseId(1), 5); });
  lessor_->Promote(Term(2));
  EXPECT_EQ(*Renew(1), "100");
  EXPECT_EQ(Remaining(1), 100);
}

TEST_F(LessorTest, ADeposedLeaderSendsWaitingRenewalsElsewhere) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(10000);
  EXPECT_EQ(Expired(), "1");
  const auto renewal = Renew(1);
  lessor_->Demote();
  EXPECT_EQ(*renewal, "-1");
  EXPECT_FALSE(lessor_->is_primary());
  EXPECT_EQ(Expired(), "");
}

TEST_F(LessorTest, LeaderAgainItStartsAllAnew) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(10000);
  EXPECT_EQ(Expired(), "1");
  lessor_->Promote(Term(2));
  EXPECT_EQ(Expired(), "");
  EXPECT_EQ(*Renew(1), "10") << "nothing of the old term is under way";
  AdvanceTo(19999);
  EXPECT_EQ(Expired(), "");
  AdvanceTo(20000);
  EXPECT_EQ(Expired(), "1");
}

TEST_F(LessorTest, AGrantAfterARevocationHasItsOwnTime) {
  lessor_->Promote(Term(1));
  Grant(1, 10);
  AdvanceTo(10000);
  EXPECT_EQ(Expired(), "1");
  Revoke(1);
  Grant(1, 20);
  EXPECT_EQ(*Renew(1), "20");
  AdvanceTo(29999);
  EXPECT_EQ(Expired(), "");
}

}  // namespace
}  // namespace keelson::server
