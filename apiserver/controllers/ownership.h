// Ownership: which objects an owner with a selector controls. Takes objects that match and have no
// controller, and lets go of its own that no longer match.
#ifndef KEELSON_APISERVER_CONTROLLERS_OWNERSHIP_H_
#define KEELSON_APISERVER_CONTROLLERS_OWNERSHIP_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/api/labels.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

struct Claim {
  runtime::ApiClient* client;
  runtime::Resource owner_resource;
  const api::Json& owner;
  const api::LabelSelector& selector;
  runtime::Resource resource;       // of what is claimed
  const runtime::Informer& copies;  // found by owner (copies.h)
  // Whether an object may be adopted, besides matching. Null: any.
  std::function<bool(const api::Json& orphan)> may_adopt = {};
  // Finalizers that an object gets with its owner and loses with it. "": none.
  std::string finalizer = {};
};

// What `claim.owner` controls now. An error: some could not be taken or let go.
absl::StatusOr<std::vector<runtime::Object>> ClaimObjects(const Claim& claim);

// The owner of `object` among `owners` if its controller is of that kind and still the same
// object; nullptr: none.
runtime::Object OwnerAmong(const runtime::Informer& owners, std::string_view kind,
                           const api::Json& object);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_OWNERSHIP_H_
