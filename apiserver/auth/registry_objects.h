// RegistryObjects: the Objects of a registry. What it writes, the API server itself writes.
#ifndef KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_
#define KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
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
  struct Listed {
    uint64_t position;  // of the cache, as of which it is
    std::vector<Object> objects;
  };

  registry::Registry* const registry_;
  absl::Mutex mutex_;
  // Every request asks for the same few lists, which seldom change. By kind and namespace.
  std::map<const api::Kind*, std::map<std::string, Listed, std::less<>>> lists_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_REGISTRY_OBJECTS_H_
