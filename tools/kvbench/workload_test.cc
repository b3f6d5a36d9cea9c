#include "tools/kvbench/workload.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace keelson::kvbench {
namespace {

Options PutOptions() {
  Options options;
  options.key_size = 12;
  options.key_space = 1000;
  options.value_size = 100;
  return options;
}

TEST(WorkloadTest, KeysHaveTheirSizeWhateverIsLeftForThePrefix) {
  Options options = PutOptions();
  EXPECT_EQ(Workload(options).Key(7), "kvbench/0007");
  options.key_size = 5;
  EXPECT_EQ(Workload(options).Key(999), "kv999");
  options.key_size = 3;
  EXPECT_EQ(Workload(options).Key(42), "042");
}

TEST(WorkloadTest, SequentialKeysVisitTheWholeSpaceOnceARound) {
  Options options = PutOptions();
  options.key_order = KeyOrder::kSequential;
  Workload workload(options);
  std::set<std::string> keys;
  for (int i = 0; i < 1000; ++i) {
    const std::string request(workload.Next(absl::ZeroDuration()));
    keys.insert(request.substr(kMessagePrefixBytes + 2, options.key_size));
  }
  EXPECT_EQ(keys.size(), 1000u);
  EXPECT_EQ(*keys.begin(), "kvbench/0000");
  EXPECT_EQ(*keys.rbegin(), "kvbench/0999");
}

TEST(WorkloadTest, SameSeedSameRequests) {
  const Options options = PutOptions();
  Options other = options;
  other.seed = 2;
  Workload a(options), b(options), c(other);
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string request(a.Next(absl::ZeroDuration()));
    EXPECT_EQ(request, b.Next(absl::ZeroDuration()));
    different += request != c.Next(absl::ZeroDuration());
  }
  EXPECT_EQ(different, 100);
}

TEST(WorkloadTest, WatchedValuesCarryTheTimeOfTheirPut) {
  Options options = PutOptions();
  options.operation = Operation::kWatch;
  Workload workload(options);
  const std::string request(workload.Next(absl::Microseconds(123456789)));
  EXPECT_EQ(Workload::PutTime(std::string_view(request).substr(request.size() - 100)),
            absl::Microseconds(123456789));
  EXPECT_FALSE(Workload::PutTime("short"));
}

}  // namespace
}  // namespace keelson::kvbench
