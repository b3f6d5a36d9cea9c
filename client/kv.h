// Kv: the key space. Reads are linearizable unless the request says serializable, and are repeated at
// another endpoint when one is unavailable. Writes are repeated only when they certainly were not
// proposed (client/retry.h), so a write that ends in Unavailable or DeadlineExceeded may or may not
// have happened: read before writing again, or make it a Txn that can tell.
//
// Thread-safe. The blocking calls block for at most their timeout. The Async calls return at once;
// their callback runs once, on the client's loop, where it must not block; a caller that streams many
// of them bounds how many are in flight (client/pipeline.h does).
#ifndef KEELSON_CLIENT_KV_H_
#define KEELSON_CLIENT_KV_H_

#include <cstdint>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/options.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;

class Kv {
 public:
  template <typename Response>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  explicit Kv(Core& core) : core_(core) {}

  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request,
                                                    const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::PutResponse> Put(const etcdserverpb::PutRequest& request,
                                                const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::DeleteRangeResponse> DeleteRange(
      const etcdserverpb::DeleteRangeRequest& request, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request,
                                                const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::CompactionResponse> Compact(
      const etcdserverpb::CompactionRequest& request, const CallOptions& options = {});

  // The frequent cases.
  absl::StatusOr<etcdserverpb::RangeResponse> Get(std::string_view key);
  absl::StatusOr<etcdserverpb::PutResponse> Put(std::string_view key, std::string_view value,
                                                int64_t lease = 0);
  absl::StatusOr<etcdserverpb::DeleteRangeResponse> Delete(std::string_view key);

  void RangeAsync(etcdserverpb::RangeRequest request, const CallOptions& options,
                  Callback<etcdserverpb::RangeResponse> done);
  void PutAsync(etcdserverpb::PutRequest request, const CallOptions& options,
                Callback<etcdserverpb::PutResponse> done);
  void DeleteRangeAsync(etcdserverpb::DeleteRangeRequest request, const CallOptions& options,
                        Callback<etcdserverpb::DeleteRangeResponse> done);
  void TxnAsync(etcdserverpb::TxnRequest request, const CallOptions& options,
                Callback<etcdserverpb::TxnResponse> done);

  // Reads a range of any size in pages, all at the revision of the first page (or at
  // request.revision), in key order, and hands each to `on_page`; the pages' `count` covers what is
  // left. Returns that revision. Stops and returns what `on_page` returns when that is not OK; ends
  // with Compacted (client/errors.h) when the revision is compacted meanwhile.
  // REQUIRES: no sort order, no limit, page_keys > 0.
  absl::StatusOr<int64_t> Scan(
      etcdserverpb::RangeRequest request, int64_t page_keys,
      absl::FunctionRef<absl::Status(const etcdserverpb::RangeResponse&)> on_page,
      const CallOptions& options = {});

 private:
  Core& core_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_KV_H_
