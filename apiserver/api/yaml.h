// YAML texts as JSON values, with the types YAML 1.1 gives to plain scalars: yes is true, 0644 is
// 420.
#ifndef KEELSON_APISERVER_API_YAML_H_
#define KEELSON_APISERVER_API_YAML_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// The first document of a text; null if there is none. Later values of a key win, and each such key
// is added to `duplicates`, if given: "line 3: key \"a\" already set in map". What aliases make of
// a small text is bounded.
// BadRequest: "yaml: line 2: ...".
absl::StatusOr<Json> ParseYaml(std::string_view text,
                               std::vector<std::string>* duplicates = nullptr);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_YAML_H_
