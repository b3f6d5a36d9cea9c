// Tables: objects as columns and rows, for clients that print (kube-surface 1.7), and as metadata
// alone. The columns are the kind's; the client chooses what of the object stands beside the cells.
#ifndef KEELSON_APISERVER_API_TABLE_H_
#define KEELSON_APISERVER_API_TABLE_H_

#include <string>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::api {

struct TableOptions {
  std::string version = "v1";               // of meta.k8s.io
  std::string include_object = "Metadata";  // None, Metadata, Object
  bool with_columns = true;                 // later tables of a watch leave them out
};

// A table of one row, or of none for an object without a name (a bookmark, which keeps its metadata
// in the row's object).
Json TableOf(const Kind& kind, const Json& object, const TableOptions& options);
Json TableOfList(const Kind& kind, const std::vector<Json>& objects, const Json& list_metadata,
                 const TableOptions& options);
// {kind: PartialObjectMetadata, apiVersion, metadata}.
Json PartialMetadata(const Json& object, std::string_view version);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_TABLE_H_
