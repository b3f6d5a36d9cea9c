#include "apiserver/api/field_selector.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/kind.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

Kind MakeKind(std::vector<FieldLabel> labels) {
  return {.group = "",
          .version = "v1",
          .kind = "Pod",
          .plural = "pods",
          .singular = "pod",
          .message = "core.v1.Pod",
          .storage_prefix = "pods",
          .field_labels = std::move(labels)};
}

const Kind& Pods() {
  static const Kind kind = MakeKind({{"status.phase", "status.phase"},
                                     {"spec.hostNetwork", "spec.hostNetwork", "false"},
                                     {"status.count", "status.count", "0"}});
  return kind;
}

std::string Text(std::string_view text, const Kind& kind = Pods()) {
  const absl::StatusOr<FieldSelector> selector = FieldSelector::Parse(kind, text);
  return selector.ok() ? selector->ToString() : std::string(selector.status().message());
}

TEST(FieldSelectorTest, TextIsReadAndTermsAreSorted) {
  EXPECT_EQ(Text(""), "");
  EXPECT_EQ(Text("status.phase!=Running,metadata.name==a,,"),
            "metadata.name=a,status.phase!=Running");
  EXPECT_EQ(Text("metadata.name==b,metadata.name=a"), "metadata.name=a,metadata.name=b");
  EXPECT_EQ(Text("metadata.name=a\\,b\\=c\\\\"), "metadata.name=a\\,b\\=c\\\\");
}

TEST(FieldSelectorTest, RefusalsSayWhatKubernetesSays) {
  EXPECT_EQ(Text("spec.x=1"), "field label not supported: spec.x");
  const Kind other = MakeKind({});
  EXPECT_EQ(Text("spec.x=1", other),
            "\"spec.x\" is not a known field selector: only \"metadata.name\", "
            "\"metadata.namespace\"");
  EXPECT_EQ(Text("metadata.name"),
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
  EXPECT_EQ(Text("metadata.name=a=b"), "invalid field selector: unescaped character in value: 61");
  EXPECT_EQ(Text("metadata.name=a\\b"), "invalid field selector: invalid escape sequence: \\b");
  EXPECT_EQ(Text("metadata.name=a\\"), "invalid field selector: invalid escape sequence: \\");
}

TEST(FieldSelectorTest, MatchesTextsFlagsNumbersAndWhatIsAbsent) {
  const Json object = {{"metadata", {{"name", "a"}, {"namespace", "n"}}},
                       {"spec", {{"hostNetwork", true}}},
                       {"status", {{"count", 3}}}};
  const auto matches = [&](std::string_view text, const Json& what) {
    return FieldSelector::Parse(Pods(), text)->Matches(what);
  };
  EXPECT_TRUE(matches("metadata.name=a,metadata.namespace=n", object));
  EXPECT_TRUE(matches("spec.hostNetwork=true,status.count=3", object));
  EXPECT_TRUE(matches("status.phase=", object));
  EXPECT_FALSE(matches("status.phase=Running", object));
  EXPECT_TRUE(matches("status.phase!=Running", object));
  EXPECT_TRUE(matches("spec.hostNetwork=false,status.count=0", Json::object()));
  EXPECT_EQ(FieldSelector::Parse(Pods(), "metadata.name=a")->Required("metadata.name"), "a");
  EXPECT_EQ(FieldSelector::Parse(Pods(), "metadata.name!=a")->Required("metadata.name"),
            std::nullopt);
}

}  // namespace
}  // namespace keelson::api
