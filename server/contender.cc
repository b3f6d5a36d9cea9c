#include "server/contender.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/planted_bug.h"
#include "proto/keelson/command.pb.h"
#include "server/auth/request_checks.h"
#include "server/errors.h"
#include "server/kv_checks.h"
#include "server/request_cost.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using etcdserverpb::RangeRequest;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using proto::Command;

constexpr int64_t kLeaseTtl = 60;  // seconds; of a client that brings no lease (etcd's)

RequestOp RangeOp(RangeRequest range) {
  RequestOp op;
  *op.mutable_request_range() = std::move(range);
  return op;
}

// As Go writes it: a negative number has a sign.
std::string LeaseInHex(int64_t lease) {
  const auto bits = static_cast<uint64_t>(lease);
  return lease < 0 ? absl::StrCat("-", absl::Hex(uint64_t{0} - bits))
                   : absl::StrCat(absl::Hex(bits));
}

// A contender may wait for long, and what it writes then is checked against what its user may by
// then.
Caller AsOfNow(const MemberCore& core, Caller caller) {
  if (caller.known()) caller.auth_revision = core.auth().revision();
  return caller;
}

RangeRequest OneKey(const std::string& key) {
  RangeRequest range;
  range.set_key(key);
  return range;
}

}  // namespace

std::string ContenderPrefix(const std::string& name) { return absl::StrCat(name, "/"); }

etcdserverpb::Compare HoldsKey(const std::string& key, Revision revision) {
  etcdserverpb::Compare compare;
  compare.set_key(key);
  compare.set_target(etcdserverpb::Compare::CREATE);
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_create_revision(revision.value());
  return compare;
}

RangeRequest OldestUnder(const std::string& prefix) {
  RangeRequest range;
  range.set_key(prefix);
  // A prefix ends with '/', which has a successor.
  std::string end = prefix;
  ++end.back();
  range.set_range_end(end);
  range.set_sort_target(RangeRequest::CREATE);
  range.set_sort_order(RangeRequest::ASCEND);
  range.set_limit(1);
  return range;
}

TxnRequest WhileHolding(const std::string& key, Revision revision, RequestOp operation) {
  TxnRequest txn;
  *txn.add_compare() = HoldsKey(key, revision);
  *txn.add_success() = std::move(operation);
  return txn;
}

absl::Status AsRecipeError(const absl::Status& status) {
  return absl::StartsWith(status.message(), "etcdserver: ") ? absl::UnknownError(status.message())
                                                            : status;
}

void SubmitTxn(MemberCore* core, const Caller& caller, const TxnRequest& request,
               WriteDone<TxnResponse> done) {
  // Of the server's own making: --max-txn-ops is for clients.
  absl::Status status = CheckTxn(request, std::numeric_limits<int>::max());
  const Caller now = AsOfNow(*core, caller);
  if (status.ok() && core->auth().enabled()) {
    status = CheckPermission(core->auth_view(), now, request);
  }
  if (!status.ok()) return done(status);
  core->SubmitGrowth(Command::kTxnFieldNumber, request.SerializeAsString(), now, TxnCost(request),
                     [core, done = std::move(done)](const Answer& answer) mutable {
                       if (!answer.status.ok()) return done(answer.status);
                       TxnResponse response;
                       if (!response.ParseFromString(answer.body)) return done(ErrMalformed());
                       Header header = core->header();
                       header.revision = answer.revision;
                       FillHeader(header, response.mutable_header());
                       done(std::move(response));
                     });
}

void LeaseFor(MemberCore* core, const Caller& caller, int64_t lease,
              absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done) {
  if (lease != 0) return done(lease);
  etcdserverpb::LeaseGrantRequest request;
  request.set_id(NewLeaseId(core));
  request.set_ttl(std::max(kLeaseTtl, core->options().lease_ttl_min()));
  core->SubmitGrowth(Command::kLeaseGrantFieldNumber, request.SerializeAsString(),
                     AsOfNow(*core, caller), kLeaseGrantCost,
                     [id = request.id(), done = std::move(done)](const Answer& answer) mutable {
                       if (!answer.status.ok()) return done(answer.status);
                       done(id);
                     });
}

Contender::Contender(MemberCore* core, Options options)
    : core_(core),
      options_(std::move(options)),
      prefix_(ContenderPrefix(options_.name)),
      key_(absl::StrCat(prefix_, LeaseInHex(options_.lease))) {}

void Contender::Start(Done done) {
  done_ = std::move(done);
  // Its place in the line tells of the keys before it.
  if (core_->auth().enabled()) {
    const absl::Status status =
        CheckPermission(core_->auth_view(), options_.caller, OldestUnder(prefix_));
    if (!status.ok()) return Finish(status);
  }
  Enter();
}

// -------------------------------------------------------------------------------------------
// into the line

void Contender::Enter() {
  TxnRequest txn = WhileHolding(key_, Revision(), RequestOp());
  etcdserverpb::PutRequest& put = *txn.mutable_success(0)->mutable_request_put();
  put.set_key(key_);
  put.set_value(options_.value);
  put.set_lease(options_.lease);
  *txn.add_failure() = RangeOp(OneKey(key_));
  SubmitTxn(core_, options_.caller, txn,
            [self = shared_from_this()](absl::StatusOr<TxnResponse> response) {
              self->OnEntered(std::move(response));
            });
}

void Contender::OnEntered(absl::StatusOr<TxnResponse> response) {
  if (!response.ok()) return Finish(response.status());
  entered_ = response->header();
  made_key_ = response->succeeded();
  if (made_key_) {
    revision_ = Revision(entered_.revision());
    if (withdrawn_) return DeleteKey();
    return Wait();
  }
  if (withdrawn_) return;
  const auto& found = response->responses(0).response_range().kvs();
  revision_ = Revision(found.at(0).create_revision());
  if (options_.replace_value && found.at(0).value() != options_.value) return ReplaceValue();
  Wait();
}

void Contender::ReplaceValue() {
  RequestOp op;
  op.mutable_request_put()->set_key(key_);
  op.mutable_request_put()->set_value(options_.value);
  op.mutable_request_put()->set_lease(options_.lease);
  SubmitTxn(core_, options_.caller, WhileHolding(key_, revision_, std::move(op)),
            [self = shared_from_this()](const absl::StatusOr<TxnResponse>& response) {
              if (response.ok() && response->succeeded()) return self->Wait();
              self->DeleteKey();
              self->Finish(response.ok() ? self->options_.lost : response.status());
            });
}

// -------------------------------------------------------------------------------------------
// in the line

// This member has applied the own key, and so all that are before it; they can only go. What it has
// is enough to wait by; whether the key is still there in the end is asked of all.
void Contender::Wait() {
  before_.reset();
  own_.reset();
  if (withdrawn_ || !done_) return;
  const Revision now = core_->store().revision();
  const absl::StatusOr<bool> there = IsInLine();
  if (!there.ok()) return Finish(there.status());
  if (!*there && !KV_PLANTED("lock-granted-without-key")) return Finish(options_.lost);
  storage::RangeQuery query;
  const RangeRequest range = OldestUnder(prefix_);
  query.range = storage::KeyRange::FromWire(range.key(), range.range_end());
  query.limit = 1;
  query.order = storage::SortOrder::kDescend;
  query.target = storage::SortTarget::kCreate;
  query.max_create = revision_ - 1;
  query.keys_only = true;
  mvccpb::KeyValue before;
  const auto summary = core_->store().Range(query, [&before](std::string_view kv) {
    before.ParseFromArray(kv.data(), static_cast<int>(kv.size()));
  });
  if (!summary.ok()) return Finish(FromStorage(summary.status()));
  if (before.key().empty()) return OnMyTurn();
  before_ = WaitForDeletion(before.key(), now);
  own_ = WaitForDeletion(key_, now);
}

absl::StatusOr<bool> Contender::IsInLine() const {
  const auto found = core_->store().Find(key_, Revision());
  if (!found.ok()) return FromStorage(found.status());
  return *found && (*found)->create_revision == revision_;
}

// Or until what is to be watched is compacted: in any case it is looked at again.
std::unique_ptr<CoreWatch> Contender::WaitForDeletion(const std::string& key, Revision after) {
  etcdserverpb::WatchCreateRequest request;
  request.set_key(key);
  request.set_start_revision(after.value() + 1);
  request.add_filters(etcdserverpb::WatchCreateRequest::NOPUT);
  return std::make_unique<CoreWatch>(
      core_, request, [weak = weak_from_this()](const etcdserverpb::WatchResponse& response) {
        const auto self = weak.lock();
        if (!self || (response.events().empty() && !response.canceled())) return;
        if (!KV_PLANTED("lock-queue-jumped")) return self->Wait();
        self->before_.reset();
        self->own_.reset();
        self->OnMyTurn();
      });
}

void Contender::OnMyTurn() {
  core_->AwaitLinearizable([self = shared_from_this()](const absl::Status& status) {
    if (self->withdrawn_ || !self->done_) return;
    if (!status.ok()) {
      self->DeleteKey();
      return self->Finish(status);
    }
    const absl::StatusOr<bool> there = self->IsInLine();
    if (!there.ok()) return self->Finish(there.status());
    if (!*there && !KV_PLANTED("lock-granted-without-key")) {
      return self->Finish(self->options_.lost);
    }
    Won won{self->key_, self->revision_, self->entered_, {}};
    FillHeader(self->core_->header(), &won.won);
    self->Finish(std::move(won));
  });
}

// -------------------------------------------------------------------------------------------
// out of it

void Contender::Finish(absl::StatusOr<Won> result) {
  before_.reset();
  own_.reset();
  if (done_) std::exchange(done_, nullptr)(std::move(result));
}

// While the entry is under way nobody knows what becomes of it: OnEntered deletes the key then, if
// it is this contender's own. One that waits deletes it in any case, as etcd does.
void Contender::Withdraw() {
  if (withdrawn_ || !done_) return;
  withdrawn_ = true;
  done_ = nullptr;
  before_.reset();
  own_.reset();
  if (revision_) DeleteKey();
}

void Contender::DeleteKey() {
  RequestOp op;
  op.mutable_request_delete_range()->set_key(key_);
  // If it is lost the lease ends the key.
  SubmitTxn(core_, options_.caller, WhileHolding(key_, revision_, std::move(op)),
            [](const absl::StatusOr<TxnResponse>&) {});
}

}  // namespace keelson::server
