#include "tools/kvctl/txn_language.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tools/kvctl/words.h"

namespace keelson::kvctl {
namespace {

using etcdserverpb::Compare;
using testing::ElementsAre;

TEST(TxnLanguageTest, EveryTargetIsUnderstood) {
  struct {
    const char* line;
    Compare::CompareTarget target;
    Compare::CompareResult result;
  } const cases[] = {
      {"ver(\"k\") = \"1\"", Compare::VERSION, Compare::EQUAL},
      {"version(\"k\") != \"1\"", Compare::VERSION, Compare::NOT_EQUAL},
      {"c(\"k\") < \"1\"", Compare::CREATE, Compare::LESS},
      {"create(\"k\") > \"1\"", Compare::CREATE, Compare::GREATER},
      {"m(\"k\") = \"1\"", Compare::MOD, Compare::EQUAL},
      {"mod(\"k\")   =   \"1\"", Compare::MOD, Compare::EQUAL},
      {"val(\"k\") = \"1\"", Compare::VALUE, Compare::EQUAL},
      {"value(`k`) = `1`", Compare::VALUE, Compare::EQUAL},
      {"lease(\"k\") = \"1\"", Compare::LEASE, Compare::EQUAL},
  };
  for (const auto& c : cases) {
    Compare compare;
    const Exit exit = ParseCompare(c.line, &compare);
    ASSERT_TRUE(exit.ok()) << exit.error;
    EXPECT_EQ(compare.target(), c.target) << c.line;
    EXPECT_EQ(compare.result(), c.result) << c.line;
    EXPECT_EQ(compare.key(), "k");
  }
}

TEST(TxnLanguageTest, LeasesAreHexadecimalAndRevisionsDecimal) {
  Compare compare;
  ASSERT_TRUE(ParseCompare("lease(\"k\") = \"1f\"", &compare).ok());
  EXPECT_EQ(compare.lease(), 31);
  EXPECT_EQ(ParseCompare("mod(\"k\") = \"1f\"", &compare).code, ExitCode::kInvalidInput);
}

TEST(TxnLanguageTest, KeysMayHoldEverything) {
  Compare compare;
  ASSERT_TRUE(ParseCompare("value(\"a) = \\\"b\\x00\") = \"(\\n)\"", &compare).ok());
  EXPECT_EQ(compare.key(), std::string("a) = \"b\0", 8));
  EXPECT_EQ(compare.value(), "(\n)");
}

TEST(TxnLanguageTest, MalformedComparisonsShowWhatWasUnderstood) {
  struct {
    const char* line;
    const char* error;
  } const cases[] = {
      {"foo", "malformed comparison: foo"},
      {"mod(a) > \"1\"", "malformed comparison: mod(a) > \"1\"; got mod(\"\")  \"\""},
      {"mod(\"a\") > 1", "malformed comparison: mod(\"a\") > 1; got mod(\"a\") > \"\""},
      {"ver(\"a\")<\"1\"", "malformed comparison: ver(\"a\")<\"1\"; got ver(\"a\")  \"\""},
      {"foo(\"a\") > \"1\"", "malformed comparison: foo(\"a\") > \"1\" (unknown target foo)"},
      {"mod(\"a\") ? \"1\"", "malformed comparison: mod(\"a\") ? \"1\" (unknown operator ?)"},
  };
  for (const auto& c : cases) {
    Compare compare;
    const Exit exit = ParseCompare(c.line, &compare);
    EXPECT_EQ(exit.code, ExitCode::kInvalidInput);
    EXPECT_EQ(exit.error, c.error);
  }
}

TEST(TxnLanguageTest, RequestsHaveTheFlagsOfTheirCommands) {
  std::istringstream in;
  etcdserverpb::RequestOp op;
  ASSERT_TRUE(ParseRequest("get --prefix a --limit=3 --order DESCEND", in, &op).ok());
  EXPECT_EQ(op.request_range().range_end(), "b");
  EXPECT_EQ(op.request_range().limit(), 3);
  op.Clear();
  ASSERT_TRUE(ParseRequest("put 'the key' \"a\\nb\" --lease=1f", in, &op).ok());
  EXPECT_EQ(op.request_put().key(), "the key");
  EXPECT_EQ(op.request_put().value(), "a\nb");
  EXPECT_EQ(op.request_put().lease(), 31);
  op.Clear();
  ASSERT_TRUE(ParseRequest("del a b --prev-kv", in, &op).ok());
  EXPECT_EQ(op.request_delete_range().range_end(), "b");
  EXPECT_TRUE(op.request_delete_range().prev_kv());
}

TEST(TxnLanguageTest, MalformedRequestsAreRefused) {
  std::istringstream in;
  etcdserverpb::RequestOp op;
  EXPECT_EQ(ParseRequest("get", in, &op).error, "invalid txn compare request: get");
  EXPECT_EQ(ParseRequest("frob a", in, &op).error, "invalid txn request: frob a");
  EXPECT_EQ(ParseRequest("get a --nosuch", in, &op).error, "invalid txn request: get a --nosuch");
  EXPECT_EQ(ParseRequest("put a", in, &op).code, ExitCode::kBadArguments);
}

TEST(WordsTest, QuotesHoldBlanksTogether) {
  EXPECT_THAT(*SplitWords(R"(put "a b"  'c "d' e"f)"), ElementsAre("put", "a b", "c \"d", "e\"f"));
  EXPECT_THAT(*SplitWords(R"("\x41\n" '\n')"), ElementsAre("A\n", "\\n"));
  EXPECT_THAT(*SplitWords(""), ElementsAre());
  EXPECT_THAT(*SplitWords("\"\" ''"), ElementsAre("", ""));
}

TEST(WordsTest, AQuoteWithoutPartnerIsSkipped) {
  EXPECT_THAT(*SplitWords("get \"a b"), ElementsAre("get", "a", "b"));
}

TEST(WordsTest, AnUnknownEscapeIsAnError) { EXPECT_FALSE(SplitWords(R"("\q")").ok()); }

}  // namespace
}  // namespace keelson::kvctl
