// The JSON form of etcd's messages. tests/integration/gateway_test.py compares it with etcd's.
#include "server/json_gateway.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::server {
namespace {

using testing::HasSubstr;

template <typename Request>
Request Parse(const std::string& method, const std::string& json) {
  const auto bytes = JsonOfMethod(method).to_request(json);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  Request request;
  EXPECT_TRUE(request.ParseFromString(bytes.value_or("")));
  return request;
}
std::string Refusal(const std::string& json) {
  const auto bytes = JsonOfMethod("/etcdserverpb.KV/Range").to_request(json);
  return bytes.ok() ? "(none)" : std::string(bytes.status().message());
}
std::string Print(const std::string& method, const google::protobuf::Message& answer) {
  return JsonOfMethod(method).from_answer(ByteChain(answer.SerializeAsString())).value_or("failed");
}

TEST(JsonGatewayTest, FieldsAreTakenUnderBothNamesAndUnknownOnesLeftOut) {
  const auto range = Parse<etcdserverpb::RangeRequest>(
      "/etcdserverpb.KV/Range",
      R"({"key":"Zm9v","rangeEnd":"Zm9w","range_end":"Zm9w","limit":"7","revision":3,)"
      R"("sort_order":"DESCEND","sortTarget":2,"bogus":{"a":[1]},"keys_only":true})");
  EXPECT_EQ(range.key(), "foo");
  EXPECT_EQ(range.range_end(), "fop");
  EXPECT_EQ(range.limit(), 7);
  EXPECT_EQ(range.revision(), 3);
  EXPECT_EQ(range.sort_order(), etcdserverpb::RangeRequest::DESCEND);
  EXPECT_EQ(range.sort_target(), etcdserverpb::RangeRequest::CREATE);
  EXPECT_TRUE(range.keys_only());
}

TEST(JsonGatewayTest, NestedMessagesAndNames) {
  const auto txn = Parse<etcdserverpb::TxnRequest>(
      "/etcdserverpb.KV/Txn",
      R"({"compare":[{"key":"YQ==","target":"VERSION","result":"GREATER","version":"2","x":1}],)"
      R"("success":[{"requestRange":{"key":"YQ==","y":null}},{"request_put":{"key":"YQ=="}}]})");
  EXPECT_EQ(txn.compare(0).version(), 2);
  EXPECT_TRUE(txn.success(0).has_request_range());
  EXPECT_TRUE(txn.success(1).has_request_put());
  const auto grant = Parse<etcdserverpb::LeaseGrantRequest>("/etcdserverpb.Lease/LeaseGrant",
                                                            R"({"TTL":"5","ID":-9})");
  EXPECT_EQ(grant.ttl(), 5);
  EXPECT_EQ(grant.id(), -9);
}

TEST(JsonGatewayTest, WhatIsNoSuchMessageIsRefused) {
  EXPECT_EQ(Refusal("null"), "(none)");
  EXPECT_EQ(Refusal("{}"), "(none)");
  EXPECT_THAT(Refusal("[1]"), HasSubstr("cannot unmarshal array into Go value"));
  EXPECT_THAT(Refusal("\"x\""), HasSubstr("cannot unmarshal string into Go value"));
  for (const char* bad :
       {R"({"key":1})", R"({"key":"*"})", R"({"limit":"abc"})", R"({"limit":1.5})",
        R"({"limit":99999999999999999999})", R"({"sort_order":"BOGUS"})",
        R"({"keys_only":"maybe"})", R"({"key":{}})", R"({"key")", R"({"key":"\x"})",
        "{\"key\":\"\xff\"}", R"({"key":"YQ=="}})"}) {
    EXPECT_NE(Refusal(bad), "(none)") << bad;
  }
}

TEST(JsonGatewayTest, AnswersAreWrittenAsEtcdWritesThem) {
  etcdserverpb::RangeResponse range;
  range.mutable_header()->set_cluster_id(14841639068965178418u);
  range.mutable_header()->set_revision(5);
  mvccpb::KeyValue& kv = *range.add_kvs();
  kv.set_key("foo");
  kv.set_value("a\xff?");
  kv.set_mod_revision(1);
  range.set_count(1);
  EXPECT_EQ(Print("/etcdserverpb.KV/Range", range),
            R"({"header":{"cluster_id":"14841639068965178418","revision":"5"},)"
            R"("kvs":[{"key":"Zm9v","mod_revision":"1","value":"Yf8/"}],"count":"1"})");
  etcdserverpb::WatchResponse watch;
  watch.set_watch_id(-1);
  watch.set_canceled(true);
  watch.set_cancel_reason("a<b>&\"c\"\n");
  watch.add_events()->set_type(mvccpb::Event::DELETE);
  EXPECT_EQ(Print("/etcdserverpb.Watch/Watch", watch),
            R"({"watch_id":"-1","canceled":true,"cancel_reason":"a\u003cb\u003e\u0026\"c\"\n",)"
            R"("events":[{"type":"DELETE"}]})");
  etcdserverpb::MemberListResponse members;
  members.add_members()->add_peerurls("http://a");
  EXPECT_EQ(Print("/etcdserverpb.Cluster/MemberList", members),
            R"({"members":[{"peerURLs":["http://a"]}]})");
  EXPECT_EQ(Print("/etcdserverpb.KV/Put", etcdserverpb::PutResponse()), "{}");
}

TEST(JsonGatewayTest, AnswerThatIsNoMessageIsAnError) {
  EXPECT_FALSE(
      JsonOfMethod("/etcdserverpb.KV/Put").from_answer(ByteChain(std::string("\xff\xff"))).ok());
}

}  // namespace
}  // namespace keelson::server
