// RegistryObjects: the Objects of a registry. What it writes, the API server itself writes.
#ifndef KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_
#define KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_

#include "apiserver/auth/objects.h"
#include "apiserver/registry/registry.h"

namespace keelson::auth {

class RegistryObjects final : public Objects {
 public:
  // `registry` outlives it.
  explicit RegistryObjects(registry::Registry* registry) : registry_(registry) {}

  Object Find(const Resource& resource, std::string_view name_space,
              std::string_view name) override;
  std::vector<Object> List(const Resource& resource, std::string_view name_space) override;
  absl::StatusOr<api::Json> Get(const Resource& resource, std::string_view name_space,
                                std::string_view name) override;
  absl::StatusOr<api::Json> Create(const Resource& resource, std::string_view name_space,
                                   api::Json object) override;
  absl::StatusOr<api::Json> Update(const Resource& resource, std::string_view name_space,
                                   std::string_view name, const Change& change) override;

 private:
  registry::Registry* const registry_;
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_
