#include "tests/fuzz/api_decoders.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/api/apply.h"
#include "apiserver/api/decode.h"
#include "apiserver/api/field_owners.h"
#include "apiserver/api/field_selector.h"
#include "apiserver/api/field_set.h"
#include "apiserver/api/json_parse.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/patch.h"
#include "apiserver/api/protobuf.h"
#include "apiserver/api/quantity.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/time.h"
#include "apiserver/api/typed_json.h"
#include "apiserver/api/yaml.h"
#include "base/check.h"
#include "base/coding.h"

namespace keelson::fuzz {
namespace {

using api::Json;

const api::Message& Pod() { return *api::FindMessage("core.v1.Pod"); }

// What was read is read again, and nothing is wrong with it or comes out otherwise.
void CheckKept(const api::Message& message, const Json& object) {
  const std::string text = object.dump();
  KV_CHECK(api::JsonFault(text).empty()) << text;
  Json again;
  const api::TypedJsonFaults faults = api::ReadTypedJson(text, message, &again);
  KV_CHECK(faults.fatal.empty()) << faults.fatal << " in " << text;
  KV_CHECK(faults.strict.empty()) << faults.strict[0] << " in " << text;
  KV_CHECK(again == object) << text << " became " << again.dump();
}

const api::Message* TakeMessage(std::string_view& bytes) {
  uint8_t which;
  if (!TakeByte(bytes, which)) return nullptr;
  // Most of them at the objects that have the others in them.
  constexpr std::string_view kObjects[] = {
      "core.v1.Pod",    "apps.v1.Deployment", "core.v1.Service",
      "core.v1.Secret", "core.v1.Node",       "authorization.v1.SubjectAccessReview"};
  if (which < std::size(kObjects)) return api::FindMessage(kObjects[which]);
  return api::AllMessages()[which % api::AllMessages().size()];
}

const Json& LivePod() {
  static const Json* const live = new Json(Json::parse(R"({"apiVersion":"v1","kind":"Pod",
      "metadata":{"name":"a","labels":{"x":"1","y":"2"},"finalizers":["f1","f2"],
                  "ownerReferences":[{"apiVersion":"v1","kind":"K","name":"o","uid":"u"}]},
      "spec":{"containers":[{"name":"c1","image":"i1","resources":{},"args":["a","b"],
                             "env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},
                            {"name":"c2","image":"i2","resources":{}}],
              "tolerations":[{"key":"k"}],"nodeSelector":{"a":"b"},
              "volumes":[{"name":"v","emptyDir":{}}]},"status":{}})"));
  return *live;
}

void RunPatch(api::PatchType type, std::string_view bytes) {
  const absl::StatusOr<Json> object =
      api::ApplyPatch(type, LivePod(), bytes, Pod(), api::FieldValidation::kIgnore, nullptr);
  if (object.ok()) CheckKept(Pod(), *object);
}

// The quick parser and nlohmann's take the same texts for the same values.
void CheckQuickParser(std::string_view bytes) {
  const std::optional<Json> quick = api::ParseText(bytes);
  if (quick) {
    KV_CHECK(*quick == Json::parse(bytes)) << bytes;
    return;
  }
  // That one steps over a byte order mark, and takes a zero byte for the end.
  if (bytes.find('\0') != std::string_view::npos || bytes.starts_with("\xef\xbb\xbf")) return;
  if (!Json::accept(bytes)) return;
  KV_CHECK(api::JsonFault(bytes).find("exceeded max depth") != std::string::npos) << bytes;
}

}  // namespace

void RunApiJson(std::string_view bytes) {
  CheckQuickParser(bytes);
  const api::Message* message = TakeMessage(bytes);
  if (message == nullptr || message->list) return;
  const bool is_json = api::JsonFault(bytes).empty();
  // The other reader is stricter, with what is not UTF-8, but takes a zero byte for the end.
  if (!is_json && bytes.find('\0') == std::string_view::npos && Json::accept(bytes)) {
    KV_CHECK(api::JsonFault(bytes).find("exceeded max depth") != std::string::npos) << bytes;
  }
  if (!is_json) return;
  (void)api::JsonReader(bytes).ReadValue().dump();
  Json object;
  if (api::ReadTypedJson(bytes, *message, &object).fatal.empty()) CheckKept(*message, object);
}

void RunApiYaml(std::string_view bytes) {
  const absl::StatusOr<Json> value = api::ParseYaml(bytes);
  if (value.ok()) KV_CHECK(api::JsonFault(value->dump()).empty());
  const absl::StatusOr<Json> pod =
      api::DecodeBody("application/yaml", bytes, Pod(), api::FieldValidation::kIgnore, nullptr);
  if (pod.ok()) CheckKept(Pod(), *pod);
}

void RunApiProtobuf(std::string_view bytes) {
  (void)api::DecodeBody("application/vnd.kubernetes.protobuf",
                        std::string("k8s\0", 4).append(bytes), Pod(), api::FieldValidation::kIgnore,
                        nullptr);
  const api::Message* message = TakeMessage(bytes);
  if (message == nullptr || message->list) return;
  Json object;
  if (!api::ReadProtobuf(bytes, *message, &object).empty()) return;
  // JSON may say the same with less: it leaves out lists that are there and empty.
  Json by_json;
  const api::TypedJsonFaults faults = api::ReadTypedJson(object.dump(), *message, &by_json);
  KV_CHECK(faults.fatal.empty()) << faults.fatal << " in " << object.dump();
  KV_CHECK(faults.strict.empty()) << faults.strict[0] << " in " << object.dump();
  CheckKept(*message, by_json);
}

void RunApiJsonPatch(std::string_view bytes) { RunPatch(api::PatchType::kJson, bytes); }
void RunApiMergePatch(std::string_view bytes) { RunPatch(api::PatchType::kMerge, bytes); }
void RunApiStrategicMerge(std::string_view bytes) {
  RunPatch(api::PatchType::kStrategicMerge, bytes);
}

void RunApiFieldSet(std::string_view bytes) {
  if (api::JsonFault(bytes).empty()) {
    // What is believed is still read to its end and no further.
    api::JsonReader reader(bytes);
    (void)api::FieldSet::Read(reader);
    KV_CHECK(reader.AtEnd());
  }
  const std::optional<api::FieldSet> set = api::FieldSet::Parse(bytes);
  if (!set.has_value()) return;
  const std::string text = set->ToJson();
  KV_CHECK(api::JsonFault(text).empty()) << text;
  KV_CHECK(api::FieldSet::Parse(text) == set) << text;
  api::JsonReader reader(text);
  KV_CHECK(api::FieldSet::Read(reader) == *set) << text;
  KV_CHECK_EQ(set->Paths().size(), set->size());
  KV_CHECK(set->Intersection(*set) == *set) << text;
  api::FieldSet twice = *set;
  twice.Unite(*set);
  KV_CHECK(twice == *set) << text;
  twice.Subtract(*set);
  KV_CHECK(twice.empty()) << text;
  // Whatever it names, an object can be without it.
  Json object = LivePod();
  api::RemoveFields(Pod(), *set, &object);
  (void)api::WithMessages(Pod(), *set);
}

void RunApiApply(std::string_view bytes) {
  const absl::StatusOr<Json> config = api::ParseYaml(bytes);
  if (!config.ok() || !config->is_object()) return;
  // Nothing that a client says stands in the way of comparing it.
  KV_CHECK(api::Compare(Pod(), *config, *config).empty());
  (void)api::Compare(Pod(), LivePod(), *config);
  (void)api::Compare(Pod(), *config, LivePod());
  const api::FieldSet fields = api::FieldsOf(Pod(), *config);
  if (!api::ApplyFault(Pod(), *config).empty()) return;
  const Json merged = api::Merge(Pod(), LivePod(), *config);
  KV_CHECK(api::Merge(Pod(), merged, *config) == merged) << merged.dump();
  Json rest = merged;
  api::RemoveFields(Pod(), fields, &rest);
  const std::string text = merged.dump();
  Json object;
  if (api::ReadTypedJson(text, Pod(), &object).fatal.empty()) CheckKept(Pod(), object);
}

void RunApiSelectors(std::string_view bytes) {
  const absl::StatusOr<api::LabelSelector> labels = api::LabelSelector::Parse(bytes);
  if (labels.ok()) {
    const absl::StatusOr<api::LabelSelector> again = api::LabelSelector::Parse(labels->ToString());
    KV_CHECK(again.ok()) << again.status();
    KV_CHECK_EQ(again->ToString(), labels->ToString());
    (void)labels->Matches({{"a", "b"}, {"x", "7"}});
  }
  static const api::Kind& pods = *api::FindKind("v1", "Pod");
  const absl::StatusOr<api::FieldSelector> fields = api::FieldSelector::Parse(pods, bytes);
  if (fields.ok()) {
    const absl::StatusOr<api::FieldSelector> again =
        api::FieldSelector::Parse(pods, fields->ToString());
    KV_CHECK(again.ok()) << again.status();
    KV_CHECK_EQ(again->ToString(), fields->ToString());
    (void)fields->Matches({{"metadata", {{"name", "b"}}}});
  }
}

void RunApiQuantity(std::string_view bytes) {
  if (const auto quantity = api::Quantity::Parse(bytes); quantity.has_value()) {
    const auto again = api::Quantity::Parse(quantity->ToString());
    KV_CHECK(again.has_value() && *again == *quantity) << quantity->ToString();
    const std::string canonical = *api::Quantity::Canonical(bytes);
    KV_CHECK_EQ(*api::Quantity::Canonical(canonical), canonical);
    KV_CHECK((*quantity - *quantity).IsZero());
    KV_CHECK((*quantity + *quantity).Value() / 2 <= std::max<int64_t>(quantity->Value(), 0));
  }
  if (const auto time = api::ParseTime(bytes); time.has_value()) {
    // Years beyond 9999 and before 0 are reached by zones only.
    const auto again = api::ParseTime(api::FormatMicroTime(*time));
    KV_CHECK(!again.has_value() || *again <= *time);
  }
}

}  // namespace keelson::fuzz
