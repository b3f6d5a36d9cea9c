#include "apiserver/api/object.h"

#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Takes the first name off the path.
std::string_view TakeName(std::string_view* path) {
  const size_t dot = path->find('.');
  const std::string_view name = path->substr(0, dot);
  *path = dot == std::string_view::npos ? std::string_view() : path->substr(dot + 1);
  return name;
}

const std::string& EmptyText() {
  static const std::string empty;
  return empty;
}
const Json& EmptyArray() {
  static const Json empty = Json::array();
  return empty;
}
const Json& EmptyMap() {
  static const Json empty = Json::object();
  return empty;
}

}  // namespace

const Json* Member(const Json& map, std::string_view name) {
  if (!map.is_object()) return nullptr;
  const auto found = map.find(name);
  return found == map.end() || found->is_null() ? nullptr : &*found;
}

const Json* Find(const Json& object, std::string_view path) {
  const Json* at = &object;
  while (at != nullptr && !path.empty()) at = Member(*at, TakeName(&path));
  return at;
}

Json* Find(Json& object, std::string_view path) {
  return const_cast<Json*>(Find(std::as_const(object), path));
}

const std::string& TextAt(const Json& object, std::string_view path) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_string() ? found->get_ref<const std::string&>()
                                                : EmptyText();
}

int64_t NumberAt(const Json& object, std::string_view path, int64_t otherwise) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_number() ? found->get<int64_t>() : otherwise;
}

bool FlagAt(const Json& object, std::string_view path, bool otherwise) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_boolean() ? found->get<bool>() : otherwise;
}

const Json& ArrayAt(const Json& object, std::string_view path) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_array() ? *found : EmptyArray();
}

const Json& MapAt(const Json& object, std::string_view path) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_object() ? *found : EmptyMap();
}

Json& Make(Json& object, std::string_view path) {
  Json* at = &object;
  while (!path.empty()) {
    if (!at->is_object()) *at = Json::object();
    at = &(*at)[std::string(TakeName(&path))];
  }
  return *at;
}

void SetDefault(Json& object, std::string_view path, Json value) {
  if (Find(object, path) == nullptr) Make(object, path) = std::move(value);
}

void Erase(Json& object, std::string_view path) {
  const size_t dot = path.rfind('.');
  Json* parent = dot == std::string_view::npos ? &object : Find(object, path.substr(0, dot));
  if (parent == nullptr || !parent->is_object()) return;
  parent->erase(std::string(dot == std::string_view::npos ? path : path.substr(dot + 1)));
}

void Carry(const Json& from, Json& to, std::string_view path) {
  if (const Json* value = Find(from, path)) {
    Make(to, path) = *value;
  } else {
    Erase(to, path);
  }
}

const std::string& NameOf(const Json& object) { return TextAt(object, "metadata.name"); }
const std::string& NamespaceOf(const Json& object) { return TextAt(object, "metadata.namespace"); }
const std::string& UidOf(const Json& object) { return TextAt(object, "metadata.uid"); }
const Json& LabelsOf(const Json& object) { return MapAt(object, "metadata.labels"); }
const Json& AnnotationsOf(const Json& object) { return MapAt(object, "metadata.annotations"); }

uint64_t ResourceVersionOf(const Json& object) {
  uint64_t version = 0;
  return absl::SimpleAtoi(TextAt(object, "metadata.resourceVersion"), &version) ? version : 0;
}

bool IsBeingDeleted(const Json& object) {
  return Find(object, "metadata.deletionTimestamp") != nullptr;
}

bool HasFinalizer(const Json& object, std::string_view name) {
  for (const Json& finalizer : ArrayAt(object, "metadata.finalizers")) {
    if (finalizer.is_string() && finalizer.get_ref<const std::string&>() == name) return true;
  }
  return false;
}

const Json* ControllerOf(const Json& object) {
  for (const Json& owner : ArrayAt(object, "metadata.ownerReferences")) {
    if (FlagAt(owner, "controller")) return &owner;
  }
  return nullptr;
}

std::string KeyOf(const Json& object) {
  const std::string& space = NamespaceOf(object);
  return space.empty() ? NameOf(object) : Concat(space, "/", NameOf(object));
}

const Json* FindCondition(const Json& object, std::string_view type) {
  for (const Json& condition : ArrayAt(object, "status.conditions")) {
    if (TextAt(condition, "type") == type) return &condition;
  }
  return nullptr;
}

bool ConditionIsTrue(const Json& object, std::string_view type) {
  const Json* condition = FindCondition(object, type);
  return condition != nullptr && TextAt(*condition, "status") == "True";
}

std::string MakeUid() {
  static thread_local std::mt19937_64 chance{(uint64_t{std::random_device{}()} << 32) |
                                             std::random_device{}()};
  const uint64_t high = (chance() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (chance() & ~(uint64_t{3} << 62)) | (uint64_t{1} << 63);
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, (high >> 16) & 0xffff,
                         high & 0xffff, low >> 48, low & 0xffffffffffff);
}

}  // namespace keelson::api
