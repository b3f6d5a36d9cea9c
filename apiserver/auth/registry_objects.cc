#include "apiserver/auth/registry_objects.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/auth/users.h"
#include "apiserver/registry/watch_cache.h"
#include "base/check.h"

namespace keelson::auth {
namespace {

using api::Json;

// Whose lists are kept; beyond that all are made anew.
constexpr size_t kNamespacesMax = 4096;

const api::Kind& KindOf(const Resource& resource) {
  const api::Kind* const kind =
      api::FindKindByResource(resource.group, resource.version, resource.plural);
  KV_CHECK(kind != nullptr) << "there is no kind of " << resource.plural;
  return *kind;
}

registry::WriteOptions AsServer() {
  return {.user = {.name = "system:apiserver",
                   .uid = "",
                   .groups = {std::string(kMastersGroup)},
                   .extra = {}},
          .field_manager = "keelson-apiserver"};
}

}  // namespace

Object RegistryObjects::Find(const Resource& resource, std::string_view name_space,
                             std::string_view name) {
  return registry_->Cached(KindOf(resource), name_space, name);
}

std::vector<Object> RegistryObjects::List(const Resource& resource, std::string_view name_space) {
  const api::Kind& kind = KindOf(resource);
  const uint64_t position = registry_->Cache(kind).position();
  {
    absl::MutexLock lock(&mutex_);
    const auto& known = lists_[&kind];
    const auto found = known.find(name_space);
    if (found != known.end() && found->second.position == position) return found->second.objects;
  }
  std::vector<Object> objects = registry_->CachedList(kind, name_space);
  absl::MutexLock lock(&mutex_);
  auto& known = lists_[&kind];
  if (known.size() >= kNamespacesMax) known.clear();
  known.insert_or_assign(std::string(name_space), Listed{position, objects});
  return objects;
}

absl::StatusOr<Json> RegistryObjects::Get(const Resource& resource, std::string_view name_space,
                                          std::string_view name) {
  return registry_->Get(KindOf(resource), name_space, name);
}

absl::StatusOr<Json> RegistryObjects::Create(const Resource& resource, std::string_view name_space,
                                             Json object) {
  return registry_->Create(KindOf(resource), name_space, std::move(object), AsServer());
}

absl::StatusOr<Json> RegistryObjects::Update(const Resource& resource, std::string_view name_space,
                                             std::string_view name, const Change& change) {
  return registry_->Update(KindOf(resource), name_space, name, change, AsServer());
}

}  // namespace keelson::auth
