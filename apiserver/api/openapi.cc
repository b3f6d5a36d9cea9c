#include "apiserver/api/openapi.h"

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/schema.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kTitle = "Kubernetes";
constexpr std::string_view kVersion = "v1.33.1";
constexpr std::string_view kGvk = "x-kubernetes-group-version-kind";
constexpr std::string_view kRoot = "/openapi/v3/";

// ---- Components ----

std::string SchemaName(std::string_view message) {
  constexpr std::string_view kMeta = "meta.";
  return message.starts_with(kMeta) ? Concat("io.k8s.apimachinery.pkg.apis.", message)
                                    : Concat("io.k8s.api.", message);
}

Json Reference(std::string_view name) {
  return {{"allOf", {{{"$ref", Concat("#/components/schemas/", name)}}}}};
}

// The component of a type that is a message in protobuf and a scalar in JSON. Empty: the type is
// said in place.
struct ScalarComponent {
  std::string_view name;
  Json schema;
};

const std::map<FieldType, ScalarComponent>& ScalarComponents() {
  static const std::map<FieldType, ScalarComponent> components = {
      {FieldType::kTime,
       {"io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        {{"type", "string"}, {"format", "date-time"}}}},
      {FieldType::kMicroTime,
       {"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        {{"type", "string"}, {"format", "date-time"}}}},
      {FieldType::kQuantity,
       {"io.k8s.apimachinery.pkg.api.resource.Quantity",
        {{"oneOf", {{{"type", "string"}}, {{"type", "number"}}}}}}},
      {FieldType::kIntOrString,
       {"io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {{"oneOf", {{{"type", "integer"}}, {{"type", "string"}}}}, {"format", "int-or-string"}}}},
      {FieldType::kRaw, {"io.k8s.apimachinery.pkg.runtime.RawExtension", {{"type", "object"}}}},
  };
  return components;
}

Json ElementSchema(const Field& field) {
  switch (field.type) {
    case FieldType::kString:
      return {{"type", "string"}};
    case FieldType::kBool:
      return {{"type", "boolean"}};
    case FieldType::kInt32:
      return {{"type", "integer"}, {"format", "int32"}};
    case FieldType::kInt64:
      return {{"type", "integer"}, {"format", "int64"}};
    case FieldType::kBytes:
      return {{"type", "string"}, {"format", "byte"}};
    case FieldType::kMessage:
      if (!field.message->list) return Reference(SchemaName(field.message->name));
      return {{"type", "array"}, {"items", {{"type", "string"}}}};
    default:
      return Reference(ScalarComponents().at(field.type).name);
  }
}

Json PropertySchema(const Field& field) {
  switch (field.cardinality) {
    case Cardinality::kOne:
      return ElementSchema(field);
    case Cardinality::kList:
      return {{"type", "array"}, {"items", ElementSchema(field)}};
    case Cardinality::kMap:
      break;
  }
  return {{"type", "object"}, {"additionalProperties", ElementSchema(field)}};
}

std::string_view Description(const Message& message, std::string_view name) {
  if (!message.typed) return {};
  if (name == "apiVersion") return "The group and version of the object's form.";
  if (name == "kind") return "What kind of object it is.";
  if (name == "metadata") return "What all objects have: name, labels, owners.";
  if (name == "spec") return "What is wanted of the object.";
  if (name == "status") return "What was last seen of it; not written by users.";
  return {};
}

Json MessageSchema(const Message& message) {
  Json properties = Json::object(), required = Json::array();
  for (const auto& [name, field] : message.by_name) {
    Json property = PropertySchema(*field);
    const std::string_view description = Description(message, name);
    if (!description.empty()) property["description"] = description;
    properties[std::string(name)] = std::move(property);
    if (field->required) required.push_back(name);
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

// Adds the message and all it is made of.
void AddComponent(const Message& message, Json* schemas) {
  const std::string name = SchemaName(message.name);
  if (schemas->contains(name)) return;
  (*schemas)[name] = MessageSchema(message);
  for (const auto& [field_name, field] : message.by_name) {
    if (field->message != nullptr && !field->message->list) AddComponent(*field->message, schemas);
    const auto scalar = ScalarComponents().find(field->type);
    if (scalar == ScalarComponents().end()) continue;
    (*schemas)[std::string(scalar->second.name)] = scalar->second.schema;
  }
}

// ---- Paths ----

Json GroupVersionKind(const Kind& kind) {
  return {{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}};
}

Json Parameter(std::string_view name, std::string_view in) {
  Json parameter = {{"name", name}, {"in", in}, {"schema", {{"type", "string"}}}};
  if (in == "path") parameter["required"] = true;
  return parameter;
}

Json Operation(const Kind& kind, std::string_view action) {
  Json operation = {{"x-kubernetes-action", action},
                    {std::string(kGvk), GroupVersionKind(kind)},
                    {"responses", {{"200", {{"description", "OK"}}}}}};
  if (action == "post" || action == "put" || action == "patch") {
    for (std::string_view name : {"dryRun", "fieldManager", "fieldValidation"}) {
      operation["parameters"].push_back(Parameter(name, "query"));
    }
  }
  return operation;
}

struct VerbOperation {
  std::string_view verb;
  std::string_view method;
  std::string_view action;
  bool of_one;  // of an object, not of all of them
};
constexpr VerbOperation kOperations[] = {
    {"list", "get", "list", false},    {"create", "post", "post", false},
    {"get", "get", "get", true},       {"update", "put", "put", true},
    {"patch", "patch", "patch", true}, {"delete", "delete", "delete", true},
};

void AddPaths(const Kind& kind, const std::string& root, Json* paths) {
  const std::string space = kind.namespaced ? "namespaces/{namespace}/" : "";
  const std::string all = Concat("/", root, "/", space, kind.plural);
  for (const VerbOperation& operation : kOperations) {
    if (!kind.HasVerb(operation.verb)) continue;
    Json& item = (*paths)[operation.of_one ? all + "/{name}" : all];
    if (item.is_null()) {
      if (operation.of_one) item["parameters"].push_back(Parameter("name", "path"));
      if (kind.namespaced) item["parameters"].push_back(Parameter("namespace", "path"));
    }
    item[std::string(operation.method)] = Operation(kind, operation.action);
  }
}

// ---- Documents ----

struct Served {
  std::string text;
  std::string hash;
};

// FNV-1a; it only has to change when the document does.
std::string HashOf(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return absl::StrFormat("%016X", hash);
}

// "api/v1", "apis/apps/v1".
std::string RootOf(const Kind& kind) {
  return Concat(kind.group.empty() ? "api/" : "apis/", kind.api_version());
}

std::map<std::string, Json> MakeDocuments() {
  std::map<std::string, Json> documents;
  for (const Kind* kind : AllKinds()) {
    const std::string root = RootOf(*kind);
    Json& document = documents[root];
    if (document.is_null()) {
      document = {{"openapi", "3.0.0"},
                  {"info", {{"title", kTitle}, {"version", kVersion}}},
                  {"paths", Json::object()},
                  {"components", {{"schemas", Json::object()}}}};
    }
    AddPaths(*kind, root, &document["paths"]);
    const Message* message = FindMessage(kind->message);
    KV_CHECK(message != nullptr) << kind->message;
    Json& schemas = document["components"]["schemas"];
    AddComponent(*message, &schemas);
    schemas[SchemaName(message->name)][std::string(kGvk)].push_back(GroupVersionKind(*kind));
  }
  return documents;
}

const std::map<std::string, Served, std::less<>>& Documents() {
  static const auto documents = [] {
    std::map<std::string, Served, std::less<>> served;
    for (const auto& [root, document] : MakeDocuments()) {
      std::string text = document.dump();
      std::string hash = HashOf(text);
      served[root] = {std::move(text), std::move(hash)};
    }
    return served;
  }();
  return documents;
}

std::string AddressOf(std::string_view root, const Served& served) {
  return Concat(kRoot, root, "?hash=", served.hash);
}

Document Index() {
  Json paths = Json::object();
  for (const auto& [root, served] : Documents()) {
    paths[root] = {{"serverRelativeURL", AddressOf(root, served)}};
  }
  return {.body = Json{{"paths", std::move(paths)}}.dump()};
}

Document GroupVersionDocument(std::string_view root, const Served& served,
                              const OpenApiRequest& request) {
  if (!request.hash.empty() && request.hash != served.hash) {
    return {.code = 301, .body = "", .headers = {{"location", AddressOf(root, served)}}};
  }
  const std::string etag = Concat("\"", served.hash, "\"");
  Document document;
  document.headers = {{"etag", etag}, {"vary", "Accept"}};
  if (request.hash.empty()) {
    document.headers.emplace_back("cache-control", "no-cache, private");
  } else {
    document.headers.emplace_back("cache-control", "public, immutable");
    document.headers.emplace_back("expires", "Fri, 31 Dec 2099 23:59:59 GMT");
  }
  if (request.if_none_match == etag) {
    document.code = 304;
  } else {
    document.body = served.text;
  }
  return document;
}

// One field of protobuf that holds a short text.
std::string Field(int number, std::string_view bytes) {
  return Concat(static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size()), bytes);
}

Document VersionTwo(std::string_view accept) {
  if (accept.find("com.github.proto-openapi.spec.v2") == std::string_view::npos) {
    return {.body = Json{{"swagger", "2.0"},
                         {"info", {{"title", kTitle}, {"version", kVersion}}},
                         {"paths", Json::object()}}
                        .dump()};
  }
  return {.content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
          .body = Field(1, "2.0") + Field(2, Field(1, kTitle) + Field(2, kVersion))};
}

}  // namespace

std::optional<Document> OpenApiDocument(const OpenApiRequest& request) {
  if (request.path == "/openapi/v2") return VersionTwo(request.accept);
  if (request.path == "/openapi/v3") return Index();
  if (!request.path.starts_with(kRoot)) return std::nullopt;
  const std::string_view root = request.path.substr(kRoot.size());
  const auto found = Documents().find(root);
  if (found == Documents().end()) return std::nullopt;
  return GroupVersionDocument(root, found->second, request);
}

}  // namespace keelson::api
