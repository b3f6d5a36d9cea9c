// Questions about pods that several controllers ask. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_PODS_H_
#define KEELSON_APISERVER_CONTROLLERS_PODS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

bool IsTerminal(const api::Json& pod);  // Succeeded or Failed
bool IsActive(const api::Json& pod);    // not terminal, not being deleted
bool IsReady(const api::Json& pod);
// Since when; nullopt: it is not ready.
std::optional<absl::Time> ReadySince(const api::Json& pod);
// Ready for so long. 0: ready.
bool IsAvailable(const api::Json& pod, int64_t min_ready_seconds, absl::Time now);
int64_t Restarts(const api::Json& pod);

// The `count` pods to delete first, when there are too many. `siblings`: the pods of the same
// family, for those that share a node go first.
std::vector<runtime::Object> PickForDeletion(std::vector<runtime::Object> pods, size_t count,
                                             const std::vector<runtime::Object>& siblings,
                                             absl::Time now);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_PODS_H_
