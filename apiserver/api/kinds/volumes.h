// Volumes of pods, persistent volumes and claims: what they are filled up with and checked for.
#ifndef KEELSON_APISERVER_API_KINDS_VOLUMES_H_
#define KEELSON_APISERVER_API_KINDS_VOLUMES_H_

#include <string>
#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kinds/pod_spec.h"

namespace keelson::api {

// Always for the tag latest, written or not; IfNotPresent for other tags and for digests.
std::string_view DefaultPullPolicy(std::string_view image);

// {name, <source>}.
void SetVolumeDefaults(Json& volume);
// The list of a pod spec.
void ValidateVolumes(const Json& volumes, std::string_view path, FieldErrors& errors,
                     const PodSpecOwner& owner);
// In a persistent volume's spec.
void SetPersistentVolumeSourceDefaults(Json& spec);
void ValidatePersistentVolumeSource(const Json& spec, std::string_view name, std::string_view path,
                                    FieldErrors& errors);
// The fields of a persistent volume's spec that are its source, as an object of their own.
Json PersistentVolumeSourceOf(const Json& spec);
// {fieldRef} of environments and of files: what of its own a pod may read.
enum class DownwardUse { kEnvironment, kFile };
void ValidateFieldReference(const Json& reference, DownwardUse use, std::string_view path,
                            FieldErrors& errors);
void ValidateResourceFieldReference(const Json& reference, DownwardUse use, std::string_view path,
                                    FieldErrors& errors);

// The spec of a claim, in claims and in templates of claims.
void SetVolumeClaimSpecDefaults(Json& spec);
void ValidateVolumeClaimSpec(const Json& spec, std::string_view path, FieldErrors& errors);
void ValidateAccessModes(const Json& modes, std::string_view path, FieldErrors& errors);
void ValidateVolumeMode(const Json& spec, std::string_view path, FieldErrors& errors);
// {metadata, spec} of an ephemeral volume.
void ValidateVolumeClaimTemplate(const Json& claim_template, std::string_view path,
                                 FieldErrors& errors);
// "RWO,ROX,RWX,RWOP".
std::string AccessModesCell(const Json& modes);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_VOLUMES_H_
