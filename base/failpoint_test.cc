// The language of failpoints, and what a registry says of them. The points in the code are built
// with KEELSON_FAILPOINTS only; their test is tests/integration/failpoints_test.py.
#include "base/failpoint.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace keelson {
namespace {

using Kind = FailpointAct::Kind;

// The kinds and values of the first `count` acts.
std::string Acts(const std::string& text, int count) {
  auto terms = FailpointTerms::Parse(text);
  if (!terms.ok()) return std::string(terms.status().message());
  SeededRandom random(1);
  std::string acts;
  for (int i = 0; i < count; ++i) {
    const FailpointAct act = terms->Next(random);
    constexpr const char* kNames[] = {"-", "return", "panic", "sleep", "print"};
    acts += kNames[static_cast<size_t>(act.kind)];
    if (act.kind == Kind::kSleep) acts += absl::FormatDuration(act.sleep);
    acts += act.value + " ";
  }
  return acts;
}

TEST(FailpointTermsTest, ActionsHaveValuesOfSeveralKinds) {
  EXPECT_EQ(Acts("off", 1), "- ");
  EXPECT_EQ(Acts("return", 1), "return ");
  EXPECT_EQ(Acts("return(17)", 1), "return17 ");
  EXPECT_EQ(Acts("return(-1)", 1), "return-1 ");
  EXPECT_EQ(Acts("return(true)", 1), "returntrue ");
  EXPECT_EQ(Acts("return()", 1), "return ");
  EXPECT_EQ(Acts(R"(return("a \"b\" -> c"))", 1), R"(returna "b" -> c )");
  EXPECT_EQ(Acts(R"(panic("why"))", 1), "panicwhy ");
  EXPECT_EQ(Acts("print", 1), "print ");
  EXPECT_EQ(Acts("sleep(250)", 1), "sleep250ms250 ");
  EXPECT_EQ(Acts(R"(sleep("1.5s"))", 1), "sleep1.5s1.5s ");
  EXPECT_EQ(Acts("break", 1), "- ");
}

TEST(FailpointTermsTest, ACountedTermIsDueSoOftenAndThenTheNextOneIs) {
  EXPECT_EQ(Acts("2*return(1)", 3), "return1 return1 - ");
  EXPECT_EQ(Acts("1*return(1)->2*return(2)->return(3)", 5),
            "return1 return2 return2 return3 return3 ");
  EXPECT_EQ(Acts("2*off->return", 3), "- - return ");
  EXPECT_EQ(Acts("0*return", 1), "- ");
}

TEST(FailpointTermsTest, AProbableTermIsDueAboutSoOften) {
  auto terms = FailpointTerms::Parse("25%return->5.5%print");
  ASSERT_TRUE(terms.ok()) << terms.status();
  SeededRandom random(7);
  int returns = 0;
  int prints = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Kind kind = terms->Next(random).kind;
    returns += kind == Kind::kReturn;
    prints += kind == Kind::kPrint;
  }
  EXPECT_NEAR(returns, 2500, 200);
  EXPECT_NEAR(prints, 0.055 * 7500, 100);
}

TEST(FailpointTermsTest, ModifiersGoTogetherAndACountIsSpentOnlyWhenTheTermIsDue) {
  EXPECT_EQ(Acts("0%2*return(1)->return(2)", 2), "return2 return2 ");
  EXPECT_EQ(Acts("2*100%return(1)->return(2)", 3), "return1 return1 return2 ");
}

TEST(FailpointTermsTest, WhatIsNotInTheLanguageIsRefused) {
  for (const char* text : {"", "x", "return(", "return(1", "return(x)", "return(\"a)", "sleep",
                           "sleep()", "sleep(\"x\")", "sleep(-1)", "101%return", "-1*return", "3*",
                           "return->", "return off", "return;off", "1e400*return", "nan%return"}) {
    EXPECT_FALSE(FailpointTerms::Parse(text).ok()) << text;
  }
}

class FailpointRegistryTest : public testing::Test {
 protected:
  using List = std::vector<std::pair<std::string, std::string>>;
  FailpointRegistry registry_{{"b", "a"}};
};

TEST_F(FailpointRegistryTest, APointDoesWhatItIsToldUntilItIsToldNoMore) {
  EXPECT_EQ(registry_.Get("a").Reach(), std::nullopt);
  ASSERT_TRUE(registry_.Enable("a", "return(\"x\")").ok());
  EXPECT_EQ(registry_.Get("a").Reach(), "x");
  EXPECT_EQ(registry_.Get("b").Reach(), std::nullopt);
  EXPECT_EQ(*registry_.Terms("a"), "return(\"x\")");
  EXPECT_EQ(*registry_.Reached("a"), 1);
  EXPECT_EQ(registry_.List(), (List{{"a", "return(\"x\")"}, {"b", ""}}));
  EXPECT_TRUE(registry_.Disable("a").ok());
  EXPECT_EQ(registry_.Get("a").Reach(), std::nullopt);
  EXPECT_TRUE(absl::IsFailedPrecondition(registry_.Disable("a")));
  EXPECT_TRUE(absl::IsFailedPrecondition(registry_.Terms("a").status()));
}

TEST_F(FailpointRegistryTest, WhatIsUnknownOrWrongChangesNothing) {
  EXPECT_TRUE(absl::IsNotFound(registry_.Enable("c", "off")));
  EXPECT_TRUE(absl::IsNotFound(registry_.Terms("c").status()));
  ASSERT_TRUE(registry_.Enable("a", "return").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(registry_.Enable("a", "nonsense")));
  EXPECT_EQ(*registry_.Terms("a"), "return");
}

TEST_F(FailpointRegistryTest, ListsAreTakenWholeOrNotAtAll) {
  EXPECT_TRUE(registry_.EnableAll("a=1*return(1);b=sleep(0);").ok());
  EXPECT_EQ(registry_.List(), (List{{"a", "1*return(1)"}, {"b", "sleep(0)"}}));
  EXPECT_FALSE(registry_.EnableAll("a=off;b=nonsense").ok());
  EXPECT_FALSE(registry_.EnableAll("a=off;c=off").ok());
  EXPECT_FALSE(registry_.EnableAll("a").ok());
  EXPECT_EQ(*registry_.Terms("a"), "1*return(1)");
}

TEST(FailpointDeathTest, APanicEndsTheProcessAndSaysWhy) {
  FailpointRegistry registry({"a"});
  ASSERT_TRUE(registry.Enable("a", "panic(\"no more\")").ok());
  EXPECT_DEATH(registry.Get("a").Reach(), "failpoint panic: a no more");
}

}  // namespace
}  // namespace keelson
