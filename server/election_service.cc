// v3electionpb.Election: elections held on clients' behalf, by the recipe of server/contender.h.
#include <utility>

#include "proto/etcd/election.pb.h"
#include "server/contender.h"
#include "server/errors.h"
#include "server/kv_executor.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using etcdserverpb::TxnResponse;
using rpc::Call;
using v3electionpb::LeaderKey;
using v3electionpb::LeaderRequest;
using v3electionpb::LeaderResponse;

// Above this the observer waits for its client to read.
constexpr size_t kQueuedBytesMax = 1 << 20;

absl::Status ErrNotElected() { return absl::UnknownError("election: not leader"); }
absl::Status ErrNobodyElected() { return absl::UnknownError("election: no leader"); }
absl::Status ErrNoLeaderKey() { return absl::UnknownError("\"leader\" field must be provided"); }

// -------------------------------------------------------------------------------------------
// campaign

void Contend(MemberCore* core, const std::shared_ptr<Call>& call,
             const v3electionpb::CampaignRequest& request, const Caller& caller, int64_t lease) {
  const auto contender =
      std::make_shared<Contender>(core, Contender::Options{.name = request.name(),
                                                           .lease = lease,
                                                           .value = request.value(),
                                                           .caller = caller,
                                                           .replace_value = true,
                                                           .lost = ErrNotElected()});
  // The call keeps the contender, until it is finished; the contender does not keep the call.
  call->OnCancel([contender] { contender->Withdraw(); });
  if (call->cancelled()) return;
  contender->Start([weak = std::weak_ptr<Call>(call), name = request.name(),
                    lease](absl::StatusOr<Contender::Won> won) {
    const auto asked = weak.lock();
    if (!asked) return;
    if (!won.ok()) return asked->Finish(AsRecipeError(won.status()));
    v3electionpb::CampaignResponse response;
    *response.mutable_header() = won->entered;
    response.mutable_leader()->set_name(name);
    response.mutable_leader()->set_key(won->key);
    response.mutable_leader()->set_rev(won->create_revision.value());
    response.mutable_leader()->set_lease(lease);
    ReplyMessage(*asked, response);
  });
}

void Campaign(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  v3electionpb::CampaignRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
  if (!caller.ok()) return call->Finish(caller.status());
  LeaseFor(core, *caller, request.lease(),
           [core, call, request, caller = *caller](absl::StatusOr<int64_t> lease) {
             if (!lease.ok()) return call->Finish(AsRecipeError(lease.status()));
             Contend(core, call, request, caller, *lease);
           });
}

void Proclaim(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  v3electionpb::ProclaimRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (!request.has_leader()) return call->Finish(ErrNoLeaderKey());
  const absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
  if (!caller.ok()) return call->Finish(caller.status());
  LeaseFor(core, *caller, request.leader().lease(),
           [core, call, request, caller = *caller](absl::StatusOr<int64_t> lease) {
             if (!lease.ok()) return call->Finish(AsRecipeError(lease.status()));
             etcdserverpb::RequestOp op;
             op.mutable_request_put()->set_key(request.leader().key());
             op.mutable_request_put()->set_value(request.value());
             op.mutable_request_put()->set_lease(*lease);
             SubmitTxn(core, caller,
                       WhileHolding(request.leader().key(), Revision(request.leader().rev()),
                                    std::move(op)),
                       [call](const absl::StatusOr<TxnResponse>& answer) {
                         if (!answer.ok()) return call->Finish(AsRecipeError(answer.status()));
                         if (!answer->succeeded()) return call->Finish(ErrNotElected());
                         v3electionpb::ProclaimResponse response;
                         *response.mutable_header() = answer->header();
                         ReplyMessage(*call, response);
                       });
           });
}

// Of somebody who is not the leader it is no error (etcd).
void Resign(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  v3electionpb::ResignRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (!request.has_leader()) return call->Finish(ErrNoLeaderKey());
  etcdserverpb::RequestOp op;
  op.mutable_request_delete_range()->set_key(request.leader().key());
  const absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
  if (!caller.ok()) return call->Finish(caller.status());
  SubmitTxn(core, *caller,
            WhileHolding(request.leader().key(), Revision(request.leader().rev()), std::move(op)),
            [call](const absl::StatusOr<TxnResponse>& answer) {
              if (!answer.ok()) return call->Finish(AsRecipeError(answer.status()));
              v3electionpb::ResignResponse response;
              *response.mutable_header() = answer->header();
              ReplyMessage(*call, response);
            });
}

// -------------------------------------------------------------------------------------------
// leader, observe

// As this member has it now; without a key: nobody is elected.
absl::StatusOr<LeaderResponse> FindLeader(MemberCore* core, const std::string& name) {
  const auto body =
      KvExecutor(&core->store(), core->kv_counters()).Range(OldestUnder(ContenderPrefix(name)));
  if (!body.ok()) return body.status();
  etcdserverpb::RangeResponse found;
  if (!found.ParseFromString(*body)) return ErrMalformed();
  LeaderResponse response;
  FillHeader(core->header(), response.mutable_header());
  if (!found.kvs().empty()) *response.mutable_kv() = found.kvs(0);
  return response;
}

void Leader(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  LeaderRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  core->AwaitLinearizable([core, call = std::move(call), request](const absl::Status& status) {
    if (call->cancelled()) return;
    if (!status.ok()) return call->Finish(AsRecipeError(status));
    const auto allowed = CheckRead(core, *call, OldestUnder(ContenderPrefix(request.name())));
    if (!allowed.ok()) return call->Finish(AsRecipeError(allowed));
    const auto leader = FindLeader(core, request.name());
    if (!leader.ok()) return call->Finish(AsRecipeError(leader.status()));
    if (!leader->has_kv()) return call->Finish(ErrNobodyElected());
    ReplyMessage(*call, *leader);
  });
}

// Tells its client who leads, what that one proclaims, and who leads next.
class Observer final : public rpc::StreamReceiver {
 public:
  Observer(MemberCore* core, std::shared_ptr<Call> call, std::string name)
      : core_(core),
        call_(std::move(call)),
        prefix_(ContenderPrefix(name)),
        name_(std::move(name)) {}

  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override { watch_.reset(); }
  void OnWritable() override {
    if (watch_) watch_->OnWritable();
  }

  void Begin() {
    const auto allowed = CheckRead(core_, *call_, OldestUnder(prefix_));
    if (!allowed.ok()) return call_->Finish(AsRecipeError(allowed));
    const auto leader = FindLeader(core_, name_);
    if (!leader.ok()) return call_->Finish(AsRecipeError(leader.status()));
    if (!leader->has_kv()) {
      return Watch(OldestUnder(prefix_), leader->header().revision() + 1, &Observer::OnCandidates);
    }
    Send(*leader);
    Follow(leader->kv(), leader->header().revision());
  }

 private:
  void Send(const LeaderResponse& response) {
    call_->Send(ByteChain(response.SerializeAsString()));
  }

  void Watch(const etcdserverpb::RangeRequest& range, int64_t start,
             void (Observer::*then)(const etcdserverpb::WatchResponse&)) {
    etcdserverpb::WatchCreateRequest request;
    request.set_key(range.key());
    request.set_range_end(range.range_end());
    request.set_start_revision(start);
    watch_ = std::make_unique<CoreWatch>(
        core_, request,
        [this, then](const etcdserverpb::WatchResponse& response) {
          // What it needs is compacted: begin anew with what is there.
          if (response.canceled()) return Begin();
          (this->*then)(response);
        },
        [this] { return call_->queued_bytes() < kQueuedBytesMax; });
  }

  // Nobody led; the first who comes does.
  void OnCandidates(const etcdserverpb::WatchResponse& response) {
    for (const mvccpb::Event& event : response.events()) {
      if (event.type() != mvccpb::Event::PUT) continue;
      LeaderResponse leader;
      *leader.mutable_header() = response.header();
      leader.mutable_header()->set_revision(event.kv().mod_revision());
      *leader.mutable_kv() = event.kv();
      Send(leader);
      return Follow(leader.kv(), event.kv().mod_revision());
    }
  }

  void Follow(const mvccpb::KeyValue& leader, int64_t revision) {
    etcdserverpb::RangeRequest key;
    key.set_key(leader.key());
    Watch(key, revision + 1, &Observer::OnLeaderChanged);
  }

  void OnLeaderChanged(const etcdserverpb::WatchResponse& response) {
    for (const mvccpb::Event& event : response.events()) {
      if (event.type() == mvccpb::Event::DELETE) return Begin();
      LeaderResponse leader;
      *leader.mutable_header() = response.header();
      *leader.mutable_kv() = event.kv();
      Send(leader);
    }
  }

  MemberCore* const core_;
  const std::shared_ptr<Call> call_;
  const std::string prefix_, name_;
  std::unique_ptr<CoreWatch> watch_;  // null once the call has ended
};

std::unique_ptr<rpc::StreamReceiver> Observe(MemberCore* core, std::shared_ptr<Call> call,
                                             const SharedBytes& bytes) {
  LeaderRequest request;
  if (!ParseRequest(*call, bytes, request)) return nullptr;
  auto observer = std::make_unique<Observer>(core, call, request.name());
  // The call owns the observer as long as it is not cancelled.
  core->AwaitLinearizable(
      [raw = observer.get(), call = std::move(call)](const absl::Status& status) {
        if (call->cancelled()) return;
        if (!status.ok()) return call->Finish(AsRecipeError(status));
        raw->Begin();
      });
  return observer;
}

}  // namespace

void RegisterElection(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/v3electionpb.Election/Campaign", BindUnary<Campaign>(core));
  server->RegisterUnary("/v3electionpb.Election/Proclaim", BindUnary<Proclaim>(core));
  server->RegisterUnary("/v3electionpb.Election/Leader", BindUnary<Leader>(core));
  server->RegisterUnary("/v3electionpb.Election/Resign", BindUnary<Resign>(core));
  server->RegisterServerStream("/v3electionpb.Election/Observe",
                               [core](std::shared_ptr<Call> call, SharedBytes request) {
                                 return Observe(core, std::move(call), request);
                               });
}

}  // namespace keelson::server
