#include "server/auth/simple_tokens.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::server {
namespace {

using ::testing::Pointee;

class SimpleTokensTest : public testing::Test {
 protected:
  void Assign(const std::string& token, const std::string& user) {
    tokens_.Apply({TokenChange::Kind::kAssign, user, token});
  }
  FakeClock clock_;
  SimpleTokens tokens_{&clock_, absl::Seconds(10)};
};

TEST_F(SimpleTokensTest, PrefixesAreSixteenLettersAndNoTwoAreTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string prefix = SimpleTokens::NewPrefix();
    EXPECT_EQ(prefix.size(), 16u);
    EXPECT_THAT(prefix, testing::MatchesRegex("[a-zA-Z]+"));
    EXPECT_TRUE(seen.insert(prefix).second);
  }
}

TEST_F(SimpleTokensTest, TheIndexStandsBehindTheDot) {
  EXPECT_EQ(SimpleTokens::IndexOf("abc.12"), LogIndex(12));
  for (const char* text :
       {"", "abc", "abc.", "abc.x", "abc.1x", "abc.-1", "abc.1.2", "abc.99999999999999999999999"}) {
    EXPECT_FALSE(SimpleTokens::IndexOf(text)) << text;
  }
}

TEST_F(SimpleTokensTest, ATokenThatIsUsedLastsAndOneThatIsNotExpires) {
  Assign("used.1", "a");
  Assign("unused.2", "b");
  clock_.Advance(absl::Seconds(9));
  EXPECT_THAT(tokens_.Use("used.1"), Pointee(std::string("a")));
  clock_.Advance(absl::Seconds(9));
  EXPECT_THAT(tokens_.Use("used.1"), Pointee(std::string("a")));
  EXPECT_EQ(tokens_.Use("unused.2"), nullptr);
  EXPECT_EQ(tokens_.size(), 1u) << "what expired takes no memory";
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(tokens_.Use("used.1"), nullptr);
}

TEST_F(SimpleTokensTest, NoOtherTokenIsGood) {
  Assign("abc.1", "a");
  EXPECT_EQ(tokens_.Use("abc.2"), nullptr);
  EXPECT_EQ(tokens_.Use("abc"), nullptr);
  EXPECT_EQ(tokens_.Use(""), nullptr);
}

TEST_F(SimpleTokensTest, AUsersTokensGoTogetherAndTheOthersStay) {
  Assign("x.1", "a");
  Assign("y.2", "b");
  Assign("z.3", "a");
  tokens_.Apply({TokenChange::Kind::kDropUser, "a", {}});
  EXPECT_EQ(tokens_.Use("x.1"), nullptr);
  EXPECT_EQ(tokens_.Use("z.3"), nullptr);
  EXPECT_THAT(tokens_.Use("y.2"), Pointee(std::string("b")));
  tokens_.Apply({TokenChange::Kind::kDropAll, {}, {}});
  EXPECT_EQ(tokens_.Use("y.2"), nullptr);
  EXPECT_EQ(tokens_.size(), 0u);
}

}  // namespace
}  // namespace keelson::server
