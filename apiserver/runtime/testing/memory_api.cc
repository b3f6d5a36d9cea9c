#include "apiserver/runtime/testing/memory_api.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::runtime {

using api::Json;

MemoryApi::Key MemoryApi::KeyOf(const Resource& resource, std::string_view name_space,
                                std::string_view name) {
  return {Concat(resource.group, "/", resource.plural), std::string(name_space), std::string(name)};
}

absl::Status MemoryApi::Ask(std::string_view verb, const Resource& resource, const Json& object) {
  Intercept intercept;
  {
    absl::MutexLock lock(&mu_);
    intercept = intercept_;
  }
  return intercept ? intercept(verb, resource, object) : absl::OkStatus();
}

void MemoryApi::SetIntercept(Intercept intercept) {
  absl::MutexLock lock(&mu_);
  intercept_ = std::move(intercept);
}

void MemoryApi::Record(const Resource& resource, WatchEvent::Type type, const Json& object) {
  changes_.push_back({resource, {type, object}});
  changed_.SignalAll();
}

absl::StatusOr<Json> MemoryApi::Get(const Resource& resource, std::string_view name_space,
                                    std::string_view name, std::string_view subresource) {
  KV_RETURN_IF_ERROR(Ask("get", resource, {}));
  absl::MutexLock lock(&mu_);
  const auto found = objects_.find(KeyOf(resource, name_space, name));
  if (found == objects_.end()) return api::NotFound({resource.group, resource.plural}, name);
  return absl::StatusOr<Json>(found->second);
}

absl::StatusOr<Json> MemoryApi::List(const Resource& resource, std::string_view name_space,
                                     const ListOptions&) {
  KV_RETURN_IF_ERROR(Ask("list", resource, {}));
  Json items = Json::array();
  absl::MutexLock lock(&mu_);
  for (const auto& [key, object] : objects_) {
    const auto& [plural, space, name] = key;
    if (plural == std::get<0>(KeyOf(resource, "", "")) &&
        (name_space.empty() || space == name_space)) {
      items.push_back(object);
    }
  }
  return absl::StatusOr<Json>(
      Json{{"metadata", {{"resourceVersion", std::to_string(changes_.size())}}},
           {"items", std::move(items)}});
}

std::vector<Json> MemoryApi::All(const Resource& resource) {
  const absl::StatusOr<Json> list = List(resource, "", {});
  std::vector<Json> all;
  if (list.ok()) {
    for (const Json& item : list->at("items")) all.push_back(item);
  }
  return all;
}

absl::StatusOr<Json> MemoryApi::Create(const Resource& resource, std::string_view name_space,
                                       const Json& object, std::string_view name,
                                       std::string_view subresource) {
  KV_RETURN_IF_ERROR(Ask("create", resource, object));
  Json made = object;
  absl::MutexLock lock(&mu_);
  if (api::NameOf(made).empty()) {
    api::Make(made, "metadata.name") =
        Concat(api::TextAt(made, "metadata.generateName"), "g", changes_.size());
  }
  if (!name_space.empty()) api::Make(made, "metadata.namespace") = std::string(name_space);
  const Key key = KeyOf(resource, name_space, api::NameOf(made));
  if (objects_.contains(key)) {
    return api::AlreadyExists({resource.group, resource.plural}, api::NameOf(made));
  }
  api::Make(made, "metadata.uid") = api::MakeUid();
  api::Make(made, "metadata.generation") = 1;
  api::Make(made, "metadata.creationTimestamp") = api::FormatTime(absl::Now());
  api::Make(made, "metadata.resourceVersion") = std::to_string(changes_.size() + 1);
  objects_[key] = made;
  Record(resource, WatchEvent::Type::kAdded, made);
  return absl::StatusOr<Json>(std::move(made));
}

absl::StatusOr<Json> MemoryApi::Store(const Resource& resource, Json* stored, Json object) {
  for (const char* field : {"uid", "creationTimestamp", "deletionTimestamp", "resourceVersion"}) {
    const std::string path = Concat("metadata.", field);
    if (const Json* old = api::Find(*stored, path)) api::Make(object, path) = *old;
  }
  api::Make(object, "metadata.generation") =
      api::NumberAt(*stored, "metadata.generation") +
      (api::MapAt(object, "spec") == api::MapAt(*stored, "spec") ? 0 : 1);
  if (object == *stored) return absl::StatusOr<Json>(std::move(object));
  api::Make(object, "metadata.resourceVersion") = std::to_string(changes_.size() + 1);
  const bool gone =
      api::IsBeingDeleted(object) && api::ArrayAt(object, "metadata.finalizers").empty();
  Record(resource, gone ? WatchEvent::Type::kDeleted : WatchEvent::Type::kModified, object);
  if (gone) {
    objects_.erase(KeyOf(resource, api::NamespaceOf(object), api::NameOf(object)));
  } else {
    *stored = object;
  }
  return absl::StatusOr<Json>(std::move(object));
}

absl::StatusOr<Json> MemoryApi::Update(const Resource& resource, const Json& object,
                                       std::string_view subresource) {
  KV_RETURN_IF_ERROR(Ask("update", resource, object));
  absl::MutexLock lock(&mu_);
  const api::GroupResource named{resource.group, resource.plural};
  const auto found = objects_.find(KeyOf(resource, api::NamespaceOf(object), api::NameOf(object)));
  if (found == objects_.end()) return api::NotFound(named, api::NameOf(object));
  const uint64_t version = api::ResourceVersionOf(object);
  if (version != 0 && version != api::ResourceVersionOf(found->second)) {
    return api::ObjectModified(named, api::NameOf(object));
  }
  Json changed = object;
  if (subresource == "status") {
    changed = found->second;
    changed["status"] = api::MapAt(object, "status");
  } else if (subresource == "scale") {
    changed = found->second;
    api::Make(changed, "spec.replicas") = api::NumberAt(object, "spec.replicas");
  } else if (const Json* status = api::Find(found->second, "status")) {
    changed["status"] = *status;
  }
  return Store(resource, &found->second, std::move(changed));
}

absl::StatusOr<Json> MemoryApi::Patch(const Resource& resource, std::string_view name_space,
                                      std::string_view name, PatchType type, const Json& patch,
                                      std::string_view) {
  KV_RETURN_IF_ERROR(Ask("patch", resource, patch));
  absl::MutexLock lock(&mu_);
  const auto found = objects_.find(KeyOf(resource, name_space, name));
  const api::GroupResource named{resource.group, resource.plural};
  if (found == objects_.end()) return api::NotFound(named, name);
  if (const std::string& uid = api::UidOf(patch);
      !uid.empty() && uid != api::UidOf(found->second)) {
    return api::Conflict(named, name, "the UID is another one");
  }
  const uint64_t version = api::ResourceVersionOf(patch);
  if (version != 0 && version != api::ResourceVersionOf(found->second)) {
    return api::ObjectModified(named, name);
  }
  Json changed = found->second;
  if (type == PatchType::kJson) {
    changed = changed.patch(patch);
  } else {
    changed.merge_patch(patch);
  }
  return Store(resource, &found->second, std::move(changed));
}

absl::Status MemoryApi::Delete(const Resource& resource, std::string_view name_space,
                               std::string_view name, const Json& options) {
  KV_RETURN_IF_ERROR(Ask("delete", resource, {{"metadata", {{"name", std::string(name)}}}}));
  absl::MutexLock lock(&mu_);
  const auto found = objects_.find(KeyOf(resource, name_space, name));
  const api::GroupResource named{resource.group, resource.plural};
  if (found == objects_.end()) return api::NotFound(named, name);
  const std::string& uid = api::TextAt(options, "preconditions.uid");
  if (!uid.empty() && uid != api::UidOf(found->second)) {
    return api::Conflict(named, name, "the UID is another one");
  }
  const std::string& version = api::TextAt(options, "preconditions.resourceVersion");
  if (!version.empty() && version != api::TextAt(found->second, "metadata.resourceVersion")) {
    return api::Conflict(named, name, "the ResourceVersion is another one");
  }
  Json object = found->second;
  const std::string& propagation = api::TextAt(options, "propagationPolicy");
  const char* const finalizer = propagation == "Orphan"       ? "orphan"
                                : propagation == "Foreground" ? "foregroundDeletion"
                                                              : nullptr;
  if (finalizer != nullptr && !api::HasFinalizer(object, finalizer)) {
    api::Make(object, "metadata.finalizers").push_back(finalizer);
  }
  if (api::ArrayAt(object, "metadata.finalizers").empty()) {
    api::Make(object, "metadata.resourceVersion") = std::to_string(changes_.size() + 1);
    objects_.erase(found);
    Record(resource, WatchEvent::Type::kDeleted, object);
    return absl::OkStatus();
  }
  if (api::IsBeingDeleted(object)) return absl::OkStatus();
  api::Make(object, "metadata.deletionTimestamp") = api::FormatTime(absl::Now());
  api::Make(object, "metadata.resourceVersion") = std::to_string(changes_.size() + 1);
  found->second = object;
  Record(resource, WatchEvent::Type::kModified, object);
  return absl::OkStatus();
}

absl::Status MemoryApi::Watch(const Resource& resource, std::string_view name_space,
                              const ListOptions& options,
                              const std::function<bool(WatchEvent)>& on_event,
                              const std::function<bool()>& stop) {
  Json at;
  api::Make(at, "metadata.resourceVersion") = options.resource_version;
  size_t next = api::ResourceVersionOf(at);
  while (!stop()) {
    std::vector<WatchEvent> events;
    {
      absl::MutexLock lock(&mu_);
      if (next == changes_.size()) changed_.WaitWithTimeout(&mu_, absl::Milliseconds(20));
      for (; next < changes_.size(); ++next) {
        const Change& change = changes_[next];
        if (change.resource != resource) continue;
        if (!name_space.empty() && api::NamespaceOf(change.event.object) != name_space) continue;
        events.push_back(change.event);
      }
    }
    for (WatchEvent& event : events) {
      if (!on_event(std::move(event))) return absl::OkStatus();
    }
  }
  return absl::CancelledError("stopped");
}

void MemoryApi::WakeWatches() {
  absl::MutexLock lock(&mu_);
  changed_.SignalAll();
}

absl::StatusOr<Json> MemoryApi::GetPath(std::string_view path) {
  absl::MutexLock lock(&mu_);
  const auto found = paths_.find(path);
  if (found == paths_.end()) return api::NoSuchPath();
  return absl::StatusOr<Json>(found->second);
}

void MemoryApi::SetPath(const std::string& path, Json answer) {
  absl::MutexLock lock(&mu_);
  paths_[path] = std::move(answer);
}

bool MemoryApi::Await(const std::function<bool()>& holds) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (true) {
    size_t seen;
    {
      absl::MutexLock lock(&mu_);
      seen = changes_.size();
    }
    if (holds()) return true;
    if (absl::Now() > deadline) return false;
    absl::MutexLock lock(&mu_);
    if (changes_.size() == seen) changed_.WaitWithTimeout(&mu_, absl::Milliseconds(50));
  }
}

}  // namespace keelson::runtime
