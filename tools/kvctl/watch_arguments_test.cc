#include "tools/kvctl/watch_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::kvctl {
namespace {

using testing::ElementsAre;

Arguments Line(std::vector<std::string> before) { return {before, false, {}}; }
Arguments Line(std::vector<std::string> before, std::vector<std::string> after) {
  return {.before = before, .separated = true, .after = after};
}

TEST(WatchArgumentsTest, KeysStandBeforeTheSeparatorAndTheCommandBehindIt) {
  WatchArguments parsed;
  ASSERT_TRUE(ParseWatchArguments(Line({"a", "b"}, {"echo", "a"}), "", "", &parsed).ok());
  EXPECT_THAT(parsed.keys, ElementsAre("a", "b"));
  EXPECT_THAT(parsed.command, ElementsAre("echo", "a"));
}

TEST(WatchArgumentsTest, TheEnvironmentMayHaveTheKeys) {
  WatchArguments parsed;
  ASSERT_TRUE(ParseWatchArguments(Line({}, {"echo"}), "a", "b", &parsed).ok());
  EXPECT_THAT(parsed.keys, ElementsAre("a", "b"));
  EXPECT_EQ(ParseWatchArguments(Line({"a"}), "a", "", &parsed).error,
            "bad number of arguments (found conflicting environment key)");
}

TEST(WatchArgumentsTest, WhatIsMissingIsSaid) {
  WatchArguments parsed;
  EXPECT_EQ(ParseWatchArguments(Line({}), "", "", &parsed).error, "bad number of arguments");
  EXPECT_EQ(ParseWatchArguments(Line({"a"}, {}), "", "", &parsed).error,
            "bad number of arguments (found separator --, but no commands)");
}

TEST(WatchArgumentsTest, APrefixIsARange) {
  client::WatchRequest request;
  ASSERT_TRUE(MakeWatchRequest({.keys = {"a"}}, {.prefix = true, .rev = 7}, &request).ok());
  EXPECT_EQ(request.key, "a");
  EXPECT_EQ(request.range_end, "b");
  EXPECT_EQ(request.start_revision, 7);
  ASSERT_TRUE(MakeWatchRequest({.keys = {""}}, {.prefix = true}, &request).ok());
  EXPECT_EQ(request.key, std::string("\0", 1));
  EXPECT_EQ(MakeWatchRequest({.keys = {"a", "b"}}, {.prefix = true}, &request).error,
            "`range_end` and `--prefix` are mutually exclusive");
}

}  // namespace
}  // namespace keelson::kvctl
