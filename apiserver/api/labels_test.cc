#include "apiserver/api/labels.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace keelson::api {
namespace {

std::string Text(std::string_view text) {
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(text);
  return selector.ok() ? selector->ToString() : std::string(selector.status().message());
}

bool Matches(std::string_view text, const Json& labels) {
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(text);
  return selector.ok() && selector->Matches(labels);
}

const Json kLabels = {{"app", "web"}, {"tier", "front"}, {"rank", "7"}, {"empty", ""}};

TEST(LabelSelectorTest, TextIsReadInEveryForm) {
  EXPECT_EQ(Text(""), "");
  EXPECT_EQ(Text("b=1, a==2"), "a=2,b=1");
  EXPECT_EQ(Text(" x in ( b ,a,b ) , y notin (c), !z,w "), "w,x in (a,b),y!=c,!z");
  EXPECT_EQ(Text("a>5,b<6"), "a>5,b<6");
  EXPECT_EQ(Text("a=,b!="), "a=,b!=");
  EXPECT_EQ(Text("in in (in,notin)"), "in in (in,notin)");
  EXPECT_EQ(Text("a in (,)"), "a=");
  EXPECT_EQ(Text("a in ()"), "a=");
  EXPECT_EQ(Text("a in (x,,y)"), "a in (,x,y)");
  EXPECT_EQ(Text("a=b,"), "found '', expected: identifier after ','");
}

TEST(LabelSelectorTest, RefusalsSayWhatKubernetesSays) {
  EXPECT_EQ(Text(",a"), "found ',', expected: !, identifier, or 'end of string'");
  EXPECT_EQ(Text("a b"),
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
  EXPECT_EQ(Text("a=b c"), "found 'c', expected: ',' or 'end of string'");
  EXPECT_EQ(Text("a in b"), "unable to parse requirement: found 'b' expected: '('");
  EXPECT_EQ(Text("a in (b"), "unable to parse requirement: found '', expected: ',' or ')'");
  EXPECT_EQ(Text("a in (b c)"), "unable to parse requirement: found 'c', expected: ',' or ')'");
  EXPECT_EQ(Text("a in (="),
            "unable to parse requirement: found '=', expected: ',', ')' or identifier");
  EXPECT_EQ(Text("!"), "unable to parse requirement: found '', expected: identifier");
  EXPECT_EQ(Text("a=="), "a=");
  EXPECT_EQ(Text("a=("), "unable to parse requirement: found '(', expected: identifier");
  EXPECT_EQ(Text("a>b"),
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' "
            "operators, the value must be an integer");
  EXPECT_EQ(Text("-a=b"),
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of "
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
            "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
  EXPECT_EQ(Text("a=-"),
            "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label must "
            "be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
            "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
}

TEST(LabelSelectorTest, MatchesByEveryOperator) {
  EXPECT_TRUE(Matches("", kLabels));
  EXPECT_TRUE(Matches("app=web,tier!=back,missing!=x", kLabels));
  EXPECT_FALSE(Matches("app=web,tier=back", kLabels));
  EXPECT_TRUE(Matches("app in (api,web),tier notin (back)", kLabels));
  EXPECT_FALSE(Matches("app notin (web)", kLabels));
  EXPECT_TRUE(Matches("app,!missing,empty=", kLabels));
  EXPECT_FALSE(Matches("missing=", kLabels));
  EXPECT_TRUE(Matches("rank>6,rank<8", kLabels));
  EXPECT_FALSE(Matches("rank>7", kLabels));
  EXPECT_FALSE(Matches("app>7", kLabels));
  EXPECT_FALSE(Matches("app", nullptr));
}

TEST(LabelSelectorTest, ObjectFormIsReadAndNullSelectsNothing) {
  const LabelSelector selector = LabelSelector::FromObject(Json::parse(R"({
      "matchLabels": {"app": "web"},
      "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]},
                           {"key": "x", "operator": "DoesNotExist"}]})"));
  EXPECT_EQ(selector.ToString(), "app=web,tier in (back,front),!x");
  EXPECT_TRUE(selector.Matches(kLabels));
  EXPECT_TRUE(LabelSelector::FromObject(Json::object()).everything());
  EXPECT_FALSE(LabelSelector::FromObject(nullptr).Matches(kLabels));
  EXPECT_FALSE(LabelSelector::Nothing().everything());
  EXPECT_TRUE(LabelSelector::FromMap(Json::object()).everything());
  EXPECT_EQ(LabelSelector::FromMap({{"b", "2"}, {"a", "1"}}).ToString(), "a=1,b=2");
}

TEST(NameRulesTest, NamesAreHeldToTheirRule) {
  std::string why;
  EXPECT_TRUE(IsSubdomain("a.b-c.9", &why));
  EXPECT_FALSE(IsSubdomain("a..b", &why));
  EXPECT_FALSE(IsSubdomain("", &why));
  EXPECT_FALSE(IsSubdomain("A", &why));
  EXPECT_EQ(why,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  EXPECT_TRUE(IsSubdomain(std::string(253, 'a'), &why));
  EXPECT_FALSE(IsSubdomain(std::string(254, 'a'), &why));
  EXPECT_EQ(why, "must be no more than 253 characters");
  EXPECT_FALSE(IsLabel("a.b", &why));
  EXPECT_EQ(why, "must not contain dots");
  EXPECT_FALSE(IsLabel("a-", &why));
  EXPECT_FALSE(IsLabel1035("1a", &why));
  EXPECT_TRUE(IsLabel("1a", &why));
  EXPECT_TRUE(IsQualifiedName("example.com/My_Name", &why));
  EXPECT_FALSE(IsQualifiedName("/x", &why));
  EXPECT_EQ(why, "prefix part must be non-empty");
  EXPECT_FALSE(IsQualifiedName("a/b/c", &why));
  EXPECT_FALSE(IsQualifiedName("a/", &why));
  EXPECT_TRUE(IsLabelValue("", &why));
  EXPECT_FALSE(IsLabelValue(std::string(64, 'a'), &why));
  EXPECT_EQ(why, "must be no more than 63 characters");
  EXPECT_TRUE(IsConfigKey(".dockerconfigjson", &why));
  EXPECT_FALSE(IsConfigKey("..x", &why));
  EXPECT_EQ(why, "must not start with '..'");
  EXPECT_FALSE(IsConfigKey("a b", &why));
}

TEST(NameRulesTest, FindingsOfLabelsAndSelectorsNameTheirPlace) {
  FieldErrors errors;
  ValidateLabels({{"a", "ok"}, {"b", "-"}, {"-", "ok"}}, "metadata.labels", errors);
  ASSERT_EQ(errors.causes().size(), 2u);
  EXPECT_EQ(errors.causes()[0].field, "metadata.labels");
  FieldErrors of_selector;
  ValidateLabelSelector(Json::parse(R"({"matchLabels": {"a": "-"}, "matchExpressions": [
      {"key": "a", "operator": "In"}, {"key": "b", "operator": "Exists", "values": ["x"]},
      {"key": "c", "operator": "Like"}, {"key": "", "operator": "In", "values": ["-"]}]})"),
                        "spec.selector", of_selector);
  std::vector<std::string> fields;
  for (const Cause& cause : of_selector.causes()) fields.push_back(cause.field);
  EXPECT_EQ(
      fields,
      (std::vector<std::string>{
          "spec.selector.matchLabels", "spec.selector.matchExpressions[0].values",
          "spec.selector.matchExpressions[1].values", "spec.selector.matchExpressions[2].operator",
          "spec.selector.matchExpressions[3].key", "spec.selector.matchExpressions[3].key",
          "spec.selector.matchExpressions[3].values[0]"}));
}

}  // namespace
}  // namespace keelson::api
