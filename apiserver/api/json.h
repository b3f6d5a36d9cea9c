// Json: the form objects have in memory. Members are kept in the order of their names.
//
// This header only declares it; what looks into an object includes nlohmann/json.hpp.
#ifndef KEELSON_APISERVER_API_JSON_H_
#define KEELSON_APISERVER_API_JSON_H_

#include <nlohmann/json_fwd.hpp>

namespace keelson::api {

using Json = nlohmann::json;

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_JSON_H_
