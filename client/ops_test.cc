#include "client/ops.h"

#include <gtest/gtest.h>

namespace keelson::client {
namespace {

TEST(OpsTest, PrefixEndIsTheFirstKeyBehindThePrefix) {
  EXPECT_EQ(PrefixEnd("abc"), "abd");
  EXPECT_EQ(PrefixEnd("a\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), std::string("\0", 1));
  EXPECT_EQ(PrefixEnd(""), std::string("\0", 1));
  EXPECT_EQ(PrefixRange("").key(), std::string("\0", 1));
}

TEST(OpsTest, ATransactionReadsAsItIsWritten) {
  const TxnRequest txn = Txn()
                             .If(ModRevision("a") == 7)
                             .If(Value("b") != "x")
                             .Then(PutOp("a", "1", 5))
                             .Then(DeleteOp("b"))
                             .Else(GetOp("a"))
                             .Build();
  ASSERT_EQ(txn.compare_size(), 2);
  EXPECT_EQ(txn.compare(0).target(), Compare::MOD);
  EXPECT_EQ(txn.compare(0).result(), Compare::EQUAL);
  EXPECT_EQ(txn.compare(0).mod_revision(), 7);
  EXPECT_EQ(txn.compare(1).result(), Compare::NOT_EQUAL);
  EXPECT_EQ(txn.compare(1).value(), "x");
  ASSERT_EQ(txn.success_size(), 2);
  EXPECT_EQ(txn.success(0).request_put().lease(), 5);
  EXPECT_EQ(txn.success(1).request_delete_range().key(), "b");
  EXPECT_EQ(txn.failure(0).request_range().key(), "a");
}

TEST(OpsTest, EachTargetHasItsOwnField) {
  EXPECT_EQ((Version("k") > 3).version(), 3);
  EXPECT_EQ((CreateRevision("k") < 4).create_revision(), 4);
  EXPECT_EQ((LeaseOf("k") == 9).lease(), 9);
}

}  // namespace
}  // namespace keelson::client
