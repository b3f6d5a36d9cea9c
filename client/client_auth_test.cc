// The client against a server that wants to know who asks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/check.h"
#include "client/client.h"
#include "client/errors.h"
#include "client/ops.h"
#include "client/test_cluster.h"

namespace keelson::client {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kHang = absl::Seconds(20);

authpb::Permission ReadWrite(const std::string& key, const std::string& range_end) {
  authpb::Permission permission;
  permission.set_permtype(authpb::Permission::READWRITE);
  permission.set_key(key);
  permission.set_range_end(range_end);
  return permission;
}

// root, and u who may use what begins with "u/".
class ClientAuthTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestCluster::Available()) GTEST_SKIP() << "no server program";
    cluster_ = std::make_unique<TestCluster>(1);
    const auto anybody = cluster_->NewClient();
    Auth& auth = anybody->auth();
    ASSERT_TRUE(auth.UserAdd("root", "rp").ok());
    ASSERT_TRUE(auth.UserGrantRole("root", "root").ok());
    ASSERT_TRUE(auth.RoleAdd("r").ok());
    ASSERT_TRUE(auth.RoleGrantPermission("r", ReadWrite("u/", "u0")).ok());
    ASSERT_TRUE(auth.UserAdd("u", "up").ok());
    ASSERT_TRUE(auth.UserGrantRole("u", "r").ok());
    ASSERT_TRUE(auth.Enable().ok());
    root_ = NewClient("root", "rp");
    user_ = NewClient("u", "up");
  }

  std::unique_ptr<Client> NewClient(const std::string& user, const std::string& password) {
    Options options;
    options.endpoints = cluster_->endpoints();
    options.user = user;
    options.password = password;
    auto client = Client::Create(std::move(options));
    KV_CHECK(client.ok()) << client.status();
    return *std::move(client);
  }
  // The server drops the tokens of a user whose password is changed, to the same one here.
  void LoseToken() { ASSERT_TRUE(root_->auth().UserChangePassword("u", "up").ok()); }

  std::unique_ptr<TestCluster> cluster_;
  std::unique_ptr<Client> root_;
  std::unique_ptr<Client> user_;
};

TEST_F(ClientAuthTest, WhoLogsInMayDoWhatHeIsGranted) {
  EXPECT_TRUE(user_->kv().Put("u/a", "1").ok());
  EXPECT_EQ(user_->kv().Get("u/a")->kvs(0).value(), "1");
  EXPECT_TRUE(IsNotPermitted(user_->kv().Put("v", "1").status()));
  EXPECT_TRUE(IsNotPermitted(user_->kv().Get("v").status()));
  EXPECT_TRUE(root_->kv().Put("v", "1").ok());
}

TEST_F(ClientAuthTest, WhoDoesNotIsRefused) {
  const auto nobody = cluster_->NewClient();
  EXPECT_EQ(nobody->kv().Put("u/a", "1").status(),
            absl::InvalidArgumentError("etcdserver: user name is empty"));
  const absl::Status wrong =
      absl::InvalidArgumentError("etcdserver: authentication failed, invalid user ID or password");
  EXPECT_EQ(NewClient("u", "wrong")->kv().Put("u/a", "1").status(), wrong);
  EXPECT_EQ(NewClient("stranger", "up")->kv().Put("u/a", "1").status(), wrong);
  EXPECT_EQ(NewClient("u", "wrong")->LogIn(), wrong);
  EXPECT_TRUE(user_->LogIn().ok());
  EXPECT_TRUE(nobody->LogIn().ok()) << "there is nothing to do";
  Options options;
  options.endpoints = cluster_->endpoints();
  options.token = "not.1";
  const auto client = Client::Create(options);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->kv().Put("u/a", "1").status(),
            absl::UnauthenticatedError("etcdserver: invalid auth token"));
}

TEST_F(ClientAuthTest, ATokenThatWasLostIsReplacedWithoutAWord) {
  ASSERT_TRUE(user_->kv().Put("u/a", "1").ok());
  LoseToken();
  EXPECT_TRUE(user_->kv().Put("u/a", "2").ok());
  LoseToken();
  EXPECT_EQ(user_->kv().Get("u/a")->kvs(0).value(), "2");
  LoseToken();
  absl::Notification done;
  PutRequest request;
  request.set_key("u/a");
  request.set_value("3");
  user_->kv().PutAsync(std::move(request), {}, [&](const auto& response) {
    EXPECT_TRUE(response.ok()) << response.status();
    done.Notify();
  });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(kHang));
  LoseToken();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      const auto response = user_->kv().Put("u/a", "4");
      EXPECT_TRUE(response.ok()) << response.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ClientAuthTest, AWatchBeginsWithANewTokenWhereTheOldOneIsLost) {
  ASSERT_TRUE(user_->kv().Put("u/a", "1").ok());
  LoseToken();
  WatchQueue watch(user_->core(), {.key = "u/", .range_end = "u0", .start_revision = 1});
  const auto changes = watch.Next();
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->events(0).kv().value(), "1");
}

TEST_F(ClientAuthTest, AWatchOutsideOfTheGrantEnds) {
  WatchQueue watch(user_->core(), {.key = "v"});
  EXPECT_EQ(watch.Next().status(), absl::PermissionDeniedError("etcdserver: permission denied"));
}

TEST_F(ClientAuthTest, LeasesAreKeptByWhoLogsIn) {
  const auto lease = user_->lease().Grant(60);
  ASSERT_TRUE(lease.ok()) << lease.status();
  LoseToken();
  const auto renewed = user_->lease().KeepAliveOnce(lease->id());
  EXPECT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_TRUE(user_->lease().Revoke(lease->id()).ok());
}

TEST_F(ClientAuthTest, AUserNameDoesNoHarmWhereAuthIsOff) {
  ASSERT_TRUE(root_->auth().Disable().ok());
  EXPECT_TRUE(user_->kv().Put("v", "1").ok());
  EXPECT_TRUE(NewClient("whoever", "x")->kv().Put("v", "2").ok());
  ASSERT_TRUE(root_->auth().Enable().ok());
  EXPECT_TRUE(user_->kv().Put("u/a", "1").ok()) << "and logs in when it is on again";
}

TEST_F(ClientAuthTest, UsersAndRolesAreManaged) {
  Auth& auth = root_->auth();
  EXPECT_THAT(auth.UserList()->users(), ElementsAre("root", "u"));
  ASSERT_TRUE(auth.UserAddWithoutPassword("cert").ok());
  EXPECT_EQ(NewClient("cert", "").get()->kv().Get("u/a").status().message(),
            "auth: authentication failed, password was given for no password user");
  ASSERT_TRUE(auth.UserDelete("cert").ok());
  EXPECT_THAT(auth.UserGet("u")->roles(), ElementsAre("r"));
  ASSERT_TRUE(auth.UserRevokeRole("u", "r").ok());
  EXPECT_TRUE(IsNotPermitted(user_->kv().Get("u/a").status()));
  EXPECT_THAT(auth.RoleList()->roles(), ElementsAre("r"));
  ASSERT_EQ(auth.RoleGet("r")->perm_size(), 1);
  EXPECT_EQ(auth.RoleGet("r")->perm(0).range_end(), "u0");
  ASSERT_TRUE(auth.RoleRevokePermission("r", "u/", "u0").ok());
  EXPECT_EQ(auth.RoleGet("r")->perm_size(), 0);
  ASSERT_TRUE(auth.RoleDelete("r").ok());
  EXPECT_EQ(auth.RoleGet("r").status(),
            absl::FailedPreconditionError("etcdserver: role name not found"));
  EXPECT_TRUE(IsNotPermitted(user_->auth().UserList().status()));
}

TEST_F(ClientAuthTest, WhoCannotLogInInTimeIsToldWhy) {
  Options options;
  options.endpoints = {"127.0.0.1:1"};
  options.user = "u";
  options.password = "up";
  const auto client = Client::Create(options);
  ASSERT_TRUE(client.ok());
  const absl::Status status =
      (*client)->kv().Range(KeyRange("a"), {.timeout = absl::Milliseconds(200)}).status();
  EXPECT_EQ(status.message(), kDeadlineExceeded);
  EXPECT_THAT(LastFailure(status), testing::HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace keelson::client
