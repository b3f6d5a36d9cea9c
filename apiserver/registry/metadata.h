// The rules of metadata that hold for all kinds: what the server sets, what it keeps over an
// update, what is refused (kube-surface 2.1, 2.6).
#ifndef KEELSON_APISERVER_REGISTRY_METADATA_H_
#define KEELSON_APISERVER_REGISTRY_METADATA_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::registry {

// Puts the object into the namespace of the request. BadRequest: it names another one.
absl::Status SetNamespace(const api::Kind& kind, std::string_view name_space, api::Json& object);
// BadRequest: the object names another namespace than the request.
absl::Status CheckNamespace(const api::Kind& kind, std::string_view name_space,
                            const api::Json& object);
// uid, creationTimestamp, generation; takes away what only the server sets.
void BeginMetadata(const api::Kind& kind, api::Json& object);
// A name of generateName and five letters. REQUIRES: generateName is not empty.
std::string GenerateName(std::string_view base);
void ValidateMetadata(const api::Kind& kind, const api::Json& object, api::FieldErrors& errors);
// Keeps what an update cannot change, and refuses new finalizers of an object that is being
// deleted.
void CarryMetadata(const api::Json& old, api::Json& object);
void ValidateMetadataUpdate(const api::Json& object, const api::Json& old,
                            api::FieldErrors& errors);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_METADATA_H_
