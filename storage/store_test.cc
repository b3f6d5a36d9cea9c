#include "storage/store.h"

#include "gtest/gtest.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

TEST(StoreTest, Smoke) {
  TemporaryDirectory directory;
  StoreOptions options;
  options.directory = directory.File("state");
  for (int round = 0; round < 3; ++round) {
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Store& store = **opened;
    if (round == 0) {
      EXPECT_EQ(store.revision(), Revision(1));
      store.BeginEntry(LogIndex(1), Term(1));
      ASSERT_TRUE(store.Put("a", "1", {}, false).ok());
      ASSERT_TRUE(store.Put("b", "2", {}, false).ok());
      EXPECT_EQ(store.EndEntry().size(), 2u);
      ASSERT_TRUE(store.CommitBatch().ok());
      EXPECT_EQ(store.durable_applied(), LogIndex(0));
      ASSERT_TRUE(store.Flush().ok());
      EXPECT_EQ(store.durable_applied(), LogIndex(1));
    }
    EXPECT_EQ(store.applied(), LogIndex(1));
    EXPECT_EQ(store.durable_applied(), LogIndex(1));
    EXPECT_EQ(store.revision(), Revision(2));
    std::string all;
    RangeQuery query;
    query.range = KeyRange::FromWire("a", std::string_view("\0", 1));
    auto summary = store.Range(query, [&all](std::string_view bytes) {
      KeyValue kv;
      ASSERT_TRUE(ParseKeyValue(bytes, kv));
      all += std::string(kv.key) + "=" + std::string(kv.value) + " ";
    });
    ASSERT_TRUE(summary.ok());
    EXPECT_EQ(all, "a=1 b=2 ");
    EXPECT_EQ(summary->count, 2);
  }
}

}  // namespace
}  // namespace keelson::storage
