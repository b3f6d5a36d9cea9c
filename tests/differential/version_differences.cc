#include "tests/differential/version_differences.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "proto/etcd/rpc.pb.h"
#include "tests/differential/symbols.h"

namespace keelson::differential {
namespace {

using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;

constexpr char kKeysOnly[] = "keys-only-without-lease";
constexpr char kHashRevision[] = "hash-revision";
constexpr char kSortOption[] = "unknown-sort-option";
constexpr char kRootOnly[] = "root-only";
constexpr char kAnyUser[] = "any-user";
constexpr char kPrevKv[] = "prev-kv-in-transaction";
constexpr char kNestedRights[] = "rights-in-nested-transactions";
constexpr char kTombstone[] = "tombstone-at-compaction";
constexpr char kTokenWhileOff[] = "token-while-auth-is-off";
constexpr char kNegativeStart[] = "watch-from-negative-revision";
constexpr char kRootRole[] = "permissions-of-role-root";
constexpr char kNestedCost[] = "quota-of-nested-puts";
constexpr char kAlarmHeader[] = "alarm-header";
constexpr char kHashAtCompaction[] = "hash-at-compaction";

constexpr int kInvalidArgument = 3;
const std::string kCompacted = "etcdserver: mvcc: required revision has been compacted";

// f(request, response) for each range of a call, those in transactions too.
template <typename F>
void ForEachRange(const RangeRequest& request, RangeResponse* response, const F& f) {
  f(request, response);
}

template <typename F>
void ForEachRange(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response,
                  const F& f) {
  const auto& ops = response->succeeded() ? request.success() : request.failure();
  for (int i = 0; i < std::min(ops.size(), response->responses_size()); ++i) {
    auto* const answer = response->mutable_responses(i);
    if (ops[i].has_request_range() && answer->has_response_range()) {
      ForEachRange(ops[i].request_range(), answer->mutable_response_range(), f);
    } else if (ops[i].has_request_txn() && answer->has_response_txn()) {
      ForEachRange(ops[i].request_txn(), answer->mutable_response_txn(), f);
    }
  }
}

template <typename F>
void ForEachRange(const Operation& operation, Answer* answer, const F& f) {
  if (const auto* range = dynamic_cast<const RangeRequest*>(operation.request.get())) {
    ForEachRange(*range, dynamic_cast<RangeResponse*>(answer->message.get()), f);
  } else if (const auto* txn =
                 dynamic_cast<const etcdserverpb::TxnRequest*>(operation.request.get())) {
    ForEachRange(*txn, dynamic_cast<etcdserverpb::TxnResponse*>(answer->message.get()), f);
  }
}

template <typename Request>
Operation Question(const Operation& operation, std::string method, Request request) {
  return Operation{.method = std::move(method),
                   .request = std::make_shared<Request>(std::move(request)),
                   .user = operation.user};
}

// The keys whose former values a transaction would tell; all branches, for all are looked at.
void CollectPrevious(const google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>& ops,
                     std::vector<RangeRequest>* ranges) {
  for (const auto& op : ops) {
    RangeRequest range;
    range.set_count_only(true);
    if (op.has_request_put() && op.request_put().prev_kv()) {
      range.set_key(op.request_put().key());
      ranges->push_back(range);
    } else if (op.has_request_delete_range() && op.request_delete_range().prev_kv()) {
      range.set_key(op.request_delete_range().key());
      range.set_range_end(op.request_delete_range().range_end());
      ranges->push_back(range);
    } else if (op.has_request_txn()) {
      CollectPrevious(op.request_txn().success(), ranges);
      CollectPrevious(op.request_txn().failure(), ranges);
    }
  }
}

// What nested transactions do, each thing in a branch that is not taken: to be asked for one's
// rights to it.
void CollectNested(const etcdserverpb::TxnRequest& txn, bool nested,
                   std::vector<etcdserverpb::TxnRequest>* questions) {
  if (nested && !txn.compare().empty()) {
    *questions->emplace_back().mutable_compare() = txn.compare();
  }
  for (const auto* branch : {&txn.success(), &txn.failure()}) {
    for (const auto& op : *branch) {
      if (op.has_request_txn()) {
        CollectNested(op.request_txn(), true, questions);
      } else if (nested) {
        *questions->emplace_back().add_failure() = op;
      }
    }
  }
}

bool IsRootOnly(const Operation& operation) {
  if (const auto* alarm =
          dynamic_cast<const etcdserverpb::AlarmRequest*>(operation.request.get())) {
    return alarm->action() != etcdserverpb::AlarmRequest::GET;
  }
  return operation.method == "KV.Compact" || operation.method == "Maintenance.HashKV" ||
         operation.method == "Maintenance.MoveLeader";
}

bool IsForAnyUser(const Operation& operation) {
  return operation.method == "Lease.LeaseGrant" || operation.method == "Lease.LeaseLeases" ||
         operation.method == "Lease.LeaseTimeToLive" ||
         operation.kind == Operation::Kind::kKeepAlive ||
         operation.method == "Cluster.MemberList" || operation.method == "Maintenance.Alarm" ||
         operation.method == "Maintenance.Status";
}

}  // namespace

VersionDifferences::VersionDifferences() {
  for (const char* name : {kKeysOnly, kHashRevision, kSortOption, kRootOnly, kAnyUser, kPrevKv,
                           kTombstone, kAlarmHeader, kHashAtCompaction, kTokenWhileOff,
                           kNegativeStart, kRootRole, kNestedCost, kNestedRights}) {
    met_[name] = 0;
  }
}

void VersionDifferences::Count(const std::string& name) { ++met_.at(name); }

std::vector<Operation> VersionDifferences::DemandsOf(const Operation& operation) const {
  std::vector<Operation> questions;
  if (IsRootOnly(operation)) {
    questions.push_back(Question(operation, "Auth.UserList", etcdserverpb::AuthUserListRequest()));
  } else if (IsForAnyUser(operation)) {
    etcdserverpb::AuthUserGetRequest self;
    self.set_name(operation.user.empty() ? "root" : operation.user);
    questions.push_back(Question(operation, "Auth.UserGet", self));
  } else if (const auto* txn =
                 dynamic_cast<const etcdserverpb::TxnRequest*>(operation.request.get())) {
    std::vector<RangeRequest> ranges;
    CollectPrevious(txn->success(), &ranges);
    CollectPrevious(txn->failure(), &ranges);
    for (RangeRequest& range : ranges) {
      if (!range.key().empty()) questions.push_back(Question(operation, "KV.Range", range));
    }
    std::vector<etcdserverpb::TxnRequest> nested;
    CollectNested(*txn, false, &nested);
    for (auto& part : nested) questions.push_back(Question(operation, "KV.Txn", std::move(part)));
  }
  return questions;
}

void VersionDifferences::CountDemand(const Operation& operation, const Operation& question) {
  Count(IsRootOnly(operation)         ? kRootOnly
        : IsForAnyUser(operation)     ? kAnyUser
        : question.method == "KV.Txn" ? kNestedRights
                                      : kPrevKv);
}

bool VersionDifferences::Refuses(const Operation& operation, Answer* answer) {
  const auto* range = dynamic_cast<const RangeRequest*>(operation.request.get());
  if (range == nullptr || range->key().empty()) return false;
  if (RangeRequest::SortOrder_IsValid(range->sort_order()) &&
      RangeRequest::SortTarget_IsValid(range->sort_target())) {
    return false;
  }
  Count(kSortOption);
  *answer = Refusal(kInvalidArgument, "etcdserver: invalid sort option");
  return true;
}

bool VersionDifferences::Refuses(const etcdserverpb::WatchCreateRequest& resolved,
                                 const Symbols& symbols, etcdserverpb::WatchResponse* answer) {
  const std::string& end = resolved.range_end();
  const bool empty = !end.empty() && end != std::string(1, '\0') && end <= resolved.key();
  if (resolved.start_revision() >= 0 || empty) return false;
  answer->mutable_header()->set_revision(symbols.latest());
  answer->set_watch_id(-1);
  answer->set_created(true);
  answer->set_canceled(true);
  answer->set_cancel_reason(kCompacted);
  Count(kNegativeStart);
  return true;
}

bool VersionDifferences::CostsMore(const Operation& operation) const {
  const auto* txn = dynamic_cast<const etcdserverpb::TxnRequest*>(operation.request.get());
  if (txn == nullptr) return false;
  const auto puts = [](const auto& ops) {
    return std::any_of(ops.begin(), ops.end(), [](const auto& op) { return op.has_request_put(); });
  };
  const auto nests = [](const auto& ops) {
    return std::any_of(ops.begin(), ops.end(), [](const auto& op) { return op.has_request_txn(); });
  };
  return (nests(txn->success()) || nests(txn->failure())) && !puts(txn->success()) &&
         !puts(txn->failure());
}

void VersionDifferences::CountNestedCost() { Count(kNestedCost); }

Operation VersionDifferences::WithoutToken(Operation operation, bool auth) {
  if (!auth && !operation.user.empty()) {
    operation.user.clear();
    Count(kTokenWhileOff);
  }
  return operation;
}

void VersionDifferences::TranslateHash(const Operation& operation, const Symbols& symbols,
                                       const Answer& ours, Answer* etcds) {
  etcdserverpb::HashKVRequest request;
  request.CopyFrom(*operation.request);
  symbols.Resolve(&request);
  const auto& our_hash = dynamic_cast<const etcdserverpb::HashKVResponse&>(*ours.message);
  if (etcds->ok()) {
    auto& hash = dynamic_cast<etcdserverpb::HashKVResponse&>(*etcds->message);
    hash.set_hash_revision(request.revision() > 0 ? request.revision() : hash.header().revision());
    Count(kHashRevision);
  } else if (request.revision() == symbols.compacted() && etcds->error == kCompacted) {
    // There is no other hash to compare with, but all the rest of the answer is known.
    auto hash = std::make_unique<etcdserverpb::HashKVResponse>();
    hash->mutable_header()->set_revision(symbols.latest());
    hash->set_hash(our_hash.hash());
    hash->set_hash_revision(symbols.compacted());
    hash->set_compact_revision(symbols.compacted());
    *etcds = Answer{};
    etcds->message = std::move(hash);
    Count(kHashAtCompaction);
  }
}

void VersionDifferences::Translate(const Operation& operation, const Symbols& symbols,
                                   const Answer& ours, Answer* etcds) {
  if (!ours.ok()) return;
  if (operation.method == "Maintenance.HashKV") {
    TranslateHash(operation, symbols, ours, etcds);
    return;
  }
  if (!etcds->ok()) return;
  if (auto* role = dynamic_cast<etcdserverpb::AuthRoleGetResponse*>(etcds->message.get())) {
    if (dynamic_cast<const etcdserverpb::AuthRoleGetRequest&>(*operation.request).role() != "root")
      return;
    role->clear_perm();
    auto* const everything = role->add_perm();
    everything->set_permtype(authpb::Permission::READWRITE);
    everything->set_range_end(std::string(1, '\0'));
    Count(kRootRole);
    return;
  }
  if (auto* alarms = dynamic_cast<etcdserverpb::AlarmResponse*>(etcds->message.get())) {
    alarms->mutable_header()->set_revision(symbols.latest());
    Count(kAlarmHeader);
    return;
  }
  ForEachRange(operation, etcds, [this](const RangeRequest& request, RangeResponse* response) {
    // From the index, which knows no leases; with the values to be sorted, from the store.
    if (!request.keys_only() || request.sort_target() == RangeRequest::VALUE) return;
    for (auto& pair : *response->mutable_kvs()) {
      if (pair.lease() == 0) continue;
      pair.clear_lease();
      Count(kKeysOnly);
    }
  });
}

bool VersionDifferences::ToldByNewerOnly(const WatchStream::Told& told, bool superseded,
                                         int64_t compacted) {
  if (told.canceled || told.event.kv().mod_revision() != compacted) return false;
  if (told.event.type() != mvccpb::Event::DELETE && !superseded) return false;
  Count(kTombstone);
  return true;
}

std::string VersionDifferences::ToString() const {
  std::string text;
  for (const auto& [name, count] : met_) absl::StrAppendFormat(&text, "  %-30s %d\n", name, count);
  return text;
}

std::vector<std::string> VersionDifferences::Unmet() const {
  std::vector<std::string> unmet;
  for (const auto& [name, count] : met_) {
    if (count == 0) unmet.push_back(name);
  }
  return unmet;
}

}  // namespace keelson::differential
