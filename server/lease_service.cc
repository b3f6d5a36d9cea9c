#include <deque>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/errors.h"
#include "server/request_cost.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using rpc::Call;

// Renewals of one stream that wait for the leader's answer.
constexpr size_t kRenewalsMax = 100'000;

void Grant(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::LeaseGrantRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (request.id() == 0) request.set_id(NewLeaseId(core));
  // Raised here and not at apply, where members with other timeouts would disagree.
  request.set_ttl(std::max(request.ttl(), core->options().lease_ttl_min()));
  SubmitForCall(core, std::move(call), proto::Command::kLeaseGrantFieldNumber,
                request.SerializeAsString(), kLeaseGrantCost);
}

void Revoke(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::LeaseRevokeRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  proto::LeaseRevoke revoke;
  revoke.add_ids(request.id());
  SubmitForCall(core, std::move(call), proto::Command::kLeaseRevokeFieldNumber,
                revoke.SerializeAsString());
}

// What is read of a lease and its keys by whoever may read all of them.
absl::Status CheckLeaseRead(MemberCore* core, const Call& call, LeaseId id) {
  KV_ASSIGN_OR_RETURN(const Caller caller, core->auth_gate().Identify(call));
  KV_RETURN_IF_ERROR(core->auth().CheckUser(caller));
  return CheckLeaseKeys(core->auth_view(), caller, id, Access::kRead);
}

absl::Status CheckAnyUser(MemberCore* core, const Call& call) {
  KV_ASSIGN_OR_RETURN(const Caller caller, core->auth_gate().Identify(call));
  return core->auth().CheckUser(caller);
}

void TimeToLive(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::LeaseTimeToLiveRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const LeaseId id(request.id());
  // The leader knows the time; a linearizable read brings this member's state to what the leader
  // had.
  core->LeaseRemaining(id, [core, call = std::move(call), request](absl::StatusOr<int64_t> left) {
    if (call->cancelled()) return;
    if (!left.ok()) return call->Finish(left.status());
    core->AwaitLinearizable([core, call, request, left = *left](absl::Status status) {
      if (call->cancelled()) return;
      if (status.ok()) {
        status = request.keys() ? CheckLeaseRead(core, *call, LeaseId(request.id()))
                                : CheckAnyUser(core, *call);
      }
      if (!status.ok()) return call->Finish(status);
      etcdserverpb::LeaseTimeToLiveResponse response;
      FillHeader(core->header(), response.mutable_header());
      response.set_id(request.id());
      const auto lease = core->store().FindLease(LeaseId(request.id()));
      response.set_ttl(lease ? left : -1);
      if (lease) response.set_grantedttl(lease->granted_ttl);
      if (lease && request.keys()) {
        for (std::string& key : core->store().LeaseKeys(LeaseId(request.id()))) {
          response.add_keys(std::move(key));
        }
      }
      ReplyMessage(*call, response);
    });
  });
}

void Leases(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::LeaseLeasesRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckAnyUser(core, *call); !status.ok()) return call->Finish(status);
  etcdserverpb::LeaseLeasesResponse response;
  FillHeader(core->header(), response.mutable_header());
  for (const storage::LeaseRecord& lease : core->store().Leases()) {
    if (absl::Status status = CheckLeaseRead(core, *call, lease.id); !status.ok()) {
      return call->Finish(status);
    }
    response.add_leases()->set_id(lease.id.value());
  }
  ReplyMessage(*call, response);
}

// Renewals are answered in the order they came, as a client of one stream expects.
class KeepAliveReceiver final : public rpc::StreamReceiver {
 public:
  KeepAliveReceiver(MemberCore* core, std::shared_ptr<Call> call)
      : core_(core), call_(std::move(call)), self_(std::make_shared<KeepAliveReceiver*>(this)) {}

  void OnMessage(SharedBytes bytes) override {
    etcdserverpb::LeaseKeepAliveRequest request;
    if (!ParseRequest(*call_, bytes, request)) return;
    if (absl::Status status = CheckRenewal(LeaseId(request.id())); !status.ok()) {
      self_.reset();
      return call_->Finish(status);
    }
    if (answers_.size() >= kRenewalsMax) {
      self_.reset();
      return call_->Finish(ErrTooManyRequests());
    }
    const uint64_t number = first_ + answers_.size();
    answers_.emplace_back();
    // The header is built before the renewal: its revision is at most that of the renewal
    // (facts 4.1).
    etcdserverpb::LeaseKeepAliveResponse response;
    FillHeader(core_->header(), response.mutable_header());
    response.set_id(request.id());
    core_->RenewLease(LeaseId(request.id()),
                      [weak = std::weak_ptr<KeepAliveReceiver*>(self_), number,
                       response](absl::StatusOr<int64_t> ttl) mutable {
                        const auto self = weak.lock();
                        if (self) (*self)->OnRenewed(number, std::move(response), std::move(ttl));
                      });
  }
  void OnHalfClose() override {
    half_closed_ = true;
    MaybeFinish();
  }
  void OnCancel() override { self_.reset(); }

 private:
  absl::Status CheckRenewal(LeaseId id) {
    KV_ASSIGN_OR_RETURN(const Caller caller, core_->auth_gate().Identify(*call_));
    KV_RETURN_IF_ERROR(core_->auth().CheckUser(caller));
    return CheckLeaseKeys(core_->auth_view(), caller, id, Access::kWrite);
  }

  void OnRenewed(uint64_t number, etcdserverpb::LeaseKeepAliveResponse response,
                 absl::StatusOr<int64_t> ttl) {
    if (!ttl.ok()) {
      self_.reset();
      return call_->Finish(ttl.status());
    }
    response.set_ttl(*ttl);
    answers_[number - first_] = response.SerializeAsString();
    while (!answers_.empty() && answers_.front()) {
      std::string ready = *std::move(answers_.front());
      answers_.pop_front();
      ++first_;
      call_->Send(ByteChain(std::move(ready)));
    }
    MaybeFinish();
  }

  void MaybeFinish() {
    if (!half_closed_ || !answers_.empty() || !self_) return;
    self_.reset();
    call_->Finish(absl::OkStatus());
  }

  MemberCore* const core_;
  const std::shared_ptr<Call> call_;
  std::shared_ptr<KeepAliveReceiver*> self_;        // null once the call has ended
  std::deque<std::optional<std::string>> answers_;  // one for each renewal under way
  uint64_t first_ = 0;                              // number of answers_.front()
  bool half_closed_ = false;
};

}  // namespace

int64_t NewLeaseId(MemberCore* core) {
  while (true) {
    const auto id = static_cast<int64_t>(core->random().Next() >> 1);
    if (id != 0 && !core->store().FindLease(LeaseId(id))) return id;
  }
}

void RegisterLease(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/etcdserverpb.Lease/LeaseGrant", BindUnary<Grant>(core));
  server->RegisterUnary("/etcdserverpb.Lease/LeaseRevoke", BindUnary<Revoke>(core));
  server->RegisterUnary("/etcdserverpb.Lease/LeaseTimeToLive", BindUnary<TimeToLive>(core));
  server->RegisterUnary("/etcdserverpb.Lease/LeaseLeases", BindUnary<Leases>(core));
  server->RegisterBidi("/etcdserverpb.Lease/LeaseKeepAlive", [core](std::shared_ptr<Call> call) {
    return std::make_unique<KeepAliveReceiver>(core, std::move(call));
  });
}

}  // namespace keelson::server
