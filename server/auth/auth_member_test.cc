// Users and tokens in whole members without sockets: on all of them, after crashes, in snapshots.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/services.h"
#include "server/testing/core_cluster.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;

class CallWithToken final : public rpc::Call {
 public:
  explicit CallWithToken(std::string token) : token_(std::move(token)) {}
  std::string_view method() const override { return "/etcdserverpb.KV/Range"; }
  std::optional<std::string_view> metadata(std::string_view name) const override {
    if (name != "token") return std::nullopt;
    return token_;
  }
  std::optional<absl::Duration> deadline() const override { return std::nullopt; }
  std::string peer() const override { return "test"; }
  void Send(ByteChain) override {}
  void Finish(const absl::Status& status) override { finished_ = status; }
  size_t queued_bytes() const override { return 0; }
  bool cancelled() const override { return false; }
  void OnCancel(std::function<void()>) override {}

  std::optional<absl::Status> finished_;

 private:
  const std::string token_;
};

class AuthMemberTest : public testing::Test {
 protected:
  AuthMemberTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    for (int n = 1; n <= 3; ++n) cluster_.Crash(n);
    cluster_.KeepInLog(10);
    for (int n = 1; n <= 3; ++n) cluster_.Start(n);
    leader_ = cluster_.AwaitLeader();
    KV_CHECK(leader_ != 0);
  }

  template <typename Request>
  std::string Submit(int n, int field, const Request& request, const Caller& caller = Caller()) {
    auto outcome = std::make_shared<std::string>();
    cluster_.core(n).Submit(
        field, request.SerializeAsString(), caller, [this, outcome](const Answer& answer) {
          *outcome = answer.status.ok() ? "ok" : std::string(answer.status.message());
          body_ = answer.body;
        });
    cluster_.RunUntil([&] { return !outcome->empty(); });
    return *outcome;
  }
  void EnableAuth() {
    etcdserverpb::AuthUserAddRequest user;
    user.set_name("root");
    ASSERT_EQ(Submit(leader_, Command::kUserAddFieldNumber, user), "ok");
    etcdserverpb::AuthUserGrantRoleRequest grant;
    grant.set_user("root");
    grant.set_role("root");
    ASSERT_EQ(Submit(leader_, Command::kUserGrantRoleFieldNumber, grant), "ok");
    ASSERT_EQ(Submit(leader_, Command::kAuthEnableFieldNumber, etcdserverpb::AuthEnableRequest()),
              "ok");
  }
  std::string Token(int n) {
    proto::Authenticate request;
    request.set_name("root");
    request.set_checked_revision(cluster_.core(leader_).auth().revision());
    request.set_token_prefix("abcd");
    EXPECT_EQ(Submit(n, Command::kAuthenticateFieldNumber, request), "ok");
    etcdserverpb::AuthenticateResponse response;
    EXPECT_TRUE(response.ParseFromString(body_));
    return response.token();
  }
  std::string Who(int n, const std::string& token) {
    const auto caller = cluster_.core(n).auth_gate().Identify(CallWithToken(token));
    return caller.ok() ? caller->user : std::string(caller.status().message());
  }
  std::string Put(int n, const std::string& value, const Caller& caller) {
    etcdserverpb::PutRequest request;
    request.set_key("key");
    request.set_value(value);
    return Submit(n, Command::kPutFieldNumber, request, caller);
  }
  bool CaughtUp(int n) {
    return cluster_.RunUntil(
        [this, n] { return cluster_.store(n).applied() == cluster_.store(leader_).applied(); });
  }
  Caller Root() { return {"root", cluster_.core(leader_).auth().revision()}; }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_};
  int leader_ = 0;
  std::string body_;
};

TEST_F(AuthMemberTest, ATokenOfOneMemberIsGoodOnAll) {
  EnableAuth();
  for (int n = 1; n <= 3; ++n) {
    const std::string token = Token(n);
    for (int other = 1; other <= 3; ++other) {
      ASSERT_TRUE(CaughtUp(other));
      EXPECT_EQ(Who(other, token), "root");
    }
  }
}

TEST_F(AuthMemberTest, EveryMemberRefusesWhoIsNobody) {
  EnableAuth();
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(Put(n, "x", Caller()), "etcdserver: user name is empty");
    EXPECT_EQ(Put(n, "x", Root()), "ok");
  }
  EXPECT_EQ(Put(leader_, "x", {"root", Root().auth_revision - 1}),
            "etcdserver: revision of auth store is old");
}

// The role is added between the check of the put and its turn: both go to the log at once.
TEST_F(AuthMemberTest, AChangeOfUsersMeanwhileIsNotTheClientsAffair) {
  EnableAuth();
  for (int n = 1; n <= 3; ++n) {
    const auto call = std::make_shared<CallWithToken>(Token(n));
    ASSERT_TRUE(CaughtUp(n));
    const uint64_t before = cluster_.core(n).auth().revision();
    etcdserverpb::AuthRoleAddRequest role;
    role.set_name("role" + std::to_string(n));
    etcdserverpb::PutRequest put;
    put.set_key("key");
    std::string added;
    cluster_.core(n).Submit(Command::kRoleAddFieldNumber, role.SerializeAsString(), Root(),
                            [&added](const Answer& answer) { added = answer.status.ToString(); });
    SubmitForCall(&cluster_.core(n), call, Command::kPutFieldNumber, put.SerializeAsString());
    ASSERT_TRUE(cluster_.RunUntil([&call] { return call->finished_.has_value(); }));
    EXPECT_EQ(added, "OK");
    EXPECT_TRUE(call->finished_->ok()) << *call->finished_;
    EXPECT_EQ(cluster_.core(n).auth().revision(), before + 1);
  }
}

// The same when what changes is that the caller may not any more.
TEST_F(AuthMemberTest, WhoLosesHisTokenMeanwhileIsRefused) {
  EnableAuth();
  const auto call = std::make_shared<CallWithToken>(Token(leader_));
  etcdserverpb::AuthUserChangePasswordRequest change;
  change.set_name("root");
  etcdserverpb::PutRequest put;
  put.set_key("key");
  cluster_.core(leader_).Submit(Command::kUserChangePasswordFieldNumber, change.SerializeAsString(),
                                Root(), [](const Answer&) {});
  SubmitForCall(&cluster_.core(leader_), call, Command::kPutFieldNumber, put.SerializeAsString());
  ASSERT_TRUE(cluster_.RunUntil([&call] { return call->finished_.has_value(); }));
  EXPECT_EQ(call->finished_->message(), "etcdserver: invalid auth token");
  EXPECT_EQ(cluster_.store(leader_).revision(), Revision(1));
}

TEST_F(AuthMemberTest, ARestartKeepsUsersAndLosesTokens) {
  EnableAuth();
  const int n = leader_ % 3 + 1;
  const std::string token = Token(leader_);
  ASSERT_TRUE(CaughtUp(n));
  ASSERT_EQ(Who(n, token), "root");
  cluster_.Crash(n);
  cluster_.Start(n);
  ASSERT_TRUE(CaughtUp(n));
  EXPECT_TRUE(cluster_.core(n).auth().enabled());
  EXPECT_EQ(Who(n, token), "etcdserver: invalid auth token")
      << "although the entry that made it is applied again";
  EXPECT_EQ(Who(leader_, token), "root");
  const std::string next = Token(leader_);
  ASSERT_TRUE(CaughtUp(n));
  EXPECT_EQ(Who(n, next), "root");
}

TEST_F(AuthMemberTest, UsersTravelInSnapshotsAndTokensDoNot) {
  const int away = leader_ % 3 + 1;
  cluster_.Isolate(away, Link::kDown);
  const LogIndex applied = cluster_.store(away).applied();
  EnableAuth();
  const std::string token = Token(leader_);
  uint64_t bytes = 0;
  for (int i = 0;
       cluster_.log(leader_).FirstIndex() <= applied + 1 || bytes <= raft::Config().cache_bytes_max;
       ++i) {
    ASSERT_LT(i, 200) << "the log is never cut";
    ASSERT_EQ(Put(leader_, std::string(300 << 10, 'x'), Root()), "ok");
    bytes += 300 << 10;
    cluster_.Run(absl::Milliseconds(120));
  }
  ASSERT_FALSE(cluster_.core(away).auth().enabled());
  cluster_.Isolate(away, Link::kUp);
  ASSERT_TRUE(CaughtUp(away));
  ASSERT_GT(cluster_.snapshots_sent(), 0);
  EXPECT_TRUE(cluster_.core(away).auth().enabled());
  EXPECT_EQ(cluster_.core(away).auth().revision(), cluster_.core(leader_).auth().revision());
  EXPECT_EQ(Who(away, token), "etcdserver: invalid auth token");
  const auto caller = cluster_.core(away).auth_gate().Identify(CallWithToken(Token(away)));
  EXPECT_TRUE(caller.ok()) << caller.status();
}

}  // namespace
}  // namespace keelson::server
