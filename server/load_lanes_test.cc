// Which calls stand in whose way: the lanes of requests as clients send them.
#include "server/load_lanes.h"

#include <string>

#include "gtest/gtest.h"
#include "proto/etcd/rpc.pb.h"
#include "server/testing/text_proto.h"

namespace keelson::server {
namespace {

using rpc::Lane;

template <typename Request>
std::string LaneOf(const char* method, const char* text) {
  return LaneName(LaneOfMethod(method).Of(FromText<Request>(text).SerializeAsString()));
}
std::string LaneOfRange(const char* text) {
  return LaneOf<etcdserverpb::RangeRequest>("/etcdserverpb.KV/Range", text);
}
std::string LaneOfTxn(const char* text) {
  return LaneOf<etcdserverpb::TxnRequest>("/etcdserverpb.KV/Txn", text);
}

TEST(LoadLanesTest, ReadsOfAFewKeysAreNotAmongThoseOfAnyLength) {
  EXPECT_EQ(LaneOfRange("key: 'a'"), "read");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' limit: 100"), "read");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' count_only: true"), "read");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b'"), "range");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: '\\0' keys_only: true"), "range");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' limit: 10000"), "range");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' limit: -1"), "range");
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' limit: 1 sort_target: MOD"), "range")
      << "it reads all to find the first";
  EXPECT_EQ(LaneOfRange("key: 'a' range_end: 'b' limit: 1 max_mod_revision: 7"), "range");
  EXPECT_EQ(LaneOfRange(""), "read");
}

TEST(LoadLanesTest, ATransactionIsAWriteIfOneOfItsOperationsMayBe) {
  EXPECT_EQ(LaneOfTxn("success { request_put { key: 'a' } }"), "write");
  EXPECT_EQ(LaneOfTxn("success { request_range { key: 'a' range_end: 'b' } } "
                      "failure { request_delete_range { key: 'a' } }"),
            "write");
  EXPECT_EQ(LaneOfTxn("success { request_txn {} }"), "write");
  EXPECT_EQ(LaneOfTxn("compare { key: 'a' } success { request_range { key: 'a' } }"), "read");
  EXPECT_EQ(LaneOfTxn("failure { request_range { key: 'a' range_end: 'b' } }"), "range");
}

TEST(LoadLanesTest, BytesThatAreNoRequestHaveALaneToo) {
  for (const std::string bytes : {"\xff\xff\xff", "\x0a",
                                  "\x12\x7f"
                                  "a",
                                  "\x0b"}) {
    EXPECT_EQ(LaneOfMethod("/etcdserverpb.KV/Range").Of(bytes), Lane::kRead);
    EXPECT_EQ(LaneOfMethod("/etcdserverpb.KV/Txn").Of(bytes), Lane::kRead);
  }
}

TEST(LoadLanesTest, WhatOperatorsNeedIsVitalAndSoIsWhatNobodyHasThoughtOf) {
  for (const char* method :
       {"/etcdserverpb.Maintenance/Status", "/etcdserverpb.Maintenance/Alarm",
        "/etcdserverpb.Cluster/MemberAdd", "/etcdserverpb.Cluster/MemberList",
        "/etcdserverpb.KV/Compact", "/grpc.health.v1.Health/Check", "/new.Service/Method"}) {
    EXPECT_EQ(LaneOfMethod(method).Of(""), Lane::kVital) << method;
  }
  EXPECT_EQ(LaneOfMethod("/etcdserverpb.Lease/LeaseGrant").Of(""), Lane::kLease);
}

TEST(LoadLanesTest, TheLanesTogetherFitIntoTheMemory) {
  for (const uint64_t memory : {uint64_t{64} << 20, uint64_t{1} << 30}) {
    const rpc::LoadLimits limits = MakeLoadLimits({.memory_bytes = memory});
    uint64_t unsent = 0;
    uint64_t requests = limits.partial_bytes_max;
    for (const rpc::LaneLimits& lane : limits.lanes) {
      unsent += lane.unsent_bytes_max;
      requests += lane.running_bytes_max + lane.waiting_bytes_max;
    }
    EXPECT_LE(unsent, memory);
    EXPECT_LE(requests, memory);
  }
  EXPECT_GE(DefaultClientMemory(), uint64_t{64} << 20);
}

}  // namespace
}  // namespace keelson::server
