// What is refused before anything is proposed or read: etcd's checks of KV requests (etcd's
// v3rpc/key.go behaviour, facts sections 4.3, 4.6, 4.7), in etcd's order.
#ifndef KEELSON_SERVER_KV_CHECKS_H_
#define KEELSON_SERVER_KV_CHECKS_H_

#include "absl/status/status.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::server {

absl::Status CheckRange(const etcdserverpb::RangeRequest& request);
absl::Status CheckPut(const etcdserverpb::PutRequest& request);
absl::Status CheckDeleteRange(const etcdserverpb::DeleteRangeRequest& request);
// `ops_max`: --max-txn-ops; a nested transaction gets what the outer one leaves.
absl::Status CheckTxn(const etcdserverpb::TxnRequest& request, int ops_max);

// Only top-level ranges in both branches: needs no log entry.
bool IsReadOnly(const etcdserverpb::TxnRequest& request);
// A read-only transaction all of whose ranges are serializable (also one without any, as in etcd).
bool IsSerializable(const etcdserverpb::TxnRequest& request);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_KV_CHECKS_H_
