// Who a call is from, and which calls get to their handlers.
#include "server/auth/auth_gate.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/state_machine.h"
#include "server/testing/text_proto.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

constexpr char kOk[] = "ok";
constexpr char kWaits[] = "waits";
constexpr char kDenied[] = "etcdserver: permission denied";
constexpr char kNobody[] = "etcdserver: user name is empty";
constexpr char kInvalid[] = "etcdserver: invalid auth token";

class FakeCall final : public rpc::Call {
 public:
  FakeCall(std::string method, std::map<std::string, std::string> headers, std::string cn = "")
      : method_(std::move(method)), headers_(std::move(headers)), cn_(std::move(cn)) {}

  std::string_view method() const override { return method_; }
  std::optional<std::string_view> metadata(std::string_view name) const override {
    const auto found = headers_.find(std::string(name));
    if (found == headers_.end()) return std::nullopt;
    return found->second;
  }
  std::optional<absl::Duration> deadline() const override { return std::nullopt; }
  std::optional<std::string_view> peer_common_name() const override {
    if (cn_.empty()) return std::nullopt;
    return cn_;
  }
  std::string peer() const override { return "test"; }
  void Send(ByteChain) override {}
  void Finish(const absl::Status& status) override { finished_ = status; }
  size_t queued_bytes() const override { return 0; }
  bool cancelled() const override { return cancelled_; }
  void OnCancel(std::function<void()>) override {}

  std::optional<absl::Status> finished_;
  bool cancelled_ = false;

 private:
  const std::string method_;
  const std::map<std::string, std::string> headers_;
  const std::string cn_;
};

class AuthGateTest : public testing::Test {
 protected:
  AuthGateTest() {
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    KV_CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
    machine_ = std::make_unique<StateMachine>(store_.get(), NodeId(1));
    MakeGate({});
    for (const char* op :
         {"user_add { name: 'root' }", "user_grant_role { user: 'root' role: 'root' }",
          "user_add { name: 'u' }", "auth_enable {}"}) {
      Apply(op);
    }
  }

  void MakeGate(AuthGateOptions options) {
    gate_ = std::make_unique<AuthGate>(
        options,
        AuthGate::Environment{&machine_->auth(), &clock_, [this] { return store_->applied(); },
                              [this](AuthGate::ReadDone done) { waiting_ = done; }});
  }
  // As root; what it does to the tokens reaches the gate.
  std::string Apply(const std::string& op) {
    proto::Command command = FromText<proto::Command>(op);
    command.set_format(kCommandFormat);
    command.set_origin(1);
    command.set_username("root");
    command.set_auth_revision(machine_->auth().revision());
    if (command.has_authenticate()) {
      command.mutable_authenticate()->set_checked_revision(machine_->auth().revision());
    }
    const raft::Entry entry{Term(1), store_->applied() + 1, raft::EntryType::kNormal,
                            SharedBytes(command.SerializeAsString())};
    machine_->Apply({&entry, 1});
    auto applied = machine_->Commit();
    KV_CHECK(applied.ok() && applied->answers.at(0).status.ok()) << op;
    gate_->OnTokenChanges(applied->tokens);
    return applied->answers[0].body;
  }
  std::string Token(const std::string& user) {
    etcdserverpb::AuthenticateResponse response;
    KV_CHECK(response.ParseFromString(
        Apply("authenticate { name: '" + user + "' token_prefix: 'abcd' }")));
    return response.token();
  }

  static std::string Text(const absl::Status& status) {
    return status.ok() ? kOk : std::string(status.message());
  }
  // "name@revision", "" for nobody, or the error.
  std::string Who(const FakeCall& call) {
    const auto caller = gate_->Identify(call);
    if (!caller.ok()) return Text(caller.status());
    if (!caller->known()) return "";
    return caller->user + "@" + std::to_string(caller->auth_revision);
  }
  std::string WhoHas(const std::string& token) {
    return Who(FakeCall("/etcdserverpb.KV/Put", {{"token", token}}));
  }
  std::string Check(const std::string& method, const std::string& token = "") {
    std::map<std::string, std::string> headers;
    if (!token.empty()) headers["token"] = token;
    const auto told = gate_->Check(FakeCall(method, headers));
    return told ? Text(*told) : kWaits;
  }

  const storage::TemporaryDirectory directory_;
  FakeClock clock_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<StateMachine> machine_;
  std::unique_ptr<AuthGate> gate_;
  AuthGate::ReadDone waiting_;
};

TEST_F(AuthGateTest, ACallIsFromWhomItsTokenNames) {
  const std::string token = Token("u");
  EXPECT_EQ(WhoHas(token), "u@4");
  EXPECT_EQ(Who(FakeCall("/m", {{"authorization", token}})), "u@4");
  EXPECT_EQ(Who(FakeCall("/m", {{"authorization", "Bearer " + token}})), "u@4");
  EXPECT_EQ(Who(FakeCall("/m", {})), "");
  EXPECT_EQ(WhoHas("abcd.1"), kInvalid);
  EXPECT_EQ(WhoHas(""), kInvalid);
}

TEST_F(AuthGateTest, ATokenIsAsOfThePresentRevision) {
  const std::string token = Token("u");
  Apply("role_add { name: 'r' }");
  EXPECT_EQ(WhoHas(token), "u@5");
}

TEST_F(AuthGateTest, ACertificateNamesWhoHasNoToken) {
  EXPECT_EQ(Who(FakeCall("/m", {}, "u")), "u@4");
  EXPECT_EQ(Who(FakeCall("/m", {{"token", Token("root")}}, "u")), "root@4");
  EXPECT_EQ(Who(FakeCall("/m", {{"token", "bad.1"}}, "u")), kInvalid);
}

TEST_F(AuthGateTest, TokensExpireUnlessUsed) {
  const std::string token = Token("u");
  clock_.Advance(absl::Seconds(299));
  EXPECT_EQ(WhoHas(token), "u@4");
  clock_.Advance(absl::Seconds(299));
  EXPECT_EQ(WhoHas(token), "u@4");
  clock_.Advance(absl::Seconds(300));
  EXPECT_EQ(WhoHas(token), kInvalid);
}

TEST_F(AuthGateTest, WhileAuthIsOffNobodyIsAskedWhoHeIs) {
  const std::string token = Token("u");
  Apply("auth_disable {}");
  EXPECT_EQ(WhoHas("bad.1"), "");
  EXPECT_EQ(Check("/etcdserverpb.Maintenance/Defragment"), kOk);
  Apply("auth_enable {}");
  EXPECT_EQ(WhoHas(token), kInvalid) << "tokens end with it";
}

TEST_F(AuthGateTest, TokensOfAnEarlierLifeAreLost) {
  MakeGate({.tokens_after = store_->applied() + 1});
  EXPECT_EQ(WhoHas(Token("u")), kInvalid) << "its entry was in the log at the start";
  EXPECT_EQ(WhoHas(Token("u")), "u@4");
  gate_->OnStateReplaced();
  EXPECT_EQ(WhoHas("abcd." + std::to_string(store_->applied().value())), kInvalid);
}

TEST_F(AuthGateTest, MethodsAreForWhomTheyAreFor) {
  const std::string root = Token("root");
  const std::string user = Token("u");
  for (const char* open :
       {"/etcdserverpb.Auth/Authenticate", "/etcdserverpb.KV/Range", "/grpc.health.v1.Health/Check",
        "/etcdserverpb.Watch/Watch", "/etcdserverpb.Maintenance/Alarm"}) {
    EXPECT_EQ(Check(open), kOk) << open;
  }
  for (const char* users :
       {"/etcdserverpb.Cluster/MemberList", "/etcdserverpb.Maintenance/Status"}) {
    EXPECT_EQ(Check(users), kNobody) << users;
    EXPECT_EQ(Check(users, "bad.1"), kInvalid) << users;
    EXPECT_EQ(Check(users, user), kOk) << users;
  }
  for (const char* roots :
       {"/etcdserverpb.Cluster/MemberAdd", "/etcdserverpb.Cluster/MemberRemove",
        "/etcdserverpb.Cluster/MemberUpdate", "/etcdserverpb.Cluster/MemberPromote",
        "/etcdserverpb.Maintenance/Defragment", "/etcdserverpb.Maintenance/Hash",
        "/etcdserverpb.Maintenance/HashKV", "/etcdserverpb.Maintenance/Snapshot",
        "/etcdserverpb.Maintenance/MoveLeader", "/etcdserverpb.Maintenance/Downgrade",
        "/some.Service/ThatIsNew"}) {
    EXPECT_EQ(Check(roots), kNobody) << roots;
    EXPECT_EQ(Check(roots, user), kDenied) << roots;
    EXPECT_EQ(Check(roots, root), kOk) << roots;
  }
}

TEST_F(AuthGateTest, ATokenFromAheadWaitsUntilItMustBeKnown) {
  const std::string ahead = "abcd." + std::to_string(store_->applied().value() + 1);
  EXPECT_EQ(Check("/etcdserverpb.KV/Put", ahead), kWaits);
  const auto call = std::make_shared<FakeCall>(
      "/etcdserverpb.Maintenance/Status", std::map<std::string, std::string>{{"token", ahead}});
  std::string told;
  gate_->Await(call, [&told](const absl::Status& status) { told = Text(status); });
  EXPECT_EQ(told, "");
  Apply("authenticate { name: 'u' token_prefix: 'abcd' }");
  waiting_(absl::OkStatus());
  EXPECT_EQ(told, kOk);

  gate_->Await(call, [&told](const absl::Status& status) { told = Text(status); });
  waiting_(absl::UnavailableError("etcdserver: request timed out"));
  EXPECT_EQ(told, "etcdserver: request timed out");
}

TEST_F(AuthGateTest, AMadeUpTokenFromAheadIsRefusedInTheEnd) {
  const auto call =
      std::make_shared<FakeCall>("/etcdserverpb.Maintenance/Status",
                                 std::map<std::string, std::string>{{"token", "abcd.99999999999"}});
  std::string told;
  gate_->Await(call, [&told](const absl::Status& status) { told = Text(status); });
  waiting_(absl::OkStatus());
  EXPECT_EQ(told, kInvalid);
}

// ------------------------------------------------------------------- handlers behind admission

class SlowAdmission final : public rpc::Admission {
 public:
  std::optional<absl::Status> Check(const rpc::Call&) override { return told_; }
  void Await(std::shared_ptr<const rpc::Call>, std::function<void(absl::Status)> done) override {
    waiting_ = std::move(done);
  }
  std::optional<absl::Status> told_;
  std::function<void(absl::Status)> waiting_;
};

class Recorder final : public rpc::StreamReceiver {
 public:
  explicit Recorder(std::string* heard) : heard_(heard) {}
  void OnMessage(SharedBytes message) override { *heard_ += std::string(message.view()) + " "; }
  void OnHalfClose() override { *heard_ += "half-close "; }
  void OnCancel() override { *heard_ += "cancel "; }

 private:
  std::string* const heard_;
};

class AdmissionTest : public testing::Test {
 protected:
  std::unique_ptr<rpc::StreamReceiver> OpenStream() {
    handler_ = rpc::Admitted(&admission_, rpc::BidiHandler([this](std::shared_ptr<rpc::Call>) {
      heard_ += "begin ";
      return std::make_unique<Recorder>(&heard_);
    }));
    return handler_(call_);
  }
  const std::shared_ptr<FakeCall> call_ =
      std::make_shared<FakeCall>("/m", std::map<std::string, std::string>());
  SlowAdmission admission_;
  rpc::BidiHandler handler_;
  std::string heard_;
};

TEST_F(AdmissionTest, WhatIsRefusedReachesNoHandler) {
  admission_.told_ = absl::PermissionDeniedError("no");
  EXPECT_EQ(OpenStream(), nullptr);
  EXPECT_EQ(*call_->finished_, absl::PermissionDeniedError("no"));
  EXPECT_EQ(heard_, "");
}

TEST_F(AdmissionTest, AStreamThatWaitsLosesNothingOfWhatItWasSent) {
  auto receiver = OpenStream();
  receiver->OnMessage(SharedBytes(std::string("one")));
  receiver->OnMessage(SharedBytes(std::string("two")));
  receiver->OnHalfClose();
  EXPECT_EQ(heard_, "");
  admission_.waiting_(absl::OkStatus());
  EXPECT_EQ(heard_, "begin one two half-close ");
  receiver->OnMessage(SharedBytes(std::string("three")));
  receiver->OnCancel();
  EXPECT_EQ(heard_, "begin one two half-close three cancel ");
}

TEST_F(AdmissionTest, AStreamThatIsGoneIsNotBegun) {
  auto receiver = OpenStream();
  receiver->OnCancel();
  receiver.reset();
  admission_.waiting_(absl::OkStatus());
  EXPECT_EQ(heard_, "");
}

TEST_F(AdmissionTest, AStreamThatWaitsIsRefusedInTheEnd) {
  auto receiver = OpenStream();
  admission_.waiting_(absl::UnauthenticatedError("no"));
  EXPECT_EQ(*call_->finished_, absl::UnauthenticatedError("no"));
  EXPECT_EQ(heard_, "");
}

TEST_F(AdmissionTest, AStreamThatWaitsCannotFillOurMemory) {
  auto receiver = OpenStream();
  for (int i = 0; i < 5; ++i) receiver->OnMessage(SharedBytes(std::string(1 << 20, 'x')));
  EXPECT_TRUE(absl::IsResourceExhausted(*call_->finished_));
  admission_.waiting_(absl::OkStatus());
  EXPECT_EQ(heard_, "");
}

TEST_F(AdmissionTest, AUnaryCallWaitsWithItsRequest) {
  const auto handler = rpc::Admitted(
      &admission_, rpc::UnaryHandler([this](std::shared_ptr<rpc::Call>, SharedBytes request) {
        heard_ = std::string(request.view());
      }));
  handler(call_, SharedBytes(std::string("request")));
  EXPECT_EQ(heard_, "");
  admission_.waiting_(absl::OkStatus());
  EXPECT_EQ(heard_, "request");
  heard_ = "";
  call_->cancelled_ = true;
  admission_.waiting_(absl::OkStatus());
  EXPECT_EQ(heard_, "");
}

}  // namespace
}  // namespace keelson::server
