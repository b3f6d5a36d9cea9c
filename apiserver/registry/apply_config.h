// Server-side apply: what an object becomes when somebody applies a configuration, all that he
// wants of it, and who owns its fields then.
//
//  1. What the configuration names is as it is there, and his. What is so already has one owner
//  more.
//  2. What he applied before and names no more, and nobody else owns, goes.
//  3. If that changes what somebody else owns it is a conflict, unless it is forced: then it is
//  his.
//
// Thread: any.
#ifndef KEELSON_APISERVER_REGISTRY_APPLY_CONFIG_H_
#define KEELSON_APISERVER_REGISTRY_APPLY_CONFIG_H_

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/registry/registry.h"

namespace keelson::registry {

enum class OnConflict { kRefuse, kForce };

// The object to be written, with options.applied, by Registry::Update, or by Registry::Create if
// `live` is {}. `live` and `config` are in the version of `kind`, `config` as the client wrote it.
// Conflict; BadRequest: it is a configuration of something else; 500 without a reason, as
// kube-apiserver has it: it does not fit the schema.
// REQUIRES: options.field_manager is not empty.
absl::StatusOr<api::Json> ApplyConfig(const api::Kind& kind, const api::Json& live,
                                      const api::Json& config, const WriteOptions& options,
                                      OnConflict on_conflict);
// The same for the scale of an object: `config` is a Scale.
absl::StatusOr<api::Json> ApplyScale(const api::Kind& kind, const api::Json& live,
                                     const api::Json& config, const WriteOptions& options,
                                     OnConflict on_conflict);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_APPLY_CONFIG_H_
