// KvExecutor: KV requests carried out on the store, with their answers encoded: ranges at any time,
// changes inside an entry under way. The answers are bodies without the top-level header, whose
// revision is known only at the end.
//
// Thread: apply.
#ifndef KEELSON_SERVER_KV_EXECUTOR_H_
#define KEELSON_SERVER_KV_EXECUTOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/etcd/rpc.pb.h"
#include "storage/store.h"

namespace keelson::server {

// Operations carried out, those within transactions too, as etcd counts them.
struct KvCounters {
  uint64_t ranges = 0;
  uint64_t puts = 0;
  uint64_t deletes = 0;
  uint64_t txns = 0;  // of more than one operation
  uint64_t put_bytes = 0;

  uint64_t operations() const { return ranges + puts + deletes; }
};

class KvExecutor {
 public:
  // Both outlive the executor.
  KvExecutor(storage::Store* store, KvCounters* counters) : store_(store), counters_(counters) {}

  // RangeResponse. Also outside of an entry.
  absl::StatusOr<std::string> Range(const etcdserverpb::RangeRequest& request) const;
  // PutResponse. Errors leave the entry unchanged.
  absl::StatusOr<std::string> Put(const etcdserverpb::PutRequest& request);
  // DeleteRangeResponse.
  absl::StatusOr<std::string> DeleteRange(const etcdserverpb::DeleteRangeRequest& request);
  // TxnResponse. All checks that may fail come before the first change. Also outside of an entry
  // when the transaction is read-only.
  absl::StatusOr<std::string> Txn(const etcdserverpb::TxnRequest& request);

 private:
  struct Path;
  // Which branches are taken: decided for all nested transactions before any change is made.
  Path Decide(const etcdserverpb::TxnRequest& request) const;
  // `deleted`: what the transaction has deleted so far; no key is put twice in one.
  absl::Status CheckPuts(const Path& path, std::vector<storage::KeyRange>& deleted) const;
  absl::Status CheckStillThere(const etcdserverpb::PutRequest& request,
                               const std::vector<storage::KeyRange>& deleted) const;
  absl::Status CheckRanges(const Path& path) const;
  absl::StatusOr<std::string> Execute(const Path& path, Revision start);
  absl::StatusOr<std::string> ExecuteOp(const etcdserverpb::RequestOp& op, const Path* nested,
                                        Revision start);
  bool Holds(const etcdserverpb::Compare& compare) const;
  absl::Status CheckLeaseOf(const etcdserverpb::PutRequest& request) const;
  absl::Status CheckKeyOf(const etcdserverpb::PutRequest& request) const;
  absl::Status CheckRangeRevision(const etcdserverpb::RangeRequest& request) const;
  bool Exists(std::string_view key) const;

  storage::Store* const store_;
  KvCounters* const counters_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_KV_EXECUTOR_H_
