// What `kubectl get pods` prints.
#ifndef KEELSON_APISERVER_API_KINDS_POD_CELLS_H_
#define KEELSON_APISERVER_API_KINDS_POD_CELLS_H_

#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::api {

void PrintPod(const Json& pod, const PrintContext& context, std::vector<Json>* cells);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_POD_CELLS_H_
