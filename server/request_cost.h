// What a request may add to the store, as etcd reckons it against the quota; 0: it is let through
// whatever the quota says (reads, deletions, compactions).
#ifndef KEELSON_SERVER_REQUEST_COST_H_
#define KEELSON_SERVER_REQUEST_COST_H_

#include <cstdint>

#include "proto/etcd/rpc.pb.h"

namespace keelson::server {

inline constexpr uint64_t kPutOverhead = 256;  // beside key and value; etcd's
inline constexpr uint64_t kLeaseGrantCost = 64;

uint64_t PutCost(const etcdserverpb::PutRequest& request);
// The larger of the two branches, transactions within included: which one is taken is known at
// apply only.
uint64_t TxnCost(const etcdserverpb::TxnRequest& request);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_REQUEST_COST_H_
