#include "server/kv_executor.h"

#include <utility>
#include <vector>

#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "server/errors.h"
#include "server/proto_writer.h"

namespace keelson::server {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::RequestOp;
using storage::KeyRange;
using storage::KeyValue;

storage::RangeQuery ToQuery(const etcdserverpb::RangeRequest& request) {
  storage::RangeQuery query;
  query.range = KeyRange::FromWire(request.key(), request.range_end());
  query.revision = Revision(request.revision());
  query.limit = request.limit();
  query.order = static_cast<storage::SortOrder>(request.sort_order());
  query.target = static_cast<storage::SortTarget>(request.sort_target());
  query.keys_only = request.keys_only();
  query.count_only = request.count_only();
  query.min_mod = Revision(request.min_mod_revision());
  query.max_mod = Revision(request.max_mod_revision());
  query.min_create = Revision(request.min_create_revision());
  query.max_create = Revision(request.max_create_revision());
  return query;
}

// Headers inside a transaction carry the revision alone (facts 4.1).
std::string NestedResponse(Revision revision, std::string_view body) {
  std::string header;
  ProtoWriter(&header).Int(3, revision.value());
  std::string out;
  ProtoWriter(&out).Message(1, header);
  out.append(body);
  return out;
}

template <typename T>
int ThreeWay(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

bool Compares(const Compare& compare, const KeyValue& kv) {
  int order = 0;
  switch (compare.target()) {
    case Compare::VERSION:
      order = ThreeWay(kv.version, compare.version());
      break;
    case Compare::CREATE:
      order = ThreeWay(kv.create_revision.value(), compare.create_revision());
      break;
    case Compare::MOD:
      order = ThreeWay(kv.mod_revision.value(), compare.mod_revision());
      break;
    case Compare::VALUE:
      order = ThreeWay(kv.value, std::string_view(compare.value()));
      break;
    case Compare::LEASE:
      order = ThreeWay(kv.lease.value(), compare.lease());
      break;
    default:
      break;
  }
  switch (compare.result()) {
    case Compare::EQUAL:
      return order == 0;
    case Compare::NOT_EQUAL:
      return order != 0;
    case Compare::GREATER:
      return order > 0;
    case Compare::LESS:
      return order < 0;
    default:
      return true;  // as etcd does with an unknown result
  }
}

}  // namespace

struct KvExecutor::Path {
  const google::protobuf::RepeatedPtrField<RequestOp>* ops;
  bool succeeded;
  std::vector<Path> nested;  // of the transactions among `ops`, in order
};

absl::StatusOr<std::string> KvExecutor::Range(const etcdserverpb::RangeRequest& request) const {
  ++counters_->ranges;
  std::string body;
  ProtoWriter writer(&body);
  auto summary =
      store_->Range(ToQuery(request), [&writer](std::string_view kv) { writer.Message(2, kv); });
  if (!summary.ok()) return FromStorage(summary.status());
  writer.Bool(3, summary->more);
  writer.Int(4, summary->count);
  return body;
}

bool KvExecutor::Exists(std::string_view key) const {
  const auto meta = store_->Find(key, Revision(0));
  return meta.ok() && meta->has_value();
}

absl::Status KvExecutor::CheckLeaseOf(const etcdserverpb::PutRequest& request) const {
  if (request.lease() != 0 && !store_->FindLease(LeaseId(request.lease()))) {
    return ErrLeaseNotFound();
  }
  return absl::OkStatus();
}

absl::Status KvExecutor::CheckKeyOf(const etcdserverpb::PutRequest& request) const {
  if ((request.ignore_value() || request.ignore_lease()) && !Exists(request.key())) {
    return ErrKeyNotFound();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> KvExecutor::Put(const etcdserverpb::PutRequest& request) {
  KV_RETURN_IF_ERROR(CheckLeaseOf(request));
  KV_RETURN_IF_ERROR(CheckKeyOf(request));
  ++counters_->puts;
  counters_->put_bytes += request.key().size() + request.value().size();
  const storage::PutOptions options{LeaseId(request.lease()), request.ignore_value(),
                                    request.ignore_lease()};
  KV_ASSIGN_OR_RETURN(std::optional<SharedBytes> previous,
                      store_->Put(request.key(), request.value(), options, request.prev_kv()));
  std::string body;
  if (previous) ProtoWriter(&body).Message(2, previous->view());
  return body;
}

absl::StatusOr<std::string> KvExecutor::DeleteRange(
    const etcdserverpb::DeleteRangeRequest& request) {
  ++counters_->deletes;
  KV_ASSIGN_OR_RETURN(storage::Store::Deleted deleted,
                      store_->DeleteRange(KeyRange::FromWire(request.key(), request.range_end()),
                                          request.prev_kv()));
  std::string body;
  ProtoWriter writer(&body);
  writer.Int(2, deleted.count);
  for (const SharedBytes& kv : deleted.previous) writer.Message(3, kv.view());
  return body;
}

bool KvExecutor::Holds(const Compare& compare) const {
  storage::RangeQuery query;
  query.range = KeyRange::FromWire(compare.key(), compare.range_end());
  const bool needs_value = compare.target() == Compare::VALUE || compare.target() == Compare::LEASE;
  if (query.range.single() && !needs_value) {
    const auto meta = store_->Find(compare.key(), Revision(0));
    KeyValue kv;
    if (meta.ok() && meta->has_value()) {
      kv.create_revision = (*meta)->create_revision;
      kv.mod_revision = (*meta)->mod_revision;
      kv.version = (*meta)->version;
    }
    return Compares(compare, kv);
  }
  query.keys_only = !needs_value;
  bool any = false;
  bool holds = true;
  const auto summary = store_->Range(query, [&](std::string_view encoded) {
    KeyValue kv;
    any = true;
    holds = holds && storage::ParseKeyValue(encoded, kv) && Compares(compare, kv);
  });
  if (!summary.ok()) return false;
  if (any) return holds;
  // An absent key has no value to compare; everything else of it is zero.
  return compare.target() != Compare::VALUE && Compares(compare, KeyValue());
}

KvExecutor::Path KvExecutor::Decide(const etcdserverpb::TxnRequest& request) const {
  Path path;
  path.succeeded = true;
  for (const Compare& compare : request.compare()) {
    if (!Holds(compare)) {
      path.succeeded = false;
      break;
    }
  }
  path.ops = path.succeeded ? &request.success() : &request.failure();
  for (const RequestOp& op : *path.ops) {
    if (op.has_request_txn()) path.nested.push_back(Decide(op.request_txn()));
  }
  return path;
}

absl::Status KvExecutor::CheckRangeRevision(const etcdserverpb::RangeRequest& request) const {
  // Unlike in a range by itself, a negative one is not the latest here: it is below the first,
  // which is -1 in etcd until something is compacted.
  const int64_t first = store_->compacted() ? store_->compacted().value() : -1;
  if (request.revision() == 0) return absl::OkStatus();
  if (request.revision() > store_->revision().value()) return ErrFutureRevision();
  if (request.revision() < first) return ErrCompacted();
  return absl::OkStatus();
}

absl::Status KvExecutor::CheckPuts(const Path& path,
                                   std::vector<storage::KeyRange>& deleted) const {
  size_t nested = 0;
  for (const RequestOp& op : *path.ops) {
    if (op.has_request_txn()) {
      KV_RETURN_IF_ERROR(CheckPuts(path.nested[nested++], deleted));
    } else if (op.has_request_delete_range()) {
      const auto& request = op.request_delete_range();
      deleted.push_back(storage::KeyRange::FromWire(request.key(), request.range_end()));
    } else if (op.has_request_put()) {
      // The other way round than in a put by itself, as in etcd.
      KV_RETURN_IF_ERROR(CheckKeyOf(op.request_put()));
      KV_RETURN_IF_ERROR(CheckLeaseOf(op.request_put()));
      KV_RETURN_IF_ERROR(CheckStillThere(op.request_put(), deleted));
    }
  }
  return absl::OkStatus();
}

// Not every put of a deleted key is a duplicate: one behind a delete without an end is not, nor one
// in a nested transaction beside that of the delete. Of such a put that needs its key etcd dies in
// the midst of it.
absl::Status KvExecutor::CheckStillThere(const etcdserverpb::PutRequest& request,
                                         const std::vector<storage::KeyRange>& deleted) const {
  if (!request.ignore_value() && !request.ignore_lease()) return absl::OkStatus();
  for (const storage::KeyRange& range : deleted) {
    if (range.Contains(request.key())) return ErrKeyNotFound();
  }
  return absl::OkStatus();
}

absl::Status KvExecutor::CheckRanges(const Path& path) const {
  size_t nested = 0;
  for (const RequestOp& op : *path.ops) {
    if (op.has_request_txn()) {
      KV_RETURN_IF_ERROR(CheckRanges(path.nested[nested++]));
    } else if (op.has_request_range()) {
      KV_RETURN_IF_ERROR(CheckRangeRevision(op.request_range()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> KvExecutor::Txn(const etcdserverpb::TxnRequest& request) {
  const Path path = Decide(request);
  // All puts before any range, as in etcd: which error a client is told depends on it.
  std::vector<storage::KeyRange> deleted;
  KV_RETURN_IF_ERROR(CheckPuts(path, deleted));
  if (!KV_PLANTED("txn-read-checked-late")) KV_RETURN_IF_ERROR(CheckRanges(path));
  const uint64_t before = counters_->operations();
  absl::StatusOr<std::string> body = Execute(path, store_->revision());
  if (counters_->operations() > before + 1) ++counters_->txns;
  return body;
}

absl::StatusOr<std::string> KvExecutor::Execute(const Path& path, Revision start) {
  std::string body;
  ProtoWriter writer(&body);
  writer.Bool(2, path.succeeded);
  size_t nested = 0;
  for (const RequestOp& op : *path.ops) {
    const Path* branch = op.has_request_txn() ? &path.nested[nested++] : nullptr;
    KV_ASSIGN_OR_RETURN(std::string response, ExecuteOp(op, branch, start));
    writer.Message(3, response);
  }
  return body;
}

// One ResponseOp; its field numbers are those of RequestOp.
absl::StatusOr<std::string> KvExecutor::ExecuteOp(const RequestOp& op, const Path* nested,
                                                  Revision start) {
  const auto revision = [this, start] { return store_->EntryChanged() ? start + 1 : start; };
  std::string out;
  ProtoWriter writer(&out);
  switch (op.request_case()) {
    case RequestOp::kRequestRange: {
      KV_ASSIGN_OR_RETURN(const std::string body, Range(op.request_range()));
      writer.Message(1, NestedResponse(revision(), body));
      break;
    }
    case RequestOp::kRequestPut: {
      KV_ASSIGN_OR_RETURN(const std::string body, Put(op.request_put()));
      writer.Message(2, NestedResponse(revision(), body));
      break;
    }
    case RequestOp::kRequestDeleteRange: {
      KV_ASSIGN_OR_RETURN(const std::string body, DeleteRange(op.request_delete_range()));
      writer.Message(3, NestedResponse(revision(), body));
      break;
    }
    case RequestOp::kRequestTxn: {
      KV_ASSIGN_OR_RETURN(const std::string body, Execute(*nested, start));
      writer.Message(4, NestedResponse(Revision(0), body));
      break;
    }
    default:
      return ErrKeyNotFound();
  }
  return out;
}

}  // namespace keelson::server
