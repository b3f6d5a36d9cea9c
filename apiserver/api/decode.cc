#include "apiserver/api/decode.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/protobuf.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/typed_json.h"
#include "apiserver/api/yaml.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kYamlType = "application/yaml";
constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";

// What a body says it is, and what it is taken for.
struct TypeMeta {
  std::string group;
  std::string version;
  std::string kind;

  std::string api_version() const { return group.empty() ? version : Concat(group, "/", version); }
  bool operator==(const TypeMeta&) const = default;
};

// What is asked for.
struct Wanted {
  TypeMeta type;
  const Message* message;
  bool any_version = false;
};

std::string_view GroupOfMessage(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  constexpr std::pair<std::string_view, std::string_view> kGroups[] = {
      {"core", ""},
      {"meta", ""},
      {"authentication", "authentication.k8s.io"},
      {"authorization", "authorization.k8s.io"},
  };
  for (const auto& [prefix, group] : kGroups) {
    if (prefix == first) return group;
  }
  return first;  // policy, autoscaling
}

Wanted Want(const Message& message) {
  const std::string_view name = message.name;
  const size_t version = name.find('.') + 1, kind = name.rfind('.') + 1;
  return {{std::string(GroupOfMessage(name)), std::string(name.substr(version, kind - version - 1)),
           std::string(name.substr(kind))},
          &message,
          name == "meta.v1.DeleteOptions" || name == "policy.v1.Eviction"};
}

// The beginning of a body, for a message about it.
std::string Summary(std::string_view body) {
  constexpr size_t kBytesMax = 30;
  if (body.empty()) return "<empty>";
  const std::string_view end = body.size() > kBytesMax ? " ..." : "";
  const std::string_view begin = body.substr(0, kBytesMax);
  if (body[0] == '{') return Concat(begin, end);
  return Concat(absl::BytesToHexString(absl::string_view(begin.data(), begin.size())), end);
}

absl::Status Unrecognized(const Wanted& wanted, std::string_view body, std::string_view fault) {
  return BadRequest(Concat("the object provided is unrecognized (must be of type ",
                           wanted.type.kind, "): ", fault, " (", Summary(body), ")"));
}

absl::Status CannotHandle(const TypeMeta& actual, const Wanted& wanted, std::string_view fault) {
  return BadRequest(Concat(actual.kind, " in version ", Quoted(actual.version),
                           " cannot be handled as a ", wanted.type.kind, ": ", fault));
}

// "": apiVersion is "version" or "group/version".
std::string ReadApiVersion(std::string_view text, TypeMeta* type) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    type->version = text;
    return "";
  }
  if (text.find('/', slash + 1) != std::string_view::npos) {
    return Concat("unexpected GroupVersion string: ", text);
  }
  type->group = text.substr(0, slash);
  type->version = text.substr(slash + 1);
  return "";
}

// What is not said is as wanted.
void SetMissing(const TypeMeta& wanted, TypeMeta* type) {
  if (type->kind.empty()) type->kind = wanted.kind;
  if (type->version.empty() && type->group.empty()) type->group = wanted.group;
  if (type->version.empty() && type->group == wanted.group) type->version = wanted.version;
}

// apiVersion and kind of a JSON object, in a pass of its own: they may stand at its end.
std::string PeekType(std::string_view text, TypeMeta* type) {
  constexpr std::string_view kStart =
      "couldn't get version/kind; json parse error: json: cannot unmarshal ";
  JsonReader reader(text);
  if (reader.Peek() == 'n') return "";
  if (reader.Peek() != '{') {
    return Concat(kStart, reader.PeekWord(),
                  " into Go value of type struct { APIVersion string "
                  "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                  "\"json:\\\"kind,omitempty\\\"\" }");
  }
  std::string name, api_version;
  reader.Enter();
  while (reader.NextMember(&name)) {
    if ((name != "kind" && name != "apiVersion") || reader.Peek() == 'n') {
      reader.Skip();
    } else if (reader.Peek() != '"') {
      return Concat(kStart, reader.PeekWord(), " into Go struct field .", name, " of type string");
    } else {
      (name == "kind" ? type->kind : api_version) = reader.ReadString();
    }
  }
  return ReadApiVersion(api_version, type);
}

// The internal type that upstream would have to convert to: "core.Pod".
std::string InternalName(const TypeMeta& type) {
  const std::string_view group = type.group;
  return Concat(group.empty() ? "core" : group.substr(0, group.find('.')), ".", type.kind);
}

// Whether an object of this type may stand for what is wanted.
absl::Status CheckType(const TypeMeta& actual, const Wanted& wanted) {
  if (actual == wanted.type) return absl::OkStatus();
  if (actual.kind == wanted.type.kind && wanted.any_version) return absl::OkStatus();
  if (actual.version.empty()) {
    return CannotHandle(actual, wanted,
                        Concat("no version ", Quoted(Concat(actual.group, "/")),
                               " has been registered in scheme "
                               "\"pkg/api/legacyscheme/scheme.go:30\""));
  }
  if (FindKind(actual.api_version(), actual.kind) == nullptr) {
    return CannotHandle(
        actual, wanted,
        Concat("no kind ", Quoted(actual.kind), " is registered for version ",
               Quoted(actual.api_version()), " in scheme \"pkg/api/legacyscheme/scheme.go:30\""));
  }
  if (actual.kind != wanted.type.kind) {
    return CannotHandle(actual, wanted,
                        Concat("converting (", actual.version, ".", actual.kind, ") to (",
                               InternalName(wanted.type), "): unknown conversion"));
  }
  return BadRequest(Concat("the API version in the data (", actual.api_version(),
                           ") does not match the expected API version (", wanted.type.api_version(),
                           ")"));
}

std::string Joined(const std::vector<std::string>& faults) {
  std::string joined;
  for (const std::string& fault : faults) Append(&joined, joined.empty() ? "" : ", ", fault);
  return joined;
}

// `body` is what the client sent, `text` the JSON of it.
absl::StatusOr<Json> DecodeJson(std::string_view body, std::string_view text, const Wanted& wanted,
                                FieldValidation validation, std::vector<std::string>* warnings) {
  if (const std::string fault = JsonFault(text); !fault.empty()) {
    return Unrecognized(wanted, body,
                        Concat("couldn't get version/kind; json parse error: ", fault));
  }
  TypeMeta type;
  if (const std::string fault = PeekType(text, &type); !fault.empty()) {
    return Unrecognized(wanted, body, fault);
  }
  SetMissing(wanted.type, &type);
  if (absl::Status status = CheckType(type, wanted); !status.ok()) return status;
  Json object;
  TypedJsonFaults faults = ReadTypedJson(text, *wanted.message, &object);
  if (!faults.fatal.empty()) return CannotHandle(type, wanted, faults.fatal);
  if (!faults.strict.empty() && validation == FieldValidation::kStrict) {
    return CannotHandle(type, wanted, Concat("strict decoding error: ", Joined(faults.strict)));
  }
  if (validation == FieldValidation::kWarn && warnings != nullptr) {
    for (std::string& fault : faults.strict) warnings->push_back(std::move(fault));
  }
  object["apiVersion"] = type.api_version();
  object["kind"] = type.kind;
  return object;
}

absl::StatusOr<Json> DecodeYaml(std::string_view body, const Wanted& wanted,
                                FieldValidation validation, std::vector<std::string>* warnings) {
  std::vector<std::string> duplicates;
  absl::StatusOr<Json> value = ParseYaml(body, &duplicates);
  if (!value.ok()) {
    const absl::string_view message = value.status().message();
    return Unrecognized(wanted, body, {message.data(), message.size()});
  }
  const std::string text = value->dump();
  if (!duplicates.empty() && validation == FieldValidation::kWarn && warnings != nullptr) {
    for (const std::string& one : duplicates) warnings->push_back(one);
  }
  absl::StatusOr<Json> object = DecodeJson(body, text, wanted, validation, warnings);
  if (!object.ok() || duplicates.empty() || validation != FieldValidation::kStrict) return object;
  std::string fault = "strict decoding error: yaml: unmarshal errors:";
  for (const std::string& one : duplicates) Append(&fault, "\n  ", one);
  return CannotHandle(wanted.type, wanted, fault);
}

absl::StatusOr<Json> DecodeProtobuf(std::string_view body, const Wanted& wanted) {
  ProtobufEnvelope envelope;
  TypeMeta type;
  std::string fault = ReadProtobufEnvelope(body, &envelope);
  if (fault.empty()) fault = ReadApiVersion(envelope.api_version, &type);
  if (!fault.empty()) return Unrecognized(wanted, body, fault);
  type.kind = envelope.kind;
  SetMissing(wanted.type, &type);
  if (absl::Status status = CheckType(type, wanted); !status.ok()) return status;
  Json object;
  fault = ReadProtobuf(envelope.raw, *wanted.message, &object);
  if (!fault.empty()) return CannotHandle(type, wanted, fault);
  object["apiVersion"] = type.api_version();
  object["kind"] = type.kind;
  return object;
}

absl::StatusOr<Json> Decode(std::string_view content_type, std::string_view body,
                            const Wanted& wanted, FieldValidation validation,
                            std::vector<std::string>* warnings) {
  if (body.size() > kBodyBytesMax) return TooLarge(Concat("limit is ", kBodyBytesMax));
  const std::string_view type = MediaType(content_type);
  if (type.empty() || type == kJsonType) {
    return DecodeJson(body, body, wanted, validation, warnings);
  }
  if (type == kYamlType) return DecodeYaml(body, wanted, validation, warnings);
  if (type == kProtobufType) return DecodeProtobuf(body, wanted);
  return UnsupportedMediaType(
      Concat("the body of the request was in an unknown format - accepted media types include: ",
             kJsonType, ", ", kYamlType, ", ", kProtobufType));
}

}  // namespace

std::string_view MediaType(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  while (type.starts_with(' ')) type.remove_prefix(1);
  return type;
}

absl::StatusOr<Json> DecodeBody(std::string_view content_type, std::string_view body,
                                const Kind& kind, FieldValidation validation,
                                std::vector<std::string>* warnings) {
  const Message* message = FindMessage(kind.message);
  KV_CHECK(message != nullptr) << kind.message;
  const Wanted wanted{{std::string(kind.group), std::string(kind.version), std::string(kind.kind)},
                      message};
  return Decode(content_type, body, wanted, validation, warnings);
}

absl::StatusOr<Json> DecodeBody(std::string_view content_type, std::string_view body,
                                const Message& message, FieldValidation validation,
                                std::vector<std::string>* warnings) {
  return Decode(content_type, body, Want(message), validation, warnings);
}

}  // namespace keelson::api
