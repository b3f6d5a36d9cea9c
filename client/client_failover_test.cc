// The client against a cluster of three that loses members.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/client.h"
#include "client/errors.h"
#include "client/ops.h"
#include "client/test_cluster.h"

namespace keelson::client {
namespace {

constexpr absl::Duration kHang = absl::Seconds(30);

class ClientFailoverTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestCluster::Available()) GTEST_SKIP() << "no server program";
    cluster_ = std::make_unique<TestCluster>(3);
  }

  // Puts until it is known to have happened. A put that may have happened is asked for first.
  void PutSurely(Client& client, const std::string& key, const std::string& value) {
    for (int i = 0; i < 100; ++i) {
      if (client.kv().Put(key, value).ok()) return;
      const auto read = client.kv().Get(key);
      if (read.ok() && read->kvs_size() == 1 && read->kvs(0).value() == value) return;
    }
    FAIL() << "cannot put " << key;
  }

  std::unique_ptr<TestCluster> cluster_;
};

TEST_F(ClientFailoverTest, AFollowersDeathIsNotNoticedByReads) {
  const auto client = cluster_->NewClient();
  ASSERT_TRUE(client->kv().Put("a", "1").ok());
  cluster_->Kill((cluster_->Leader() + 1) % 3);
  for (int i = 0; i < 50; ++i) {
    const auto response = client->kv().Get("a");
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->kvs(0).value(), "1");
  }
}

TEST_F(ClientFailoverTest, TheLeadersDeathCostsNoAcknowledgedWriteAndReadsWaitForTheNext) {
  const auto client = cluster_->NewClient();
  for (int i = 0; i < 20; ++i) {
    if (i == 10) cluster_->Kill(cluster_->Leader());
    PutSurely(*client, absl::StrCat("key", i), absl::StrCat(i));
  }
  for (int i = 0; i < 20; ++i) {
    const auto response = client->kv().Get(absl::StrCat("key", i));
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_EQ(response->kvs_size(), 1) << i;
    EXPECT_EQ(response->kvs(0).version(), 1) << "written twice: " << i;
  }
}

TEST_F(ClientFailoverTest, AWatchGoesOnElsewhereWithoutLossOrRepetition) {
  const auto writer = cluster_->NewClient();
  const auto reader = cluster_->NewClient(Balance::kSticky);
  WatchQueue queue(reader->core(), {.key = "w/", .range_end = PrefixEnd("w/")});
  ASSERT_TRUE(queue.WaitCreated(kHang).ok());
  // The watch began at the first endpoint; the next ones it goes to are in order.
  std::vector<std::string> written;
  for (size_t victim = 0; victim < 3; ++victim) {
    for (int i = 0; i < 5; ++i) {
      written.push_back(absl::StrCat("w/", victim, ".", i));
      PutSurely(*writer, written.back(), "v");
      if (i == 2) cluster_->Kill(victim);
    }
    cluster_->Restart(victim);
    cluster_->WaitServing();
  }
  std::vector<std::string> seen;
  int64_t last = 0;
  while (seen.size() < written.size()) {
    const auto response = queue.Next(kHang);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const mvccpb::Event& event : response->events()) {
      EXPECT_GT(event.kv().mod_revision(), last);
      last = event.kv().mod_revision();
      EXPECT_EQ(event.kv().version(), 1);
      seen.push_back(event.kv().key());
    }
  }
  EXPECT_EQ(seen, written);
}

class Listener final : public LeaseListener {
 public:
  void OnRenewed(const etcdserverpb::LeaseKeepAliveResponse&) override { ++renewals; }
  void OnLost(const absl::Status&) override { lost = true; }
  std::atomic<int> renewals = 0;  // written by the loop, read by the test
  std::atomic<bool> lost = false;
};

TEST_F(ClientFailoverTest, ALeaseIsKeptThroughTheDeathOfTheLeader) {
  const auto client = cluster_->NewClient();
  const auto lease = client->lease().Grant(5);
  ASSERT_TRUE(lease.ok()) << lease.status();
  PutSurely(*client, "kept", "v");
  PutRequest attach;
  attach.set_key("kept");
  attach.set_value("v");
  attach.set_lease(lease->id());
  ASSERT_TRUE(client->kv().Put(attach).ok());
  WatchQueue deletion(client->core(), {.key = "kept"});
  ASSERT_TRUE(deletion.WaitCreated(kHang).ok());
  Listener listener;
  LeaseKeeper keeper(client->core(), lease->id(), &listener);
  cluster_->Kill(cluster_->Leader());
  // Longer than the TTL with the grace that a new leader gives.
  EXPECT_TRUE(absl::IsDeadlineExceeded(deletion.Next(absl::Seconds(8)).status()));
  EXPECT_FALSE(listener.lost);
  EXPECT_GE(listener.renewals, 3);
}

}  // namespace
}  // namespace keelson::client
