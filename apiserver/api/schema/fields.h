// The text of fields.tsv.
#ifndef KEELSON_APISERVER_API_SCHEMA_FIELDS_H_
#define KEELSON_APISERVER_API_SCHEMA_FIELDS_H_

#include <string_view>

namespace keelson::api {

extern const std::string_view kSchemaFields;

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_SCHEMA_FIELDS_H_
