// The Auth service. Changes of users, roles and permissions are commands; what is asked about them
// is a linearizable read. Passwords never get into the log: they are hashed before anything is
// proposed, and compared before a token is, both on the worker.
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/auth/bcrypt.h"
#include "server/auth/simple_tokens.h"
#include "server/errors.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using proto::Command;
using rpc::Call;

// Cleared when the call is cancelled, so that nothing is computed for nobody.
Worker::Wanted WantedBy(Call& call) {
  auto wanted = std::make_shared<std::atomic<bool>>(true);
  call.OnCancel([wanted] { wanted->store(false, std::memory_order_relaxed); });
  return wanted;
}

// --------------------------------------------------------------------------------------------
// tokens

// One Authenticate call: the password is compared with what this member knows of the user, as of an
// auth revision that the command carries. If users have changed until it is applied, it is compared
// again.
class Authentication final : public std::enable_shared_from_this<Authentication> {
 public:
  Authentication(MemberCore* core, AuthServiceOptions options, std::shared_ptr<Call> call,
                 etcdserverpb::AuthenticateRequest request)
      : core_(core),
        options_(options),
        call_(std::move(call)),
        request_(std::move(request)),
        wanted_(WantedBy(*call_)) {}

  void Begin() {
    core_->AwaitLinearizable([self = shared_from_this()](absl::Status status) {
      if (!status.ok()) return self->call_->Finish(status);
      self->Compare();
    });
  }

 private:
  void Compare() {
    if (call_->cancelled()) return;
    const AuthStore& auth = core_->auth();
    if (!auth.enabled()) return call_->Finish(ErrAuthNotEnabled());
    const AuthUser* const user = auth.FindUser(request_.name());
    if (user == nullptr) return call_->Finish(ErrAuthFailed());
    if (user->no_password) return call_->Finish(ErrNoPasswordUser());
    checked_revision_ = auth.revision();
    const auto compare = [password = request_.password(), hash = user->password_hash] {
      return PasswordMatches(password, hash) ? Worker::Result("") : ErrAuthFailed();
    };
    Compute(compare, [self = shared_from_this()](const std::string&) { self->Propose(); });
  }

  void Propose() {
    proto::Authenticate command;
    command.set_name(request_.name());
    command.set_checked_revision(checked_revision_);
    if (options_.jwt == nullptr)
      command.set_token_prefix(SimpleTokens::NewPrefix(options_.secrets));
    core_->Submit(Command::kAuthenticateFieldNumber, command.SerializeAsString(),
                  [self = shared_from_this()](Answer answer) { self->OnAnswer(answer); });
  }

  void OnAnswer(const Answer& answer) {
    if (answer.status == ErrAuthOldRevision()) return Compare();
    if (!answer.status.ok()) return call_->Finish(answer.status);
    header_ = core_->header();
    header_.revision = answer.revision;
    if (options_.jwt == nullptr) {
      return Reply(*call_, absl::OkStatus(), WithHeader(header_, answer.body));
    }
    if (!options_.jwt->can_sign()) return call_->Finish(ErrTokenVerifyOnly());
    const auto sign = [jwt = options_.jwt, user = request_.name(), revision = checked_revision_] {
      return jwt->Sign(user, revision);
    };
    Compute(sign, [self = shared_from_this()](std::string token) {
      etcdserverpb::AuthenticateResponse response;
      FillHeader(self->header_, response.mutable_header());
      response.set_token(std::move(token));
      ReplyMessage(*self->call_, response);
    });
  }

  // `then` gets the result of `work`; the call ends with its error.
  void Compute(Worker::Work work, absl::AnyInvocable<void(std::string)> then) {
    const bool taken = options_.worker->Run(
        wanted_, std::move(work),
        [self = shared_from_this(), then = std::move(then)](Worker::Result result) mutable {
          if (!result.ok()) return self->call_->Finish(result.status());
          then(*std::move(result));
        });
    if (!taken) call_->Finish(ErrTooManyRequests());
  }

  MemberCore* const core_;
  const AuthServiceOptions options_;
  const std::shared_ptr<Call> call_;
  const etcdserverpb::AuthenticateRequest request_;
  const Worker::Wanted wanted_;
  uint64_t checked_revision_ = 0;
  Header header_;
};

// -------------------------------------------------------------------------------------------
// changes

// Requests with a password: `request` goes into the log with its hash in the place of it.
template <typename Request>
void SubmitHashed(MemberCore* core, const AuthServiceOptions& options, std::shared_ptr<Call> call,
                  int op_field, Request request) {
  const auto check = [core](const Caller& caller) { return core->auth().CheckRoot(caller); };
  Authorize(core, call, check, [=](const absl::StatusOr<Caller>& caller) mutable {
    if (!caller.ok()) return call->Finish(caller.status());
    if (call->cancelled()) return;
    const std::string password = request.password();
    request.clear_password();
    const bool taken = options.worker->Run(
        WantedBy(*call),
        [password, options] {
          return HashPassword(password, options.bcrypt_cost, options.secrets);
        },
        [=](Worker::Result hash) mutable {
          if (!hash.ok()) return call->Finish(hash.status());
          request.set_hashedpassword(*std::move(hash));
          SubmitForCall(core, call, op_field, request.SerializeAsString());
        });
    if (!taken) call->Finish(ErrTooManyRequests());
  });
}

void UserAdd(MemberCore* core, const AuthServiceOptions& options, std::shared_ptr<Call> call,
             const SharedBytes& bytes) {
  etcdserverpb::AuthUserAddRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  request.clear_hashedpassword();  // it is ours to make, as in etcd
  if (!request.options().no_password()) {
    return SubmitHashed(core, options, std::move(call), Command::kUserAddFieldNumber,
                        std::move(request));
  }
  request.clear_password();
  SubmitForCall(core, std::move(call), Command::kUserAddFieldNumber, request.SerializeAsString());
}

void UserChangePassword(MemberCore* core, const AuthServiceOptions& options,
                        std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthUserChangePasswordRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  SubmitHashed(core, options, std::move(call), Command::kUserChangePasswordFieldNumber,
               std::move(request));
}

template <typename Request, int kOpField>
void Change(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  Request request;
  if (!ParseRequest(*call, bytes, request)) return;
  SubmitForCall(core, std::move(call), kOpField, bytes.view());
}

// ------------------------------------------------------------------------------------------
// questions

// Runs `answer` with who asks, once a read is linearizable.
void Ask(MemberCore* core, std::shared_ptr<Call> call,
         absl::AnyInvocable<void(Call&, const Caller&)> answer) {
  core->AwaitLinearizable(
      [core, call = std::move(call), answer = std::move(answer)](absl::Status status) mutable {
        if (call->cancelled()) return;
        if (!status.ok()) return call->Finish(status);
        const absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
        if (!caller.ok()) return call->Finish(caller.status());
        answer(*call, *caller);
      });
}

void AuthStatus(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthStatusRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  // Anybody may ask, with a token that is not good any more too.
  core->AwaitLinearizable([core, call = std::move(call)](absl::Status status) {
    if (!status.ok()) return call->Finish(status);
    etcdserverpb::AuthStatusResponse response;
    FillHeader(core->header(), response.mutable_header());
    response.set_enabled(core->auth().enabled());
    response.set_authrevision(core->auth().revision());
    ReplyMessage(*call, response);
  });
}

void UserGet(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthUserGetRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  Ask(core, std::move(call), [core, request](Call& c, const Caller& caller) {
    const absl::Status root = core->auth().CheckRoot(caller);
    if (!root.ok() && !(caller.known() && caller.user == request.name())) return c.Finish(root);
    const AuthUser* const user = core->auth().FindUser(request.name());
    if (user == nullptr) return c.Finish(ErrUserNotFound());
    etcdserverpb::AuthUserGetResponse response;
    FillHeader(core->header(), response.mutable_header());
    for (const std::string& role : user->roles) response.add_roles(role);
    ReplyMessage(c, response);
  });
}

void UserList(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthUserListRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  Ask(core, std::move(call), [core](Call& c, const Caller& caller) {
    if (absl::Status root = core->auth().CheckRoot(caller); !root.ok()) return c.Finish(root);
    etcdserverpb::AuthUserListResponse response;
    FillHeader(core->header(), response.mutable_header());
    for (std::string& name : core->auth().UserNames()) response.add_users(std::move(name));
    ReplyMessage(c, response);
  });
}

void RoleList(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthRoleListRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  Ask(core, std::move(call), [core](Call& c, const Caller& caller) {
    if (absl::Status root = core->auth().CheckRoot(caller); !root.ok()) return c.Finish(root);
    etcdserverpb::AuthRoleListResponse response;
    FillHeader(core->header(), response.mutable_header());
    for (std::string& name : core->auth().RoleNames()) response.add_roles(std::move(name));
    ReplyMessage(c, response);
  });
}

void FillPermission(const Permission& permission, authpb::Permission* out) {
  out->set_permtype(static_cast<authpb::Permission::Type>(permission.access));
  out->set_key(permission.key);
  out->set_range_end(permission.range_end);
}

void RoleGet(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AuthRoleGetRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  Ask(core, std::move(call), [core, request](Call& c, const Caller& caller) {
    const AuthStore& auth = core->auth();
    const absl::Status root = auth.CheckRoot(caller);
    if (!root.ok() && !auth.HasRole(caller, request.role())) return c.Finish(root);
    const AuthRole* const role = auth.FindRole(request.role());
    if (role == nullptr) return c.Finish(ErrRoleNotFound());
    etcdserverpb::AuthRoleGetResponse response;
    FillHeader(core->header(), response.mutable_header());
    if (request.role() == kRootRole) {
      const Permission everything{Access::kReadWrite, "", std::string(1, '\0')};
      FillPermission(everything, response.add_perm());
    } else {
      for (const Permission& granted : role->permissions) {
        FillPermission(granted, response.add_perm());
      }
    }
    ReplyMessage(c, response);
  });
}

}  // namespace

void RegisterAuth(MemberCore* core, AuthServiceOptions options, rpc::RpcServer* server) {
  const auto add = [server](const char* name, rpc::UnaryHandler handler) {
    server->RegisterUnary(std::string("/etcdserverpb.Auth/") + name, std::move(handler));
  };
  add("Authenticate", [core, options](std::shared_ptr<Call> call, const SharedBytes& bytes) {
    etcdserverpb::AuthenticateRequest request;
    if (!ParseRequest(*call, bytes, request)) return;
    std::make_shared<Authentication>(core, options, std::move(call), std::move(request))->Begin();
  });
  add("UserAdd", [core, options](std::shared_ptr<Call> call, const SharedBytes& bytes) {
    UserAdd(core, options, std::move(call), bytes);
  });
  add("UserChangePassword", [core, options](std::shared_ptr<Call> call, const SharedBytes& bytes) {
    UserChangePassword(core, options, std::move(call), bytes);
  });
  add("AuthStatus", BindUnary<AuthStatus>(core));
  add("UserGet", BindUnary<UserGet>(core));
  add("UserList", BindUnary<UserList>(core));
  add("RoleGet", BindUnary<RoleGet>(core));
  add("RoleList", BindUnary<RoleList>(core));
  using namespace etcdserverpb;  // NOLINT: eight names of one kind
  add("AuthEnable", BindUnary<Change<AuthEnableRequest, Command::kAuthEnableFieldNumber>>(core));
  add("AuthDisable", BindUnary<Change<AuthDisableRequest, Command::kAuthDisableFieldNumber>>(core));
  add("UserDelete",
      BindUnary<Change<AuthUserDeleteRequest, Command::kUserDeleteFieldNumber>>(core));
  add("UserGrantRole",
      BindUnary<Change<AuthUserGrantRoleRequest, Command::kUserGrantRoleFieldNumber>>(core));
  add("UserRevokeRole",
      BindUnary<Change<AuthUserRevokeRoleRequest, Command::kUserRevokeRoleFieldNumber>>(core));
  add("RoleAdd", BindUnary<Change<AuthRoleAddRequest, Command::kRoleAddFieldNumber>>(core));
  add("RoleDelete",
      BindUnary<Change<AuthRoleDeleteRequest, Command::kRoleDeleteFieldNumber>>(core));
  add("RoleGrantPermission",
      BindUnary<Change<AuthRoleGrantPermissionRequest, Command::kRoleGrantPermissionFieldNumber>>(
          core));
  add("RoleRevokePermission",
      BindUnary<Change<AuthRoleRevokePermissionRequest, Command::kRoleRevokePermissionFieldNumber>>(
          core));
}

}  // namespace keelson::server
