// ControllerRevision.
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

void Validate(const Json& object, FieldErrors& errors) {
  CheckNoneNegative(object, {"revision"}, "", errors);
  const Json* data = Find(object, "data");
  if (data == nullptr) {
    errors.Required("data", "data is mandatory");
  } else if (!data->is_object()) {
    errors.Required("data", "data must be a valid JSON object");
  }
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "data", errors);
}

// "statefulset.apps/web"
std::string ControllerCell(const Json& object) {
  const Json* owner = ControllerOf(object);
  if (owner == nullptr) return "<none>";
  const std::string& version = TextAt(*owner, "apiVersion");
  std::string cell = absl::AsciiStrToLower(TextAt(*owner, "kind"));
  if (const size_t slash = version.find('/'); slash != std::string::npos) {
    Append(&cell, ".", version.substr(0, slash));
  }
  return Concat(cell, "/", TextAt(*owner, "name"));
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(ControllerCell(object));
  cells->push_back(NumberAt(object, "revision"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& ControllerRevisionKind() {
  static const Kind kind = {
      .group = "apps",
      .version = "v1",
      .kind = "ControllerRevision",
      .plural = "controllerrevisions",
      .singular = "controllerrevision",
      .message = "apps.v1.ControllerRevision",
      .storage_prefix = "controllerrevisions",
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(), {"Controller"}, {"Revision"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
