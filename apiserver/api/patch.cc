#include "apiserver/api/patch.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/json_patch.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/api/strategic_merge.h"
#include "apiserver/api/typed_json.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Names that come twice in an object of a text, wherever it stands: "duplicate field \"spec.a\"".
void FindDuplicates(JsonReader& reader, const std::string& path, std::vector<std::string>* faults) {
  if (reader.Peek() == '[') {
    reader.Enter();
    for (size_t i = 0; reader.NextElement(); ++i) FindDuplicates(reader, Index(path, i), faults);
  } else if (reader.Peek() == '{') {
    std::set<std::string> seen;
    std::string name;
    reader.Enter();
    while (reader.NextMember(&name)) {
      std::string at = Child(path, name);
      if (!seen.insert(name).second) faults->push_back(Concat("duplicate field ", Quoted(at)));
      FindDuplicates(reader, at, faults);
    }
  } else {
    reader.Skip();
  }
}

// What is strictly wrong with a patch itself.
std::vector<std::string> StrictFaults(PatchType type, std::string_view text, const Json& patch) {
  std::vector<std::string> faults;
  JsonReader reader(text);
  FindDuplicates(reader, "", &faults);
  if (type != PatchType::kJson || !patch.is_array()) return faults;
  constexpr std::string_view kKnown[] = {"op", "path", "from", "value"};
  for (size_t i = 0; i < patch.size(); ++i) {
    if (!patch[i].is_object()) continue;
    for (const auto& [name, value] : patch[i].items()) {
      if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
      faults.push_back(Concat("unknown field ", Quoted(Child(Index("", i), name))));
    }
  }
  for (std::string& fault : faults) fault.insert(0, "json patch ");
  return faults;
}

absl::StatusOr<Json> Parse(PatchType type, std::string_view text) {
  const std::string_view start = type == PatchType::kStrategicMerge ? "" : "error decoding patch: ";
  if (const std::string fault = JsonFault(text); !fault.empty()) {
    return BadRequest(Concat(start, fault));
  }
  JsonReader reader(text);
  const std::string_view word = reader.PeekWord();
  Json patch = reader.ReadValue();
  if (type == PatchType::kJson || patch.is_object()) return patch;
  return BadRequest(Concat(start, "json: cannot unmarshal ", word,
                           " into Go value of type map[string]interface {}"));
}

absl::Status InvalidPatch(std::string_view shown, std::string_view why) {
  FieldErrors errors;
  errors.Invalid("patch", shown, why);
  return Invalid("", "", "", errors);
}

std::string Joined(const std::vector<std::string>& faults) {
  std::string joined = "strict decoding error: ";
  for (size_t i = 0; i < faults.size(); ++i) Append(&joined, i == 0 ? "" : ", ", faults[i]);
  return joined;
}

// A patch may say of what kind an object is, but not make another one of it.
std::string TypeFault(const Json& object, const Json& live) {
  if (!object.is_object()) return "the object is no map";
  const std::string& api_version = TextAt(object, "apiVersion");
  const std::string& kind = TextAt(object, "kind");
  if (api_version == TextAt(live, "apiVersion") && kind == TextAt(live, "kind")) return "";
  return Concat("no kind ", Quoted(kind), " is registered for version ", Quoted(api_version),
                " in scheme \"pkg/api/legacyscheme/scheme.go:30\"");
}

// Whether a patch leaves members of the object that it does not name as they are.
bool ChangesOnlyNamed(PatchType type, const Json& patch) {
  if (type != PatchType::kStrategicMerge) return false;
  for (const auto& [name, value] : patch.items()) {
    if (name.starts_with('$')) return false;
  }
  return true;
}

// What such a patch may touch, and what says what the object is. The rest, most of a pod when its
// status is written, need not be printed and read again.
Json NamedPart(const Json& live, const Json& patch) {
  Json part = Json::object();
  for (const auto& [name, value] : live.items()) {
    const bool is_asked = name == "apiVersion" || name == "kind" || name == "metadata";
    if (is_asked || patch.contains(name)) part[name] = value;
  }
  return part;
}

absl::Status Apply(PatchType type, const Message& message, Json patch, Json* object) {
  switch (type) {
    case PatchType::kJson:
      return ApplyJsonPatch(patch, object);
    case PatchType::kMerge:
      object->merge_patch(patch);
      return absl::OkStatus();
    case PatchType::kStrategicMerge:
      break;
  }
  return ApplyStrategicMerge(message, std::move(patch), object);
}

}  // namespace

std::optional<PatchType> PatchTypeOf(std::string_view content_type) {
  const std::string_view type = MediaType(content_type);
  if (type == "application/json-patch+json") return PatchType::kJson;
  if (type == "application/merge-patch+json") return PatchType::kMerge;
  if (type == "application/strategic-merge-patch+json") return PatchType::kStrategicMerge;
  return std::nullopt;
}

absl::StatusOr<Json> ApplyPatch(PatchType type, const Json& live, std::string_view patch,
                                const Message& message, FieldValidation validation,
                                std::vector<std::string>* warnings) {
  if (patch.size() > kBodyBytesMax) return TooLarge(Concat("limit is ", kBodyBytesMax));
  absl::StatusOr<Json> parsed = Parse(type, patch);
  if (!parsed.ok()) return parsed.status();
  std::vector<std::string> strict;
  if (validation != FieldValidation::kIgnore) strict = StrictFaults(type, patch, *parsed);
  const bool by_name = live.is_object() && ChangesOnlyNamed(type, *parsed);
  Json object = by_name ? NamedPart(live, *parsed) : live;
  std::vector<std::string> untouched;
  if (by_name) {
    for (const auto& [name, value] : live.items()) {
      if (!object.contains(name)) untouched.push_back(name);
    }
  }
  // Only a patch that speaks of them sees who owns which fields; of another one they are no part.
  if (patch.find("managedFields") != std::string_view::npos) {
    UnpackManagedFields(object);
  } else {
    Erase(object, "metadata.managedFields");
  }
  absl::Status status = Apply(type, message, *std::move(parsed), &object);
  if (!status.ok()) return status;
  const std::string text = object.dump();
  // Refusals of a strategic merge show the patch, which that has used up.
  const auto shown = [&] {
    return type == PatchType::kStrategicMerge ? GoText(Parse(type, patch).value_or(Json())) : text;
  };
  if (const std::string fault = TypeFault(object, live); !fault.empty()) {
    return InvalidPatch(shown(), fault);
  }
  if (const std::string fault = JsonFault(text); !fault.empty())
    return InvalidPatch(shown(), fault);
  TypedJsonFaults faults = ReadTypedJson(text, message, &object);
  if (!faults.fatal.empty()) return InvalidPatch(shown(), faults.fatal);
  for (const std::string& name : untouched) object[name] = live[name];
  strict.insert(strict.end(), faults.strict.begin(), faults.strict.end());
  if (strict.empty() || validation == FieldValidation::kIgnore) return object;
  if (validation == FieldValidation::kStrict) return InvalidPatch(shown(), Joined(strict));
  if (warnings != nullptr) warnings->insert(warnings->end(), strict.begin(), strict.end());
  return object;
}

}  // namespace keelson::api
