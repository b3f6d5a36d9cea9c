// Namespace.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr std::string_view kFinalizer = "kubernetes";
constexpr std::string_view kNameLabel = "kubernetes.io/metadata.name";

void SetDefaults(Json& object) {
  const std::string name = NameOf(object);
  if (!name.empty()) Make(object, "metadata.labels")[std::string(kNameLabel)] = name;
}

void PrepareCreate(Json& object) {
  SetDefaults(object);  // the name may have been made since
  object["status"] = Json::object({{"phase", "Active"}});
  Json& finalizers = Make(object, "spec.finalizers");
  if (!finalizers.is_array()) finalizers = Json::array();
  if (std::find(finalizers.begin(), finalizers.end(), Json(kFinalizer)) == finalizers.end()) {
    finalizers.push_back(kFinalizer);
  }
}

// What keeps a namespace is taken away by /finalize alone.
void PrepareUpdate(Json& object, const Json& old) { Carry(old, object, "spec.finalizers"); }
void PrepareFinalize(Json& object, const Json& old) { Carry(old, object, "status"); }

void PrepareDelete(Json& object) { Make(object, "status.phase") = "Terminating"; }
bool MayVanish(const Json& object) { return ArrayAt(object, "spec.finalizers").empty(); }

void ValidateFinalizers(const Json& object, FieldErrors& errors) {
  for (const Json& finalizer : ArrayAt(object, "spec.finalizers")) {
    const std::string& name = TextAt(finalizer, "");
    CheckName(name, IsQualifiedName, "spec.finalizers", errors);
    const bool standard = name == kFinalizer || name == "orphan" || name == "foregroundDeletion";
    if (!standard && name.find('/') == std::string::npos) {
      errors.Invalid("spec.finalizers", name,
                     "name is neither a standard finalizer name nor is it fully qualified");
    }
  }
}

void ValidateStatusUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  const std::string& phase = TextAt(object, "status.phase");
  if (!IsBeingDeleted(object) && phase != "Active") {
    errors.Invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty");
  } else if (IsBeingDeleted(object) && phase != "Terminating") {
    errors.Invalid("status.Phase", phase,
                   "may only be 'Terminating' if `deletionTimestamp` is not empty");
  }
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(object, "status.phase"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& NamespaceKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Namespace",
      .plural = "namespaces",
      .singular = "namespace",
      .short_names = {"ns"},
      .namespaced = false,
      .message = "core.v1.Namespace",
      .storage_prefix = "namespaces",
      .verbs = {"create", "delete", "get", "list", "patch", "update", "watch"},
      .subresources = {{.name = "finalize", .verbs = {"update"}, .prepare_update = PrepareFinalize},
                       {"status", {"get", "patch", "update"}}},
      .name_rule = NameRule::kLabel,
      .has_status = true,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .prepare_update = PrepareUpdate,
      .validate = ValidateFinalizers,
      .validate_status_update = ValidateStatusUpdate,
      .prepare_delete = PrepareDelete,
      .may_vanish = MayVanish,
      .columns = {NameColumn(), {"Status"}, {"Age"}},
      .print = Print,
      .field_labels = {{"name", "metadata.name"}, {"status.phase", "status.phase"}},
  };
  return kind;
}

}  // namespace keelson::api
