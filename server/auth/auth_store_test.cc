// Users, roles and permissions as commands on the state machine over the real store: etcd's rules
// and errors, what each request needs, and what is left after a restart.
#include "server/auth/auth_store.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/auth/request_checks.h"
#include "server/state_machine.h"
#include "server/testing/text_proto.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using proto::Command;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kOk[] = "ok";
constexpr char kDenied[] = "etcdserver: permission denied";
constexpr char kNobody[] = "etcdserver: user name is empty";
constexpr char kOld[] = "etcdserver: revision of auth store is old";
constexpr char kManagement[] = "etcdserver: invalid auth management";

class AuthStoreTest : public testing::Test {
 protected:
  AuthStoreTest() { Reopen(); }

  void Reopen() {
    machine_.reset();
    store_.reset();
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    KV_CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
    machine_ = std::make_unique<StateMachine>(store_.get(), NodeId(1));
  }

  const AuthStore& auth() const { return machine_->auth(); }

  // Applies the operation on behalf of `user` ("": of nobody), as of the present auth revision.
  std::string As(const std::string& user, const std::string& op) {
    return AsOf(user, user.empty() ? 0 : auth().revision(), op);
  }
  std::string AsOf(const std::string& user, uint64_t auth_revision, const std::string& op) {
    Command command = FromText<Command>(op);
    command.set_format(kCommandFormat);
    command.set_origin(1);
    command.set_request(1);
    command.set_username(user);
    command.set_auth_revision(auth_revision);
    const raft::Entry entry{Term(1), store_->applied() + 1, raft::EntryType::kNormal,
                            SharedBytes(command.SerializeAsString())};
    machine_->Apply({&entry, 1});
    auto applied = machine_->Commit();
    KV_CHECK(applied.ok()) << applied.status();
    tokens_ = std::move(applied->tokens);
    const absl::Status& status = applied->answers.at(0).status;
    body_ = applied->answers.at(0).body;
    return status.ok() ? kOk : std::string(status.message());
  }
  // As root, or as nobody while auth is off.
  std::string Do(const std::string& op) { return As(auth().enabled() ? "root" : "", op); }
  void Must(const std::string& op) { ASSERT_EQ(Do(op), kOk) << op; }

  void AddUser(const std::string& name, const std::vector<std::string>& roles = {}) {
    Must("user_add { name: '" + name + "' hashedPassword: 'hash' }");
    for (const std::string& role : roles) {
      Must("user_grant_role { user: '" + name + "' role: '" + role + "' }");
    }
  }
  void AddRole(const std::string& name, const std::vector<std::string>& permissions = {}) {
    Must("role_add { name: '" + name + "' }");
    for (const std::string& permission : permissions) {
      Must("role_grant_permission { name: '" + name + "' perm { " + permission + " } }");
    }
  }
  void Enable() {
    AddUser("root", {"root"});
    Must("auth_enable {}");
  }

  // Whether the question passes for `user`.
  template <typename Request>
  std::string Ask(const std::string& user, const std::string& request) {
    const Caller caller{user, user.empty() ? 0 : auth().revision()};
    return Text(CheckPermission({auth(), *store_}, caller, FromText<Request>(request)));
  }
  std::string Read(const std::string& user, const std::string& request) {
    return Ask<etcdserverpb::RangeRequest>(user, request);
  }
  std::string Propose(const std::string& user, const std::string& op) {
    const Caller caller{user, user.empty() ? 0 : auth().revision()};
    return Text(CheckProposal({auth(), *store_}, caller, FromText<Command>(op)));
  }
  static std::string Text(const absl::Status& status) {
    return status.ok() ? kOk : std::string(status.message());
  }

  const storage::TemporaryDirectory directory_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<StateMachine> machine_;
  std::vector<TokenChange> tokens_;  // of the last operation
  std::string body_;
};

// ----------------------------------------------------------------------------------- the rules

TEST_F(AuthStoreTest, EnablingNeedsTheUserRootWithTheRoleRoot) {
  EXPECT_EQ(Do("auth_enable {}"), "etcdserver: root user does not exist");
  AddUser("root");
  EXPECT_EQ(Do("auth_enable {}"), "etcdserver: root user does not have root role");
  Must("user_grant_role { user: 'root' role: 'root' }");
  EXPECT_EQ(Do("auth_enable {}"), kOk);
  EXPECT_TRUE(auth().enabled());
  EXPECT_EQ(Do("auth_enable {}"), kOk) << "twice is once";
}

TEST_F(AuthStoreTest, TheRevisionCountsChangesAndDisablingButNotEnabling) {
  EXPECT_EQ(auth().revision(), 1u);
  AddUser("root");
  EXPECT_EQ(auth().revision(), 2u);
  Must("user_grant_role { user: 'root' role: 'root' }");
  EXPECT_EQ(auth().revision(), 3u);
  Must("user_grant_role { user: 'root' role: 'root' }");
  EXPECT_EQ(auth().revision(), 3u) << "it had the role";
  Must("auth_enable {}");
  EXPECT_EQ(auth().revision(), 3u);
  Must("auth_disable {}");
  EXPECT_EQ(auth().revision(), 4u);
  Must("auth_disable {}");
  EXPECT_EQ(auth().revision(), 4u);
  Do("role_add { name: '' }");
  EXPECT_EQ(auth().revision(), 4u) << "nothing was changed";
}

TEST_F(AuthStoreTest, UsersAreRefusedAsEtcdRefusesThem) {
  EXPECT_EQ(Do("user_add { name: '' }"), kNobody);
  AddUser("u");
  EXPECT_EQ(Do("user_add { name: 'u' }"), "etcdserver: user name already exists");
  const std::string absent = "etcdserver: user name not found";
  EXPECT_EQ(Do("user_delete { name: 'x' }"), absent);
  EXPECT_EQ(Do("user_change_password { name: 'x' }"), absent);
  EXPECT_EQ(Do("user_grant_role { user: 'x' role: 'root' }"), absent);
  EXPECT_EQ(Do("user_revoke_role { name: 'x' role: 'root' }"), absent);
  EXPECT_EQ(Do("user_grant_role { user: 'u' role: 'r' }"), "etcdserver: role name not found");
  EXPECT_EQ(Do("user_revoke_role { name: 'u' role: 'r' }"),
            "etcdserver: role is not granted to the user");
}

TEST_F(AuthStoreTest, RolesAndPermissionsAreRefusedAsEtcdRefusesThem) {
  EXPECT_EQ(Do("role_add { name: '' }"), "etcdserver: role name is empty");
  AddRole("r");
  EXPECT_EQ(Do("role_add { name: 'r' }"), "etcdserver: role name already exists");
  const std::string absent = "etcdserver: role name not found";
  EXPECT_EQ(Do("role_delete { role: 'x' }"), absent);
  EXPECT_EQ(Do("role_grant_permission { name: 'x' perm { key: 'a' } }"), absent);
  EXPECT_EQ(Do("role_revoke_permission { role: 'x' key: 'a' }"), absent);
  EXPECT_EQ(Do("role_grant_permission { name: 'r' }"), "etcdserver: permission not given");
  EXPECT_EQ(Do("role_grant_permission { name: 'r' perm { key: '' range_end: 'b' } }"), kManagement);
  EXPECT_EQ(Do("role_grant_permission { name: 'r' perm { key: 'b' range_end: 'a' } }"),
            kManagement);
  EXPECT_EQ(Do("role_grant_permission { name: 'r' perm { key: 'b' range_end: 'b' } }"),
            kManagement);
  EXPECT_EQ(Do("role_grant_permission { name: 'r' perm { key: 'b' permType: 7 } }"), kManagement);
  EXPECT_EQ(Do("role_revoke_permission { role: 'r' key: 'a' }"),
            "etcdserver: permission is not granted to the role");
}

TEST_F(AuthStoreTest, WhileEnabledNobodyCanLockRootOut) {
  Enable();
  AddRole("root");
  EXPECT_EQ(Do("user_delete { name: 'root' }"), kManagement);
  EXPECT_EQ(Do("user_revoke_role { name: 'root' role: 'root' }"), kManagement);
  EXPECT_EQ(Do("role_delete { role: 'root' }"), kManagement);
  Must("auth_disable {}");
  EXPECT_EQ(Do("role_delete { role: 'root' }"), kOk);
  EXPECT_EQ(Do("user_delete { name: 'root' }"), kOk);
}

TEST_F(AuthStoreTest, APermissionGivenAgainChangesItsType) {
  AddRole("r", {"key: 'a' range_end: 'c'", "key: 'a'", "key: 'a' range_end: 'c' permType: WRITE"});
  const AuthRole* const role = auth().FindRole("r");
  ASSERT_NE(role, nullptr);
  ASSERT_EQ(role->permissions.size(), 2u);
  EXPECT_EQ(role->permissions[0], (Permission{Access::kWrite, "a", "c"}));
  EXPECT_EQ(role->permissions[1], (Permission{Access::kRead, "a", ""}));
  Must("role_revoke_permission { role: 'r' key: 'a' range_end: 'c' }");
  EXPECT_EQ(auth().FindRole("r")->permissions.size(), 1u);
}

TEST_F(AuthStoreTest, ADeletedRoleIsTakenFromItsUsers) {
  AddRole("a");
  AddRole("b");
  AddUser("u", {"b", "a"});
  EXPECT_THAT(auth().FindUser("u")->roles, ElementsAre("a", "b"));
  Must("role_delete { role: 'a' }");
  EXPECT_THAT(auth().FindUser("u")->roles, ElementsAre("b"));
  EXPECT_THAT(auth().RoleNames(), ElementsAre("b"));
}

TEST_F(AuthStoreTest, AllOfItSurvivesARestart) {
  AddRole("r", {"key: 'a' range_end: 'c' permType: READWRITE"});
  AddUser("u", {"r"});
  Must("user_add { name: 'cert' options { no_password: true } hashedPassword: 'ignored' }");
  AddUser("gone");
  Must("user_delete { name: 'gone' }");
  Enable();
  const uint64_t revision = auth().revision();
  Reopen();
  EXPECT_TRUE(auth().enabled());
  EXPECT_EQ(auth().revision(), revision);
  EXPECT_THAT(auth().UserNames(), ElementsAre("cert", "root", "u"));
  EXPECT_EQ(auth().FindUser("u")->password_hash, "hash");
  EXPECT_TRUE(auth().FindUser("cert")->no_password);
  EXPECT_EQ(auth().FindUser("cert")->password_hash, "");
  EXPECT_EQ(Read("u", "key: 'b'"), kOk);
  EXPECT_EQ(Read("u", "key: 'c'"), kDenied);
}

TEST_F(AuthStoreTest, APasswordGivenToAUserWithoutOneChangesNothing) {
  Must("user_add { name: 'cert' options { no_password: true } }");
  Must("user_change_password { name: 'cert' hashedPassword: 'hash' }");
  EXPECT_EQ(auth().FindUser("cert")->password_hash, "");
}

// -------------------------------------------------------------------------------------- tokens

TEST_F(AuthStoreTest, ATokenIsItsPrefixAndTheIndexOfItsEntry) {
  Enable();
  ASSERT_EQ(As("", "authenticate { name: 'root' token_prefix: 'abc' checked_revision: " +
                       std::to_string(auth().revision()) + " }"),
            kOk);
  etcdserverpb::AuthenticateResponse response;
  ASSERT_TRUE(response.ParseFromString(body_));
  EXPECT_EQ(response.token(), "abc." + std::to_string(store_->applied().value()));
  ASSERT_EQ(tokens_.size(), 1u);
  EXPECT_EQ(tokens_[0].kind, TokenChange::Kind::kAssign);
  EXPECT_EQ(tokens_[0].token, response.token());
  EXPECT_EQ(tokens_[0].user, "root");
}

TEST_F(AuthStoreTest, NobodyBecomesAUserOnAPasswordOfThePast) {
  EXPECT_EQ(As("", "authenticate { name: 'root' token_prefix: 'abc' checked_revision: 1 }"),
            "etcdserver: authentication is not enabled");
  Enable();
  Must("user_add { name: 'cert' options { no_password: true } }");
  const std::string failed = "etcdserver: authentication failed, invalid user ID or password";
  const std::string now = std::to_string(auth().revision());
  EXPECT_EQ(As("", "authenticate { name: 'x' checked_revision: " + now + " }"), failed);
  EXPECT_EQ(As("", "authenticate { name: 'cert' checked_revision: " + now + " }"), failed);
  Must("user_change_password { name: 'root' hashedPassword: 'other' }");
  EXPECT_EQ(As("", "authenticate { name: 'root' token_prefix: 'a' checked_revision: " + now + " }"),
            kOld);
  EXPECT_THAT(tokens_, IsEmpty());
}

TEST_F(AuthStoreTest, TokensEndWithThePasswordTheUserAndAuth) {
  Enable();
  AddUser("u");
  Must("user_change_password { name: 'u' hashedPassword: 'other' }");
  ASSERT_EQ(tokens_.size(), 1u);
  EXPECT_EQ(tokens_[0].kind, TokenChange::Kind::kDropUser);
  EXPECT_EQ(tokens_[0].user, "u");
  Must("user_delete { name: 'u' }");
  ASSERT_EQ(tokens_.size(), 1u);
  EXPECT_EQ(tokens_[0].kind, TokenChange::Kind::kDropUser);
  Must("auth_disable {}");
  ASSERT_EQ(tokens_.size(), 1u);
  EXPECT_EQ(tokens_[0].kind, TokenChange::Kind::kDropAll);
}

// -------------------------------------------------------------------- what is checked at apply

class EnabledAuthTest : public AuthStoreTest {
 protected:
  EnabledAuthTest() {
    AddRole("r", {"key: 'a' range_end: 'c'", "key: 'w' range_end: 'x' permType: WRITE",
                  "key: 'b' range_end: 'd' permType: READWRITE"});
    AddUser("u", {"r"});
    AddUser("lonely");
    Enable();
  }
};

TEST_F(EnabledAuthTest, ChangesOfNobodyAreRefused) {
  EXPECT_EQ(As("", "put { key: 'b' }"), kNobody);
  EXPECT_EQ(As("", "delete_range { key: 'b' }"), kNobody);
  EXPECT_EQ(As("", "txn { success { request_put { key: 'b' } } }"), kNobody);
  EXPECT_EQ(As("", "txn {}"), kNobody);
  EXPECT_EQ(As("", "role_add { name: 'x' }"), kNobody);
  EXPECT_EQ(As("", "auth_disable {}"), kNobody);
  EXPECT_EQ(store_->revision(), Revision(1));
}

TEST_F(EnabledAuthTest, KeysMustBeGranted) {
  EXPECT_EQ(As("u", "put { key: 'b' value: '1' }"), kOk);
  EXPECT_EQ(As("u", "put { key: 'a' }"), kDenied) << "read only";
  EXPECT_EQ(As("u", "put { key: 'w1' }"), kOk);
  EXPECT_EQ(As("u", "put { key: 'w1' prev_kv: true }"), kDenied) << "which it may not read";
  EXPECT_EQ(As("u", "put { key: 'b' prev_kv: true }"), kOk);
  EXPECT_EQ(As("u", "delete_range { key: 'b' range_end: 'd' prev_kv: true }"), kOk);
  EXPECT_EQ(As("u", "delete_range { key: 'w' range_end: 'x' }"), kOk);
  EXPECT_EQ(As("u", "delete_range { key: 'w' range_end: 'x' prev_kv: true }"), kDenied);
  EXPECT_EQ(As("u", "delete_range { key: 'b' range_end: 'e' }"), kDenied);
  EXPECT_EQ(As("lonely", "put { key: 'b' }"), kDenied);
  EXPECT_EQ(As("stranger", "put { key: 'b' }"), kDenied);
  EXPECT_EQ(As("root", "put { key: 'z' }"), kOk);
}

TEST_F(EnabledAuthTest, ATransactionNeedsAllThatItMightDo) {
  const std::string put = "success { request_put { key: 'b' } }";
  EXPECT_EQ(As("u", "txn { compare { key: 'a' } " + put + " }"), kOk);
  EXPECT_EQ(As("u", "txn { compare { key: 'w1' } " + put + " }"), kDenied);
  EXPECT_EQ(As("u", "txn { compare { key: 'a' range_end: 'e' } " + put + " }"), kDenied);
  EXPECT_EQ(As("u", "txn { " + put + " failure { request_put { key: 'a' } } }"), kDenied)
      << "the branch that is not taken counts";
  EXPECT_EQ(As("u", "txn { " + put + " failure { request_range { key: 'w' } } }"), kDenied);
  EXPECT_EQ(As("u", "txn { " + put + " success { request_delete_range { key: 'a' } } }"), kDenied);
  EXPECT_EQ(As("u", "txn { success { request_put { key: 'w1' prev_kv: true } } }"), kDenied);
  EXPECT_EQ(As("u", "txn { success { request_txn { " + put + " } } }"), kOk);
  EXPECT_EQ(As("u",
               "txn { success { request_txn { failure { request_txn { compare { key: 'x' } "
               "} } } } }"),
            kDenied)
      << "however deep";
}

TEST_F(EnabledAuthTest, WhatWasAskedAsOfAnOlderRevisionIsRefused) {
  const uint64_t before = auth().revision();
  AddRole("other");
  EXPECT_EQ(AsOf("u", before, "put { key: 'b' }"), kOld);
  EXPECT_EQ(AsOf("root", before, "put { key: 'b' }"), kOld);
  EXPECT_EQ(As("u", "put { key: 'b' }"), kOk);
  EXPECT_EQ(AsOf("root", before, "role_add { name: 'x' }"), kOk) << "as etcd: who is root is asked";
}

TEST_F(EnabledAuthTest, AChangeOfARoleCountsAtOnce) {
  EXPECT_EQ(As("u", "put { key: 'b' }"), kOk);
  Must("role_revoke_permission { role: 'r' key: 'b' range_end: 'd' }");
  EXPECT_EQ(As("u", "put { key: 'b' }"), kDenied);
  EXPECT_EQ(Read("u", "key: 'b'"), kOk);
  Must("user_revoke_role { name: 'u' role: 'r' }");
  EXPECT_EQ(Read("u", "key: 'b'"), kDenied);
  Must("user_grant_role { user: 'u' role: 'root' }");
  EXPECT_EQ(As("u", "put { key: 'zzz' }"), kOk);
}

TEST_F(EnabledAuthTest, ManagementIsForRoot) {
  for (const char* op :
       {"auth_enable {}", "auth_disable {}", "user_add { name: 'x' }", "user_delete { name: 'u' }",
        "user_change_password { name: 'u' }", "user_grant_role { user: 'u' role: 'root' }",
        "user_revoke_role { name: 'u' role: 'r' }", "role_add { name: 'x' }",
        "role_delete { role: 'r' }", "role_grant_permission { name: 'r' perm { key: 'z' } }",
        "role_revoke_permission { role: 'r' key: 'a' range_end: 'c' }"}) {
    EXPECT_EQ(As("u", op), kDenied) << op;
    EXPECT_EQ(Propose("u", op), kDenied) << op;
    EXPECT_EQ(Propose("", op), kNobody) << op;
    EXPECT_EQ(Propose("root", op), kOk) << op;
  }
  EXPECT_EQ(auth().FindUser("x"), nullptr);
}

TEST_F(EnabledAuthTest, ALeaseIsOfWhoMayWriteAllItsKeys) {
  ASSERT_EQ(As("u", "lease_grant { ID: 7 TTL: 100 }"), kOk);
  ASSERT_EQ(As("u", "put { key: 'b' lease: 7 }"), kOk);
  ASSERT_EQ(As("root", "put { key: 'secret' lease: 7 }"), kOk);
  EXPECT_EQ(As("u", "put { key: 'b1' lease: 7 }"), kDenied) << "it could not revoke it";
  EXPECT_EQ(As("u", "txn { success { request_put { key: 'b1' lease: 7 } } }"), kDenied);
  EXPECT_EQ(As("u", "lease_revoke { ids: 7 }"), kDenied);
  EXPECT_EQ(As("", "lease_revoke { ids: 7 }"), kNobody);
  EXPECT_TRUE(store_->FindLease(LeaseId(7)));
  EXPECT_EQ(As("root", "lease_revoke { ids: 7 }"), kOk);
  EXPECT_EQ(As("u", "lease_revoke { ids: 8 }"), "etcdserver: requested lease not found");
}

TEST_F(EnabledAuthTest, LeasesExpireAndMembersSpeakForThemselves) {
  ASSERT_EQ(As("root", "lease_grant { ID: 7 TTL: 100 }"), kOk);
  ASSERT_EQ(As("root", "put { key: 'secret' lease: 7 }"), kOk);
  EXPECT_EQ(As("", "lease_revoke { ids: 7 leader_term: 1 }"), kOk);
  EXPECT_FALSE(store_->FindLease(LeaseId(7)));
  EXPECT_EQ(As("", "alarm { action: ACTIVATE memberID: 1 alarm: NOSPACE }"), kOk);
  EXPECT_EQ(As("", "member_attributes { id: 1 name: 'm' }"), kOk);
  EXPECT_EQ(As("", "compaction { revision: 1 }"), kOk);
}

// ---------------------------------------------------------------------- what is checked before

TEST_F(EnabledAuthTest, ReadsNeedTheWholeRange) {
  EXPECT_EQ(Read("u", "key: 'a'"), kOk);
  EXPECT_EQ(Read("u", "key: 'a' range_end: 'd'"), kOk) << "of two grants that overlap";
  EXPECT_EQ(Read("u", "key: 'a' range_end: 'd1'"), kDenied);
  EXPECT_EQ(Read("u", "key: 'a' range_end: '\\0'"), kDenied);
  EXPECT_EQ(Read("u", "key: 'w1'"), kDenied);
  EXPECT_EQ(Read("", "key: 'a'"), kNobody);
  EXPECT_EQ(Read("root", "key: '\\0' range_end: '\\0'"), kOk);
}

TEST_F(EnabledAuthTest, AWatchNeedsTheWholeRangeAlsoWhenItNamesNone) {
  using Watch = etcdserverpb::WatchCreateRequest;
  EXPECT_EQ(Ask<Watch>("u", "key: 'a' range_end: 'd'"), kOk);
  EXPECT_EQ(Ask<Watch>("u", "key: 'a' range_end: '\\0'"), kDenied);
  EXPECT_EQ(Ask<Watch>("u", "range_end: '\\0'"), kDenied);
  EXPECT_EQ(Ask<Watch>("u", ""), kDenied);
  EXPECT_EQ(Ask<Watch>("root", "range_end: '\\0'"), kOk);
}

TEST_F(EnabledAuthTest, WhatClientsAskOfTheClusterIsCheckedBeforeItIsProposed) {
  EXPECT_EQ(Propose("u", "compaction { revision: 1 }"), kDenied);
  EXPECT_EQ(Propose("root", "compaction { revision: 1 }"), kOk);
  EXPECT_EQ(Propose("u", "alarm { action: GET }"), kOk);
  EXPECT_EQ(Propose("", "alarm { action: GET }"), kNobody);
  EXPECT_EQ(Propose("u", "alarm { action: ACTIVATE alarm: NOSPACE }"), kDenied);
  EXPECT_EQ(Propose("u", "alarm { action: DEACTIVATE alarm: NOSPACE }"), kDenied);
  EXPECT_EQ(Propose("u", "lease_grant { TTL: 10 }"), kOk);
  EXPECT_EQ(Propose("", "lease_grant { TTL: 10 }"), kNobody);
  EXPECT_EQ(Propose("u", "member_attributes { id: 1 }"), kDenied);
  EXPECT_EQ(Propose("", "authenticate { name: 'u' }"), kOk);
  EXPECT_EQ(Propose("u", "put { key: 'a' }"), kDenied);
}

TEST_F(AuthStoreTest, EverythingPassesWhileAuthIsOff) {
  EXPECT_EQ(As("", "put { key: 'a' }"), kOk);
  EXPECT_EQ(Read("", "key: 'a'"), kOk);
  EXPECT_EQ(Propose("", "compaction { revision: 1 }"), kOk);
  EXPECT_EQ(AsOf("whoever", 1, "put { key: 'a' }"), kOk);
}

}  // namespace
}  // namespace keelson::server
