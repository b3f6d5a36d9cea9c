// Lease.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

// Elections that the server coordinates are a feature that is off.
void EraseCoordination(Json& object) {
  Erase(object, "spec.strategy");
  Erase(object, "spec.preferredHolder");
}

void PrepareUpdate(Json& object, const Json& old) { EraseCoordination(object); }

void Validate(const Json& object, FieldErrors& errors) {
  constexpr std::string_view kDuration = "spec.leaseDurationSeconds";
  if (Find(object, kDuration) != nullptr && NumberAt(object, kDuration) <= 0) {
    errors.Invalid(kDuration, NumberAt(object, kDuration), "must be greater than 0");
  }
  CheckNotNegativeAt(MapAt(object, "spec"), "leaseTransitions", "spec", errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(object, "spec.holderIdentity"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& LeaseKind() {
  static const Kind kind = {
      .group = "coordination.k8s.io",
      .version = "v1",
      .kind = "Lease",
      .plural = "leases",
      .singular = "lease",
      .message = "coordination.v1.Lease",
      .storage_prefix = "leases",
      .unconditional_update = false,
      .create_on_update = true,
      .prepare_create = EraseCoordination,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .columns = {NameColumn(), {"Holder"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
