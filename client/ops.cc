#include "client/ops.h"

namespace keelson::client {
namespace {

Compare CompareOf(Compare::CompareTarget target, std::string_view key) {
  Compare compare;
  compare.set_target(target);
  compare.set_key(std::string(key));
  return compare;
}

}  // namespace

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) < 0xff) {
      ++end.back();
      return end;
    }
    end.pop_back();
  }
  return std::string(kFromKey);
}

RangeRequest KeyRange(std::string_view key) {
  RangeRequest request;
  request.set_key(std::string(key));
  return request;
}

RangeRequest PrefixRange(std::string_view prefix) {
  RangeRequest request;
  request.set_key(prefix.empty() ? std::string(kFromKey) : std::string(prefix));
  request.set_range_end(PrefixEnd(prefix));
  return request;
}

RequestOp GetOp(std::string_view key) { return GetOp(KeyRange(key)); }

RequestOp GetOp(RangeRequest request) {
  RequestOp op;
  *op.mutable_request_range() = std::move(request);
  return op;
}

RequestOp PutOp(std::string_view key, std::string_view value, int64_t lease) {
  PutRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  request.set_lease(lease);
  return PutOp(std::move(request));
}

RequestOp PutOp(PutRequest request) {
  RequestOp op;
  *op.mutable_request_put() = std::move(request);
  return op;
}

RequestOp DeleteOp(std::string_view key) {
  DeleteRangeRequest request;
  request.set_key(std::string(key));
  return DeleteOp(std::move(request));
}

RequestOp DeleteOp(DeleteRangeRequest request) {
  RequestOp op;
  *op.mutable_request_delete_range() = std::move(request);
  return op;
}

RequestOp TxnOp(TxnRequest request) {
  RequestOp op;
  *op.mutable_request_txn() = std::move(request);
  return op;
}

Compare CompareInt::With(Compare::CompareResult result, int64_t v) const {
  Compare with = compare;
  with.set_result(result);
  switch (with.target()) {
    case Compare::VERSION:
      with.set_version(v);
      break;
    case Compare::CREATE:
      with.set_create_revision(v);
      break;
    case Compare::MOD:
      with.set_mod_revision(v);
      break;
    default:
      with.set_lease(v);
      break;
  }
  return with;
}

Compare CompareBytes::With(Compare::CompareResult result, std::string_view v) const {
  Compare with = compare;
  with.set_result(result);
  with.set_value(std::string(v));
  return with;
}

CompareInt Version(std::string_view key) { return {CompareOf(Compare::VERSION, key)}; }
CompareInt CreateRevision(std::string_view key) { return {CompareOf(Compare::CREATE, key)}; }
CompareInt ModRevision(std::string_view key) { return {CompareOf(Compare::MOD, key)}; }
CompareInt LeaseOf(std::string_view key) { return {CompareOf(Compare::LEASE, key)}; }
CompareBytes Value(std::string_view key) { return {CompareOf(Compare::VALUE, key)}; }

}  // namespace keelson::client
