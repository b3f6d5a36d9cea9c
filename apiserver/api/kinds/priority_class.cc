// PriorityClass.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kUserPriorityMax = 1000000000;
constexpr std::string_view kSystemPrefix = "system-";

struct SystemClass {
  std::string_view name;
  int64_t value;
};
constexpr SystemClass kSystemClasses[] = {{"system-node-critical", 2 * kUserPriorityMax + 1000},
                                          {"system-cluster-critical", 2 * kUserPriorityMax}};

void SetDefaults(Json& object) { SetDefault(object, "preemptionPolicy", "PreemptLowerPriority"); }

// Why the object is not one of the classes of the system; empty: it is.
std::string WhyNotSystemClass(const Json& object) {
  for (const SystemClass& known : kSystemClasses) {
    if (known.name != NameOf(object)) continue;
    if (known.value != NumberAt(object, "value")) {
      return Concat("value of ", known.name, " PriorityClass must be ", known.value);
    }
    return FlagAt(object, "globalDefault")
               ? Concat("globalDefault of ", known.name, " PriorityClass must be false")
               : "";
  }
  return Concat(NameOf(object), " is not a known system priority class");
}

void Validate(const Json& object, FieldErrors& errors) {
  if (NameOf(object).starts_with(kSystemPrefix)) {
    if (const std::string why = WhyNotSystemClass(object); !why.empty()) {
      errors.Forbidden("metadata.name",
                       Concat("priority class names with 'system-' prefix are reserved for system "
                              "use only. error: ",
                              why));
    }
  } else if (NumberAt(object, "value") > kUserPriorityMax) {
    errors.Forbidden(
        "value", Concat("maximum allowed value of a user defined priority is ", kUserPriorityMax));
  }
  CheckOneOf(TextAt(object, "preemptionPolicy"), {"PreemptLowerPriority", "Never"},
             "preemptionPolicy", errors);
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  if (NumberAt(object, "value") != NumberAt(old, "value")) {
    errors.Forbidden("value", "may not be changed in an update.");
  }
  CheckImmutable(object, old, "preemptionPolicy", errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(NumberAt(object, "value"));
  cells->push_back(FlagAt(object, "globalDefault"));
  cells->push_back(AgeCell(object, context));
  cells->push_back(TextAt(object, "preemptionPolicy"));
}

}  // namespace

const Kind& PriorityClassKind() {
  static const Kind kind = {
      .group = "scheduling.k8s.io",
      .version = "v1",
      .kind = "PriorityClass",
      .plural = "priorityclasses",
      .singular = "priorityclass",
      .short_names = {"pc"},
      .namespaced = false,
      .message = "scheduling.v1.PriorityClass",
      .storage_prefix = "priorityclasses",
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(),
                  {"Value", "integer"},
                  {"Global-Default", "boolean"},
                  {"Age"},
                  {"PreemptionPolicy"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
