// ConfigMap.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr int64_t kDataBytesMax = 1 << 20;

void ValidateConfigMap(const Json& object, FieldErrors& errors) {
  int64_t bytes = 0;
  for (std::string_view field : {"data", "binaryData"}) {
    for (const auto& [key, value] : MapAt(object, field).items()) {
      if (field == "binaryData" && Member(MapAt(object, "data"), key) != nullptr) {
        errors.Invalid(Key(field, key), key, "duplicate of key present in data");
      }
      std::string why;
      if (!IsConfigKey(key, &why)) errors.Invalid(Key(field, key), key, why);
      bytes +=
          value.is_string() ? static_cast<int64_t>(value.get_ref<const std::string&>().size()) : 0;
    }
  }
  if (bytes > kDataBytesMax) errors.TooLong("", kDataBytesMax);
}

void ValidateConfigMapUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  if (!FlagAt(old, "immutable")) return;
  constexpr std::string_view kWhy = "field is immutable when `immutable` is set";
  if (!FlagAt(object, "immutable")) errors.Forbidden("immutable", kWhy);
  if (MapAt(object, "data") != MapAt(old, "data")) errors.Forbidden("data", kWhy);
  if (MapAt(object, "binaryData") != MapAt(old, "binaryData")) errors.Forbidden("binaryData", kWhy);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(MapAt(object, "data").size() + MapAt(object, "binaryData").size());
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& ConfigMapKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "ConfigMap",
      .plural = "configmaps",
      .singular = "configmap",
      .short_names = {"cm"},
      .message = "core.v1.ConfigMap",
      .storage_prefix = "configmaps",
      .validate = ValidateConfigMap,
      .validate_update = ValidateConfigMapUpdate,
      .columns = {NameColumn(), {"Data"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
