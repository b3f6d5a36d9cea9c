// Binding: what a scheduler posts to give a pod its node. It is not stored.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void Validate(const Json& binding, FieldErrors& errors) {
  const std::string& kind = TextAt(binding, "target.kind");
  if (!kind.empty() && kind != "Node") {
    errors.NotSupported("target.kind", kind, {"Node", "<empty>"});
  }
  CheckRequired(TextAt(binding, "target.name"), "target.name", errors);
}

}  // namespace

const Kind& BindingKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Binding",
      .plural = "bindings",
      .singular = "binding",
      .message = "core.v1.Binding",
      .storage_prefix = "",
      .verbs = {"create"},
      .validate = Validate,
  };
  return kind;
}

}  // namespace keelson::api
