#include "client/election.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/core.h"
#include "client/errors.h"

namespace keelson::client {
namespace {

constexpr std::string_view kNotLeader = "election: not leader";

std::string PrefixOf(std::string_view name) { return absl::StrCat(std::string(name), "/"); }

etcdserverpb::RangeResponse AsRange(const etcdserverpb::ResponseHeader& header,
                                    const mvccpb::KeyValue& kv) {
  etcdserverpb::RangeResponse response;
  *response.mutable_header() = header;
  *response.add_kvs() = kv;
  response.set_count(1);
  return response;
}

}  // namespace

absl::Status Election::Campaign(std::string_view value, absl::Duration timeout) {
  elected_ = false;
  KV_ASSIGN_OR_RETURN(const bool first, candidacy_.Enter(value));
  absl::Status status;
  if (candidacy_.value() != value) status = Proclaim(value);
  if (status.ok() && !first) status = candidacy_.AwaitTurn(timeout);
  elected_ = status.ok();
  if (status.ok()) return status;
  // If the key cannot be deleted the lease ends it.
  candidacy_.Leave().IgnoreError();
  if (!absl::IsFailedPrecondition(status) || std::string(status.message()) == kNotLeader)
    return status;
  return absl::FailedPreconditionError(absl::StrCat("election: ", status.message()));
}

absl::Status Election::Proclaim(std::string_view value, const CallOptions& options) {
  return candidacy_
      .Guarded(Txn().Then(PutOp(key(), value, candidacy_.session().lease())).Build(), kNotLeader,
               options)
      .status();
}

absl::Status Election::Resign(const CallOptions& options) {
  KV_RETURN_IF_ERROR(candidacy_.Leave(options));
  elected_ = false;
  return absl::OkStatus();
}

absl::StatusOr<etcdserverpb::TxnResponse> Election::Guarded(TxnRequest request,
                                                            const CallOptions& options) {
  if (!elected_) return absl::FailedPreconditionError(std::string(kNotLeader));
  return candidacy_.Guarded(std::move(request), kNotLeader, options);
}

absl::StatusOr<etcdserverpb::RangeResponse> FindLeader(Client& client, std::string_view name,
                                                       const CallOptions& options) {
  RangeRequest first = PrefixRange(PrefixOf(name));
  first.set_sort_target(RangeRequest::CREATE);
  first.set_sort_order(RangeRequest::ASCEND);
  first.set_limit(1);
  KV_ASSIGN_OR_RETURN(etcdserverpb::RangeResponse found, client.kv().Range(first, options));
  if (found.kvs().empty()) return absl::NotFoundError("election: no leader");
  return found;
}

// -------------------------------------------------------------------------------------------
// observer

LeaderObserver::LeaderObserver(Client& client, std::string_view name)
    : client_(client), name_(name) {}

void LeaderObserver::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (watch_ != nullptr) watch_->Cancel();
}

void LeaderObserver::Watch(WatchRequest request) {
  auto watch = std::make_unique<WatchQueue>(client_.core(), std::move(request));
  absl::MutexLock lock(&mutex_);
  if (cancelled_) watch->Cancel();
  // The former one ends without the lock: its end waits for what it may be doing.
  watch_.swap(watch);
}

absl::StatusOr<etcdserverpb::WatchResponse> LeaderObserver::NextChange() {
  WatchQueue* watch;
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("context canceled");
    watch = watch_.get();  // replaced by this thread only
  }
  return watch->Next();
}

// Nobody led; the first who comes does.
absl::Status LeaderObserver::AwaitCandidate() {
  while (true) {
    const auto change = NextChange();
    if (IsCompacted(change.status())) return absl::OkStatus();
    KV_RETURN_IF_ERROR(change.status());
    for (const mvccpb::Event& event : change->events()) {
      if (event.type() != mvccpb::Event::PUT) continue;
      etcdserverpb::ResponseHeader header = change->header();
      header.set_revision(event.kv().mod_revision());
      leader_ = event.kv().key();
      said_.push_back(AsRange(header, event.kv()));
      WatchRequest request;
      request.key = leader_;
      request.start_revision = event.kv().mod_revision() + 1;
      Watch(std::move(request));
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<etcdserverpb::RangeResponse> LeaderObserver::Next() {
  while (said_.empty()) {
    if (leader_.empty()) {
      // Looked for anew whenever a leader has gone: who comes next is the oldest that is left.
      RangeRequest first = PrefixRange(PrefixOf(name_));
      first.set_sort_target(RangeRequest::CREATE);
      first.set_sort_order(RangeRequest::ASCEND);
      first.set_limit(1);
      KV_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse found, client_.kv().Range(first));
      WatchRequest request;
      request.start_revision = found.header().revision() + 1;
      if (found.kvs().empty()) {
        request.key = PrefixOf(name_);
        request.range_end = PrefixEnd(request.key);
      } else {
        leader_ = found.kvs(0).key();
        request.key = leader_;
        said_.push_back(found);
      }
      Watch(std::move(request));
      if (leader_.empty()) KV_RETURN_IF_ERROR(AwaitCandidate());
      continue;
    }
    const auto change = NextChange();
    if (IsCompacted(change.status())) {
      leader_.clear();
      continue;
    }
    KV_RETURN_IF_ERROR(change.status());
    for (const mvccpb::Event& event : change->events()) {
      if (event.type() == mvccpb::Event::DELETE) {
        leader_.clear();
        break;
      }
      said_.push_back(AsRange(change->header(), event.kv()));
    }
  }
  etcdserverpb::RangeResponse next = std::move(said_.front());
  said_.pop_front();
  return next;
}

}  // namespace keelson::client
