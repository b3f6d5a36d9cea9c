// The client against a real server: one that stays up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "client/client.h"
#include "client/errors.h"
#include "client/ops.h"
#include "client/pipeline.h"
#include "client/test_cluster.h"

namespace keelson::client {
namespace {

using etcdserverpb::WatchCreateRequest;

constexpr absl::Duration kHang = absl::Seconds(20);

class ClientServerTest : public testing::Test {
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
    const auto cleared = kv().DeleteRange([] {
      DeleteRangeRequest all;
      all.set_key(std::string(kFromKey));
      all.set_range_end(std::string(kFromKey));
      return all;
    }());
    ASSERT_TRUE(cleared.ok()) << cleared.status();
  }

  Kv& kv() { return client_->kv(); }
  int64_t Put(const std::string& key, const std::string& value) {
    const auto response = kv().Put(key, value);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->header().revision() : 0;
  }
  std::string Get(const std::string& key) {
    const auto response = kv().Get(key);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() && response->kvs_size() == 1 ? response->kvs(0).value() : "(none)";
  }

  static TestCluster* cluster_;
  std::unique_ptr<Client> client_;
};
TestCluster* ClientServerTest::cluster_ = nullptr;

TEST_F(ClientServerTest, PutsGetsDeletes) {
  Put("a", "1");
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(kv().Delete("a")->deleted(), 1);
  EXPECT_EQ(Get("a"), "(none)");
}

TEST_F(ClientServerTest, ATransactionTakesTheBranchItsComparisonsSay) {
  const int64_t revision = Put("a", "1");
  const auto txn = [&](int64_t expected) {
    return kv().Txn(Txn().If(ModRevision("a") == expected).Then(PutOp("a", "2")).Else(GetOp("a")).Build());
  };
  EXPECT_TRUE(txn(revision)->succeeded());
  const auto refused = txn(revision);
  EXPECT_FALSE(refused->succeeded());
  EXPECT_EQ(refused->responses(0).response_range().kvs(0).value(), "2");
}

TEST_F(ClientServerTest, TheServersErrorsAreKept) {
  const absl::Status empty = kv().Put("", "v").status();
  EXPECT_EQ(empty, absl::InvalidArgumentError("etcdserver: key is not provided"));
  RangeRequest future = KeyRange("a");
  future.set_revision(1'000'000'000);
  EXPECT_EQ(kv().Range(future).status(),
            absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision"));
  EXPECT_TRUE(IsLeaseNotFound(client_->lease().Revoke(12345).status()));
}

TEST_F(ClientServerTest, AnUnreachableEndpointEndsAtTheDeadlineAndSaysWhy) {
  const auto lonely = cluster_->NewClient({"127.0.0.1:1"}, Balance::kSticky);
  const absl::Status status =
      lonely->kv().Range(KeyRange("a"), {.timeout = absl::Milliseconds(200)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), kDeadlineExceeded);
  EXPECT_THAT(LastFailure(status), testing::HasSubstr("127.0.0.1:1"));
}

TEST_F(ClientServerTest, ADeadEndpointIsPassedOver) {
  const auto client = cluster_->NewClient({"127.0.0.1:1", cluster_->endpoint(0)}, Balance::kSticky);
  for (int i = 0; i < 10; ++i) {
    const auto response = client->kv().Put("a", absl::StrCat(i));
    EXPECT_TRUE(response.ok()) << response.status();
  }
}

TEST_F(ClientServerTest, ScanReadsARangeInPagesAtOneRevision) {
  for (int i = 0; i < 25; ++i) Put(absl::StrCat("scan/", 10 + i), "v");
  int pages = 0;
  int keys = 0;
  const auto revision = kv().Scan(PrefixRange("scan/"), 10, [&](const auto& page) {
    if (pages++ == 0) Put("scan/zz", "too late");
    keys += page.kvs_size();
    return absl::OkStatus();
  });
  ASSERT_TRUE(revision.ok()) << revision.status();
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(keys, 25);
}

TEST_F(ClientServerTest, APipelineWritesEverything) {
  Pipeline pipeline(kv(), 64, {});
  for (int i = 0; i < 3000; ++i) {
    PutRequest request;
    request.set_key(absl::StrCat("pipe/", i));
    request.set_value(absl::StrCat(i));
    ASSERT_TRUE(pipeline.Put(std::move(request)).ok());
  }
  ASSERT_TRUE(pipeline.Finish().ok());
  EXPECT_EQ(pipeline.done(), 3000);
  RangeRequest count = PrefixRange("pipe/");
  count.set_count_only(true);
  EXPECT_EQ(kv().Range(count)->count(), 3000);
}

TEST_F(ClientServerTest, APipelineStopsAtTheFirstFailure) {
  Pipeline pipeline(kv(), 1, {});
  EXPECT_TRUE(pipeline.Put({}).ok());
  EXPECT_EQ(pipeline.Finish().message(), "etcdserver: key is not provided");
  EXPECT_FALSE(pipeline.Put({}).ok());
}

TEST_F(ClientServerTest, CallsInFlightEndWithTheClient) {
  auto lonely = cluster_->NewClient({"127.0.0.1:1"}, Balance::kSticky);
  absl::Status seen;
  lonely->kv().RangeAsync(KeyRange("a"), {.timeout = absl::InfiniteDuration()},
                          [&](auto response) { seen = response.status(); });
  lonely.reset();
  EXPECT_TRUE(absl::IsCancelled(seen)) << seen;
}

TEST_F(ClientServerTest, AWatchShowsTheChangesOfARangeInOrder) {
  const int64_t first = Put("w/a", "1");
  WatchQueue queue(client_->core(), {.key = "w/", .range_end = PrefixEnd("w/"),
                                     .start_revision = first, .prev_kv = true});
  Put("other", "x");
  Put("w/a", "2");
  kv().Delete("w/a").IgnoreError();
  std::vector<std::string> seen;
  while (seen.size() < 3) {
    const auto response = queue.Next(kHang);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const mvccpb::Event& event : response->events()) {
      seen.push_back(absl::StrCat(event.type() == mvccpb::Event::PUT ? "put " : "delete ",
                                  event.kv().value(), "<", event.prev_kv().value()));
    }
  }
  EXPECT_THAT(seen, testing::ElementsAre("put 1<", "put 2<1", "delete <2"));
}

TEST_F(ClientServerTest, AWatchLeavesOutWhatIsFiltered) {
  WatchQueue queue(client_->core(),
                   {.key = "f", .start_revision = Put("f", "1"), .filters = {WatchCreateRequest::NOPUT}});
  Put("f", "2");
  kv().Delete("f").IgnoreError();
  const auto response = queue.Next(kHang);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->events(0).type(), mvccpb::Event::DELETE);
}

TEST_F(ClientServerTest, ProgressIsToldOnRequest) {
  WatchQueue queue(client_->core(), {.key = "p"});
  ASSERT_TRUE(queue.WaitCreated(kHang).ok());
  const int64_t revision = Put("other", "x");
  // A server that is just catching up leaves the request unanswered.
  absl::StatusOr<etcdserverpb::WatchResponse> response = absl::UnknownError("");
  for (int i = 0; i < 100 && !response.ok(); ++i) {
    queue.RequestProgress();
    response = queue.Next(absl::Milliseconds(200));
  }
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->events_size(), 0);
  EXPECT_GE(response->header().revision(), revision);
}

TEST_F(ClientServerTest, AWatchOfCompactedRevisionsEndsAndSaysWhatIsLeft) {
  const int64_t first = Put("c", "1");
  const int64_t second = Put("c", "2");
  etcdserverpb::CompactionRequest compaction;
  compaction.set_revision(second);
  ASSERT_TRUE(kv().Compact(compaction).ok());
  WatchQueue queue(client_->core(), {.key = "c", .start_revision = first});
  const auto response = queue.Next(kHang);
  EXPECT_TRUE(IsCompacted(response.status())) << response.status();
  EXPECT_EQ(queue.end().compact_revision, second);
}

TEST_F(ClientServerTest, AWatchOfAnEmptyRangeIsRefused) {
  WatchQueue queue(client_->core(), {.key = "b", .range_end = "a"});
  EXPECT_EQ(queue.Next(kHang).status().message(), "mvcc: watcher range is empty");
}

TEST_F(ClientServerTest, ACancelledWatchEnds) {
  WatchQueue queue(client_->core(), {.key = "x"});
  ASSERT_TRUE(queue.WaitCreated(kHang).ok());
  queue.Cancel();
  EXPECT_TRUE(absl::IsCancelled(queue.Next(kHang).status()));
}

TEST_F(ClientServerTest, ASlowReaderLosesNothing) {
  WatchQueue queue(client_->core(), {.key = "slow", .start_revision = Put("slow", "first")});
  ASSERT_TRUE(queue.WaitCreated(kHang).ok());
  constexpr int kPuts = 500;  // many times the buffer
  for (int i = 0; i < kPuts; ++i) Put("slow", absl::StrCat(i));
  int64_t last = 0;
  int events = 0;
  while (events < kPuts + 1) {
    const auto response = queue.Next(kHang);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const mvccpb::Event& event : response->events()) {
      EXPECT_GT(event.kv().mod_revision(), last);
      last = event.kv().mod_revision();
      ++events;
    }
  }
}

class Listener final : public LeaseListener {
 public:
  void OnRenewed(const etcdserverpb::LeaseKeepAliveResponse&) override {
    if (++renewals == 5) renewed_often.Notify();
  }
  void OnLost(const absl::Status& status) override {
    why = status;
    lost.Notify();
  }
  std::atomic<int> renewals = 0;  // written by the loop, read by the test
  absl::Notification renewed_often;
  absl::Notification lost;
  absl::Status why;  // valid once lost
};

TEST_F(ClientServerTest, AKeptLeaseOutlivesItsTtlUntilItIsRevoked) {
  const auto lease = client_->lease().Grant(2);
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(kv().Put("kept", "v", lease->id()).ok());
  Listener listener;
  LeaseKeeper keeper(client_->core(), lease->id(), &listener);
  // Five renewals, at a third of the TTL each but the first, take longer than the TTL.
  ASSERT_TRUE(listener.renewed_often.WaitForNotificationWithTimeout(kHang));
  EXPECT_EQ(Get("kept"), "v");
  ASSERT_TRUE(client_->lease().Revoke(lease->id()).ok());
  ASSERT_TRUE(listener.lost.WaitForNotificationWithTimeout(kHang));
  EXPECT_TRUE(IsLeaseNotFound(listener.why)) << listener.why;
  EXPECT_EQ(Get("kept"), "(none)");
}

TEST_F(ClientServerTest, ALeaseNobodyKeepsTakesItsKeysAlong) {
  const auto lease = client_->lease().Grant(1);
  ASSERT_TRUE(lease.ok()) << lease.status();
  const auto put = kv().Put("fleeting", "v", lease->id());
  ASSERT_TRUE(put.ok()) << put.status();
  WatchQueue queue(client_->core(),
                   {.key = "fleeting", .start_revision = put->header().revision() + 1});
  const auto response = queue.Next(kHang);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->events(0).type(), mvccpb::Event::DELETE);
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(lease->id());
  EXPECT_EQ(client_->lease().TimeToLive(request)->ttl(), -1);
  EXPECT_TRUE(IsLeaseNotFound(client_->lease().KeepAliveOnce(lease->id()).status()));
}

TEST_F(ClientServerTest, LeasesAreListedAndRenewedOnce) {
  const auto lease = client_->lease().Grant(100);
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(client_->lease().KeepAliveOnce(lease->id())->ttl(), 100);
  const auto list = client_->lease().List();
  ASSERT_TRUE(list.ok()) << list.status();
  const bool listed = std::any_of(list->leases().begin(), list->leases().end(),
                                  [&](const auto& l) { return l.id() == lease->id(); });
  EXPECT_TRUE(listed);
}

TEST_F(ClientServerTest, MembersAndTheirStateAreTold) {
  const auto members = client_->cluster().MemberList({});
  ASSERT_TRUE(members.ok()) << members.status();
  EXPECT_EQ(members->members_size(), 1);
  client::Maintenance& maintenance = client_->maintenance();
  const auto status = maintenance.Status(cluster_->endpoint(0));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->leader(), status->header().member_id());
  EXPECT_TRUE(maintenance.HashKv(cluster_->endpoint(0), 0).ok());
  EXPECT_TRUE(maintenance.CheckHealth(cluster_->endpoint(0)).ok());
  EXPECT_EQ(maintenance.AlarmList()->alarms_size(), 0);
  EXPECT_TRUE(client_->SyncEndpoints().ok());
  EXPECT_THAT(client_->endpoints(), testing::ElementsAre(cluster_->endpoint(0)));
}

}  // namespace
}  // namespace keelson::client
