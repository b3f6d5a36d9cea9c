// ServiceAccount.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(ArrayAt(object, "secrets").size());
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& ServiceAccountKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "ServiceAccount",
      .plural = "serviceaccounts",
      .singular = "serviceaccount",
      .short_names = {"sa"},
      .message = "core.v1.ServiceAccount",
      .storage_prefix = "serviceaccounts",
      .subresources = {{"token", {"create"}, "authentication.k8s.io", "v1", "TokenRequest"}},
      .columns = {NameColumn(), {"Secrets"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
