// Our hand-written bytes against the protobuf library's reading of them, and the other way round.
#include "tools/kvbench/etcd_messages.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::kvbench {
namespace {

// The one message of a body, checked to be prefixed rightly.
std::string Only(const std::string& body) {
  std::vector<std::string> messages;
  MessageCutter cutter;
  EXPECT_TRUE(cutter.Feed(body, [&](std::string_view m) { messages.emplace_back(m); }));
  EXPECT_FALSE(cutter.in_the_middle());
  EXPECT_EQ(messages.size(), 1u);
  return messages.empty() ? "" : messages[0];
}

TEST(EtcdMessagesTest, PutHasTheBytesOfTheExample) {
  std::string body;
  AppendPut(body, "k", "v");
  EXPECT_EQ(body, std::string("\0\0\0\0\6\x0a\1k\x12\1v", 11));
}

TEST(EtcdMessagesTest, RequestsReadAsTheyWereMeant) {
  for (size_t size : {0, 1, 127, 128, 16383, 16384, 2000000}) {
    const std::string value(size, 'x');
    std::string body;
    AppendPut(body, "some key", value);
    etcdserverpb::PutRequest put;
    ASSERT_TRUE(put.ParseFromString(Only(body)));
    EXPECT_EQ(put.key(), "some key");
    EXPECT_EQ(put.value(), value);
  }
  for (Consistency consistency : {Consistency::kLinearizable, Consistency::kSerializable}) {
    std::string body;
    AppendGet(body, "some key", consistency);
    etcdserverpb::RangeRequest get;
    ASSERT_TRUE(get.ParseFromString(Only(body)));
    EXPECT_EQ(get.key(), "some key");
    EXPECT_EQ(get.range_end(), "");
    EXPECT_EQ(get.serializable(), consistency == Consistency::kSerializable);
  }
  std::string body;
  AppendWatchCreate(body, "some key", 300);
  etcdserverpb::WatchRequest watch;
  ASSERT_TRUE(watch.ParseFromString(Only(body)));
  EXPECT_EQ(watch.create_request().key(), "some key");
  EXPECT_EQ(watch.create_request().watch_id(), 300);
}

TEST(EtcdMessagesTest, AnswersAreRead) {
  etcdserverpb::RangeResponse range;
  range.mutable_header()->set_revision(7);
  range.add_kvs()->set_value("v");
  range.set_count(1234);
  EXPECT_EQ(ReadRangeCount(range.SerializeAsString()), 1234u);

  etcdserverpb::StatusResponse status;
  status.mutable_header()->set_member_id(0xfedcba9876543210);
  status.set_leader(0xf123456789abcdef);
  status.set_version("3.4.23");
  const auto read = ReadStatus(status.SerializeAsString());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->member_id, 0xfedcba9876543210);
  EXPECT_EQ(read->leader, 0xf123456789abcdef);

  etcdserverpb::WatchResponse watch;
  watch.set_canceled(true);
  watch.set_cancel_reason("why");
  for (const char* value : {"one", "two"}) watch.add_events()->mutable_kv()->set_value(value);
  std::vector<std::string> values;
  const std::string bytes = watch.SerializeAsString();
  const auto answer = ReadWatch(bytes, [&](std::string_view v) { values.emplace_back(v); });
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->created);
  EXPECT_TRUE(answer->canceled);
  EXPECT_EQ(answer->cancel_reason, "why");
  EXPECT_EQ(answer->events, 2u);
  EXPECT_EQ(values, (std::vector<std::string>{"one", "two"}));
}

TEST(EtcdMessagesTest, BrokenAnswersAreRefused) {
  etcdserverpb::RangeResponse range;
  range.mutable_header()->set_revision(1 << 20);
  range.add_kvs()->set_value("value");
  const std::string whole = range.SerializeAsString();
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    refused += ReadRangeCount(std::string_view(whole).substr(0, size)) ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()) - 3);  // a cut between fields reads well
  EXPECT_FALSE(ReadRangeCount("\x07"));                    // no such wire type
  EXPECT_FALSE(ReadRangeCount(std::string_view("\x00\x01", 2)));  // no such field
}

TEST(EtcdMessagesTest, MessagesAreCutHoweverTheyArrive) {
  std::string body;
  AppendPut(body, "a", std::string(300, 'x'));
  AppendStatus(body);  // an empty message
  AppendPut(body, "b", "y");
  for (size_t step : {size_t{1}, size_t{2}, size_t{7}, size_t{310}, body.size()}) {
    MessageCutter cutter;
    std::vector<size_t> sizes;
    for (size_t at = 0; at < body.size(); at += step) {
      ASSERT_TRUE(cutter.Feed(std::string_view(body).substr(at, step),
                              [&](std::string_view m) { sizes.push_back(m.size()); }));
    }
    EXPECT_EQ(sizes, (std::vector<size_t>{306, 0, 6})) << step;
    EXPECT_FALSE(cutter.in_the_middle());
  }
  MessageCutter compressed, huge;
  EXPECT_FALSE(compressed.Feed(std::string_view("\1\0\0\0\1x", 6), [](std::string_view) {}));
  EXPECT_FALSE(huge.Feed(std::string_view("\0\xff\xff\xff\xff", 5), [](std::string_view) {}));
}

}  // namespace
}  // namespace keelson::kvbench
