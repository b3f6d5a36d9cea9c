#include "apiserver/api/json_patch.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/json_text.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

std::string_view TypeWord(const Json& value) {
  return value.is_boolean() ? "bool" : std::string_view(value.type_name());
}

// "a~1b" is the name "a/b".
std::string Decoded(std::string_view part) {
  std::string name;
  for (size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    if (escape && (part[i + 1] == '0' || part[i + 1] == '1')) {
      name.push_back(part[++i] == '0' ? '~' : '/');
    } else {
      name.push_back(part[i]);
    }
  }
  return name;
}

// Where an operation works: a member of a container that exists, whether or not it does itself.
struct Place {
  Json* container = nullptr;
  std::string key;
  size_t depth = 0;  // of the member

  // The index of an array's element; "-" is none. nullopt: there is no such element, and cannot be
  // with `size` of them.
  std::optional<size_t> Index(size_t size) const {
    std::string_view text = key;
    if (text.starts_with('+')) text.remove_prefix(1);
    int64_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (index < 0) index += static_cast<int64_t>(size);
    if (index < 0 || index >= static_cast<int64_t>(size)) return std::nullopt;
    return static_cast<size_t>(index);
  }

  Json* Find() const {
    if (container->is_object()) {
      const auto found = container->find(key);
      return found == container->end() ? nullptr : &*found;
    }
    const std::optional<size_t> index = Index(container->size());
    return index.has_value() ? &(*container)[*index] : nullptr;
  }

  bool Add(Json value) const {
    if (container->is_object()) {
      (*container)[key] = std::move(value);
      return true;
    }
    if (key == "-") {
      container->push_back(std::move(value));
      return true;
    }
    const std::optional<size_t> index = Index(container->size() + 1);
    if (!index.has_value()) return false;
    container->insert(container->begin() + static_cast<int64_t>(*index), std::move(value));
    return true;
  }

  bool Remove() const {
    if (container->is_object()) return container->erase(key) == 1;
    const std::optional<size_t> index = Index(container->size());
    if (!index.has_value()) return false;
    container->erase(*index);
    return true;
  }
};

// nullopt: what should hold it is not there, or the path is that of the whole object.
std::optional<Place> FindPlace(Json* object, std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  Place place{object, "", 0};
  for (;;) {
    path.remove_prefix(1);
    ++place.depth;
    const size_t end = path.find('/');
    place.key = Decoded(path.substr(0, end));
    if (!place.container->is_structured()) return std::nullopt;
    if (end == std::string_view::npos) return place;
    path.remove_prefix(end);
    place.container = place.Find();
    if (place.container == nullptr) return std::nullopt;
  }
}

// How deep a value is nested; counts what was looked at.
size_t DepthOf(const Json& value, size_t* looked_at) {
  ++*looked_at;
  size_t deepest = 0;
  if (value.is_structured()) {
    for (const Json& part : value) deepest = std::max(deepest, 1 + DepthOf(part, looked_at));
  }
  return deepest;
}

class Applier {
 public:
  explicit Applier(Json* object) : object_(object) {}

  // false: the operation fails. What it needs is there, and of the right type.
  bool Apply(const Json& operation) {
    const std::string& name = operation["op"].get_ref<const std::string&>();
    const std::string& path = operation["path"].get_ref<const std::string&>();
    const auto found = operation.find("value");
    const Json value = found == operation.end() ? Json() : *found;
    if (name == "test") return Test(path, value);
    if (name == "replace") return Replace(path, value);
    if (name == "move" || name == "copy") {
      const auto from = operation.find("from");
      if (from == operation.end() || !from->is_string()) return false;
      const std::string& source = from->get_ref<const std::string&>();
      return name == "move" ? Move(source, path) : Copy(source, path);
    }
    const std::optional<Place> place = FindPlace(object_, path);
    if (!place.has_value()) return false;
    if (name == "add") return Add(*place, value);
    return name == "remove" && place->Remove();
  }

 private:
  // Operations that build upon each other could nest values deeper than our stack can follow.
  bool Fits(const Place& place, const Json& value) {
    const size_t depth = place.depth + DepthOf(value, &looked_at_);
    return depth <= kJsonDepthMax && looked_at_ <= kPatchValuesMax;
  }

  bool Add(const Place& place, Json value) {
    return Fits(place, value) && place.Add(std::move(value));
  }

  bool Test(const std::string& path, const Json& value) const {
    if (path.empty()) return *object_ == value;
    const std::optional<Place> place = FindPlace(object_, path);
    if (!place.has_value()) return false;
    const Json* found = place->Find();
    if (found == nullptr) return place->container->is_object() && value.is_null();
    return *found == value;
  }

  bool Replace(const std::string& path, const Json& value) {
    if (path.empty()) {
      *object_ = value;
      return value.is_structured();
    }
    const std::optional<Place> place = FindPlace(object_, path);
    if (!place.has_value()) return false;
    if (place->container->is_object()) return Add(*place, value);
    Json* found = place->Find();
    if (found == nullptr || !Fits(*place, value)) return false;
    *found = value;
    return true;
  }

  bool Move(const std::string& source, const std::string& path) {
    const std::optional<Place> from = FindPlace(object_, source);
    if (!from.has_value()) return false;
    Json* found = from->Find();
    if (found == nullptr) return false;
    Json value = std::move(*found);
    from->Remove();
    const std::optional<Place> place = FindPlace(object_, path);
    return place.has_value() && Add(*place, std::move(value));
  }

  bool Copy(const std::string& source, const std::string& path) {
    const std::optional<Place> from = FindPlace(object_, source);
    if (!from.has_value()) return false;
    const Json* found = from->Find();
    if (found == nullptr && !from->container->is_object()) return false;
    Json value = found == nullptr ? Json() : *found;
    copied_bytes_ += value.dump().size();
    if (copied_bytes_ > kPatchCopyBytesMax) return false;
    const std::optional<Place> place = FindPlace(object_, path);
    return place.has_value() && Add(*place, std::move(value));
  }

  Json* const object_;
  size_t copied_bytes_ = 0;
  size_t looked_at_ = 0;
};

absl::Status Refused(std::string_view word, std::string_view where) {
  return BadRequest(
      Concat("error decoding patch: json: cannot unmarshal ", word, " into Go ", where));
}

absl::Status CheckOperations(const Json& patch) {
  if (!patch.is_array()) return Refused(TypeWord(patch), "value of type []handlers.jsonPatchOp");
  for (const Json& operation : patch) {
    if (!operation.is_object()) {
      return Refused(TypeWord(operation), "value of type handlers.jsonPatchOp");
    }
    for (const char* name : {"op", "path", "from"}) {
      const auto found = operation.find(name);
      if (found != operation.end() && !found->is_string() && !found->is_null()) {
        return Refused(TypeWord(*found),
                       Concat("struct field jsonPatchOp.", name, " of type string"));
      }
    }
  }
  if (patch.size() > kPatchOperationsMax) {
    return TooLarge(Concat("The allowed maximum operations in a JSON patch is ",
                           kPatchOperationsMax, ", got ", patch.size()));
  }
  return absl::OkStatus();
}

bool IsText(const Json& operation, const char* name) {
  const auto found = operation.find(name);
  return found != operation.end() && found->is_string();
}

}  // namespace

absl::Status ApplyJsonPatch(const Json& patch, Json* object) {
  if (absl::Status status = CheckOperations(patch); !status.ok()) return status;
  Applier applier(object);
  for (const Json& operation : patch) {
    const bool complete = IsText(operation, "op") && IsText(operation, "path");
    if (!complete || !applier.Apply(operation)) return Unprocessable();
  }
  return absl::OkStatus();
}

}  // namespace keelson::api
