// What tests say about kinds with manifests written as text.
#ifndef KEELSON_APISERVER_API_KINDS_MANIFEST_TESTING_H_
#define KEELSON_APISERVER_API_KINDS_MANIFEST_TESTING_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/kinds/kind_testing.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "gtest/gtest.h"

namespace keelson::api {

inline Json Parse(std::string_view text) {
  Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  EXPECT_FALSE(object.is_discarded()) << text;
  return object;
}

// As it is stored when it was created from this manifest.
inline Json Made(const Kind& kind, std::string_view manifest) {
  Json object = Parse(manifest);
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  if (NameOf(object).empty()) Make(object, "metadata.name") = "x";
  if (UidOf(object).empty()) Make(object, "metadata.uid") = "u-1";
  if (kind.has_status) object.erase("status");
  return Created(kind, std::move(object));
}

inline std::vector<std::string> Refusals(const Kind& kind, std::string_view manifest) {
  FieldErrors errors;
  if (kind.validate != nullptr) kind.validate(Made(kind, manifest), errors);
  return TextsOf(errors);
}

// What stands against changing `object` by the merge patch.
inline std::vector<std::string> ChangeRefusals(const Kind& kind, const Json& old,
                                               std::string_view patch) {
  Json object = old;
  object.merge_patch(Parse(patch));
  object = Defaulted(kind, std::move(object));
  if (kind.prepare_update != nullptr) kind.prepare_update(object, old);
  FieldErrors errors;
  if (kind.validate != nullptr) kind.validate(object, errors);
  if (kind.validate_update != nullptr) kind.validate_update(object, old, errors);
  return TextsOf(errors);
}

// What stands against changing the status from one to the other.
inline std::vector<std::string> StatusRefusals(const Kind& kind, const Json& object,
                                               std::string_view before, std::string_view after) {
  Json old = object;
  old["status"] = Parse(before);
  Json now = object;
  now["status"] = Parse(after);
  FieldErrors errors;
  if (kind.validate_status_update != nullptr) kind.validate_status_update(now, old, errors);
  return TextsOf(errors);
}

// The table of one object at 12:00, a row of "HEADER=cell"; columns of the wide form in brackets.
inline std::string RowOf(const Kind& kind, const Json& object) {
  const PrintContext context{.now = *ParseTime("2026-01-02T12:00:00Z")};
  std::vector<Json> cells;
  kind.print(object, context, &cells);
  EXPECT_EQ(cells.size(), kind.columns.size()) << kind.kind;
  std::string row;
  for (size_t i = 0; i < cells.size() && i < kind.columns.size(); ++i) {
    const Json& cell = cells[i];
    const std::string text = cell.is_string() ? cell.get<std::string>() : cell.dump();
    const std::string part = Concat(kind.columns[i].name, "=", text);
    Append(&row, row.empty() ? "" : " ",
           kind.columns[i].priority > 0 ? Concat("[", part, "]") : part);
  }
  return row;
}

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_MANIFEST_TESTING_H_
