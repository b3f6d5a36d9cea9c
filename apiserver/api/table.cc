#include "apiserver/api/table.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

Json ColumnJson(const Column& column) {
  return {{"name", column.name},
          {"type", column.type},
          {"format", column.format},
          {"description", column.description},
          {"priority", column.priority}};
}

Json Columns(const Kind& kind) {
  Json columns = Json::array();
  if (kind.columns.empty()) {
    columns.push_back(ColumnJson({"Name", "string", "name"}));
    columns.push_back(ColumnJson({"Created At", "date"}));
  }
  for (const Column& column : kind.columns) columns.push_back(ColumnJson(column));
  return columns;
}

Json Row(const Kind& kind, const Json& object, const PrintContext& context,
         const TableOptions& options) {
  std::vector<Json> cells;
  if (NameOf(object).empty()) {
    // A bookmark says nothing but its version.
    cells.assign(std::max<size_t>(kind.columns.size(), 2), Json(""));
  } else if (kind.print == nullptr) {
    cells = {NameOf(object), TextAt(object, "metadata.creationTimestamp")};
  } else {
    kind.print(object, context, &cells);
  }
  Json row = {{"cells", std::move(cells)}};
  if (options.include_object == "Object") {
    row["object"] = object;
  } else if (options.include_object == "Metadata") {
    row["object"] = PartialMetadata(object, options.version);
  }
  return row;
}

Json EmptyTable(const Kind& kind, Json metadata, const TableOptions& options) {
  Json table = {{"kind", "Table"},
                {"apiVersion", Concat("meta.k8s.io/", options.version)},
                {"metadata", std::move(metadata)},
                {"columnDefinitions", options.with_columns ? Columns(kind) : Json(nullptr)},
                {"rows", Json::array()}};
  return table;
}

}  // namespace

Json PartialMetadata(const Json& object, std::string_view version) {
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", Concat("meta.k8s.io/", version)},
          {"metadata", MapAt(object, "metadata")}};
}

Json TableOf(const Kind& kind, const Json& object, const TableOptions& options) {
  Json table =
      EmptyTable(kind, {{"resourceVersion", TextAt(object, "metadata.resourceVersion")}}, options);
  table["rows"].push_back(Row(kind, object, {.now = absl::Now()}, options));
  return table;
}

Json TableOfList(const Kind& kind, const std::vector<Json>& objects, const Json& list_metadata,
                 const TableOptions& options) {
  Json table = EmptyTable(kind, list_metadata, options);
  Json& rows = table["rows"];
  const PrintContext context{.now = absl::Now()};
  for (const Json& object : objects) rows.push_back(Row(kind, object, context, options));
  return table;
}

}  // namespace keelson::api
