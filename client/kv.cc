#include "client/kv.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "client/ops.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

constexpr Method<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse> kRange = {
    "/etcdserverpb.KV/Range"};
constexpr Method<etcdserverpb::PutRequest, etcdserverpb::PutResponse> kPut = {
    "/etcdserverpb.KV/Put"};
constexpr Method<etcdserverpb::DeleteRangeRequest, etcdserverpb::DeleteRangeResponse> kDelete = {
    "/etcdserverpb.KV/DeleteRange"};
constexpr Method<etcdserverpb::TxnRequest, etcdserverpb::TxnResponse> kTxn = {
    "/etcdserverpb.KV/Txn"};
constexpr Method<etcdserverpb::CompactionRequest, etcdserverpb::CompactionResponse> kCompact = {
    "/etcdserverpb.KV/Compact"};

bool OnlyReads(const etcdserverpb::TxnRequest& request) {
  const auto is_range = [](const etcdserverpb::RequestOp& op) { return op.has_request_range(); };
  return std::all_of(request.success().begin(), request.success().end(), is_range) &&
         std::all_of(request.failure().begin(), request.failure().end(), is_range);
}

CallKind KindOf(const etcdserverpb::TxnRequest& request) {
  return OnlyReads(request) ? CallKind::kRead : CallKind::kWrite;
}

}  // namespace

absl::StatusOr<etcdserverpb::RangeResponse> Kv::Range(const etcdserverpb::RangeRequest& request,
                                                      const CallOptions& options) {
  return CallBlocking(core_, kRange, CallKind::kRead, request, options);
}

absl::StatusOr<etcdserverpb::PutResponse> Kv::Put(const etcdserverpb::PutRequest& request,
                                                  const CallOptions& options) {
  return CallBlocking(core_, kPut, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::DeleteRangeResponse> Kv::DeleteRange(
    const etcdserverpb::DeleteRangeRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kDelete, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::TxnResponse> Kv::Txn(const etcdserverpb::TxnRequest& request,
                                                  const CallOptions& options) {
  return CallBlocking(core_, kTxn, KindOf(request), request, options);
}

absl::StatusOr<etcdserverpb::CompactionResponse> Kv::Compact(
    const etcdserverpb::CompactionRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kCompact, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::RangeResponse> Kv::Get(std::string_view key) {
  return Range(KeyRange(key));
}

absl::StatusOr<etcdserverpb::PutResponse> Kv::Put(std::string_view key, std::string_view value,
                                                  int64_t lease) {
  etcdserverpb::PutRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  request.set_lease(lease);
  return Put(request);
}

absl::StatusOr<etcdserverpb::DeleteRangeResponse> Kv::Delete(std::string_view key) {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(std::string(key));
  return DeleteRange(request);
}

void Kv::RangeAsync(etcdserverpb::RangeRequest request, const CallOptions& options,
                    Callback<etcdserverpb::RangeResponse> done) {
  AsyncCall<decltype(kRange)>::Start(core_, kRange, CallKind::kRead, std::move(request), options,
                                     std::move(done));
}

void Kv::PutAsync(etcdserverpb::PutRequest request, const CallOptions& options,
                  Callback<etcdserverpb::PutResponse> done) {
  AsyncCall<decltype(kPut)>::Start(core_, kPut, CallKind::kWrite, std::move(request), options,
                                   std::move(done));
}

void Kv::DeleteRangeAsync(etcdserverpb::DeleteRangeRequest request, const CallOptions& options,
                          Callback<etcdserverpb::DeleteRangeResponse> done) {
  AsyncCall<decltype(kDelete)>::Start(core_, kDelete, CallKind::kWrite, std::move(request), options,
                                      std::move(done));
}

void Kv::TxnAsync(etcdserverpb::TxnRequest request, const CallOptions& options,
                  Callback<etcdserverpb::TxnResponse> done) {
  const CallKind kind = KindOf(request);
  AsyncCall<decltype(kTxn)>::Start(core_, kTxn, kind, std::move(request), options, std::move(done));
}

absl::StatusOr<int64_t> Kv::Scan(
    etcdserverpb::RangeRequest request, int64_t page_keys,
    absl::FunctionRef<absl::Status(const etcdserverpb::RangeResponse&)> on_page,
    const CallOptions& options) {
  KV_CHECK_GT(page_keys, 0);
  KV_CHECK_EQ(static_cast<int>(request.sort_order()), static_cast<int>(RangeRequest::NONE));
  request.set_limit(page_keys);
  for (;;) {
    KV_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse page, Range(request, options));
    if (request.revision() == 0) request.set_revision(page.header().revision());
    KV_RETURN_IF_ERROR(on_page(page));
    if (!page.more() || page.kvs().empty()) return request.revision();
    // The least key after the last one.
    request.set_key(page.kvs().rbegin()->key() + '\0');
  }
}

}  // namespace keelson::client
