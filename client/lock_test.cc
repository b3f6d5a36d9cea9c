// Sessions, locks and elections against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "client/client.h"
#include "client/election.h"
#include "client/mutex.h"
#include "client/ops.h"
#include "client/session.h"
#include "client/test_cluster.h"

namespace keelson::client {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kHang = absl::Seconds(20);  // ends a hang

class ClientLockTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (TestCluster::Available()) cluster_ = new TestCluster(1);
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << "no server program";
    client_ = cluster_->NewClient();
    name_ = testing::UnitTest::GetInstance()->current_test_info()->name();
  }

  std::unique_ptr<Session> NewSession(int64_t ttl_seconds = 60) {
    auto session = Session::Open(*client_, {.ttl_seconds = ttl_seconds});
    EXPECT_TRUE(session.ok()) << session.status();
    return *std::move(session);
  }
  // The keys in the line, the first one first.
  std::vector<std::string> Line() {
    RangeRequest range = PrefixRange(name_ + "/");
    range.set_sort_target(RangeRequest::CREATE);
    range.set_sort_order(RangeRequest::ASCEND);
    const auto response = client_->kv().Range(range);
    EXPECT_TRUE(response.ok()) << response.status();
    std::vector<std::string> keys;
    for (const auto& kv : response->kvs()) keys.push_back(kv.key());
    return keys;
  }
  bool AwaitLine(size_t length) {
    const RealClock clock;
    const absl::Duration give_up = clock.Now() + kHang;
    while (Line().size() != length) {
      if (clock.Now() >= give_up) return false;
    }
    return true;
  }

  static TestCluster* cluster_;
  std::unique_ptr<Client> client_;
  std::string name_;
};
TestCluster* ClientLockTest::cluster_ = nullptr;

TEST_F(ClientLockTest, OneHoldsItAndTheNextGetsItWhenItIsGivenBack) {
  const auto a = NewSession(), b = NewSession();
  Mutex first(*a, name_), second(*b, name_);
  ASSERT_EQ(first.Lock(), absl::OkStatus());
  EXPECT_GT(first.token(), 0);
  EXPECT_EQ(first.Lock(), absl::OkStatus()) << "it has it already";
  EXPECT_EQ(second.TryLock().message(), "mutex: Locked by another session");
  EXPECT_THAT(Line(), ElementsAre(first.key()));
  std::thread waits([&] { EXPECT_EQ(second.Lock(kHang), absl::OkStatus()); });
  EXPECT_TRUE(AwaitLine(2));
  const int64_t token = first.token();
  EXPECT_EQ(first.Unlock(), absl::OkStatus());
  waits.join();
  EXPECT_EQ(first.token(), 0);
  EXPECT_GT(second.token(), token);
  EXPECT_THAT(Line(), ElementsAre(second.key()));
  EXPECT_EQ(second.Unlock(), absl::OkStatus());
  EXPECT_EQ(second.Unlock(), absl::OkStatus());
}

TEST_F(ClientLockTest, ManyTakeTurnsInTheOrderTheyCame) {
  constexpr int kContenders = 8;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::unique_ptr<Mutex>> mutexes;
  for (int i = 0; i < kContenders; ++i) {
    sessions.push_back(NewSession());
    mutexes.push_back(std::make_unique<Mutex>(*sessions.back(), name_));
  }
  ASSERT_EQ(mutexes[0]->Lock(), absl::OkStatus());
  std::vector<std::thread> threads;
  std::vector<int> order;
  std::atomic<int> inside = 0;  // how many believe that they hold it
  for (int i = 1; i < kContenders; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_EQ(mutexes[i]->Lock(kHang), absl::OkStatus());
      EXPECT_EQ(++inside, 1);
      order.push_back(i);
      --inside;
      EXPECT_EQ(mutexes[i]->Unlock(), absl::OkStatus());
    });
    EXPECT_TRUE(AwaitLine(static_cast<size_t>(i) + 1));
  }
  EXPECT_EQ(mutexes[0]->Unlock(), absl::OkStatus());
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_TRUE(Line().empty());
}

TEST_F(ClientLockTest, WhoGivesUpLeavesTheLine) {
  const auto a = NewSession(), b = NewSession(), c = NewSession();
  Mutex first(*a, name_), late(*b, name_), cancelled(*c, name_);
  ASSERT_EQ(first.Lock(), absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Lock(absl::Milliseconds(100))));
  EXPECT_THAT(Line(), ElementsAre(first.key()));
  std::thread waits([&] { EXPECT_TRUE(absl::IsCancelled(cancelled.Lock())); });
  EXPECT_TRUE(AwaitLine(2));
  cancelled.Cancel();
  waits.join();
  EXPECT_THAT(Line(), ElementsAre(first.key()));
}

TEST_F(ClientLockTest, WhoLosesItsSessionIsTold) {
  const auto a = NewSession(), b = NewSession();
  Mutex first(*a, name_), second(*b, name_);
  ASSERT_EQ(first.Lock(), absl::OkStatus());
  absl::Status said;
  std::thread waits([&] { said = second.Lock(); });
  EXPECT_TRUE(AwaitLine(2));
  EXPECT_FALSE(b->WaitLost(absl::ZeroDuration()));
  EXPECT_EQ(b->Close(), absl::OkStatus());
  waits.join();
  EXPECT_EQ(said.message(), "mutex: session is expired");
  EXPECT_TRUE(b->WaitLost(absl::ZeroDuration()));
  EXPECT_FALSE(b->status().ok());
  EXPECT_EQ(b->Close(), absl::OkStatus());
  EXPECT_EQ(first.Unlock(), absl::OkStatus());
}

TEST_F(ClientLockTest, ASessionWhoseLeaseWasTakenAwayNoticesIt) {
  const auto session = NewSession(/*ttl_seconds=*/3);
  EXPECT_EQ(client_->lease().Revoke(session->lease()).status(), absl::OkStatus());
  EXPECT_TRUE(session->WaitLost(kHang));
  Mutex mutex(*session, name_);
  EXPECT_FALSE(mutex.Lock().ok());
  EXPECT_TRUE(Line().empty());
}

// The holder slept through the end of its lease, and writes on as if nothing had happened.
TEST_F(ClientLockTest, NothingIsWrittenByWhoHasLostTheLock) {
  const auto a = NewSession(), b = NewSession();
  Mutex first(*a, name_), second(*b, name_);
  const auto write = [&](const std::string& value) {
    return Txn().Then(PutOp(name_ + "-value", value)).Build();
  };
  EXPECT_EQ(first.Guarded(write("never")).status().message(), "mutex: lock is not held");
  ASSERT_EQ(first.Lock(), absl::OkStatus());
  const auto written = first.Guarded(write("one"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_TRUE(written->succeeded());
  EXPECT_GT(written->header().revision(), first.token());
  EXPECT_EQ(client_->lease().Revoke(a->lease()).status(), absl::OkStatus());
  ASSERT_EQ(second.Lock(kHang), absl::OkStatus());
  const auto late = first.Guarded(write("two"));
  EXPECT_TRUE(absl::IsFailedPrecondition(late.status())) << late.status();
  EXPECT_EQ(client_->kv().Get(name_ + "-value")->kvs(0).value(), "one");
  // The transaction's own comparisons decide as always, and the lock does not mix in.
  const auto declined = second.Guarded(Txn()
                                           .If(Value(name_ + "-value") == "else")
                                           .Then(PutOp(name_ + "-value", "three"))
                                           .Else(GetOp(name_ + "-value"))
                                           .Build());
  ASSERT_TRUE(declined.ok()) << declined.status();
  EXPECT_FALSE(declined->succeeded());
  EXPECT_EQ(declined->responses(0).response_range().kvs(0).value(), "one");
  EXPECT_EQ(second.Unlock(), absl::OkStatus());
}

TEST_F(ClientLockTest, ALeaderIsElectedSpeaksAndResigns) {
  const auto a = NewSession(), b = NewSession();
  Election first(*a, name_), second(*b, name_);
  EXPECT_EQ(FindLeader(*client_, name_).status().message(), "election: no leader");
  EXPECT_EQ(first.Proclaim("early").message(), "election: not leader");
  ASSERT_EQ(first.Campaign("one"), absl::OkStatus());
  EXPECT_EQ(FindLeader(*client_, name_)->kvs(0).value(), "one");
  EXPECT_EQ(first.Proclaim("two"), absl::OkStatus());
  EXPECT_EQ(FindLeader(*client_, name_)->kvs(0).value(), "two");
  EXPECT_EQ(first.Campaign("three"), absl::OkStatus()) << "it leads already";
  EXPECT_EQ(FindLeader(*client_, name_)->kvs(0).value(), "three");
  std::thread waits([&] { EXPECT_EQ(second.Campaign("four", kHang), absl::OkStatus()); });
  EXPECT_TRUE(AwaitLine(2));
  const int64_t token = first.token();
  EXPECT_EQ(first.Resign(), absl::OkStatus());
  waits.join();
  EXPECT_GT(second.token(), token);
  EXPECT_EQ(FindLeader(*client_, name_)->kvs(0).value(), "four");
  EXPECT_EQ(first.Guarded(Txn().Build()).status().message(), "election: not leader");
  EXPECT_TRUE(second.Guarded(Txn().Then(PutOp(name_ + "-done", "1")).Build()).ok());
  EXPECT_EQ(second.Resign(), absl::OkStatus());
}

TEST_F(ClientLockTest, AnObserverSeesAllLeadersAndWhatTheySay) {
  LeaderObserver observer(*client_, name_);
  std::vector<std::string> seen;
  std::thread observes([&] {
    while (true) {
      const auto next = observer.Next();
      if (!next.ok()) {
        EXPECT_TRUE(absl::IsCancelled(next.status())) << next.status();
        return;
      }
      seen.push_back(next->kvs(0).value());
      if (seen.back() == "four") observer.Cancel();
    }
  });
  const auto a = NewSession(), b = NewSession();
  Election first(*a, name_), second(*b, name_);
  ASSERT_EQ(first.Campaign("one"), absl::OkStatus());
  std::thread waits([&] { EXPECT_EQ(second.Campaign("three", kHang), absl::OkStatus()); });
  EXPECT_TRUE(AwaitLine(2));
  EXPECT_EQ(first.Proclaim("two"), absl::OkStatus());
  // Its key goes with its lease.
  EXPECT_EQ(a->Close(), absl::OkStatus());
  waits.join();
  EXPECT_EQ(second.Proclaim("four"), absl::OkStatus());
  observes.join();
  EXPECT_EQ(seen.back(), "four");
  for (const std::string& value : seen) {
    EXPECT_THAT(value, testing::AnyOf("one", "two", "three", "four"));
  }
  EXPECT_EQ(second.Resign(), absl::OkStatus());
}

}  // namespace
}  // namespace keelson::client
