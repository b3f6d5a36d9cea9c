// MemoryObjects: Objects in memory, for tests: they hold what the test put there, and are what
// Registry promises: an object that was handed out never changes.
#ifndef KEELSON_APISERVER_AUTH_TESTING_MEMORY_OBJECTS_H_
#define KEELSON_APISERVER_AUTH_TESTING_MEMORY_OBJECTS_H_

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/auth/objects.h"

namespace keelson::auth {

class MemoryObjects final : public Objects {
 public:
  Object Find(const Resource& resource, std::string_view name_space,
              std::string_view name) override {
    const auto found = objects_.find(Key(resource, name_space, name));
    return found == objects_.end() ? nullptr : found->second;
  }
  std::vector<Object> List(const Resource& resource, std::string_view name_space) override {
    std::vector<Object> list;
    for (const auto& [key, object] : objects_) {
      if (std::get<0>(key) == resource.plural &&
          (name_space.empty() || std::get<1>(key) == name_space)) {
        list.push_back(object);
      }
    }
    return list;
  }
  absl::StatusOr<api::Json> Get(const Resource& resource, std::string_view name_space,
                                std::string_view name) override {
    const Object found = Find(resource, name_space, name);
    if (found == nullptr) return api::NotFound(GroupResourceOf(resource), name);
    return *found;
  }
  absl::StatusOr<api::Json> Create(const Resource& resource, std::string_view name_space,
                                   api::Json object) override {
    const std::string name = api::NameOf(object);
    if (Find(resource, name_space, name)) {
      return api::AlreadyExists(GroupResourceOf(resource), name);
    }
    ++writes;
    Put(resource, object);
    return object;
  }
  absl::StatusOr<api::Json> Update(const Resource& resource, std::string_view name_space,
                                   std::string_view name, const Change& change) override {
    auto newest = Get(resource, name_space, name);
    if (!newest.ok()) return newest;
    auto changed = change(*newest);
    if (changed.ok() && *changed != *newest) {
      ++writes;
      Put(resource, *changed);
    }
    return changed;
  }

  void Put(const Resource& resource, api::Json object) {
    const auto key = Key(resource, api::NamespaceOf(object), api::NameOf(object));
    objects_[key] = std::make_shared<const api::Json>(std::move(object));
  }
  void Remove(const Resource& resource, std::string_view name_space, std::string_view name) {
    objects_.erase(Key(resource, name_space, name));
  }

  int writes = 0;

 private:
  using KeyType = std::tuple<std::string, std::string, std::string>;
  static KeyType Key(const Resource& resource, std::string_view name_space, std::string_view name) {
    return {std::string(resource.plural), std::string(name_space), std::string(name)};
  }
  static api::GroupResource GroupResourceOf(const Resource& resource) {
    return {std::string(resource.group), std::string(resource.plural)};
  }

  std::map<KeyType, Object> objects_;
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_TESTING_MEMORY_OBJECTS_H_
