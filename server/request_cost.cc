#include "server/request_cost.h"

#include <algorithm>

namespace keelson::server {
namespace {

uint64_t BranchCost(const google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>& ops) {
  uint64_t cost = 0;
  for (const etcdserverpb::RequestOp& op : ops) {
    if (op.has_request_put()) cost += PutCost(op.request_put());
    if (op.has_request_txn()) cost += TxnCost(op.request_txn());
  }
  return cost;
}

}  // namespace

uint64_t PutCost(const etcdserverpb::PutRequest& request) {
  return kPutOverhead + request.key().size() + request.value().size();
}

// protobuf's parser has bounded the depth.
uint64_t TxnCost(const etcdserverpb::TxnRequest& request) {
  return std::max(BranchCost(request.success()), BranchCost(request.failure()));
}

}  // namespace keelson::server
