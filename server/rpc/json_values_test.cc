#include "server/rpc/json_values.h"

#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::rpc {
namespace {

using testing::ElementsAre;

// All values of a body that comes in pieces; an error is the last one.
std::vector<std::string> Read(const std::string& body, size_t piece) {
  std::vector<std::string> found;
  JsonValues values;
  size_t at = 0;
  for (;;) {
    const auto next = values.Next();
    if (!next.ok()) {
      found.push_back("error: " + std::string(next.status().message()));
      return found;
    }
    if (next->has_value()) {
      found.push_back(**next);
    } else if (at < body.size()) {
      values.Feed(body.substr(at, piece));
      at += piece;
      if (at >= body.size()) values.End();
    } else {
      values.End();
      const auto last = values.Next();
      if (!last.ok()) found.push_back("error: " + std::string(last.status().message()));
      return found;
    }
  }
}

TEST(JsonValuesTest, ValuesAreFoundWhateverPiecesTheyComeIn) {
  const std::string body = R"( {"a":"}\"{\\"} {"b":[{},"]"]}[1]"x\"" null 12
   )";
  for (size_t piece = 1; piece <= body.size(); ++piece) {
    EXPECT_THAT(Read(body, piece), ElementsAre(R"({"a":"}\"{\\"})", R"({"b":[{},"]"]})", "[1]",
                                               R"("x\"")", "null", "12"));
  }
}

TEST(JsonValuesTest, NothingIsNoValue) {
  EXPECT_THAT(Read("", 1), ElementsAre());
  EXPECT_THAT(Read(" \r\n\t", 1), ElementsAre());
}

TEST(JsonValuesTest, WhatIsNoValueIsRefusedInGosWords) {
  EXPECT_THAT(Read("x", 1),
              ElementsAre("error: invalid character 'x' looking for beginning of value"));
  EXPECT_THAT(Read("{} }", 1),
              ElementsAre("{}", "error: invalid character '}' looking for beginning of value"));
  EXPECT_THAT(Read("{\"a\":", 2), ElementsAre("error: unexpected EOF"));
  EXPECT_THAT(Read("\"abc", 2), ElementsAre("error: unexpected EOF"));
}

TEST(JsonValuesTest, NestingHasALimit) {
  const std::string deep(JsonValues::kDepthMax, '[');
  EXPECT_THAT(Read(deep + std::string(JsonValues::kDepthMax, ']'), 7).size(), 1u);
  EXPECT_THAT(Read(deep + "[", 7), ElementsAre("error: exceeded max depth"));
}

TEST(JsonValuesTest, BytesOfAnyKindEnd) {
  SeededRandom random(7);
  constexpr char kAlphabet[] = "{}[]\"\\:, \n1tnx\xff";
  for (int i = 0; i < 20'000; ++i) {
    std::string body(random.Below(40), ' ');
    for (char& c : body) c = kAlphabet[random.Below(sizeof(kAlphabet) - 1)];
    EXPECT_EQ(Read(body, 1), Read(body, 1000)) << body;
  }
}

}  // namespace
}  // namespace keelson::rpc
