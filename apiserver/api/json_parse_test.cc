#include "apiserver/api/json_parse.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

// Whether both parsers take the text for the same value, or for none.
void ExpectAgreement(const std::string& text) {
  const std::optional<Json> quick = ParseText(text);
  const Json slow = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_EQ(quick.has_value(), !slow.is_discarded()) << text;
  if (!quick) return;
  EXPECT_EQ(*quick, slow) << text;
  EXPECT_EQ(quick->dump(), slow.dump()) << text;
}

constexpr char kObject[] = R"({ "metadata" : {"name":"a\u00e4\ud83d\ude00\n","labels":{}},
    "b": [1, -2, 0, 2.50, 1e3, -0, [], {"x": null}], "a": true, "zebra": false, "a": "again"})";

TEST(JsonParseTest, TakesTheSameTextsForTheSameValuesAsTheSlowParser) {
  for (const char* text : {kObject,
                           "",
                           " ",
                           "null",
                           "nul",
                           "tru",
                           "true ",
                           "truex",
                           "[",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{",
                           "{}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":1}}",
                           "\"",
                           "\"a",
                           "\"\\\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\\u0000\"",
                           "\"\\x\"",
                           "\"\x01\"",
                           "\"\x7f\"",
                           "\"\xc3\xa4\"",
                           "\"\xc3\"",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "\"\\n\xc3\"",
                           "0",
                           "-",
                           "-0",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "1.5e-3",
                           "+1",
                           "1e400",
                           "-1e400",
                           "1e-400",
                           "9223372036854775807",
                           "9223372036854775808",
                           "18446744073709551615",
                           "18446744073709551616",
                           "-9223372036854775808",
                           "-9223372036854775809",
                           "[1]\n",
                           "[1]x"}) {
    ExpectAgreement(text);
  }
}

TEST(JsonParseTest, AgreesAboutTextsThatWereDamaged) {
  constexpr unsigned kSeed = 20261126;
  std::mt19937 chance(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = kObject;
    for (unsigned damages = 1 + chance() % 3; damages > 0; --damages) {
      const size_t at = chance() % text.size();
      // A zero byte is the end of the text for the other one.
      const char byte = static_cast<char>(1 + chance() % 255);
      const char usual = "{}[]\",:\\u0e-."[chance() % 13];
      if (chance() % 3 == 0) {
        text.erase(at, 1 + chance() % 4);
      } else {
        text[at] = chance() % 2 == 0 ? byte : usual;
      }
      if (text.empty()) break;
    }
    ExpectAgreement(text);
  }
}

TEST(JsonParseTest, IsNotLedDeeperThanItsStackGoes) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseText(nested(kParseDepthMax)));
  EXPECT_FALSE(ParseText(nested(kParseDepthMax + 1)));
  EXPECT_FALSE(ParseText(std::string(1'000'000, '[')));
}

// What PartsOf should find, by parsing all of it.
Json PartsByParsing(const std::string& text, const std::vector<std::string_view>& paths) {
  const Json whole = Json::parse(text);
  Json parts = Json::object();
  for (std::string_view path : paths) {
    if (const Json* value = Find(whole, path)) Make(parts, path) = *value;
  }
  return parts;
}

TEST(JsonPartsTest, PartsAreThoseThatParsingFinds) {
  const std::vector<std::string_view> paths = {"metadata.name", "metadata.labels", "spec.nodeName",
                                               "status.phase", "type"};
  const Json strange = {
      {"metadata", {{"name", "a\"b\\"}, {"labels", {{"x", "}"}}}, {"uid", "\\\""}}},
      {"spec", {{"containers", {{{"name", "{["}, {"nodeName", "not this"}}}}, {"nodeName", "n"}}},
      {"status", {{"phase", "Running"}, {"metadata", {{"name", "nor this"}}}}},
      {"typed", true},
      {"type", {1, -2.5, nullptr, false, {{"deep", Json::array()}}}}};
  for (const Json& object : {strange, Json::object(), Json{{"metadata", "text"}, {"type", 7}}}) {
    for (const std::string& text : {object.dump(), object.dump(2)}) {
      const std::optional<Json> parts = PartsOf(text, paths);
      ASSERT_TRUE(parts) << text;
      EXPECT_EQ(*parts, PartsByParsing(text, paths)) << text;
    }
  }
}

TEST(JsonPartsTest, TextThatIsCutIsNotTakenForWhole) {
  const std::string text =
      R"({"metadata":{"name":"a","labels":{"b":"\"c"}},"spec":[1,{"d":"e"}],"type":"x"})";
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(PartsOf(text.substr(0, size), {"metadata.labels", "type"})) << size;
  }
  EXPECT_FALSE(PartsOf(text + "x", {"type"}));
  EXPECT_EQ(PartsOf(R"({"metad\u0061ta":{"name":"a"}})", {"metadata.name"}),
            (Json{{"metadata", {{"name", "a"}}}}));
  EXPECT_FALSE(PartsOf("[]", {"type"}));
  EXPECT_FALSE(PartsOf(R"({"type":nul})", {"type"}));
}

}  // namespace
}  // namespace keelson::api
