#include "base/check.h"

#include "base/types.h"
#include "gtest/gtest.h"

namespace keelson {
namespace {

TEST(CheckTest, PassingCheckDoesNotEvaluateTheMessage) {
  int evaluated = 0;
  KV_CHECK(true) << ++evaluated;
  KV_CHECK_EQ(1, 1) << ++evaluated;
  EXPECT_EQ(evaluated, 0);
}

TEST(CheckDeathTest, FailedCheckPrintsConditionOperandsAndText) {
  EXPECT_DEATH(KV_CHECK(1 > 2) << "never", "check failed: 1 > 2 never");
  EXPECT_DEATH(KV_CHECK_LE(LogIndex(7), LogIndex(5)) << "commit", "7 vs 5.*commit");
}

}  // namespace
}  // namespace keelson
