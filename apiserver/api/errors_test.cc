#include "apiserver/api/errors.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace keelson::api {
namespace {

const GroupResource kPods{"", "pods"};
const GroupResource kDeployments{"apps", "deployments"};

std::string MessageOf(const absl::Status& status) { return StatusObject(status)["message"]; }

TEST(ErrorsTest, StatusObjectsAreAsTheApiServersOfKubernetes) {
  EXPECT_EQ(StatusObject(NotFound(kDeployments, "web")),
            Json::parse(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
                 "message":"deployments.apps \"web\" not found","reason":"NotFound",
                 "details":{"name":"web","group":"apps","kind":"deployments"},"code":404})"));
  EXPECT_EQ(StatusObject(ObjectModified(kPods, "a")),
            Json::parse(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
                 "message":"Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again",
                 "reason":"Conflict","details":{"name":"a","kind":"pods"},"code":409})"));
  EXPECT_EQ(StatusObject(TooManyRequests("slow down", 3))["details"]["retryAfterSeconds"], 3);
  EXPECT_EQ(StatusObject(ExpiredContinue("abc"))["metadata"]["continue"], "abc");
}

TEST(ErrorsTest, MessagesAreAsTheApiServersOfKubernetes) {
  EXPECT_EQ(MessageOf(Forbidden(kPods, "x", "no")), "pods \"x\" is forbidden: no");
  EXPECT_EQ(MessageOf(Forbidden(kPods, "", "no")), "pods is forbidden: no");
  EXPECT_EQ(MessageOf(Forbidden({}, "", "no")), "forbidden: no");
  EXPECT_EQ(MessageOf(AlreadyExists(kPods, "x")), "pods \"x\" already exists");
  EXPECT_EQ(MessageOf(MethodNotAllowed(kDeployments, "patch")),
            "patch is not supported on resources of kind \"deployments.apps\"");
  EXPECT_EQ(MessageOf(Internal("boom")), "Internal error occurred: boom");
  EXPECT_EQ(MessageOf(Timeout("Too large resource version: 9, current: 4", 1)),
            "Timeout: Too large resource version: 9, current: 4");
}

TEST(ErrorsTest, FindingsAreCausesAndOneMessage) {
  FieldErrors errors;
  errors.Required("spec.containers");
  EXPECT_EQ(MessageOf(Invalid("", "Pod", "x", errors)),
            "Pod \"x\" is invalid: spec.containers: Required value");
  errors.Invalid("spec.replicas", -1, "must be greater than or equal to 0");
  errors.Invalid("spec.name", "a\"b", "bad");
  errors.NotSupported("spec.type", "Foo", {"A", "B"});
  errors.Duplicate("spec.ports[1]", "a");
  errors.Forbidden("spec", "no");
  errors.TooLong("data", 5);
  errors.TooMany("items", 3, 2);
  errors.NotFound("spec.volumeMounts[0].name", "v");
  errors.Invalid("spec.x", nullptr, "bad");
  errors.Required("spec.containers");  // a second time: said once, but two causes
  const absl::Status status = Invalid("apps", "Deployment", "d", errors);
  EXPECT_EQ(MessageOf(status),
            "Deployment.apps \"d\" is invalid: [spec.containers: Required value, spec.replicas: "
            "Invalid value: -1: must be greater than or equal to 0, spec.name: Invalid value: "
            "\"a\\\"b\": bad, spec.type: Unsupported value: \"Foo\": supported values: \"A\", "
            "\"B\", spec.ports[1]: Duplicate value: \"a\", spec: Forbidden: no, data: Too long: "
            "may not be more than 5 bytes, items: Too many: 3: must have at most 2 items, "
            "spec.volumeMounts[0].name: Not found: \"v\", spec.x: Invalid value: null: bad]");
  const Json causes = StatusObject(status)["details"]["causes"];
  ASSERT_EQ(causes.size(), 11u);
  EXPECT_EQ(causes[3], Json::parse(R"({"reason":"FieldValueNotSupported","field":"spec.type",
      "message":"Unsupported value: \"Foo\": supported values: \"A\", \"B\""})"));
  EXPECT_EQ(HttpCode(status), 422);
}

TEST(ErrorsTest, ListsAndMapsOfTextsAreShownAsGoShowsThem) {
  FieldErrors errors;
  errors.Invalid("a", Json{{"x", "y"}, {"z", "\""}}, "bad");
  errors.NotSupported("b", Json::array({"Some", "More"}), {"All"});
  errors.Invalid("c", Json{{"x", 1}}, "bad");
  EXPECT_EQ(errors.causes()[0].message,
            "Invalid value: map[string]string{\"x\":\"y\", \"z\":\"\\\"\"}: bad");
  EXPECT_EQ(errors.causes()[1].message,
            "Unsupported value: []string{\"Some\", \"More\"}: supported values: \"All\"");
  EXPECT_EQ(errors.causes()[2].message, "Invalid value: {\"x\":1}: bad");
}

TEST(ErrorsTest, StatusWithoutPayloadIsAnInternalError) {
  const absl::Status status = absl::DataLossError("torn");
  EXPECT_EQ(HttpCode(status), 500);
  EXPECT_EQ(Reason(status), "InternalError");
  EXPECT_EQ(MessageOf(status), "Internal error occurred: torn");
}

TEST(ErrorsTest, QuestionsHoldOnBothSidesOfTheWire) {
  const struct {
    absl::Status status;
    bool (*question)(const absl::Status&);
  } cases[] = {
      {NotFound(kPods, "x"), IsNotFound},
      {AlreadyExists(kPods, "x"), IsAlreadyExists},
      {ObjectModified(kPods, "x"), IsConflict},
      {Forbidden(kPods, "x", "no"), IsForbidden},
      {Invalid("", "Pod", "x", {}), IsInvalid},
      {Expired("old"), IsExpired},
      {TooManyRequests("slow", 1, {{"DisruptionBudget", "no", ""}}), IsTooManyRequests},
  };
  for (const auto& [status, question] : cases) {
    const Json object = StatusObject(status);
    const absl::Status heard = FromAnswer(HttpCode(status), object);
    EXPECT_TRUE(question(status)) << status;
    EXPECT_TRUE(question(heard)) << heard;
    EXPECT_EQ(StatusObject(heard), object);
  }
  EXPECT_FALSE(IsInvalid(BadRequest("x")));
  EXPECT_FALSE(IsTooManyRequests(TooLarge("x")));
}

TEST(ErrorsTest, AnswersThatAreNoStatusHaveTheReasonOfTheirCode) {
  EXPECT_TRUE(FromAnswer(201, Json::object()).ok());
  EXPECT_EQ(Reason(FromAnswer(404, "page not found")), "NotFound");
  EXPECT_EQ(Reason(FromAnswer(502, nullptr)), "InternalError");
  // What a broken server sends as details does no harm.
  const absl::Status odd = FromAnswer(
      409, Json{{"kind", "Status"}, {"details", {{"causes", 5}}}, {"message", 7}, {"code", "x"}});
  EXPECT_EQ(StatusObject(WithCause(odd, {"a", "b", "c"}))["details"]["causes"].size(), 1u);
}

TEST(ErrorsTest, CausesAreAdded) {
  const absl::Status status = WithCause(Forbidden(kPods, "x", "no"),
                                        {"NamespaceTerminating", "going", "metadata.namespace"});
  EXPECT_EQ(StatusObject(status)["details"]["causes"][0]["reason"], "NamespaceTerminating");
  EXPECT_TRUE(IsForbidden(status));
  EXPECT_EQ(HttpCode(status), 403);
}

}  // namespace
}  // namespace keelson::api
