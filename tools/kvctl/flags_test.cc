#include "tools/kvctl/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::kvctl {
namespace {

using testing::ElementsAre;

class FlagsTest : public testing::Test {
 protected:
  FlagsTest() {
    flags_.Bool("prefix", 'p', &prefix_, "");
    flags_.Int("limit", &limit_, "");
    flags_.String("write-out", 'w', &format_, "");
    flags_.Duration("timeout", &timeout_, "");
    flags_.StringList("endpoints", &endpoints_, "");
  }
  std::string Parse(std::vector<std::string> words) {
    arguments_ = {};
    return std::string(flags_.Parse(words, &arguments_).message());
  }

  Flags flags_;
  Arguments arguments_;
  bool prefix_ = false;
  int64_t limit_ = 0;
  std::string format_ = "simple";
  absl::Duration timeout_ = absl::Seconds(5);
  std::vector<std::string> endpoints_ = {"default:1"};
};

TEST_F(FlagsTest, FlagsMayStandAnywhereBeforeTheSeparator) {
  EXPECT_EQ(Parse({"--prefix", "key", "--limit=3", "end", "-w", "json", "--", "--limit", "x"}), "");
  EXPECT_TRUE(prefix_);
  EXPECT_EQ(limit_, 3);
  EXPECT_EQ(format_, "json");
  EXPECT_THAT(arguments_.before, ElementsAre("key", "end"));
  EXPECT_TRUE(arguments_.separated);
  EXPECT_THAT(arguments_.after, ElementsAre("--limit", "x"));
}

TEST_F(FlagsTest, EveryWayToGiveAValueIsUnderstood) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-wjson"}, {"-w=json"}, {"-w", "json"}, {"--write-out=json"},
        {"--write-out", "json"}, {"-pw", "json"}, {"-pwjson"}}) {
    format_ = "simple";
    EXPECT_EQ(Parse(words), "");
    EXPECT_EQ(format_, "json");
  }
  EXPECT_EQ(Parse({"--write-out="}), "");
  EXPECT_EQ(format_, "");
}

TEST_F(FlagsTest, ASwitchTakesItsValueOnlyAfterAnEqualsSign) {
  prefix_ = true;
  EXPECT_EQ(Parse({"--prefix=false", "--prefix=zz"}),
            "invalid argument \"zz\" for \"-p, --prefix\" flag: strconv.ParseBool: parsing \"zz\": "
            "invalid syntax");
  EXPECT_FALSE(prefix_);
  EXPECT_EQ(Parse({"--prefix", "false"}), "");
  EXPECT_TRUE(prefix_);
  EXPECT_THAT(arguments_.before, ElementsAre("false"));
}

TEST_F(FlagsTest, ArgumentsAreTakenAsTheyAre) {
  EXPECT_EQ(Parse({"[1,2]", "-", "", "{\"a\": 1}", "a=b"}), "");
  EXPECT_THAT(arguments_.before, ElementsAre("[1,2]", "-", "", "{\"a\": 1}", "a=b"));
}

TEST_F(FlagsTest, AListReplacesItsDefaultAndThenGrows) {
  EXPECT_EQ(Parse({"--endpoints=a:1,b:2", "--endpoints", "c:3"}), "");
  EXPECT_THAT(endpoints_, ElementsAre("a:1", "b:2", "c:3"));
}

TEST_F(FlagsTest, ErrorsAreInPflagsWords) {
  EXPECT_EQ(Parse({"--nosuch"}), "unknown flag: --nosuch");
  EXPECT_EQ(Parse({"--pre"}), "unknown flag: --pre");
  EXPECT_EQ(Parse({"-x"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(Parse({"-px"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(Parse({"--limit"}), "flag needs an argument: --limit");
  EXPECT_EQ(Parse({"-w"}), "flag needs an argument: 'w' in -w");
  EXPECT_EQ(Parse({"--=x"}), "bad flag syntax: --=x");
  EXPECT_EQ(Parse({"--limit=x"}),
            "invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid "
            "syntax");
}

TEST_F(FlagsTest, TheFirstArgumentIsFoundBehindFlagsAndTheirValues) {
  EXPECT_EQ(flags_.FirstArgument({"-w", "json", "--limit", "1", "get", "a"}), 4u);
  EXPECT_EQ(flags_.FirstArgument({"--prefix", "get"}), 1u);
  EXPECT_EQ(flags_.FirstArgument({"--limit=1", "--unknown", "get"}), 2u);
  EXPECT_EQ(flags_.FirstArgument({"--", "get"}), std::nullopt);
}

}  // namespace
}  // namespace keelson::kvctl
