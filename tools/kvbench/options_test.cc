#include "tools/kvbench/options.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::kvbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<CommandLine> Parse(const std::string& line) {
  return ParseCommandLine(absl::StrSplit(line, ' ', absl::SkipEmpty()));
}

TEST(OptionsTest, DefaultsAreBoundedInTime) {
  const auto line = Parse("put");
  ASSERT_TRUE(line.ok()) << line.status();
  const Options& options = line->options;
  EXPECT_EQ(options.operation, Operation::kPut);
  ASSERT_EQ(options.endpoints.size(), 1u);
  EXPECT_EQ(options.endpoints[0].text(), "127.0.0.1:2379");
  EXPECT_EQ(options.duration, absl::Seconds(5));
  EXPECT_EQ(options.outstanding, 1u);
  EXPECT_EQ(options.connections, 1u);
  EXPECT_EQ(Parse("put --total 10")->options.duration, absl::Hours(1));
}

TEST(OptionsTest, EveryFlagIsHeard) {
  const auto line = Parse(
      "get --endpoints http://a:1,[::1]:2/,c:3 --target leader --connections 2 --outstanding 8 "
      "--total 100 --duration 1m --warmup 0 --timeout 2.5 --key-size 16 --key-space 1000 "
      "--key-order sequential --consistency s --seed 42 --rate 99.5 --server-pids 11,22 --json");
  ASSERT_TRUE(line.ok()) << line.status();
  const Options& options = line->options;
  EXPECT_EQ(options.operation, Operation::kGet);
  ASSERT_EQ(options.endpoints.size(), 3u);
  EXPECT_EQ(options.endpoints[0].text(), "a:1");
  EXPECT_EQ(options.endpoints[1].text(), "[::1]:2");
  EXPECT_EQ(options.target, Target::kLeader);
  EXPECT_EQ(options.connections, 2u);
  EXPECT_EQ(options.outstanding, 8u);
  EXPECT_EQ(options.total, 100u);
  EXPECT_EQ(options.duration, absl::Minutes(1));
  EXPECT_EQ(options.warmup, absl::ZeroDuration());
  EXPECT_EQ(options.timeout, absl::Seconds(2.5));
  EXPECT_EQ(options.key_order, KeyOrder::kSequential);
  EXPECT_EQ(options.consistency, Consistency::kSerializable);
  EXPECT_EQ(options.seed, 42u);
  EXPECT_EQ(options.rate, 99.5);
  EXPECT_EQ(options.server_pids, (std::vector<int>{11, 22}));
  EXPECT_TRUE(options.json);
}

TEST(OptionsTest, ConnectionsDefaultToOneForEachEndpointInUse) {
  EXPECT_EQ(Parse("put --endpoints a:1,b:2,c:3 --outstanding 8")->options.connections, 3u);
  EXPECT_EQ(Parse("put --endpoints a:1,b:2,c:3 --outstanding 2")->options.connections, 2u);
  EXPECT_EQ(Parse("put --endpoints a:1,b:2,c:3 --outstanding 8 --target leader")
                ->options.connections,
            1u);
}

TEST(OptionsTest, HelpIsNotAnError) {
  EXPECT_THAT(Parse("--help")->help, HasSubstr("watch"));
  EXPECT_THAT(Parse("get --help")->help, HasSubstr("--consistency"));
}

TEST(OptionsTest, BadFlagsGetOneLineThatNamesThem) {
  struct Case {
    const char* line;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {"", "subcommand"},
           {"scan", "scan"},
           {"put --frobnicate", "--frobnicate"},
           {"put --outstanding", "--outstanding"},
           {"put --outstanding 0", "--outstanding"},
           {"put --outstanding many", "--outstanding"},
           {"put --connections 2", "--connections 2: is more than --outstanding"},
           {"watch --connections 2", "--connections 2: is more than --streams"},
           {"put --endpoints localhost", "--endpoints localhost: is not HOST:PORT"},
           {"put --endpoints a:1,", "--endpoints"},
           {"put --endpoints a:99999", "--endpoints"},
           {"put --cert a.pem", "must be given together"},
           {"put --duration soon", "--duration soon"},
           {"put --duration 2h", "--duration 2h"},
           {"put --duration -1s", "--duration"},
           {"put --total 0", "--total"},
           {"put --target follower", "--target"},
           {"put --key-size 4 --key-space 100000", "--key-size 4"},
           {"put --server-pids 1,x", "--server-pids 1,x"},
           {"put --consistency s", "--consistency"},
           {"get --consistency q", "--consistency"},
           {"get --value-size 1", "--value-size"},
           {"watch --value-size 4", "--value-size 4"},
           {"put --rate 0", "--rate"},
       }) {
    const auto line = Parse(c.line);
    ASSERT_FALSE(line.ok()) << c.line;
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(line.status().message()), AllOf(HasSubstr(c.says), Not(HasSubstr("\n"))))
        << c.line;
  }
}

}  // namespace
}  // namespace keelson::kvbench
