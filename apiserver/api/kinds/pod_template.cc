// PodTemplate.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void SetDefaults(Json& object) { SetPodTemplateDefaults(Make(object, "template")); }

void Validate(const Json& object, FieldErrors& errors) {
  ValidatePodTemplate(MapAt(object, "template"), "template", errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& containers = ArrayAt(object, "template.spec.containers");
  cells->push_back(NameOf(object));
  cells->push_back(FieldCell(containers, "name"));
  cells->push_back(FieldCell(containers, "image"));
  cells->push_back(LabelsCell(LabelsOf(MapAt(object, "template"))));
}

}  // namespace

const Kind& PodTemplateKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "PodTemplate",
      .plural = "podtemplates",
      .singular = "podtemplate",
      .message = "core.v1.PodTemplate",
      .storage_prefix = "podtemplates",
      .set_defaults = SetDefaults,
      .validate = Validate,
      .columns = {NameColumn(), {"Containers"}, {"Images"}, {"Pod Labels"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
