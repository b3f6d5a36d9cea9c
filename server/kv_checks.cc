#include "server/kv_checks.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "server/errors.h"
#include "storage/store.h"

namespace keelson::server {
namespace {

using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using storage::KeyRange;

absl::Status CheckOps(const TxnRequest& request, int ops_max);

absl::Status CheckOp(const RequestOp& op, int ops_max) {
  switch (op.request_case()) {
    case RequestOp::kRequestRange:
      return CheckRange(op.request_range());
    case RequestOp::kRequestPut:
      return CheckPut(op.request_put());
    case RequestOp::kRequestDeleteRange:
      return CheckDeleteRange(op.request_delete_range());
    case RequestOp::kRequestTxn:
      return CheckOps(op.request_txn(), ops_max);
    default:
      return ErrKeyNotFound();  // etcd's answer to an empty operation
  }
}

// The keys a list of operations may put and the ranges it may delete, over all nested branches.
struct Effects {
  std::set<std::string_view> puts;
  std::vector<KeyRange> deletes;

  bool Deletes(std::string_view key) const {
    return std::any_of(deletes.begin(), deletes.end(),
                       [key](const KeyRange& range) { return range.Contains(key); });
  }
};

// A key may be put once, and not both put and deleted, in one execution of `ops`. The two branches
// of a nested transaction exclude each other, so they may put the same key.
absl::Status CollectEffects(const google::protobuf::RepeatedPtrField<RequestOp>& ops,
                            Effects& effects) {
  for (const RequestOp& op : ops) {
    if (!op.has_request_delete_range()) continue;
    const auto& request = op.request_delete_range();
    // The end is taken as it is written: etcd does not look at "\0", from the key on, as a range
    // without an end here, so such a delete conflicts with no put.
    effects.deletes.push_back(KeyRange{request.key(), request.range_end(), false});
  }
  for (const RequestOp& op : ops) {
    if (!op.has_request_txn()) continue;
    Effects branches[2];
    KV_RETURN_IF_ERROR(CollectEffects(op.request_txn().success(), branches[0]));
    KV_RETURN_IF_ERROR(CollectEffects(op.request_txn().failure(), branches[1]));
    std::set<std::string_view> nested_puts;
    for (const Effects& branch : branches) {
      for (const std::string_view key : branch.puts) {
        if (effects.puts.contains(key) || effects.Deletes(key)) return ErrDuplicateKey();
        nested_puts.insert(key);
      }
    }
    effects.puts.merge(nested_puts);
    for (Effects& branch : branches) {
      effects.deletes.insert(effects.deletes.end(), branch.deletes.begin(), branch.deletes.end());
    }
  }
  for (const RequestOp& op : ops) {
    if (!op.has_request_put()) continue;
    const std::string_view key = op.request_put().key();
    if (effects.Deletes(key) || !effects.puts.insert(key).second) return ErrDuplicateKey();
  }
  return absl::OkStatus();
}

absl::Status CheckOps(const TxnRequest& request, int ops_max) {
  const int ops =
      std::max({request.compare_size(), request.success_size(), request.failure_size()});
  if (ops > ops_max) return ErrTooManyOps();
  for (const auto& compare : request.compare()) {
    if (compare.key().empty()) return ErrEmptyKey();
  }
  for (const RequestOp& op : request.success()) KV_RETURN_IF_ERROR(CheckOp(op, ops_max - ops));
  for (const RequestOp& op : request.failure()) KV_RETURN_IF_ERROR(CheckOp(op, ops_max - ops));
  return absl::OkStatus();
}

bool OnlyRanges(const google::protobuf::RepeatedPtrField<RequestOp>& ops) {
  return std::all_of(ops.begin(), ops.end(),
                     [](const RequestOp& op) { return op.has_request_range(); });
}

bool OnlySerializable(const google::protobuf::RepeatedPtrField<RequestOp>& ops) {
  return std::all_of(ops.begin(), ops.end(), [](const RequestOp& op) {
    return op.has_request_range() && op.request_range().serializable();
  });
}

}  // namespace

absl::Status CheckRange(const etcdserverpb::RangeRequest& request) {
  if (request.key().empty()) return ErrEmptyKey();
  if (!etcdserverpb::RangeRequest::SortOrder_IsValid(request.sort_order()) ||
      !etcdserverpb::RangeRequest::SortTarget_IsValid(request.sort_target())) {
    return ErrInvalidSortOption();
  }
  return absl::OkStatus();
}

absl::Status CheckPut(const etcdserverpb::PutRequest& request) {
  if (request.key().empty()) return ErrEmptyKey();
  if (request.ignore_value() && !request.value().empty()) return ErrValueProvided();
  if (request.ignore_lease() && request.lease() != 0) return ErrLeaseProvided();
  return absl::OkStatus();
}

absl::Status CheckDeleteRange(const etcdserverpb::DeleteRangeRequest& request) {
  return request.key().empty() ? ErrEmptyKey() : absl::OkStatus();
}

absl::Status CheckTxn(const TxnRequest& request, int ops_max) {
  KV_RETURN_IF_ERROR(CheckOps(request, ops_max));
  Effects success, failure;
  KV_RETURN_IF_ERROR(CollectEffects(request.success(), success));
  return CollectEffects(request.failure(), failure);
}

bool IsReadOnly(const TxnRequest& request) {
  return OnlyRanges(request.success()) && OnlyRanges(request.failure());
}

bool IsSerializable(const TxnRequest& request) {
  return OnlySerializable(request.success()) && OnlySerializable(request.failure());
}

}  // namespace keelson::server
