// Builders for the requests of the key space, so that a call reads like what it does:
//
//   TxnRequest txn = Txn().If(ModRevision("a") == 7).Then(PutOp("a", "1")).Else(GetOp("a")).Build();
//   RangeRequest all = PrefixRange("/registry/pods/");
//
// The requests are the wire's own messages; every option of theirs can be set on them directly.
#ifndef KEELSON_CLIENT_OPS_H_
#define KEELSON_CLIENT_OPS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

using etcdserverpb::Compare;
using etcdserverpb::DeleteRangeRequest;
using etcdserverpb::PutRequest;
using etcdserverpb::RangeRequest;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;

// As range_end: every key from `key` on.
inline constexpr std::string_view kFromKey("\0", 1);

// The range_end with which [prefix, range_end) is every key that begins with `prefix`: the prefix with
// its last byte below 0xff incremented and the rest cut off; kFromKey when there is no such byte.
std::string PrefixEnd(std::string_view prefix);

RangeRequest KeyRange(std::string_view key);
RangeRequest PrefixRange(std::string_view prefix);

RequestOp GetOp(std::string_view key);
RequestOp GetOp(RangeRequest request);
RequestOp PutOp(std::string_view key, std::string_view value, int64_t lease = 0);
RequestOp PutOp(PutRequest request);
RequestOp DeleteOp(std::string_view key);
RequestOp DeleteOp(DeleteRangeRequest request);
RequestOp TxnOp(TxnRequest request);

// The left side of a comparison; the operators make the Compare.
struct CompareInt {
  Compare compare;
  Compare operator==(int64_t v) const { return With(Compare::EQUAL, v); }
  Compare operator!=(int64_t v) const { return With(Compare::NOT_EQUAL, v); }
  Compare operator<(int64_t v) const { return With(Compare::LESS, v); }
  Compare operator>(int64_t v) const { return With(Compare::GREATER, v); }
  Compare With(Compare::CompareResult result, int64_t v) const;
};
struct CompareBytes {
  Compare compare;
  Compare operator==(std::string_view v) const { return With(Compare::EQUAL, v); }
  Compare operator!=(std::string_view v) const { return With(Compare::NOT_EQUAL, v); }
  Compare operator<(std::string_view v) const { return With(Compare::LESS, v); }
  Compare operator>(std::string_view v) const { return With(Compare::GREATER, v); }
  Compare With(Compare::CompareResult result, std::string_view v) const;
};
CompareInt Version(std::string_view key);         // 0: the key is not there
CompareInt CreateRevision(std::string_view key);  // 0: the key is not there
CompareInt ModRevision(std::string_view key);     // 0: the key is not there
CompareInt LeaseOf(std::string_view key);
CompareBytes Value(std::string_view key);  // never true of a key that is not there

class Txn {
 public:
  // May be called several times; all comparisons must hold.
  Txn& If(Compare compare) {
    *request_.add_compare() = std::move(compare);
    return *this;
  }
  Txn& Then(RequestOp op) {
    *request_.add_success() = std::move(op);
    return *this;
  }
  Txn& Else(RequestOp op) {
    *request_.add_failure() = std::move(op);
    return *this;
  }
  TxnRequest Build() { return std::move(request_); }

 private:
  TxnRequest request_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_OPS_H_
