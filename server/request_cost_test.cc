#include "server/request_cost.h"

#include "gtest/gtest.h"
#include "server/testing/text_proto.h"

namespace keelson::server {
namespace {

uint64_t Txn(const std::string& text) { return TxnCost(FromText<etcdserverpb::TxnRequest>(text)); }

TEST(RequestCostTest, APutCostsItsKeyItsValueAndWhatGoesWithThem) {
  EXPECT_EQ(PutCost(FromText<etcdserverpb::PutRequest>("key: 'abc' value: '12345'")), 256u + 8u);
}

TEST(RequestCostTest, ATransactionCostsTheLargerBranch) {
  EXPECT_EQ(Txn("success { request_put { key: 'a' } } success { request_put { key: 'b' } } "
                "failure { request_put { key: 'a' value: '0123456789' } }"),
            2u * 257u);
  EXPECT_EQ(Txn("success { request_put { key: 'a' } } "
                "failure { request_put { key: 'a' value: '0123456789' } }"),
            267u);
}

TEST(RequestCostTest, NestedTransactionsCount) {
  EXPECT_EQ(Txn("success { request_put { key: 'a' } } "
                "success { request_txn { failure { request_put { key: 'b' value: 'c' } } } }"),
            257u + 258u);
}

TEST(RequestCostTest, WhatOnlyReadsAndDeletesCostsNothing) {
  EXPECT_EQ(Txn("success { request_range { key: 'a' } } "
                "failure { request_delete_range { key: 'a' } }"),
            0u);
}

}  // namespace
}  // namespace keelson::server
