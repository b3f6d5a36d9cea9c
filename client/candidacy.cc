#include "client/candidacy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "client/core.h"
#include "client/errors.h"

namespace keelson::client {
namespace {

RangeRequest OneOf(const std::string& prefix, RangeRequest::SortOrder order) {
  RangeRequest range = PrefixRange(prefix);
  range.set_sort_target(RangeRequest::CREATE);
  range.set_sort_order(order);
  range.set_limit(1);
  return range;
}

// As Go writes it: a negative number has a sign.
std::string LeaseInHex(int64_t lease) {
  const auto bits = static_cast<uint64_t>(lease);
  return lease < 0 ? absl::StrCat("-", absl::Hex(uint64_t{0} - bits))
                   : absl::StrCat(absl::Hex(bits));
}

}  // namespace

Candidacy::Candidacy(Session& session, std::string_view name)
    : session_(session),
      prefix_(absl::StrCat(std::string(name), "/")),
      key_(absl::StrCat(prefix_, LeaseInHex(session.lease()))) {}

absl::StatusOr<bool> Candidacy::Enter(std::string_view value) {
  const RangeRequest first = OneOf(prefix_, RangeRequest::ASCEND);
  KV_ASSIGN_OR_RETURN(const etcdserverpb::TxnResponse response,
                      session_.client().kv().Txn(Txn()
                                                     .If(CreateRevision(key_) == 0)
                                                     .Then(PutOp(key_, value, session_.lease()))
                                                     .Then(GetOp(first))
                                                     .Else(GetOp(key_))
                                                     .Else(GetOp(first))
                                                     .Build()));
  if (response.responses_size() != 2) return absl::InternalError("a malformed answer to a txn");
  header_ = response.header();
  if (response.succeeded()) {
    create_revision_ = response.header().revision();
    value_ = std::string(value);
  } else {
    const auto& found = response.responses(0).response_range().kvs();
    if (found.empty()) return absl::InternalError("a malformed answer to a txn");
    create_revision_ = found.at(0).create_revision();
    value_ = found.at(0).value();
  }
  const auto& owner = response.responses(1).response_range().kvs();
  return owner.empty() || owner.at(0).create_revision() == create_revision_;
}

// Whoever waits looks only at the one just before it, so that one key that goes wakes one.
absl::Status Candidacy::AwaitTurn(absl::Duration timeout) {
  const Clock& clock = session_.client().core().clock();
  const absl::Duration give_up = clock.Now() + timeout;
  RangeRequest before = OneOf(prefix_, RangeRequest::DESCEND);
  before.set_max_create_revision(create_revision_ - 1);
  before.set_keys_only(true);
  while (true) {
    KV_RETURN_IF_ERROR(Interruption());
    KV_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse found,
                        session_.client().kv().Range(before));
    if (found.kvs().empty()) break;
    KV_RETURN_IF_ERROR(
        AwaitDeletion(found.kvs(0).key(), found.header().revision() + 1, give_up - clock.Now()));
  }
  // The session may have been lost meanwhile, whether this process has noticed or not.
  KV_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse own, session_.client().kv().Get(key_));
  if (own.kvs().empty() || own.kvs(0).create_revision() != create_revision_) {
    return absl::FailedPreconditionError("session is expired");
  }
  header_ = own.header();
  return absl::OkStatus();
}

absl::Status Candidacy::AwaitDeletion(const std::string& key, int64_t start_revision,
                                      absl::Duration timeout) {
  WatchRequest request;
  request.key = key;
  request.start_revision = start_revision;
  request.filters = {etcdserverpb::WatchCreateRequest::NOPUT};
  WatchQueue queue(session_.client().core(), std::move(request));
  {
    absl::MutexLock lock(&mutex_);
    waits_ = &queue;
    if (cancelled_) queue.Cancel();
  }
  const uint64_t listener = session_.AddListener([&queue] { queue.Cancel(); });
  const Clock& clock = session_.client().core().clock();
  const absl::Duration give_up = clock.Now() + timeout;
  absl::Status status;
  while (true) {
    const auto response = queue.Next(std::max(give_up - clock.Now(), absl::ZeroDuration()));
    status = response.status();
    if (!response.ok() || response->events_size() > 0) break;
  }
  session_.RemoveListener(listener);
  {
    absl::MutexLock lock(&mutex_);
    waits_ = nullptr;
  }
  KV_RETURN_IF_ERROR(Interruption());
  // What was to be watched is compacted: the caller looks again.
  return IsCompacted(status) ? absl::OkStatus() : status;
}

absl::Status Candidacy::Interruption() const {
  if (!session_.status().ok()) return absl::FailedPreconditionError("session is expired");
  absl::MutexLock lock(&mutex_);
  return cancelled_ ? absl::CancelledError("context canceled") : absl::OkStatus();
}

void Candidacy::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (waits_ != nullptr) waits_->Cancel();
}

absl::Status Candidacy::Leave(const CallOptions& options) {
  if (create_revision_ == 0) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(
      const etcdserverpb::TxnResponse response,
      session_.client().kv().Txn(Txn().If(HoldsKey()).Then(DeleteOp(key_)).Build(), options));
  header_ = response.header();
  create_revision_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<etcdserverpb::TxnResponse> Candidacy::Guarded(TxnRequest request,
                                                             std::string_view lost,
                                                             const CallOptions& options) {
  if (create_revision_ == 0) return absl::FailedPreconditionError(std::string(lost));
  KV_ASSIGN_OR_RETURN(etcdserverpb::TxnResponse response,
                      session_.client().kv().Txn(
                          Txn().If(HoldsKey()).Then(TxnOp(std::move(request))).Build(), options));
  if (!response.succeeded()) return absl::FailedPreconditionError(std::string(lost));
  if (response.responses_size() != 1) return absl::InternalError("a malformed answer to a txn");
  etcdserverpb::TxnResponse inner =
      std::move(*response.mutable_responses(0)->mutable_response_txn());
  *inner.mutable_header() = response.header();
  return inner;
}

}  // namespace keelson::client
